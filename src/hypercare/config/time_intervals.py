"""``time_intervals`` of alertmanager.yml: when a route is muted or active."""

import re
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from hypercare.config.base import StrictModel, Timezone, refuse

_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TIME: Final = re.compile(r"((?:[01]\d)|(?:2[0-4])):([0-5]\d)", re.ASCII)

Range = tuple[int, int]
"""First and last, both included."""


def _minute(value: Any) -> int:
    if isinstance(value, int):
        return value
    match = _TIME.fullmatch(str(value))
    if match is None or (match[1] == "24" and match[2] != "00"):
        msg = f"expected a time of day between 00:00 and 24:00, found {value!r}"
        raise refuse(msg, hint="write it as HH:MM")
    return int(match[1]) * 60 + int(match[2])


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


MinuteOfDay = Annotated[
    int,
    BeforeValidator(_minute),
    PlainSerializer(_clock, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["09:00"]}),
]


class TimeRange(StrictModel):
    """Part of a day; the end is excluded. Minutes of the day, written as HH:MM."""

    start_time: MinuteOfDay
    end_time: MinuteOfDay

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.start_time >= self.end_time:
            msg = f"the start {_clock(self.start_time)} is not before the end {_clock(self.end_time)}"
            raise refuse(msg)
        return self


def _ends(value: Any) -> tuple[str, str]:
    if not isinstance(value, str):
        msg = f"expected one value or a range first:last, found {value!r}"
        raise refuse(msg)
    first, colon, last = value.lower().partition(":")
    return first.strip(), (last if colon else first).strip()


def _named(value: Any, names: tuple[str, ...], what: str, first_number: int, *, numbers: bool) -> Range:
    if isinstance(value, tuple):
        return value[0], value[1]
    found: list[int] = []
    for end in _ends(value):
        if end in names:
            found.append(names.index(end) + first_number)
        elif numbers and end.isdecimal() and first_number <= int(end) < len(names) + first_number:
            found.append(int(end))
        else:
            msg = f"{end!r} is not a {what}"
            raise refuse(msg, hint=f"one of {', '.join(names)}")
    if found[0] > found[1]:
        msg = f"the range {value!r} ends before it begins"
        raise refuse(msg, hint="write two ranges")
    return found[0], found[1]


def _weekday(value: Any) -> Range:
    return _named(value, _WEEKDAYS, "weekday", 0, numbers=False)


def _month(value: Any) -> Range:
    return _named(value, _MONTHS, "month", 1, numbers=True)


def _numbers(value: Any, what: str) -> Range:
    if isinstance(value, tuple):
        return value[0], value[1]
    ends = _ends(value)
    for end in ends:
        if not re.fullmatch(r"-?[0-9]{1,6}", end):
            msg = f"{end!r} is not a {what}"
            raise refuse(msg)
    return int(ends[0]), int(ends[1])


def _day(value: Any) -> Range:
    first, last = _numbers(value, "day of the month")
    for day in (first, last):
        if day == 0 or abs(day) > 31:
            msg = f"{day} is not a day of the month"
            raise refuse(msg, hint="1 to 31, or -1 (the last day) to -31")
    if first < 0 < last:
        raise refuse("the last day must be negative where the first is")
    # A month has at least 28 days: a range that is empty even in the longest one is a mistake.
    if (first < 0) == (last < 0):
        if first > last:
            msg = f"the range {value!r} ends before it begins"
            raise refuse(msg)
    elif first > 31 + last + 1:
        msg = f"the last day {last} is always before the first day {first}"
        raise refuse(msg)
    return first, last


def _year(value: Any) -> Range:
    first, last = _numbers(value, "year")
    if first > last:
        msg = f"the range {value!r} ends before it begins"
        raise refuse(msg)
    return first, last


_RANGE_SCHEMA: Final = WithJsonSchema({"type": "string", "examples": ["monday:friday", "1:15", "2026"]})


def _dump(names: tuple[str, ...], first: int) -> PlainSerializer:
    def text(pair: Range) -> str:
        ends = [names[end - first] if names else str(end) for end in pair]
        return ends[0] if ends[0] == ends[1] else ":".join(ends)

    return PlainSerializer(text, return_type=str, when_used="json")


class TimeInterval(StrictModel):
    """Instants that fit one range of every kind given; weekdays count from 0, Sunday, negative days from the end."""

    times: tuple[TimeRange, ...] = ()
    weekdays: tuple[Annotated[Range, BeforeValidator(_weekday), _dump(_WEEKDAYS, 0), _RANGE_SCHEMA], ...] = ()
    days_of_month: tuple[Annotated[Range, BeforeValidator(_day), _dump((), 0), _RANGE_SCHEMA], ...] = ()
    months: tuple[Annotated[Range, BeforeValidator(_month), _dump(_MONTHS, 1), _RANGE_SCHEMA], ...] = ()
    years: tuple[Annotated[Range, BeforeValidator(_year), _dump((), 0), _RANGE_SCHEMA], ...] = ()
    location: Timezone = "UTC"


class NamedTimeIntervals(StrictModel):
    """A name for instants that fit any of the intervals."""

    name: str = Field(min_length=1)
    time_intervals: tuple[TimeInterval, ...] = ()
