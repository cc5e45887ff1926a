"""Hard limits: a value past its bound for long enough, whatever the baseline says. They hold at every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.findings import Finding, Level, Method
from hypercare.model.time import format_duration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound.

    Attributes:
        bound: in the check's unit; a value equal to it is within.
        above: whether values above are wrong, else those below.
        level: of the finding.
        lasting: how long it must be past the bound without a break, ms; 0: one sample suffices.
        minimum_traffic: samples with less neither break nor begin anything.

    """

    bound: float
    above: bool
    level: Level
    lasting: Ms = 0
    minimum_traffic: float = 0.0

    def broken(self, value: float) -> bool:
        """Whether the value is past the bound."""
        return value > self.bound if self.above else value < self.bound


def crossings(samples: Samples, limit: Limit, gap: Ms) -> list[Finding]:
    """The times the limit was crossed, oldest first; the last has `until` None while it lasts.

    A hole of more than `gap` ms between usable samples ends a stretch: nobody knows what was in it.
    """
    usable = samples.usable(limit.minimum_traffic)
    past = usable.values > limit.bound if limit.above else usable.values < limit.bound
    found: list[Finding] = []
    for first, last in _stretches(past, usable.times, gap):
        established = int(np.searchsorted(usable.times, usable.times[first] + limit.lasting))
        if established > last:
            continue
        stretch = usable.values[first : last + 1]
        worst = float(stretch.max() if limit.above else stretch.min())
        ended = last + 1 < len(usable)
        side = "above" if limit.above else "below"
        lasted = f" for {format_duration(limit.lasting)}" if limit.lasting else ""
        found.append(
            Finding(
                method=Method.LIMIT,
                level=limit.level,
                since=int(usable.times[first]),
                at=int(usable.times[established]),
                until=int(usable.times[last + 1]) if ended else None,
                value=worst,
                bound=limit.bound,
                change=None,
                reason=f"{worst:.4g} is {side} the {limit.level} limit of {limit.bound:.4g}{lasted}",
            )
        )
    return found


def _stretches(past: NDArray[np.bool_], times: NDArray[np.int64], gap: Ms) -> list[tuple[int, int]]:
    stretches: list[tuple[int, int]] = []
    for at in np.flatnonzero(past).tolist():
        if stretches and stretches[-1][1] == at - 1 and times[at] - times[at - 1] <= gap:
            stretches[-1] = (stretches[-1][0], at)
        else:
            stretches.append((at, at))
    return stretches
