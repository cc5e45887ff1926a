"""Calendars of shifts on pages: days with who is on call, spans of time in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.model.time import Ms, to_datetime
from hypercare.oncall.render import ROTATION

if TYPE_CHECKING:
    import datetime as dt
    import zoneinfo

    from hypercare.oncall.render import Duty

COLOURS: Final = 8
"""Of people, by their place in the configuration; classes ``p0``, ``p1``, …"""


def stretch(start: Ms, end: Ms, zone: zoneinfo.ZoneInfo) -> str:
    """From when to when, with the offset where it changes in between."""
    one, other = (to_datetime(at).astimezone(zone) for at in (start, end))
    form = "%a %d %b %H:%M" if one.utcoffset() == other.utcoffset() else "%a %d %b %H:%M %z"
    if one.date() == other.date() and "%z" not in form:
        return f"{one.strftime(form)} to {other.strftime('%H:%M')}"
    return f"{one.strftime(form)} to {other.strftime(form)}"


def day_of(day: dt.date, today: dt.date, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One day of the calendar, with the rows of its schedules."""
    marks = {"weekend": day.weekday() > 4, "today": day == today, "past": day < today}
    return {
        "date": day.isoformat(), "title": day.strftime("%a %d %b"), "today": day == today, "rows": rows,
        "classes": "".join(f" {name}" for name, holds in marks.items() if holds),
    }  # fmt: skip


def row(
    schedule: str, duties: tuple[Duty, ...], start: Ms, end: Ms, zone: zoneinfo.ZoneInfo, colours: dict[str, str]
) -> dict[str, Any]:
    """One schedule on one day: who, and from what time where they take over within it."""
    parts: list[dict[str, Any]] = []
    at = start
    for duty in duties:
        if duty.end <= start or duty.start >= end:
            continue
        if duty.start > at:
            parts.append(_part("nobody", "gap", at, "", at > start, zone))
        since = max(start, duty.start)
        why = "" if duty.source == ROTATION else duty.source
        parts.append(_part(duty.person, colours.get(duty.person, ""), since, why, since > start, zone))
        at = duty.end
    if at < end:
        parts.append(_part("nobody", "gap", at, "", at > start, zone))
    return {"schedule": schedule, "parts": parts}


def _part(person: str, colour: str, at: Ms, why: str, within: bool, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:  # noqa: FBT001 - one caller
    clock = to_datetime(at).astimezone(zone).strftime("%H:%M") if within else ""
    return {"person": person, "colour": colour, "at": at, "why": why, "clock": clock}
