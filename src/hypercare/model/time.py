"""Instants and durations are integers: milliseconds since the Unix epoch, milliseconds.

Integers keep the order of deadlines exact, so that restart, replay and simulation agree.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TypeAlias

Ms: TypeAlias = int
"""An instant (ms since the epoch, UTC) or a duration (ms)."""

SECOND: Ms = 1_000
MINUTE: Ms = 60 * SECOND
HOUR: Ms = 60 * MINUTE
DAY: Ms = 24 * HOUR
WEEK: Ms = 7 * DAY
TOGETHER: Ms = 2 * SECOND
"""Scrapes of an interval up to this begin together, and rules of such an interval are evaluated right after."""
YEAR: Ms = 365 * DAY

_UNITS: tuple[tuple[str, Ms], ...] = (
    ("y", YEAR),
    ("w", WEEK),
    ("d", DAY),
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", 1),
)
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse_duration(text: str) -> Ms:
    """Read a Prometheus duration such as ``1h30m`` or ``15s``; ``0`` alone is allowed.

    Raises:
        ValueError: the text is not a duration.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        msg = f"not a valid duration: {text!r}; write a number with a unit such as 30s, 5m, 1h30m, 7d"
        raise ValueError(msg)
    return sum(int(n) * unit for n, (_, unit) in zip(match.groups(), _UNITS, strict=True) if n)


def format_duration(ms: Ms) -> str:
    """Write a duration as Prometheus does: ``90000`` becomes ``1m30s``, ``0`` becomes ``0s``."""
    if ms == 0:
        return "0s"
    sign, rest = ("-", -ms) if ms < 0 else ("", ms)
    parts: list[str] = []
    for unit, size in _UNITS:
        # Years and weeks only where they divide exactly, as Prometheus prints them.
        if unit in {"y", "w"} and rest % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)


def format_rfc3339(at: Ms) -> str:
    """Write an instant in UTC with milliseconds: ``2026-01-05T09:00:00.000Z``."""
    return to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def parse_rfc3339(text: str) -> Ms:
    """Read an RFC 3339 instant, with any number of fractional digits.

    Raises:
        ValueError: no such instant.
    """
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    parsed = dt.datetime.fromisoformat(cut)
    if parsed.tzinfo is None:
        msg = f"no time zone in {text!r}; end it with Z or an offset such as +01:00"
        raise ValueError(msg)
    return from_datetime(parsed)


def to_datetime(at: Ms) -> dt.datetime:
    """The instant as an aware ``datetime`` in UTC."""
    return _EPOCH + dt.timedelta(milliseconds=at)


def from_datetime(when: dt.datetime) -> Ms:
    """The aware ``datetime`` as an instant, rounded down to the millisecond."""
    return (when - _EPOCH) // dt.timedelta(milliseconds=1)
