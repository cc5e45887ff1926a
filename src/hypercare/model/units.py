"""Units of measured values, and how a value is written for people: ``340 ms``, ``0.3 %``, ``1.2 GiB``, ``12 $/h``."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from hypercare.model.time import SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGITS: Final = 4
_MOST_DIGITS: Final = 12
_LONG: Final = 120.0
"""From so many seconds on minutes and hours are told: 5m12s."""

_TIMES: Final = {
    1e-9: ("ns", "nanoseconds"),
    1e-6: ("µs", "us", "microseconds"),
    1e-3: ("ms", "milliseconds"),
    1.0: ("s", "sec", "second", "seconds"),
    60.0: ("min", "minutes"),
    3600.0: ("h", "hours"),
}
_SIZES: Final = {
    1.0: ("B", "byte", "bytes"),
    1e3: ("kB", "KB", "kilobytes"),
    1e6: ("MB", "megabytes"),
    1e9: ("GB", "gigabytes"),
    1e12: ("TB", "terabytes"),
    2.0**10: ("KiB",),
    2.0**20: ("MiB",),
    2.0**30: ("GiB",),
}
_SHARES: Final = {1.0: ("ratio", "share"), 0.01: ("%", "percent")}
_PACES: Final = {
    1.0: ("/s", "a second", "per second"),
    1 / 60: ("/min", "a minute", "per minute"),
    1 / 3600: ("/h", "an hour", "per hour"),
}
TIME, SIZE, FLOW, SHARE, PACE = "time", "size", "size a second", "share", "pace"
THOUSANDS: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
POWERS: Final = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_IN_THOUSANDS: Final = frozenset({"kB", "KB", "MB", "GB", "TB", "kilobytes", "megabytes", "gigabytes", "terabytes"})
_KNOWN: Final[dict[str, tuple[str, float]]] = {
    **{word: (TIME, factor) for factor, words in _TIMES.items() for word in words},
    **{word: (SIZE, factor) for factor, words in _SIZES.items() for word in words},
    **{f"{word}/s": (FLOW, factor) for factor, words in _SIZES.items() for word in words},
    **{word: (SHARE, factor) for factor, words in _SHARES.items() for word in words},
    **{word: (PACE, factor) for factor, words in _PACES.items() for word in words},
}


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """What a value counts.

    Attributes:
        word: as people write it; what is not known stands behind the number as it is; empty: a bare number.
        thousands: sizes are written as kB, MB, GB, not as KiB, MiB, GiB.

    """

    word: str = ""
    thousands: bool = False

    def beside(self, bounds: Iterable[float | None]) -> Unit:
        """The same unit, for values that stand beside these bounds: sizes are written as those are the shorter.

        Whoever writes ``critical: 2GB`` reads 2 GB, and whoever writes ``200MiB`` reads 200 MiB.
        """
        factor = 0.0 if self.known is None else self.known[1]
        given = [abs(bound) * factor for bound in bounds if bound]
        if self.sizes is None or not given:
            return self
        thousands, powers = (sum(len(_size(v, _MOST_DIGITS, by)) for v in given) for by in (THOUSANDS, POWERS))
        # A prefix of powers is a letter longer.
        return dataclasses.replace(self, thousands=thousands + len(given) < powers)

    @property
    def sizes(self) -> tuple[tuple[float, str], ...] | None:
        """The prefixes of a size, the largest first; none where the unit is no size."""
        if self.known is None or self.known[0] not in {SIZE, FLOW}:
            return None
        return THOUSANDS if self.thousands or self.word.partition("/")[0] in _IN_THOUSANDS else POWERS

    @property
    def known(self) -> tuple[str, float] | None:
        """What it measures, and how many of the base (s, bytes, bytes a second, whole, a second) it is; or None."""
        return _KNOWN.get(self.word)

    def of(self, value: float, digits: int = _DIGITS) -> str:
        """A value for people, with so many digits that count."""
        if math.isnan(value):
            return "none"
        kind, factor = self.known or ("", 1.0)
        value += 0.0  # no minus before a zero
        base = value * factor
        if kind == TIME:
            return _time(base, digits)
        if kind == SHARE:
            return f"{_number(base * 100, digits)} %"
        if (sizes := self.sizes) is not None:
            return _size(base, digits, sizes) + ("/s" if kind == FLOW else "")
        space = "" if self.word.startswith("/") else " "
        return f"{_number(value, digits)}{space}{self.word}".rstrip()

    def apart(self, *values: float) -> tuple[str, ...]:
        """Values that are held against each other: with so many digits that different ones look different."""
        for digits in range(_DIGITS, _MOST_DIGITS):
            written = tuple(self.of(value, digits) for value in values)
            if len(set(written)) == len(set(values)):
                return written
        return tuple(self.of(value, _MOST_DIGITS) for value in values)


PLAIN: Final = Unit()
PORTION: Final = Unit("ratio")
"""Shares, 0 to 1, written as percent."""


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if 1000 <= abs(float(f"{value:.{digits}g}")) < 1e15:
        whole = len(f"{abs(value):.0f}")
        text = f"{value:,.{max(0, digits - whole)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def _time(seconds: float, digits: int) -> str:
    if _LONG <= abs(seconds) < math.inf and digits <= _DIGITS:
        return format_duration(round(seconds) * SECOND)
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if abs(seconds) >= factor:
            return f"{_number(seconds / factor, digits)} {name}"
    return f"{_number(seconds, digits)} s"


def _size(size: float, digits: int, by: tuple[tuple[float, str], ...]) -> str:
    for factor, name in by:
        if abs(size) >= factor:
            return f"{_number(size / factor, digits)} {name}"
    return f"{_number(size, digits)} bytes"
