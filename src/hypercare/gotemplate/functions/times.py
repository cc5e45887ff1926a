"""Methods of times and durations."""

from __future__ import annotations

import functools
from typing import Final

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.gotime import Duration, Time, load_zone
from hypercare.gotemplate.layout import day_name, format_time, month_name


def time_text(when: Time) -> str:
    """``Time.String``."""
    return format_time(when, "2006-01-02 15:04:05.999999999 -0700 MST")


@functools.lru_cache(maxsize=4096)
def time_json(when: Time) -> str:
    """RFC 3339 with as many digits as needed."""
    return format_time(when, "2006-01-02T15:04:05.999999999Z07:00")


def in_zone(when: Time, name: str) -> Time:
    """The same instant, shown in another zone.

    Raises:
        FunctionError: no such zone.
    """
    load_zone(name)
    return Time(when.seconds, when.ns, name or "UTC")


def _duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, int):
        return Duration(value)
    raise FunctionError("wrong type for value; expected time.Duration")


def _other(value: object) -> Time:
    if isinstance(value, Time):
        return value
    raise FunctionError("wrong type for value; expected time.Time")


TIME_METHODS: Final = {
    "String": Func(time_text, "a"),
    "Format": Func(format_time, "as"),
    "Unix": Func(lambda t: t.seconds, "a"),
    "UnixMilli": Func(lambda t: t.total_ns // 1_000_000, "a"),
    "UnixMicro": Func(lambda t: t.total_ns // 1_000, "a"),
    "UnixNano": Func(lambda t: t.total_ns, "a"),
    "UTC": Func(lambda t: in_zone(t, "UTC"), "a"),
    "Local": Func(lambda t: in_zone(t, "UTC"), "a"),
    "IsZero": Func(Time.is_zero, "a"),
    "Year": Func(lambda t: t.wall().year, "a"),
    "Month": Func(lambda t: month_name(t.wall().month), "a"),
    "Day": Func(lambda t: t.wall().day, "a"),
    "Hour": Func(lambda t: t.wall().hour, "a"),
    "Minute": Func(lambda t: t.wall().minute, "a"),
    "Second": Func(lambda t: t.wall().second, "a"),
    "Nanosecond": Func(lambda t: t.ns, "a"),
    "Weekday": Func(lambda t: day_name(t.wall().weekday()), "a"),
    "YearDay": Func(lambda t: t.wall().timetuple().tm_yday, "a"),
    "Add": Func(lambda t, d: t.plus(_duration(d)), "aa"),
    "Sub": Func(lambda t, o: Duration(t.total_ns - _other(o).total_ns), "aa"),
    "After": Func(lambda t, o: t.total_ns > _other(o).total_ns, "aa"),
    "Before": Func(lambda t, o: t.total_ns < _other(o).total_ns, "aa"),
    "Equal": Func(lambda t, o: t.total_ns == _other(o).total_ns, "aa"),
}
DURATION_METHODS: Final = {
    "String": Func(str, "a"),
    "Seconds": Func(Duration.seconds, "a"),
    "Minutes": Func(lambda d: d.ns / 60e9, "a"),
    "Hours": Func(lambda d: d.ns / 3600e9, "a"),
    "Milliseconds": Func(lambda d: int(d.ns / 1e6), "a"),
    "Microseconds": Func(lambda d: int(d.ns / 1e3), "a"),
    "Nanoseconds": Func(lambda d: d.ns, "a"),
    "Abs": Func(lambda d: Duration(abs(d.ns)), "a"),
}
# The types and their methods need each other: the tables are hung on when both are there.
Time.GO_METHODS = TIME_METHODS
Duration.GO_METHODS = DURATION_METHODS
