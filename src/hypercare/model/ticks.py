"""Where the marks of a chart's axes stand, and what is written beside them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from hypercare.model.time import DAY, HOUR, MINUTE, SECOND, format_duration, to_datetime
from hypercare.model.units import FLOW, PACE, SHARE, TIME, Unit

if TYPE_CHECKING:
    from hypercare.model.time import Ms

_TIMES: Final = ((DAY / 1e3, "d"), (HOUR / 1e3, "h"), (MINUTE / 1e3, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_LONG: Final = 2
"""So many of a minute, an hour or a day have to be there before they are counted in."""
_LARGE: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_LARGE_FROM: Final = 1e4
_NARROW: Final = 1000
_SHORT: Final = 5
"""A word that is longer stands beside the axis, not behind each number."""
_STEPS: Final = (
    SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
)  # fmt: skip
CLOCK, SECONDS, WEEKDAY, DATE = "clock", "seconds", "weekday", "date"
_FORMS: Final = {CLOCK: "%H:%M", SECONDS: "%H:%M:%S", WEEKDAY: "%a %H:%M", DATE: "%d %b"}


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """One mark: where it stands and what it says."""

    at: float
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class ValueAxis:
    """Marks of values, lowest first; ``beside``: a unit too long to stand behind each number, or empty."""

    ticks: tuple[Tick, ...]
    beside: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class TimeAxis:
    """Marks of instants; ``form``: clock, seconds, weekday or date, so that a browser can write them in its zone."""

    ticks: tuple[Tick, ...]
    form: str


def value_axis(unit: Unit, low: float, high: float, most: int = 4) -> ValueAxis:
    """Round values between two that differ, all in one multiple of the unit: 0 ms, 200 ms, 400 ms.

    Args:
        unit: of the values.
        low: at the lower end.
        high: at the upper end.
        most: about so many marks; there may be one more.

    """
    kind, factor = unit.known or ("", 1.0)
    factor = 1.0 if kind == PACE else factor
    largest = max(abs(low), abs(high))
    scale, name = _scale(unit, kind, largest * factor, narrow=largest > _NARROW * (high - low))
    # How many of what is written one of the values is.
    times = factor / scale
    step = _round_step((high - low) * times / max(1, most))
    first = math.ceil(low * times / step - 1e-9)
    last = math.floor(high * times / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    behind = name if len(name) <= _SHORT or kind else ""
    ticks = tuple(
        Tick(number * step / times, _written(number * step, digits, behind)) for number in range(first, last + 1)
    )
    return ValueAxis(ticks, "" if behind == name else name.strip())


def _round_step(raw: float) -> float:
    """1, 2 or 5 times a power of ten, not below."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= raw * (1 - 1e-9))


def _written(value: float, digits: int, behind: str) -> str:
    return f"{value + 0.0:,.{digits}f}{behind}"


def _scale(unit: Unit, kind: str, largest: float, *, narrow: bool) -> tuple[float, str]:
    """(how much one of what is written is, in the base; what stands behind the number).

    Args:
        unit: of the values.
        kind: of the unit; empty: none that is known.
        largest: of the values, in the base.
        narrow: whether the values hardly differ, so that thousands would need many digits.

    """
    if kind == TIME:
        for size, name in _TIMES:
            if largest >= size * (_LONG if size > 1 else 1):
                return size, f" {name}"
        return 1e-9, " ns"
    if kind == SHARE:
        return 0.01, " %"
    if (sizes := unit.sizes) is not None:
        behind = "/s" if kind == FLOW else ""
        return next(((size, f" {name}{behind}") for size, name in sizes if largest >= size), (1.0, f" B{behind}"))
    large = () if narrow else _LARGE
    prefix = next(((size, f" {name}") for size, name in large if largest >= max(size, _LARGE_FROM)), (1.0, ""))
    space = "" if not unit.word or unit.word.startswith("/") or prefix[1] else " "
    return prefix[0], f"{prefix[1]}{space}{unit.word}"


def time_axis(start: Ms, end: Ms, most: int = 5) -> TimeAxis:
    """Round instants between two, in UTC."""
    span = max(1, end - start)
    step = next((step for step in _STEPS if span / step <= most), _STEPS[-1])
    form = DATE if step >= DAY else SECONDS if step < MINUTE else WEEKDAY if span > DAY else CLOCK
    ticks = tuple(Tick(at, written(at, form)) for at in range(-(-start // step) * step, end + 1, step))
    return TimeAxis(ticks, form)


def since_axis(span: Ms, most: int = 5) -> TimeAxis:
    """Round spans of time since something, from 0."""
    step = next((step for step in _STEPS if span / step <= most), _STEPS[-1])
    return TimeAxis(tuple(Tick(at, format_duration(at) if at else "0") for at in range(0, span + 1, step)), "")


def written(at: Ms, form: str) -> str:
    """An instant in UTC."""
    return to_datetime(at).strftime(_FORMS[form])
