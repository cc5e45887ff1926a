"""Trends: a steady rise of the floor of a value, with its uncertainty and the time until it reaches a limit.

The watch is cut into blocks, and of each block a low quantile is taken: memory that is freed and taken again has a
floor, and a leak lifts it. The slope is the median of all slopes between blocks (Theil 1950, Sen 1968), its interval
comes from Kendall's S (Hollander and Wolfe, Nonparametric Statistical Methods, 9.3); blocks are long beside the
memory of the series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.findings import Finding, Level, Method
from hypercare.judge.special import normal_quantile
from hypercare.model.time import DAY, HOUR, MINUTE, format_duration
from hypercare.model.units import PLAIN, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms

BLOCKS: Final = 16
"""Into how many blocks a span is cut."""
_FEWEST: Final = 8
_FLOOR: Final = 0.25
_IN_BLOCK: Final = 3


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast a value rises.

    Attributes:
        per_hour: the median slope, in the value's unit.
        low: lower end of its interval.
        high: upper end.
        level: the fitted value at the end of the span.
        span: over which it was measured, ms.

    """

    per_hour: float
    low: float
    high: float
    level: float
    span: Ms

    def reaches(self, limit: float) -> Ms | None:
        """After how many ms the line reaches the limit; None where it does not within a year."""
        ahead = limit - self.level
        if ahead <= 0:
            return 0
        if self.per_hour <= 0 or ahead / self.per_hour > 365 * 24:
            return None
        return int(ahead / self.per_hour * HOUR)


def slope(samples: Samples, chance: float) -> Slope | None:
    """The slope of the floor and its interval at the two-sided error `chance`; None with too few blocks of data."""
    usable = samples.usable()
    if len(usable) < _FEWEST * _IN_BLOCK:
        return None
    edges = np.linspace(usable.times[0], usable.times[-1] + 1, BLOCKS + 1)
    times, floors = _floors(usable, edges)
    if len(times) < _FEWEST:
        return None
    first, second = np.triu_indices(len(times), 1)
    slopes = np.sort((floors[second] - floors[first]) / (times[second] - times[first]))
    count = len(times)
    # Kendall's variance of S without ties.
    spread = normal_quantile(1 - chance / 2) * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = int((len(slopes) - spread) / 2)
    high = int((len(slopes) + spread) / 2) + 1
    if low < 0 or high >= len(slopes):
        return None
    middle = float(np.median(slopes))
    level = float(np.median(floors - middle * times) + middle * times[-1])
    return Slope(middle, float(slopes[low]), float(slopes[high]), level, int(usable.times[-1] - usable.times[0]))


def _floors(samples: Samples, edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times: list[float] = []
    floors: list[float] = []
    cuts = np.searchsorted(samples.times, edges)
    for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        if high - low >= _IN_BLOCK:
            times.append(float(samples.times[low:high].mean()) / HOUR)
            floors.append(float(np.quantile(samples.values[low:high], _FLOOR)))
    return np.array(times), np.array(floors)


def _minutes(span: Ms) -> Ms:
    return span // MINUTE * MINUTE


@dataclass(frozen=True, slots=True)
class Leak:
    """What counts as a leak.

    Attributes:
        tolerance: the least rise over the span that matters, relative to the level at its beginning.
        limit: the value that must not be reached; None: there is no such value.
        soon: a limit reached within this time is critical, ms.
        horizon: and within this one a warning, ms.
        usual: the greatest rise per hour that the baseline has, in the value's unit.
        unit: of the values, for the reason.

    """

    tolerance: float = 0.05
    limit: float | None = None
    soon: Ms = 12 * HOUR
    horizon: Ms = 7 * DAY
    usual: float = 0.0
    unit: Unit = PLAIN


def leak(samples: Samples, rule: Leak, chance: float) -> Finding | None:
    """A steady rise that is certain (the interval lies above zero and above the baseline's own rise), or None."""
    found = slope(samples, chance)
    if found is None or found.low <= max(0.0, rule.usual):
        return None
    rise = found.per_hour * found.span / HOUR
    begin = found.level - rise
    if rise < rule.tolerance * abs(begin):
        return None
    end = int(samples.times[-1])
    left = None if rule.limit is None else found.reaches(rule.limit)
    level = Level.WARNING
    if rule.limit is not None:
        if left is None or left > rule.horizon:
            level = Level.NOTE
        elif left <= rule.soon:
            level = Level.CRITICAL
    shown = rule.unit.of
    ahead = ""
    if left is not None and rule.limit is not None:
        ahead = f"; at this pace it reaches {shown(rule.limit)} in {format_duration(_minutes(left))}"
    return Finding(
        method=Method.TREND,
        level=level,
        since=int(samples.times[0]),
        at=end,
        until=None,
        value=found.level,
        bound=begin if rule.limit is None else rule.limit,
        change=rise / abs(begin) if begin else None,
        reason=f"rises by {shown(found.per_hour)} an hour ({shown(found.low)} to {shown(found.high)})"
        f" since {format_duration(_minutes(found.span))}{ahead}",
    )
