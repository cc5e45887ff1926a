"""The functions of conditions."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypercare.judge.argo.nodes import ConditionError
from hypercare.judge.argo.values import Int64, as_float, as_int, is_number, type_name
from hypercare.model.time import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_LAYOUT: Final = (
    ("2006", "%Y"),
    ("January", "%B"),
    ("Jan", "%b"),
    ("01", "%m"),
    ("02", "%d"),
    ("15", "%H"),
    ("04", "%M"),
    ("05", "%S"),
    ("Z07:00", "%z"),
    ("-0700", "%z"),
)
_RFC3339: Final = "2006-01-02T15:04:05Z07:00"


class Function(NamedTuple):
    """A function: what it does, how many arguments it takes, the type of what it gives (empty: it varies)."""

    call: Callable[..., Any]
    least: int
    most: int
    gives: str = ""


def _length(value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise ConditionError(f"invalid argument for len (type {type_name(value)})")


def _numbers(name: str, values: tuple[Any, ...]) -> list[int | float]:
    flat = [number for value in values for number in (value if isinstance(value, list) else [value])]
    for number in flat:
        if not is_number(number):
            raise ConditionError(f"invalid argument for {name} (type {type_name(number)})")
    return flat


def _of_number(name: str, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: work(_numbers(name, (value,))[0]) if not isinstance(value, list) else _refuse(name, value)


def _refuse(name: str, value: Any) -> Any:
    raise ConditionError(f"invalid argument for {name} (type {type_name(value)})")


def _extreme(name: str, work: Callable[[list[int | float]], Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        numbers = _numbers(name, values)
        if not numbers:
            raise ConditionError(f"not enough arguments to call {name}")
        return work(numbers)

    return call


def _element(name: str, at: int) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        if not isinstance(value, list):
            raise ConditionError(f"invalid argument for {name} (type {type_name(value)})")
        return value[at] if value else None

    return call


def _text(name: str, work: Callable[[str], str]) -> Callable[[Any], str]:
    def call(value: Any) -> str:
        if not isinstance(value, str):
            raise ConditionError(f"invalid argument for {name} (type {type_name(value)})")
        return work(value)

    return call


def _duration(text: Any) -> dt.timedelta:
    if not isinstance(text, str):
        raise ConditionError(f"invalid argument for duration (type {type_name(text)})")
    try:
        return dt.timedelta(milliseconds=parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise ConditionError(f'time: invalid duration "{text}"') from error


def _date(text: Any, layout: Any = _RFC3339, zone: Any = "UTC") -> dt.datetime:
    if not (isinstance(text, str) and isinstance(layout, str)):
        raise ConditionError(f"invalid argument for date (type {type_name(text)})")
    if zone != "UTC":
        raise ConditionError(f"unknown time zone {zone}: UTC is taken, or an offset in the text")
    form = layout.replace("%", "%%")
    for go, python in _LAYOUT:
        form = form.replace(go, python)
    try:
        at = dt.datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below where the text has none
    except ValueError as error:
        raise ConditionError(f'parsing time "{text}" as "{layout}": {error}') from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


def _default(value: Any, other: Any) -> Any:
    return other if value is None else value


FUNCTIONS: Final = {
    "asInt": Function(as_int, 1, 1, "int64"),
    "asFloat": Function(as_float, 1, 1, "float64"),
    "isNaN": Function(_of_number("isNaN", math.isnan), 1, 1, "bool"),
    "isInf": Function(_of_number("isInf", math.isinf), 1, 1, "bool"),
    "isNil": Function(lambda value: value is None, 1, 1, "bool"),
    "default": Function(_default, 2, 2),
    "len": Function(_length, 1, 1, "int"),
    "abs": Function(_of_number("abs", abs), 1, 1),
    "ceil": Function(_of_number("ceil", lambda x: float(math.ceil(x)) if math.isfinite(x) else x), 1, 1, "float64"),
    "floor": Function(_of_number("floor", lambda x: float(math.floor(x)) if math.isfinite(x) else x), 1, 1, "float64"),
    "int": Function(lambda value: int(Int64(as_int(value))), 1, 1, "int"),
    "float": Function(as_float, 1, 1, "float64"),
    "min": Function(_extreme("min", min), 1, 100),
    "max": Function(_extreme("max", max), 1, 100),
    "sum": Function(lambda value: sum(_numbers("sum", (value,))), 1, 1),
    "mean": Function(_extreme("mean", lambda numbers: math.fsum(numbers) / len(numbers)), 1, 100, "float64"),
    "first": Function(_element("first", 0), 1, 1),
    "last": Function(_element("last", -1), 1, 1),
    "trim": Function(_text("trim", str.strip), 1, 1, "string"),
    "upper": Function(_text("upper", str.upper), 1, 1, "string"),
    "lower": Function(_text("lower", str.lower), 1, 1, "string"),
    "date": Function(_date, 1, 3, "time.Time"),
    "duration": Function(_duration, 1, 1, "time.Duration"),
}
"""By name. `now` has no place here: the time is an argument of the evaluation."""
