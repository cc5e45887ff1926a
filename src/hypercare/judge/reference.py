"""What a baseline says about a check: its usual level, how it scatters, how long it remembers, how far it strays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.series import Direction, Samples, Scale
from hypercare.judge.special import counts_tail
from hypercare.judge.tails import Tail, fit_tail
from hypercare.model.units import PLAIN, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH: Final = 12
"""Samples of a baseline below which nothing is inferred from it."""
_CENTRAL: Final = 0.95
_MEMORY: Final = 200.0
_ELEVATED: Final = 1.0
_LEND: Final = 3.0
_STEADIEST: Final = 0.97
_DECADE: Final = 1.0 / math.log(10)
_CERTAIN: Final = 300.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How a check's values are compared.

    Attributes:
        direction: which way is worse.
        scale: amounts or shares.
        tolerance: the least change that matters: relative for LEVEL (0.1 is 10 %), in points for RATIO (0.01 is one).
        minimum_traffic: samples with less are left out.
        unit: of the values, for reasons.

    """

    direction: Direction = Direction.HIGH
    scale: Scale = Scale.LEVEL
    tolerance: float = 0.1
    minimum_traffic: float = 0.0
    unit: Unit = PLAIN


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of a reference: `sign` +1 looks upward, -1 downward."""

    sign: int
    singles: Tail
    pairs: Tail


@dataclass(frozen=True, slots=True)
class Reference:
    """A baseline, understood.

    Attributes:
        measure: how it is compared.
        logarithmic: whether levels are compared by their logarithms (all of the baseline is above zero).
        centre: median of the compared values.
        mean: their mean, outliers drawn in.
        deviation: their standard deviation, outliers drawn in.
        memory: lag-1 autocorrelation, 0 to 0.97.
        count: samples.
        bad: events that went wrong in the central samples (RATIO).
        events: of this many (RATIO).
        sides: what is surprising, a direction each.
        compared: the compared values, outliers drawn in, shape [count].
        interval: the usual distance of samples in ms.

    """

    measure: Measure
    logarithmic: bool
    centre: float
    mean: float
    deviation: float
    memory: float
    count: int
    bad: float
    events: float
    sides: tuple[Side, ...]
    compared: NDArray[np.float64] = field(repr=False)
    low: float = 0.0
    high: float = 0.0
    interval: int = 0

    def compare(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as they are compared: logarithms of levels where the baseline allows it."""
        if not self.logarithmic:
            return values
        # What is not above zero has no logarithm: it counts as a thousandth of the usual level.
        return np.log(np.maximum(values, math.exp(self.centre) / 1000))

    def drawn_in(self, compared: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compared values, none further out than half again as far as the baseline ever was."""
        return np.clip(compared, self.low, self.high)

    def change(self, compared: float) -> float:
        """What a difference to the centre means: relative for levels, in points of the ratio for ratios."""
        if self.logarithmic:
            return math.exp(compared - self.centre) - 1.0
        if self.measure.scale is Scale.RATIO or self.centre == 0.0:
            return compared - self.centre
        return (compared - self.centre) / abs(self.centre)

    def strays(self, samples: Samples, sign: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far each sample strays, and each with the one before it; shape [n] and [n], the first pair -inf.

        Levels: the compared value, upward; a pair strays as far as the lesser of the two. Ratios: decades of
        improbability under the baseline's rate; a pair is taken together where both are elevated.
        """
        if self.measure.scale is Scale.RATIO and samples.traffic is not None:
            return self._improbable(samples, sign)
        single = sign * self.compare(samples.values)
        return single, _paired(single)

    def _improbable(self, samples: Samples, sign: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        total = samples.traffic if samples.traffic is not None else np.ones(len(samples))
        wrong = samples.values * total
        seen = self.bad if sign > 0 else self.events - self.bad
        counts = wrong if sign > 0 else total - wrong
        single = np.array([self._decades(c, n, seen) for c, n in zip(counts.tolist(), total.tolist(), strict=True)])
        pairs = np.full(len(single), -math.inf)
        for at in range(1, len(single)):
            both = single[at] >= _ELEVATED and single[at - 1] >= _ELEVATED
            if both:
                together = self._decades(float(counts[at] + counts[at - 1]), float(total[at] + total[at - 1]), seen)
                # One burst beside a sample that is hardly elevated is still one burst.
                pairs[at] = min(together, _LEND * min(single[at], single[at - 1]))
            else:
                pairs[at] = min(single[at], single[at - 1])
        return single, pairs

    def _decades(self, count: float, total: float, seen: float) -> float:
        if total <= 0 or count * self.events <= seen * total:
            return 0.0
        probability = counts_tail(count, total, seen, self.events)
        return min(_CERTAIN, -math.log10(probability)) if probability > 0 else _CERTAIN


def understand(baseline: Samples, measure: Measure) -> Reference | None:
    """The reference that a baseline gives, or None where it has fewer than `ENOUGH` usable samples."""
    samples = baseline.usable(measure.minimum_traffic)
    if len(samples) < ENOUGH:
        return None
    logarithmic = measure.scale is Scale.LEVEL and bool((samples.values > 0).all())
    compared = np.log(samples.values) if logarithmic else samples.values
    centre = float(np.median(compared))
    drawn = _winsorised(compared, measure.scale)
    low, high = float(drawn.min()), float(drawn.max())
    mean, deviation = float(drawn.mean()), float(drawn.std(ddof=1))
    bad, events = _rate(samples) if measure.scale is Scale.RATIO else (0.0, 0.0)
    bare = Reference(
        measure=measure,
        logarithmic=logarithmic,
        centre=centre,
        mean=mean,
        deviation=deviation,
        memory=_memory(drawn),
        count=len(samples),
        bad=bad,
        events=events,
        sides=(),
        compared=drawn,
        low=centre - 1.5 * (centre - low) - _room(measure, centre),
        high=centre + 1.5 * (high - centre) + _room(measure, centre),
        interval=samples.interval,
    )
    sides = tuple(_side(bare, samples, sign) for sign in measure.direction.signs)
    return Reference(**{name: getattr(bare, name) for name in bare.__slots__ if name != "sides"}, sides=sides)


def _room(measure: Measure, centre: float) -> float:
    # Room to see a change that matters even where the baseline never moved.
    unit = 1.0 if measure.scale is Scale.RATIO or centre == 0 else max(1.0, abs(centre))
    return (2 if measure.scale is Scale.RATIO else 4) * measure.tolerance * unit


def _side(reference: Reference, samples: Samples, sign: int) -> Side:
    single, pairs = reference.strays(samples, sign)
    floor = _floor(reference)
    if reference.measure.scale is Scale.RATIO and reference.events > 0:
        # Improbability is on a logarithmic scale already: its tail is exponential, wider where failures come in bursts.
        return Side(sign, fit_tail(single, floor, 0.0), fit_tail(pairs[1:], floor, 0.0))
    return Side(sign, fit_tail(single, floor), fit_tail(pairs[1:], floor))


def _floor(reference: Reference) -> float:
    measure = reference.measure
    if measure.scale is Scale.RATIO and reference.events > 0:
        # Under the very model the decades of improbability fall off by a factor of ten each.
        return 2 * _DECADE
    unit = 1.0 if reference.logarithmic or reference.centre == 0 else abs(reference.centre)
    return measure.tolerance * unit / 4


def _paired(single: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = np.full(len(single), -math.inf)
    pairs[1:] = np.minimum(single[1:], single[:-1])
    return pairs


def _winsorised(values: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    if scale is Scale.RATIO:
        # Failures come in bursts: most samples have none, so quartiles say nothing about them.
        return np.clip(values, *np.quantile(values, [0.01, 0.99]))
    # Tukey's outer fences: a single spike must not widen what counts as usual.
    first, third = np.quantile(values, [0.25, 0.75])
    spread = 3 * (third - first)
    inner = values[(values >= first - spread) & (values <= third + spread)]
    return np.clip(values, inner.min(), inner.max()) if spread > 0 else values


def _rate(samples: Samples) -> tuple[float, float]:
    total = samples.traffic if samples.traffic is not None else np.ones(len(samples))
    wrong = samples.values * total
    keep = np.argsort(samples.values, kind="stable")[: math.ceil(len(samples) * _CENTRAL)]
    bad, events = float(wrong[keep].sum()), float(total[keep].sum())
    # A rate is believed no more firmly than two hundred samples would warrant: days differ.
    most = _MEMORY * float(total.mean())
    share = min(1.0, most / events) if events > 0 else 0.0
    return bad * share, max(events * share, 1.0)


def _memory(values: NDArray[np.float64]) -> float:
    centred = values - values.mean()
    power = float((centred * centred).sum())
    if power <= 0:
        return 0.0
    lag = float((centred[1:] * centred[:-1]).sum()) / power
    # The estimate is biased towards zero by about (1 + 3 phi) / n (Kendall 1954).
    return min(max(lag + (1 + 3 * lag) / len(values), 0.0), _STEADIEST)
