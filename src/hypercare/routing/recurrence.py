"""Recurrence: of something that holds in certain hours of certain days, when does it hold next, and how long?

Changes are looked for at the instants at which a time interval can change at all, so that hours which clocks skip or
show twice come out as the zone has them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import itertools
from typing import TYPE_CHECKING, Final

from hypercare.model.time import DAY, YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.time import Ms
    from hypercare.routing.intervals import TimeInterval

FAR: Final[Ms] = 5000 * YEAR
"""Nothing that recurs begins after this (about the year 6966): calendars end in the year 9999."""
_FARTHEST: Final = 9 * 366
"""Days that are looked through: the 29th of February stays away for eight years at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A span without a break: ``begins <= t < ends``."""

    begins: Ms
    ends: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Recurrence:
    """Time intervals, of which one has to contain an instant."""

    intervals: tuple[TimeInterval, ...]

    def __str__(self) -> str:
        """All intervals, as ``recurrence_text.read_every`` reads them."""
        return "; ".join(str(interval) for interval in self.intervals)

    def contains(self, at: Ms) -> bool:
        """Whether the instant lies within."""
        return any(interval.contains(at) for interval in self.intervals)

    def next_change(self, after: Ms, until: Ms) -> Ms | None:
        """The first instant in ``after < t <= until`` at which ``contains`` is another; none within nine years."""
        now = self.contains(after)
        edges = heapq.merge(*(_edges(interval, after) for interval in self.intervals))
        within = itertools.takewhile(lambda at: at <= until, edges)
        return next((at for at in within if self.contains(at) != now), None)

    def window(self, at: Ms, since: Ms, until: Ms) -> Window | None:
        """The window that holds ``at``, or else the next one; none where none begins before ``until``.

        Args:
            at: when.
            since: earlier than this no window begins.
            until: later than this none ends.

        """
        at = max(at, since)
        if at >= until:
            return None
        if self.contains(at):
            begins: Ms | None = self._begin(at, since)
        else:
            begins = self.next_change(at, until)
        if begins is None or begins >= until:
            return None
        ends = self.next_change(max(at, begins), until)
        return Window(begins, until if ends is None else ends)

    def _begin(self, at: Ms, since: Ms) -> Ms:
        """When the window that holds ``at`` began: looked for from ever earlier instants."""
        reach = DAY
        while True:
            start = last = max(since, at - reach)
            while (change := self.next_change(last, at)) is not None:
                last = change
            if last > start or start == since:
                return last
            reach *= 4


def _edges(interval: TimeInterval, after: Ms) -> Iterator[Ms]:
    day = interval.local(after).date()
    one = dt.timedelta(days=1)
    before = interval.has_day(day)
    for _ in range(_FARTHEST):
        within = interval.has_day(day)
        # Whole days begin and end where one that fits is next to one that does not.
        if within or before if interval.times else within != before:
            yield from (at for at in interval.edges(day) if at > after)
        before = within
        day += one
