"""Time intervals: is an instant inside of working hours, a weekend, the last days of a month?"""

from __future__ import annotations

import calendar
import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.model.decision import Decision, Reason
from hypercare.model.time import to_datetime

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from hypercare.model.time import Ms

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges (begin, end)."""


@dataclasses.dataclass(frozen=True, slots=True)
class TimeInterval:
    """All given conditions must hold; an empty one is no condition.

    Attributes:
        times: minutes of the day, the end excluded.
        weekdays: 0 is Sunday.
        days_of_month: from 1; negative days count from the end of the month.
        location: an IANA time zone; empty is UTC.

    """

    times: Ranges = ()
    weekdays: Ranges = ()
    days_of_month: Ranges = ()
    months: Ranges = ()
    years: Ranges = ()
    location: str = ""

    def contains(self, at: Ms) -> bool:
        """Whether the instant lies within."""
        local = to_datetime(at)
        if self.location:
            local = local.astimezone(_zone(self.location))
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(begin <= minute < end for begin, end in self.times))
            and (not self.days_of_month or _day_within(self.days_of_month, local))
            and _within(self.months, local.month)
            and _within(self.weekdays, local.isoweekday() % 7)
            and _within(self.years, local.year)
        )


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _within(ranges: Ranges, value: int) -> bool:
    return not ranges or any(begin <= value <= end for begin, end in ranges)


def _day_within(ranges: Ranges, local: dt.datetime) -> bool:
    last = calendar.monthrange(local.year, local.month)[1]
    for begin, end in ranges:
        first = last + begin + 1 if begin < 0 else begin
        until = last + end + 1 if end < 0 else end
        # A range that begins after this month's end is not moved into the month.
        if first <= last and max(first, 1) <= local.day <= min(until, last):
            return True
    return False


def containing(names: tuple[str, ...], sets: Mapping[str, tuple[TimeInterval, ...]], at: Ms) -> tuple[str, ...]:
    """The named interval sets that contain the instant, in the order of the names.

    Raises:
        KeyError: a name that is not configured (the configuration check excludes it).
    """
    return tuple(name for name in names if any(interval.contains(at) for interval in sets[name]))


def decide(
    mute: tuple[str, ...], active: tuple[str, ...], sets: Mapping[str, tuple[TimeInterval, ...]], at: Ms
) -> Decision | None:
    """Whether a route's time intervals hold notifications back: the decision that does, or none."""
    if active and not containing(active, sets, at):
        return Decision(send=False, reason=Reason.INACTIVE_INTERVAL, by=", ".join(active))
    muting = containing(mute, sets, at)
    if muting:
        return Decision(send=False, reason=Reason.MUTED, by=", ".join(muting))
    return None
