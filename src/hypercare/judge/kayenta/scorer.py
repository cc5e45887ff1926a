"""The score of a canary: weighted groups of metrics."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from hypercare.judge.kayenta.classifier import Label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TOO_MUCH: Final = 50.0
_COUNTED: Final = (Label.PASS, Label.HIGH, Label.LOW, Label.NODATA_FAIL)


@dataclass(frozen=True, slots=True)
class Scored:
    """One metric's outcome.

    Attributes:
        name: of the metric.
        label: its class.
        groups: that it counts in.
        critical: whether it fails the whole canary unless it passes.

    """

    name: str
    label: Label
    groups: tuple[str, ...]
    critical: bool = False


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One group's score, 0 to 100; `no_data` where none of its metrics could be judged."""

    name: str
    score: float
    weight: float
    no_data: bool
    metrics: int


@dataclass(frozen=True, slots=True)
class Score:
    """The canary's score, 0 to 100 with two decimals; `reason` where a rule set it to zero."""

    summary: float
    groups: tuple[GroupScore, ...]
    reason: str = ""


def score(metrics: Sequence[Scored], weights: Mapping[str, float]) -> Score:
    """The score that metrics give.

    A group's score is the share of its metrics that pass, of those that could be judged. Groups without a weight share
    what the others leave of 100. A group without data counts as passed, unless half of all metrics have none: then,
    and where a critical metric does not pass, the score is 0. No metrics at all give 0.
    """
    groups = tuple(_groups(metrics, weights))
    failed = next((metric for metric in metrics if metric.critical and metric.label is not Label.PASS), None)
    if failed is not None:
        return Score(0.0, groups, f"the critical metric {failed.name} is {failed.label.value}")
    without = sum(metric.label is Label.NODATA for metric in metrics)
    if not metrics or without / len(metrics) * 100 >= _TOO_MUCH:
        return Score(0.0, groups, f"{without} of {len(metrics)} metrics have no data: half or more")
    total = sum((100.0 if group.no_data else group.score) * (group.weight / 100) for group in groups)
    return Score(_rounded(total), groups)


def _groups(metrics: Sequence[Scored], weights: Mapping[str, float]) -> Iterator[GroupScore]:
    labels: dict[str, list[Label]] = {}
    for metric in metrics:
        for name in metric.groups:
            labels.setdefault(name, []).append(metric.label)
    unweighted = sum(name not in weights for name in labels)
    share = (100 - sum(weights.values())) / unweighted if unweighted else 0.0
    for name, found in labels.items():
        judged = sum(label in _COUNTED for label in found)
        passed = sum(label is Label.PASS for label in found)
        value = passed / judged * 100 if judged else 0.0
        yield GroupScore(name, value, weights.get(name, share), judged == 0, len(found))


def _rounded(value: float) -> float:
    return float(Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
