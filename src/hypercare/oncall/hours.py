"""When a calendar is open, and when somebody's quiet hours are over."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from hypercare.model.time import DAY, WEEK
from hypercare.oncall.turns import outside, union, whole_days, windows

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.oncall.turns import Span

_FARTHEST = 8 * WEEK


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A time that comes again on some weekdays.

    Attributes:
        days: on which it begins; 0 is Monday.
        start: minutes of local wall-clock time after midnight.
        end: the same, excluded; beyond 1440 on the day after.

    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    start: int = 0
    end: int = 24 * 60


@dataclasses.dataclass(frozen=True, slots=True)
class Hours:
    """Business hours, or quiet hours.

    Attributes:
        holidays: whole local days, first and last, on which it is closed.

    """

    name: str
    timezone: str
    windows: tuple[Window, ...]
    holidays: tuple[tuple[dt.date, dt.date], ...] = ()

    def open(self, start: Ms, end: Ms) -> list[Span]:
        """When it is open within a span, in order."""
        closed = union(whole_days(first, last, self.timezone) for first, last in self.holidays)
        spans = windows(self.windows, self.timezone, start, end)
        return [part for opens, closes in spans for part in outside(closed, opens, closes)]

    def is_open(self, at: Ms) -> bool:
        """Whether it is open at an instant."""
        return bool(self.open(at, at + 1))

    def changes_at(self, at: Ms, *, to_open: bool) -> Ms | None:
        """The first instant from ``at`` on at which it is open (or closed); none within eight weeks."""
        span = DAY
        # Mostly it is tomorrow; only a long closure is worth a long look.
        while span <= _FARTHEST:
            spans = union(self.open(at, at + span))
            found = spans if to_open else outside(spans, at, at + span)
            if found:
                return found[0][0]
            span = span * 2 if span < _FARTHEST else span + 1
        return None

    def dump(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "timezone": self.timezone,
            "windows": [[list(w.days), w.start, w.end] for w in self.windows],
            "holidays": [[first.isoformat(), last.isoformat()] for first, last in self.holidays],
        }

    @classmethod
    def load(cls, content: dict[str, Any]) -> Hours:
        """Read what ``dump`` wrote."""
        day = dt.date.fromisoformat
        return cls(
            content["name"],
            content["timezone"],
            tuple(Window(tuple(days), start, end) for days, start, end in content["windows"]),
            tuple((day(first), day(last)) for first, last in content["holidays"]),
        )
