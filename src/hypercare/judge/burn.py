"""Burn rates: how fast an error budget is spent, in a long window and in a short one that says it still goes on.

The pairs are those of the Google SRE workbook, chapter 5 (multiwindow, multi-burn-rate alerts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypercare.judge.findings import Finding, Level, Method
from hypercare.model.time import DAY, HOUR, MINUTE, format_duration
from hypercare.model.units import PORTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms


@dataclass(frozen=True, slots=True)
class Pace:
    """One pair of windows.

    Attributes:
        long: in ms.
        short: in ms.
        factor: budget spent that many times as fast as it may be.
        level: of the finding.

    """

    long: Ms
    short: Ms
    factor: float
    level: Level


PACES: Final = (
    Pace(HOUR, 5 * MINUTE, 14.4, Level.CRITICAL),
    Pace(6 * HOUR, 30 * MINUTE, 6.0, Level.CRITICAL),
    Pace(DAY, 2 * HOUR, 3.0, Level.WARNING),
)
SLOWEST_CRITICAL: Final = min(pace.factor for pace in PACES if pace.level is Level.CRITICAL)
"""A budget spent at a slower pace than this is not critical."""


def bad_share(samples: Samples, start: Ms, end: Ms) -> float | None:
    """The share of events in (start, end] that went wrong, weighted by traffic; None without any event."""
    part = samples.between(start, end).usable()
    if part.traffic is None:
        return float(part.values.mean()) if len(part) else None
    events = float(part.traffic.sum())
    return float((part.values * part.traffic).sum()) / events if events > 0 else None


def burning(samples: Samples, objective: float, now: Ms, paces: Sequence[Pace] = PACES) -> Finding | None:
    """The gravest pace at which both windows burn now; None where none does.

    Args:
        samples: ratios of failed events with their traffic.
        objective: the share that must succeed, such as 0.999.
        now: end of the windows, ms.
        paces: gravest first.

    """
    budget = 1.0 - objective
    if budget <= 0 or not len(samples):
        return None
    begun = int(samples.times[0])
    for pace in paces:
        long, short = (bad_share(samples, now - span, now) for span in (pace.long, pace.short))
        # A window that began before the data would let the first minutes speak for the whole.
        if long is None or short is None or now - begun < pace.short:
            continue
        covered = min(1.0, (now - begun) / pace.long)
        rate = min(long * covered, short) / budget
        if rate >= pace.factor:
            shown = [PORTION.of(share) for share in (long, short, budget)]
            return Finding(
                method=Method.BURN,
                level=pace.level,
                since=max(begun, now - pace.long),
                at=now,
                until=None,
                value=long,
                bound=budget * pace.factor,
                change=None,
                reason=f"{shown[0]} failed in {format_duration(pace.long)} and {shown[1]} in"
                f" {format_duration(pace.short)}: the budget of {shown[2]} is spent {rate:.1f} times too fast",
            )
    return None
