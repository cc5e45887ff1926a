"""The class of a metric: what the experiment does against the control."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.kayenta.mann_whitney import AllTiedError, Interval, confidence_interval
from hypercare.judge.kayenta.statistics import cles, mean_ratio
from hypercare.judge.kayenta.transforms import add_gaussian_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NOISE = 1e-5


class Label(enum.StrEnum):
    """The classes."""

    PASS = "Pass"  # noqa: S105 - the outcome of a check
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    NODATA_FAIL = "NodataFailMetric"
    ERROR = "Error"


class Direction(enum.StrEnum):
    """Which change is bad."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


class NanStrategy(enum.StrEnum):
    """What becomes of NaN: left out, or zero."""

    REMOVE = "remove"
    REPLACE = "replace"


class EffectMeasure(enum.StrEnum):
    """How the size of a change is told."""

    MEAN_RATIO = "meanRatio"
    CLES = "cles"

    @property
    def neutral(self) -> float:
        """The value of no change."""
        return 1.0 if self is EffectMeasure.MEAN_RATIO else 0.5

    def of(self, control: Floats, experiment: Floats) -> float:
        """The size of the change between two samples."""
        return (mean_ratio if self is EffectMeasure.MEAN_RATIO else cles)(control, experiment)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one metric is judged.

    Attributes:
        direction: which change is bad.
        nan_strategy: decides, too, what no data mean: Nodata (remove) or Pass (replace).
        critical: a failure fails the whole canary.
        data_required: no data are a failure of this metric.
        measure: of the effect.
        effect: at most the first for Low, at least the second for High.
        critical_effect: the same, for a failure to be critical.
        tolerance: the interval must lie beyond this share of the estimated shift.
        conf_level: of the interval.

    """

    direction: Direction = Direction.EITHER
    nan_strategy: NanStrategy = NanStrategy.REMOVE
    critical: bool = False
    data_required: bool = False
    measure: EffectMeasure = EffectMeasure.MEAN_RATIO
    effect: tuple[float, float] = (1.0, 1.0)
    critical_effect: tuple[float, float] = (1.0, 1.0)
    tolerance: float = 0.25
    conf_level: float = 0.95


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of a metric.

    Attributes:
        label: the class.
        reason: one sentence; never empty.
        deviation: the effect's size; NaN where it has none; neutral where nothing was compared.
        critical: whether this fails the whole canary.
        interval: of the shift; None where none was computed.

    """

    label: Label
    reason: str
    deviation: float
    critical: bool = False
    interval: Interval | None = None


def mann_whitney(name: str, control: Floats, experiment: Floats, rule: Rule) -> Classification:
    """The class of a metric by the interval of its shift; NaN are gone from both samples, shapes [n] and [m]."""
    if control.size == 0 or experiment.size == 0:
        return _no_data(name, rule)
    if _equal(control, experiment):
        return Classification(Label.PASS, f"{name}: both sides have the same values", 1.0)
    if np.unique(np.concatenate([control, experiment])).size == 1:
        return Classification(Label.PASS, f"{name}: both sides have one and the same value", 1.0)
    control, experiment = _spread(control, experiment)
    effect = rule.measure.of(control, experiment)
    try:
        interval = confidence_interval(experiment, control, rule.conf_level)
    except AllTiedError:
        reason = f"{name}: too few different values for a confidence interval"
        return Classification(Label.ERROR, reason, effect, rule.critical)
    label = _label(interval, effect, rule)
    critical = rule.critical and _passes(effect, label, rule.critical_effect) and label is not Label.PASS
    return Classification(label, _reason(name, label, interval, critical=critical), effect, critical, interval)


def mean_inequality(name: str, control: Floats, experiment: Floats, rule: Rule) -> Classification:
    """The class of a metric by its means alone."""
    if control.size == 0 or experiment.size == 0:
        return _no_data(name, rule)
    before, after = float(control.mean()), float(experiment.mean())
    effect = mean_ratio(control, experiment)
    said = f"{name}: the experiment's mean {after:g} is %s the control's {before:g}"
    if after > before and rule.direction is not Direction.DECREASE:
        return Classification(Label.HIGH, said % "above", effect, rule.critical)
    if after < before and rule.direction is not Direction.INCREASE:
        return Classification(Label.LOW, said % "below", effect, rule.critical)
    return Classification(Label.PASS, said % "not worse than", effect)


def _no_data(name: str, rule: Rule) -> Classification:
    reason = f"{name}: no data on one side or both"
    if rule.nan_strategy is NanStrategy.REPLACE:
        return Classification(Label.PASS, f"{reason}, which nanStrategy replace takes for none to report", 1.0)
    if rule.data_required and not rule.critical:
        return Classification(Label.NODATA_FAIL, f"{reason}, and mustHaveData is set", 1.0)
    return Classification(Label.NODATA, reason, 1.0, rule.critical)


def _equal(control: Floats, experiment: Floats) -> bool:
    return control.size == experiment.size and bool((np.sort(control) == np.sort(experiment)).all())


def _spread(control: Floats, experiment: Floats) -> tuple[Floats, Floats]:
    """Two constants get a little noise each, in proportion: without any variance there is no test."""
    if np.unique(control).size > 1 or np.unique(experiment).size > 1:
        return control, experiment
    return _noisy(control), _noisy(experiment)


def _noisy(constant: Floats) -> Floats:
    return add_gaussian_noise(constant, 0.0, _NOISE * abs(float(constant[0])))


def _label(interval: Interval, effect: float, rule: Rule) -> Label:
    beyond = rule.tolerance * abs(interval.estimate)
    rises = rule.direction is not Direction.DECREASE and interval.lower > beyond
    if rises and _passes(effect, Label.HIGH, rule.effect):
        return Label.HIGH
    falls = rule.direction is not Direction.INCREASE and interval.upper < -beyond
    return Label.LOW if falls and _passes(effect, Label.LOW, rule.effect) else Label.PASS


def _passes(effect: float, label: Label, thresholds: tuple[float, float]) -> bool:
    """Whether an effect is large enough; one that cannot be told is."""
    if math.isnan(effect):
        return True
    return effect >= thresholds[1] if label is Label.HIGH else effect <= thresholds[0]


def _reason(name: str, label: Label, interval: Interval, *, critical: bool) -> str:
    shift = f"shift {interval.estimate:g}, between {interval.lower:g} and {interval.upper:g}"
    word = "no significant change that counts" if label is Label.PASS else f"significantly {label.value.lower()}"
    return f"{name}: {word}{' (critical)' if critical else ''}; {shift}"
