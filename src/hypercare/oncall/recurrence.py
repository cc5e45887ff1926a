"""Events that come again (RFC 5545, 3.3.10): days and weeks on the local clock, as rosters use them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Final

_DAYS: Final = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_PARTS: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"})
MOST: Final = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How an event comes again.

    Attributes:
        weekly: else daily.
        days: the weekdays, 0 is Monday; none: that of the first.
        until: the last local time at which one may begin, or an instant if it has a zone.

    """

    weekly: bool
    interval: int
    count: int | None
    until: dt.datetime | None
    days: tuple[int, ...]


def parse_rule(text: str) -> Rule:
    """Read an RRULE.

    Raises:
        ValueError: it says something that is not understood here, or has no end; in words for people.

    """
    parts = {key.upper(): value.upper() for key, _, value in (part.partition("=") for part in text.split(";") if part)}
    if unknown := sorted(parts.keys() - _PARTS):
        msg = f"{unknown[0]} in a rule of repetition is not understood"
        raise ValueError(msg)
    frequency = parts.get("FREQ", "")
    if frequency not in {"DAILY", "WEEKLY"}:
        msg = f"only FREQ=DAILY and FREQ=WEEKLY are understood, found {frequency or 'none'}"
        raise ValueError(msg)
    numbers = {}
    for key in ("INTERVAL", "COUNT"):
        value = parts.get(key, "1")
        if not re.fullmatch(r"[1-9]\d{0,3}", value, re.ASCII):
            msg = f"{key} is a number from 1 to 9999, found {value[:20]!r}"
            raise ValueError(msg)
        numbers[key] = int(value)
    days = tuple(part for part in parts.get("BYDAY", "").split(",") if part)
    if any(day not in _DAYS for day in days) or (days and frequency == "DAILY"):
        msg = "BYDAY names weekdays such as MO,TU of a weekly rule"
        raise ValueError(msg)
    if numbers["INTERVAL"] > 1 and len(days) > 1 and parts.get("WKST", "MO") != "MO":
        msg = "weeks that begin on another day than Monday are not understood"
        raise ValueError(msg)
    until = _until(parts["UNTIL"]) if "UNTIL" in parts else None
    count = numbers["COUNT"] if "COUNT" in parts else None
    if until is None and count is None:
        msg = "an event that repeats for ever cannot be taken"
        raise ValueError(msg)
    return Rule(frequency == "WEEKLY", numbers["INTERVAL"], count, until, tuple(sorted(_DAYS[day] for day in days)))


def _until(text: str) -> dt.datetime:
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%d"):
        try:
            found = dt.datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        if form.endswith("Z"):
            return found.replace(tzinfo=dt.UTC)
        # A date alone is included whole.
        return found if "H" in form else found + dt.timedelta(days=1) - dt.timedelta(seconds=1)
    msg = f"UNTIL is a date or a date and time, found {text[:40]!r}"
    raise ValueError(msg)


def occurrences(first: dt.datetime, rule: Rule, zone: dt.tzinfo) -> list[dt.datetime]:
    """The local times at which the event begins, the first among them.

    Raises:
        ValueError: there are more than 1000.

    """
    found: list[dt.datetime] = []
    days = rule.days or (first.weekday(),)
    monday = first - dt.timedelta(days=first.weekday())
    step = 0
    while True:
        if rule.weekly:
            week = monday + dt.timedelta(weeks=step * rule.interval)
            batch = [week + dt.timedelta(days=day) for day in days]
        else:
            batch = [first + dt.timedelta(days=step * rule.interval)]
        for at in batch:
            if at < first:
                continue
            if (rule.count is not None and len(found) >= rule.count) or _beyond(at, rule.until, zone):
                return found
            if len(found) >= MOST:
                msg = f"an event that repeats more than {MOST} times cannot be taken"
                raise ValueError(msg)
            found.append(at)
        step += 1


def _beyond(at: dt.datetime, until: dt.datetime | None, zone: dt.tzinfo) -> bool:
    if until is None:
        return False
    return at.replace(tzinfo=zone) > until if until.tzinfo else at > until
