"""Kayenta's canary configuration, read from its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypercare.judge.fields import Fields
from hypercare.judge.kayenta.classifier import Direction, EffectMeasure, NanStrategy, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    Path = tuple[str | int, ...]

JUDGE: Final = "NetflixACAJudge-v1.0"
TOLERANCE: Final = 0.25
CONF_LEVEL: Final = 0.98
PASS_SCORE: Final = 95.0
MARGINAL_SCORE: Final = 75.0
_NAN_WORDS: Final = ("remove", "replace", "none", "default")
_MEASURES: Final = {measure.value.lower(): measure for measure in EffectMeasure}


@dataclass(frozen=True, slots=True)
class Query:
    """Where a metric comes from.

    Attributes:
        kind: of the metrics source, such as prometheus; empty where the configuration names none.
        metric: name of a metric, where the query is built of one.
        labels: matchers in PromQL, such as `code="500"`.
        group_by: labels by which it is averaged.
        template: a query with ${…} places, where one is written out.

    """

    kind: str = ""
    metric: str = ""
    labels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    template: str = ""


@dataclass(frozen=True, slots=True)
class CanaryMetric:
    """One metric of a canary.

    Attributes:
        name: as in the configuration.
        groups: whose score it counts in.
        rule: how it is judged.
        drop_outliers: whether values beyond the fences are left out.
        outlier_factor: how many inter-quartile distances the fences lie out.
        muted: it is judged and shown, and counts nowhere.
        query: where it comes from.

    """

    name: str
    groups: tuple[str, ...]
    rule: Rule
    drop_outliers: bool = False
    outlier_factor: float = 3.0
    muted: bool = False
    query: Query = Query()


@dataclass(frozen=True, slots=True)
class CanaryConfig:
    """A canary configuration.

    Attributes:
        name: of the configuration.
        metrics: in order.
        weights: of groups, in percent.
        pass_score: from this score on the canary passes.
        marginal_score: from this score on it is marginal, below it fails.

    """

    name: str
    metrics: tuple[CanaryMetric, ...]
    weights: Mapping[str, float]
    pass_score: float = PASS_SCORE
    marginal_score: float = MARGINAL_SCORE


def read_config(data: Any, file: str = "") -> CanaryConfig:
    """The configuration in a parsed JSON document.

    Taken are a canary configuration, and the body of an ad-hoc request that has one as `canaryConfig` and thresholds
    in `executionRequest`.

    Raises:
        InputError: all problems, each with its path in the document.

    """
    fields = Fields(data, file)
    if not isinstance(data, dict):
        fields.note((), "expected a canary configuration {…}", 'it has "metrics" and "classifier"')
        fields.finish()
    base: Path = ("canaryConfig",) if isinstance(fields.get(("canaryConfig",)), dict) else ()
    _check_judge(fields, base)
    weights = _weights(fields, (*base, "classifier", "groupWeights"))
    passing, marginal = _thresholds(fields, base)
    metrics = _metrics(fields, base, weights)
    config = CanaryConfig(fields.text((*base, "name")), metrics, weights, passing, marginal)
    fields.finish()
    return config


def _check_judge(fields: Fields, base: Path) -> None:
    path = (*base, "judge", "name")
    name = fields.text(path, JUDGE)
    if name != JUDGE:
        fields.note(path, f"the judge {name!r} is not known", f"only {JUDGE} is")


def _weights(fields: Fields, path: Path) -> dict[str, float]:
    weights = {name: fields.number((*path, name), 0.0, 0.0, 100.0) for name in fields.mapping(path)}
    if sum(weights.values()) > 100 + 1e-9:
        fields.note(path, f"the weights add up to {sum(weights.values()):g}", "they are percent: at most 100 together")
    return weights


def _thresholds(fields: Fields, base: Path) -> tuple[float, float]:
    path: Path = (*base, "classifier", "scoreThresholds")
    if fields.get(path) is None and base:
        path = ("executionRequest", "thresholds")
    passing = fields.number((*path, "pass"), PASS_SCORE, 0.0, 100.0)
    marginal = fields.number((*path, "marginal"), min(MARGINAL_SCORE, passing), 0.0, 100.0)
    if marginal > passing:
        fields.note((*path, "marginal"), f"{marginal:g} is above pass ({passing:g})", "marginal is the lower of both")
    return passing, marginal


def _metrics(fields: Fields, base: Path, weights: Mapping[str, float]) -> tuple[CanaryMetric, ...]:
    path: Path = (*base, "metrics")
    found = [_metric(fields, base, (*path, at)) for at in range(len(fields.items(path)))]
    if not found:
        fields.note(path, "expected at least one metric", "a canary without metrics cannot be judged")
    first: dict[str, int] = {}
    for at, metric in enumerate(found):
        if metric.name in first:
            fields.note((*path, at, "name"), f"{metric.name!r} is the name of metrics[{first[metric.name]}], too")
        first.setdefault(metric.name, at)
    used = {group for metric in found for group in metric.groups}
    for name in weights:
        if name not in used:
            hint = f"groups here: {', '.join(sorted(used))}" if used else "give a metric this group"
            fields.note((*base, "classifier", "groupWeights", name), "no metric is in this group", hint)
    return tuple(found)


def _metric(fields: Fields, base: Path, path: Path) -> CanaryMetric:
    if not isinstance(fields.get(path), dict):
        fields.mapping(path)
        return CanaryMetric("", (), Rule())
    canary: Path = (*path, "analysisConfigurations", "canary")
    outliers: Path = (*canary, "outliers")
    return CanaryMetric(
        name=fields.required((*path, "name"), "the metric's name"),
        groups=_texts(fields, (*path, "groups")),
        rule=_rule(fields, canary),
        drop_outliers=fields.choice((*outliers, "strategy"), ("keep", "remove"), "keep") == "remove",
        outlier_factor=fields.number((*outliers, "outlierFactor"), 3.0, 0.001, 1000.0),
        muted=fields.flag((*canary, "muted")),
        query=_query(fields, base, (*path, "query")),
    )


def _rule(fields: Fields, canary: Path) -> Rule:
    size: Path = (*canary, "effectSize")
    word = fields.choice((*size, "measure"), tuple(_MEASURES), EffectMeasure.MEAN_RATIO.value.lower())
    measure = _MEASURES[word]

    def pair(low: str, high: str) -> tuple[float, float]:
        return fields.number((*size, low), measure.neutral, 0.0), fields.number((*size, high), measure.neutral, 0.0)

    nan = fields.choice((*canary, "nanStrategy"), _NAN_WORDS, "remove")
    return Rule(
        direction=Direction(fields.choice((*canary, "direction"), tuple(Direction), "either")),
        nan_strategy=NanStrategy.REPLACE if nan == "replace" else NanStrategy.REMOVE,
        critical=fields.flag((*canary, "critical")),
        data_required=fields.flag((*canary, "mustHaveData")),
        measure=measure,
        effect=pair("allowedDecrease", "allowedIncrease"),
        critical_effect=pair("criticalDecrease", "criticalIncrease"),
        tolerance=TOLERANCE,
        conf_level=CONF_LEVEL,
    )


def _query(fields: Fields, base: Path, path: Path) -> Query:
    if fields.get(path) is None:
        return Query()
    template = fields.text((*path, "customInlineTemplate")) or fields.text((*path, "customFilter"))
    named = fields.text((*path, "customFilterTemplate"))
    if named and not template:
        template = fields.text((*base, "templates", named))
        if not template:
            known = ", ".join(sorted(fields.mapping((*base, "templates")))) or "none"
            fields.note((*path, "customFilterTemplate"), f"there is no template {named!r}", f"templates: {known}")
    return Query(
        kind=fields.text((*path, "type")),
        metric=fields.text((*path, "metricName")),
        labels=_texts(fields, (*path, "labelBindings")),
        group_by=_texts(fields, (*path, "groupByFields")),
        template=template,
    )


def _texts(fields: Fields, path: Path) -> tuple[str, ...]:
    return tuple(fields.required((*path, at), "a text") for at in range(len(fields.items(path))))
