"""Time intervals: is an instant inside of working hours, a weekend, the last days of a month?"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypercare.model.decision import Decision, Reason
from hypercare.model.time import from_datetime, to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypercare.model.time import Ms

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

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
        local = self.local(at)
        minute = local.hour * 60 + local.minute
        return (not self.times or any(begin <= minute < end for begin, end in self.times)) and self.has_day(local)

    def local(self, at: Ms) -> dt.datetime:
        """The instant on the clocks of the place."""
        local = to_datetime(at)
        return local.astimezone(_zone(self.location)) if self.location else local

    def has_day(self, day: dt.date) -> bool:
        """Whether any time of a local day may lie within."""
        return (
            (not self.days_of_month or _day_within(self.days_of_month, day))
            and _within(self.months, day.month)
            and _within(self.weekdays, day.isoweekday() % 7)
            and _within(self.years, day.year)
        )

    def edges(self, day: dt.date) -> Iterator[Ms]:
        """The instants of a local day at which ``contains`` may change: no others, ascending, some twice.

        These are midnights, the ends of ``times`` (each of both where clocks show them twice), and the instant at
        which clocks are put forward or back.
        """
        zone = _zone(self.location or "UTC")
        midnight = dt.datetime.combine(day, dt.time())
        found: set[Ms] = set()
        for minute in {0, 24 * 60, *(end for pair in self.times for end in pair)}:
            local = midnight + dt.timedelta(minutes=minute)
            found |= {from_datetime(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
        first, last = min(found), max(found)
        if self.local(first).utcoffset() != self.local(last).utcoffset():
            found.add(self._offset_change(first, last))
        yield from sorted(found)

    def _offset_change(self, before: Ms, after: Ms) -> Ms:
        old = self.local(before).utcoffset()
        while after - before > 1:
            middle = (before + after) // 2
            if self.local(middle).utcoffset() == old:
                before = middle
            else:
                after = middle
        return after

    def __str__(self) -> str:
        """As ``recurrence_text.read_every`` reads it, e.g. ``mon-fri 02:00-04:00 Europe/Madrid``."""
        parts = [
            _ranges_text(_over_the_weekend(self.weekdays), lambda n: _WEEKDAYS[n]),
            _ranges_text(self.months, lambda n: _MONTHS[n - 1]),
            f"days {_ranges_text(self.days_of_month, str)}" if self.days_of_month else "",
            _ranges_text(self.years, lambda n: f"{n:04d}"),
            ",".join(f"{clock_text(begin)}-{clock_text(end)}" for begin, end in self.times),
        ]
        said = " ".join(part for part in parts if part) or "always"
        return f"{said} {self.location or 'UTC'}"


def clock_text(minute: int) -> str:
    """A minute of the day as ``HH:MM``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _ranges_text(ranges: Ranges, name: Callable[[int], str]) -> str:
    return ",".join(name(begin) if begin == end else f"{name(begin)}-{name(end)}" for begin, end in ranges)


def _over_the_weekend(weekdays: Ranges) -> Ranges:
    """Weeks begin on Sunday here; what goes on over it reads better in one: ``fri-mon``, ``mon-sun``."""
    for first, second in pairwise(weekdays):
        weekend_alone = (first, second) == ((6, 6), (0, 0))
        if first[1] == 6 and second[0] == 0 and first[0] > second[1] and not weekend_alone:
            one = (first[0], second[1])
            return tuple(one if pair == first else pair for pair in weekdays if pair != second)
    return weekdays


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _within(ranges: Ranges, value: int) -> bool:
    return not ranges or any(begin <= value <= end for begin, end in ranges)


def _day_within(ranges: Ranges, local: dt.date) -> bool:
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
