"""A whole canary: every metric cleaned, classified and scored."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypercare.judge.kayenta.classifier import Classification, NanStrategy, mann_whitney
from hypercare.judge.kayenta.detectors import iqr
from hypercare.judge.kayenta.scorer import Score, Scored, score
from hypercare.judge.kayenta.statistics import Summary, summary
from hypercare.judge.kayenta.transforms import remove_nans, remove_outliers, replace_nans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hypercare.judge.kayenta.config import CanaryConfig, CanaryMetric

    Floats = NDArray[np.float64]


class Outcome(enum.StrEnum):
    """What a canary comes to."""

    PASS = "Pass"  # noqa: S105 - the outcome of a judgement
    MARGINAL = "Marginal"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric's outcome; `control` and `experiment` are what was compared, after cleaning."""

    metric: CanaryMetric
    classification: Classification
    control: Summary
    experiment: Summary


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """A canary's outcome; `reason` says why in a sentence."""

    outcome: Outcome
    score: Score
    reason: str
    metrics: tuple[MetricResult, ...]

    def as_json(self) -> dict[str, Any]:
        """The result with Kayenta's names for its parts."""
        return {
            "score": {
                "score": self.score.summary,
                "classification": self.outcome.value,
                "classificationReason": self.reason,
            },
            "groupScores": [
                {"name": group.name, "score": group.score, "weight": group.weight, "noData": group.no_data}
                for group in self.score.groups
            ],
            "results": [_metric_json(result) for result in self.metrics],
        }


def judge_canary(config: CanaryConfig, control: Mapping[str, Floats], experiment: Mapping[str, Floats]) -> CanaryResult:
    """The outcome of a canary.

    Args:
        config: what to judge, and how.
        control: values by the metric's name, shape [n], NaN where one is missing; no entry means no data.
        experiment: the same of the new version, shape [m].

    """
    none = np.zeros(0, dtype=np.float64)
    results = tuple(
        _judge(metric, control.get(metric.name, none), experiment.get(metric.name, none)) for metric in config.metrics
    )
    scored = score([_scored(result) for result in results if not result.metric.muted], config.weights)
    if scored.summary >= config.pass_score and not scored.reason:
        outcome = Outcome.PASS
    elif scored.summary >= config.marginal_score and not scored.reason:
        outcome = Outcome.MARGINAL
    else:
        outcome = Outcome.FAIL
    bounds = f"pass from {config.pass_score:g}, marginal from {config.marginal_score:g}"
    return CanaryResult(outcome, scored, scored.reason or f"score {scored.summary:g}; {bounds}", results)


def _judge(metric: CanaryMetric, control: Floats, experiment: Floats) -> MetricResult:
    before, after = _clean(metric, control), _clean(metric, experiment)
    found = mann_whitney(metric.name, before, after, metric.rule)
    return MetricResult(metric, found, summary(before), summary(after))


def _clean(metric: CanaryMetric, values: Floats) -> Floats:
    values = np.where(np.isfinite(values), values, np.nan)
    kept = replace_nans(values) if metric.rule.nan_strategy is NanStrategy.REPLACE else remove_nans(values)
    if not metric.drop_outliers:
        return kept
    return remove_outliers(kept, iqr(kept, metric.outlier_factor, reduce_sensitivity=True))


def _scored(result: MetricResult) -> Scored:
    found = result.classification
    return Scored(result.metric.name, found.label, result.metric.groups, found.critical)


def _metric_json(result: MetricResult) -> dict[str, Any]:
    found = result.classification
    interval = found.interval
    deviation = None if np.isnan(found.deviation) else found.deviation
    return {
        "name": result.metric.name,
        "groups": list(result.metric.groups),
        "classification": found.label.value,
        "classificationReason": found.reason,
        "critical": found.critical,
        "muted": result.metric.muted,
        "controlMetadata": {"stats": _stats(result.control)},
        "experimentMetadata": {"stats": _stats(result.experiment)},
        "resultMetadata": {
            "deviation": deviation,
            "shift": None if interval is None else [interval.lower, interval.estimate, interval.upper],
        },
    }


def _stats(found: Summary) -> dict[str, float]:
    return {name: getattr(found, name) for name in found.__slots__}
