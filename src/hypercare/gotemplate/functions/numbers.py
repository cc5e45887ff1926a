"""Numbers for people: the ``humanize`` family, and the conversions that Prometheus' functions share."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.times import time_text
from hypercare.gotemplate.gofmt import format_float, quote
from hypercare.gotemplate.gotime import Duration, Time
from hypercare.gotemplate.values import go_type
from hypercare.model.time import parse_duration as parse_prometheus_duration

if TYPE_CHECKING:
    from hypercare.gotemplate.values import Value

_FLOAT = re.compile(r"[+-]?(?:\d+(?:_?\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SPECIAL: Final = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_BIG: Final = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY: Final = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL: Final = ("m", "u", "n", "p", "f", "a", "z", "y")
_INT64: Final = 2.0**63


def to_float(value: Value) -> float:
    """A number, a text with a number, or the seconds of a duration.

    Raises:
        FunctionError: not convertible.
    """
    if isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        return float(value)
    elif isinstance(value, Duration):
        return value.seconds()
    elif isinstance(value, str):
        if _FLOAT.fullmatch(value):
            return float(value)
        sign = -1.0 if value[:1] == "-" else 1.0
        special = _SPECIAL.get(value.lower().lstrip("+-") if value[:2] not in {"++", "--"} else "")
        if special is not None:
            return sign * special
        msg = f"strconv.ParseFloat: parsing {quote(value)}: invalid syntax"
        raise FunctionError(msg)
    msg = f"can't convert {go_type(value)} to float"
    raise FunctionError(msg)


def _four(value: float) -> str:
    return format_float(value, "g", 4)


def _scale(value: float, prefixes: tuple[str, ...], step: float) -> str:
    """Divide by ``step`` until below it."""
    shown = ""
    for prefix in prefixes:
        if abs(value) < step:
            break
        shown = prefix
        value /= step
    return f"{_four(value)}{shown}"


def _small(value: float) -> str:
    """Multiply by 1000 until at least 1."""
    shown = ""
    for prefix in _SMALL:
        if abs(value) >= 1:
            break
        shown = prefix
        value *= 1000
    return f"{_four(value)}{shown}"


def humanize(value: Value) -> str:
    """With a metric prefix: ``1234567`` is ``1.235M``."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _four(number)
    return _scale(number, _BIG, 1000) if abs(number) >= 1 else _small(number)


def humanize1024(value: Value) -> str:
    """With a binary prefix: ``1048576`` is ``1Mi``."""
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _four(number)
    return _scale(number, _BINARY, 1024)


def humanize_duration(value: Value) -> str:
    """Seconds as days to seconds: ``90000`` is ``1d 1h 0m 0s``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    if number == 0:
        return f"{_four(number)}s"
    if abs(number) < 1:
        return f"{_small(number)}s"
    sign, number = ("-", -number) if number < 0 else ("", number)
    whole = int(number)
    seconds, minutes, hours, days = whole % 60, whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_four(number)}s"


def humanize_percentage(value: Value) -> str:
    """A ratio as percent: ``0.1234567`` is ``12.35%``."""
    return f"{_four(to_float(value) * 100)}%"


def float_to_time(seconds: float) -> Time:
    """An instant from unix seconds, cut to the millisecond.

    Raises:
        FunctionError: beyond 64 bits of nanoseconds.
    """
    nanos = seconds * 1e9
    if math.isnan(nanos) or not -_INT64 <= nanos <= _INT64:
        shown = format_float(seconds)
        msg = f"{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        raise FunctionError(msg)
    whole = int(nanos)
    millis = -(-whole // 1_000_000) if whole < 0 else whole // 1_000_000
    return Time.from_ms(millis)


def humanize_timestamp(value: Value) -> str:
    """Unix seconds as a date and time in UTC."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    return time_text(float_to_time(number))


def to_time(value: Value) -> Time:
    """An instant from unix seconds."""
    return float_to_time(to_float(value))


def to_duration(value: Value) -> Duration:
    """A duration from seconds."""
    number = to_float(value)
    if math.isnan(number) or not -_INT64 <= number * 1e9 <= _INT64:
        msg = f"{format_float(number)} cannot be represented as a duration since it overflows int64"
        raise FunctionError(msg)
    return Duration(int(number * 1e9))


def parse_duration(text: str) -> float:
    """A Prometheus duration, which may be negative, in seconds.

    Raises:
        FunctionError: not a duration.
    """
    sign, plain = (-1, text[1:]) if text[:1] == "-" else (1, text)
    try:
        return sign * parse_prometheus_duration(plain) / 1000
    except ValueError:
        reason = "empty duration string" if not text else f"not a valid duration string: {quote(text)}"
        raise FunctionError(reason) from None
