"""Recurrences in writing: ``mon-fri 02:00-04:00`` for people, Alertmanager's time intervals for programs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from hypercare.config import time_intervals as ti
from hypercare.model.time import DAY, Ms
from hypercare.routing.from_config import time_interval
from hypercare.routing.intervals import Ranges, TimeInterval, clock_text
from hypercare.routing.recurrence import Recurrence, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.routing.silences import Silence

_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TIMES: Final = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)", re.ASCII)
_NUMBERS: Final = re.compile(r"(-?\d{1,2})(?:-(-?\d{1,2}))?", re.ASCII)
_YEARS: Final = re.compile(r"\d{4}(?:-\d{4})?(?:,\d{4}(?:-\d{4})?)*", re.ASCII)
_MIDNIGHT: Final = 24 * 60
_MOST: Final = 100
"""Intervals of one recurrence."""
_FAR: Final[Ms] = 31 * DAY
"""A window is told as it recurs if its edge is this near to the silence."""
_SHAPE: Final = "expected such as 'mon-fri 02:00-04:00', 'days 1-7 22:00-06:00', 'sat,sun', 'dec 2026 days 24,25'"


def read_every(text: str, zone: str = "UTC") -> Recurrence | None:
    """A recurrence as people write it: weekdays, months, ``days`` of the month, years, times, a zone, in any order.

    Several are divided by semicolons. Times that run over midnight belong to the day on which they begin.

    Args:
        text: e.g. ``mon-fri 22:00-06:00; sat,sun``; empty: no recurrence.
        zone: an IANA time zone, for what names none itself.

    Raises:
        ValueError: what is wrong, and where.

    """
    found: list[TimeInterval] = []
    at = 0
    for part in text.split(";"):
        if part.strip():
            found += _Reader(part, at, zone).read()
        at += len(part) + 1
    return _recurrence(found)


def read_json(intervals: Iterable[dict[str, Any]]) -> Recurrence | None:
    """A recurrence from time intervals in Alertmanager's words; none where there are none.

    Raises:
        ValueError: what is wrong, and where.

    """
    found: list[TimeInterval] = []
    for number, each in enumerate(intervals):
        try:
            found.append(time_interval(ti.TimeInterval.model_validate(each)))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            msg = f"time interval {number}{f', {where}' if where else ''}: {first['msg']}"
            raise ValueError(msg) from error
    return _recurrence(found)


def as_json(recurrence: Recurrence | None) -> list[dict[str, Any]]:
    """Time intervals in Alertmanager's words; as ``read_json`` takes them."""
    return [
        ti.TimeInterval(
            times=tuple(ti.TimeRange(start_time=begin, end_time=end) for begin, end in each.times),
            weekdays=each.weekdays,
            days_of_month=each.days_of_month,
            months=each.months,
            years=each.years,
            location=each.location or "UTC",
        ).model_dump(mode="json", exclude_defaults=True)
        for each in (recurrence.intervals if recurrence is not None else ())
    ]


def window_text(silence: Silence, at: Ms) -> str:
    """The window of a silence that holds an instant, or the next one, on the clocks of its place.

    ``02:00-04:00 (Europe/Madrid)``; with dates where it is longer than its day; empty where none comes.
    """
    window = silence.window(at)
    if window is None or silence.recurrence is None:
        return ""
    # Somebody who reads "02:00-04:00" knows it again, though the silence itself began at 02:17.
    since, until = window.begins - _FAR, window.ends + _FAR
    whole = silence.recurrence.window(window.begins, since, until) or window
    # One that has no edge there is as long as the silence itself.
    begins_at = whole.begins if whole.begins > since else window.begins
    window = Window(begins_at, whole.ends if whole.ends < until else window.ends)
    intervals = silence.recurrence.intervals
    place = next((each for each in intervals if each.contains(window.begins)), intervals[0])
    begins, ends = place.local(window.begins), place.local(window.ends)
    zone = place.location or "UTC"
    if begins.date() == ends.date():
        return f"{begins:%H:%M}-{ends:%H:%M} ({zone})"
    if ends.time() == dt.time() and ends.date() - begins.date() == dt.timedelta(days=1):
        return f"{begins:%H:%M}-24:00 ({zone})"
    return f"{begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} ({zone})"


def _recurrence(found: list[TimeInterval]) -> Recurrence | None:
    if len(found) > _MOST:
        msg = f"{len(found)} time intervals; at most {_MOST} are taken"
        raise ValueError(msg)
    return Recurrence(tuple(found)) if found else None


class _Reader:
    """Reads one interval; two where its times run over midnight."""

    def __init__(self, text: str, at: int, zone: str) -> None:
        self._words = [(match.group(), at + match.start() + 1) for match in re.finditer(r"\S+", text)]
        self._found: dict[str, Ranges] = {}
        self._zone = zone
        self._place = 0

    def read(self) -> tuple[TimeInterval, ...]:
        """The intervals."""
        words = iter(self._words)
        for word, place in words:
            self._place = place
            plain = word.lower()
            if plain in {"day", "days"}:
                numbers, self._place = next(words, ("", place))
                self._add("days_of_month", tuple(self._day(part) for part in numbers.split(",")))
            elif plain in {"daily", "always"}:
                continue
            elif ":" in word:
                self._add("times", tuple(self._times(part) for part in word.split(",")))
            elif _YEARS.fullmatch(word):
                self._add("years", tuple(self._year(part) for part in word.split(",")))
            elif _index(plain[:3], _WEEKDAYS) is not None and "/" not in word:
                self._add("weekdays", self._named(plain, _WEEKDAYS, 0, "weekday"))
            elif _index(plain[:3], _MONTHS) is not None and "/" not in word:
                self._add("months", self._named(plain, _MONTHS, 1, "month"))
            elif "/" in word or plain == "utc":
                self._zone = word if "/" in word else "UTC"
            else:
                raise self._wrong(f"{word!r} is no weekday, month, time, year or zone")
        return self._made()

    def _made(self) -> tuple[TimeInterval, ...]:
        times = self._found.pop("times", ())
        over = tuple((begin, end) for begin, end in times if begin >= end)
        within = tuple((begin, end) for begin, end in times if begin < end)
        evening = within + tuple((begin, _MIDNIGHT) for begin, _ in over)
        first = self._checked(TimeInterval(times=evening, location=self._zone, **self._found))
        morning = tuple((0, end) for _, end in over if end)
        if not morning:
            return (first,)
        if self._found.keys() - {"weekdays"}:
            raise self._wrong("times that run over midnight go with weekdays only; write two intervals")
        shifted = tuple(pair for begin, end in first.weekdays for pair in _wrapped(begin + 1, end + 1, 7, 0))
        return first, dataclasses.replace(first, times=morning, weekdays=shifted)

    def _checked(self, made: TimeInterval) -> TimeInterval:
        """By the rules of Alertmanager's intervals; the zone, too, is looked up there."""
        try:
            as_read = read_json(as_json(Recurrence((made,))))
        except ValueError as error:
            raise self._wrong(str(error)) from error
        assert as_read is not None  # noqa: S101 - one interval was given
        return as_read.intervals[0]

    def _add(self, key: str, ranges: Ranges) -> None:
        self._found[key] = self._found.get(key, ()) + ranges

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"at character {self._place}: {what}; {_SHAPE}")

    def _times(self, text: str) -> tuple[int, int]:
        match = _TIMES.fullmatch(text)
        if match is None:
            raise self._wrong(f"{text!r} is no span of time such as 02:00-04:00")
        hours, minutes = (int(match[1]), int(match[3])), (int(match[2]), int(match[4]))
        begin, end = (h * 60 + m for h, m in zip(hours, minutes, strict=True))
        if max(minutes) > 59 or begin >= _MIDNIGHT or end > _MIDNIGHT:
            raise self._wrong(f"{text!r} is not between 00:00 and 24:00")
        if begin == end:
            raise self._wrong(f"no time lies between {clock_text(begin)} and itself; for all day leave it out")
        return begin, end

    def _day(self, text: str) -> tuple[int, int]:
        match = _NUMBERS.fullmatch("-1" if text == "last" else text)
        if match is None:
            raise self._wrong(f"{text!r} is no day of the month such as 1, 1-7, last or -3--1")
        return int(match[1]), int(match[2] or match[1])

    @staticmethod
    def _year(text: str) -> tuple[int, int]:
        first, _, last = text.partition("-")
        return int(first), int(last or first)

    def _named(self, text: str, names: tuple[str, ...], first: int, what: str) -> Ranges:
        found: list[tuple[int, int]] = []
        for part in text.split(","):
            ends = [_index(end, names) for end in part.split("-")]
            begin, end = ends[0], ends[-1]
            if begin is None or end is None or len(ends) > 2:
                raise self._wrong(f"{part!r} is no {what}")
            found += _wrapped(begin + first, end + first + (len(names) if end < begin else 0), len(names), first)
        return tuple(found)


def _index(text: str, names: tuple[str, ...]) -> int | None:
    """Where a name stands, written in full or with its first three letters."""
    return next((i for i, name in enumerate(names) if text in {name, name[:3]}), None)


def _wrapped(begin: int, end: int, size: int, first: int) -> list[tuple[int, int]]:
    """A range on a circle of ``size`` as ranges that do not run over its end."""
    last = first + size - 1
    if begin > last:
        return [(begin - size, end - size)]
    return [(begin, end)] if end <= last else [(begin, last), (first, end - size)]
