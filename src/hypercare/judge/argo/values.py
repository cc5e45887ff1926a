"""The values of conditions: their names as Go prints them, and conversions with Go's errors."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any, Final

from hypercare.judge.argo.nodes import ConditionError

_FLOAT: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity)|nan", re.ASCII | re.IGNORECASE)
_INT: Final = re.compile(r"[-+]?\d+", re.ASCII)


class Int64(int):
    """What asInt gives: Go tells it from an int."""

    __slots__ = ()


def type_name(value: Any) -> str:
    """The name of a value's type."""
    if value is None:
        return "<nil>"
    if isinstance(value, list):
        same = bool(value) and all(type(element) is float for element in value)
        return "[]float64" if same else "[]interface {}"
    names: tuple[tuple[type, str], ...] = (
        (bool, "bool"),
        (Int64, "int64"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (dict, "map[string]interface {}"),
        (dt.datetime, "time.Time"),
        (dt.timedelta, "time.Duration"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)


def is_number(value: Any) -> bool:
    """Whether it is an int or a float; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_int(value: Any) -> int:
    """A whole number: floats lose their fraction, texts must be one.

    Raises:
        ConditionError: it cannot be one.

    """
    if isinstance(value, str):
        if not _INT.fullmatch(value) or len(value) > 40:
            raise ConditionError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        if not -(2**63) <= int(value) < 2**63:
            raise ConditionError(f'strconv.ParseInt: parsing "{value}": value out of range')
        return Int64(value)
    if not is_number(value):
        raise ConditionError(f"asInt() not supported on {type_name(value)} {_printed(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        # What Go's conversion gives is up to the processor; nothing should be concluded from it.
        raise ConditionError(f"asInt() not supported on {_printed(value)}")
    return Int64(value)


def as_float(value: Any) -> float:
    """A floating-point number; texts must be one, Inf and NaN among them.

    Raises:
        ConditionError: it cannot be one.

    """
    if isinstance(value, str):
        if not _FLOAT.fullmatch(value):
            raise ConditionError(f'strconv.ParseFloat: parsing "{value}": invalid syntax')
        return float(value)
    if not is_number(value):
        raise ConditionError(f"asFloat() not supported on {type_name(value)} {_printed(value)}")
    return float(value)


def is_nil_or_empty(value: Any) -> bool:
    """Whether there is nothing: nil or an empty list."""
    return value is None or (isinstance(value, list) and not value)


def same_elements(left: list[str], right: list[str]) -> bool:
    """Whether two lists are equally long, and each element of the second one is in the first."""
    return len(left) == len(right) and all(element in left for element in right)


def _printed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
