"""Go's ``time.Time`` and ``time.Duration`` as templates use them. No clock is read here."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, ClassVar, Final

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.values import GoObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.gotemplate.functions.signature import Func
    from hypercare.model.time import Ms

NS: Final = 1_000_000_000
_YEAR_1: Final = dt.datetime(1, 1, 1)  # noqa: DTZ001 - arithmetic on seconds; the zone is kept beside it
ZERO_SECONDS: Final = -62_135_596_800
"""Go's zero time, 0001-01-01, in unix seconds."""
_LAST_SECONDS: Final = 253_402_214_400


@dataclasses.dataclass(frozen=True, slots=True)
class Duration(GoObject):
    """``time.Duration``: nanoseconds."""

    GO_TYPE: ClassVar[str] = "time.Duration"
    GO_METHODS: ClassVar[Mapping[str, Func]] = {}
    ns: int

    def seconds(self) -> float:
        """In seconds."""
        return self.ns / NS

    def __str__(self) -> str:
        """As Go writes it: ``1h30m0s``, ``1.5s``, ``20ms``."""
        if self.ns == 0:
            return "0s"
        sign, rest = ("-", -self.ns) if self.ns < 0 else ("", self.ns)
        if rest < NS:
            unit, size = next((u, s) for u, s in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)) if rest >= s)
            return f"{sign}{_decimal(rest, size)}{unit}"
        minutes, below = divmod(rest, 60 * NS)
        hours, minutes = divmod(minutes, 60)
        head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{head}{_decimal(below, NS)}s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    width = len(str(unit)) - 1
    return f"{whole}.{rest:0{width}d}".rstrip("0")


@dataclasses.dataclass(frozen=True, slots=True)
class Time(GoObject):
    """``time.Time``: an instant and the zone in which it is shown.

    Attributes:
        seconds: unix seconds, rounded down.
        ns: nanoseconds within the second.
        zone: an IANA name, ``UTC``, or a fixed offset as ``+01:00``.

    """

    GO_TYPE: ClassVar[str] = "time.Time"
    GO_METHODS: ClassVar[Mapping[str, Func]] = {}
    seconds: int = ZERO_SECONDS
    ns: int = 0
    zone: str = "UTC"

    @classmethod
    def from_ms(cls, at: Ms) -> Time:
        """An instant in UTC."""
        return cls(at // 1000, at % 1000 * 1_000_000)

    @property
    def total_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self.seconds * NS + self.ns

    def plus(self, duration: Duration) -> Time:
        """A later (or earlier) instant."""
        seconds, ns = divmod(self.total_ns + duration.ns, NS)
        return Time(seconds, ns, self.zone)

    def is_zero(self) -> bool:
        """Whether it is Go's zero time."""
        return self.seconds == ZERO_SECONDS and self.ns == 0

    def offset(self) -> int:
        """Seconds east of UTC at this instant."""
        if self.zone == "UTC":
            return 0
        return int((self._aware().utcoffset() or dt.timedelta()).total_seconds())

    def abbreviation(self) -> str:
        """The zone's name at this instant, such as CET."""
        return self._aware().tzname() or self.zone

    def _aware(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._bounded(), tz=load_zone(self.zone))

    def _bounded(self) -> int:
        if not ZERO_SECONDS <= self.seconds <= _LAST_SECONDS:
            raise FunctionError("the year is outside of 1 to 9999")
        return self.seconds

    def wall(self) -> dt.datetime:
        """The date and time of day shown in the zone, to the second, without zone."""
        return _YEAR_1 + dt.timedelta(seconds=self._bounded() + self.offset() - ZERO_SECONDS)


ZERO_TIME: Final = Time()
"""Go's zero time."""


def load_zone(name: str) -> dt.tzinfo:
    """A time zone by its IANA name; empty and ``Local`` mean UTC.

    Raises:
        FunctionError: no such zone.
    """
    if name in {"", "UTC", "Local"}:
        return dt.UTC
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        return dt.timezone(sign * dt.timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        msg = f"unknown time zone {name}"
        raise FunctionError(msg) from None
