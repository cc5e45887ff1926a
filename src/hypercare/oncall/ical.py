"""iCalendar (RFC 5545): shifts as a feed to subscribe to, and calendars read as overrides."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
import zoneinfo
from typing import TYPE_CHECKING, Final

from hypercare.model.errors import InputError, Problem
from hypercare.model.time import DAY, Ms, from_datetime, to_datetime
from hypercare.oncall.commands import Imported
from hypercare.oncall.recurrence import occurrences, parse_rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.oncall.plan import Plan
    from hypercare.oncall.render import Duty

_FOLD: Final = 75
_DURATION: Final = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)


def write_calendar(name: str, duties: Iterable[tuple[str, Duty]], plan: Plan, now: Ms) -> str:
    """A calendar with one event for each shift; times are UTC, which needs no VTIMEZONE and is exact everywhere.

    Args:
        name: of the calendar.
        duties: with the schedule of each.
        plan: knows the people's full names.
        now: the stamp of the events.

    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//hypercare//on-call//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
    ]
    lines += [f"X-WR-CALNAME:{_text(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"]
    for schedule, duty in duties:
        person = plan.person(duty.person)
        called = person.full_name if person and person.full_name else duty.person
        # The same as long as the shift is: a calendar that knows the event changes it and makes no second one.
        uid = hashlib.blake2b(f"{schedule}\0{duty.person}\0{duty.start}".encode(), digest_size=16).hexdigest()
        lines += ["BEGIN:VEVENT", f"UID:{uid}@hypercare", f"DTSTAMP:{_utc(now)}"]
        lines += [f"DTSTART:{_utc(duty.start)}", f"DTEND:{_utc(duty.end)}"]
        lines += [f"SUMMARY:{_text(f'{called} on call: {schedule}')}", f"DESCRIPTION:{_text(f'from: {duty.source}')}"]
        lines += [f"CATEGORIES:{_text(duty.person)}", "TRANSP:TRANSPARENT", "END:VEVENT"]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _utc(at: Ms) -> str:
    return to_datetime(at).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    value = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", " ", value.replace("\r\n", "\n"))
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Lines of at most 75 octets, never cut within a character."""
    parts: list[str] = []
    part, size = "", 0
    for letter in line:
        width = len(letter.encode("utf-8", "surrogatepass"))
        if size + width > _FOLD:
            parts.append(part)
            part, size = "", 1
        part, size = part + letter, size + width
    return "\r\n ".join([*parts, part])


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    parameters: dict[str, str]
    value: str


def read_calendar(text: str, plan: Plan, timezone: str) -> tuple[Imported, ...]:
    """The events of a calendar as shifts.

    The person is whom a CATEGORIES names, or an ATTENDEE's address, or the SUMMARY (their name or full name alone, or
    before " on call"). Cancelled events are left out.

    Args:
        text: of the file.
        plan: knows the people.
        timezone: of times that name none.

    Raises:
        InputError: all that cannot be understood, with the lines; then nothing is taken.

    """
    problems: list[Problem] = []
    found: list[Imported] = []
    event: list[_Line] | None = None
    depth = 0
    lines = _unfolded(text)
    if not lines or lines[0].name != "BEGIN" or lines[0].value.upper() != "VCALENDAR":
        raise InputError([Problem("", 1, 0, "expected BEGIN:VCALENDAR", "this is not an iCalendar file")])
    for line in lines:
        if line.name == "BEGIN" and line.value.upper() == "VEVENT":
            event = []
        elif line.name == "END" and line.value.upper() == "VEVENT" and event is not None:
            try:
                shifts = _shifts(event, plan, timezone, line.number)
            except InputError as error:
                problems += error.problems
            else:
                found += shifts
            event = None
        elif line.name in {"BEGIN", "END"}:
            # Alarms within an event have properties of their own.
            depth += 1 if line.name == "BEGIN" else -1
        elif event is not None and depth <= 1:
            event.append(line)
    if event is not None:
        problems.append(Problem("", lines[-1].number, 0, "an event does not end", "the file was cut off"))
    if problems:
        raise InputError(problems)
    return tuple(found)


def _unfolded(text: str) -> list[_Line]:
    whole: list[tuple[int, str]] = []
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        if raw[:1] in {" ", "\t"} and whole:
            whole[-1] = whole[-1][0], whole[-1][1] + raw[1:]
        elif raw:
            whole.append((number, raw))
    found: list[_Line] = []
    for number, line in whole:
        # A colon within quotes is part of a parameter.
        match = re.fullmatch(r'([A-Za-z0-9-]+)((?:;[^=;:"]+=(?:"[^"]*"|[^;:"]*)(?:,(?:"[^"]*"|[^;:"]*))*)*):(.*)', line)
        if match is None:
            raise InputError([Problem("", number, 0, f"not a content line: {line[:60]!r}", "expected NAME:value")])
        pairs = (p.partition("=") for p in re.findall(r';([^=;:"]+=(?:"[^"]*"|[^;":]*))', match[2]))
        found.append(_Line(number, match[1].upper(), {k.upper(): v.strip('"') for k, _, v in pairs}, match[3]))
    return found


def _wrong(line: int, message: str, hint: str = "") -> InputError:
    return InputError([Problem("", line, 0, message, hint)])


def _shifts(event: list[_Line], plan: Plan, timezone: str, last: int) -> list[Imported]:
    """One, or as many as a rule of repetition makes, at the same local time; those of an EXDATE are left out."""
    first = _shift(event, plan, timezone, last)
    rule_line = next((line for line in event if line.name == "RRULE"), None)
    if first is None or rule_line is None:
        return [first] if first else []
    begins = next(line for line in event if line.name == "DTSTART")
    name = "UTC" if begins.value.endswith("Z") else begins.parameters.get("TZID", timezone).lstrip("/")
    zone = zoneinfo.ZoneInfo(name)
    local = to_datetime(first.start).astimezone(zone).replace(tzinfo=None)
    try:
        times = occurrences(local, parse_rule(rule_line.value), zone)
    except (ValueError, OverflowError) as error:
        hint = "write what comes again as a layer of the schedule, or give the rule an UNTIL or a COUNT"
        raise _wrong(rule_line.number, str(error), hint) from error
    left_out = {
        _instant(dataclasses.replace(line, value=value), timezone)[0]
        for line in event
        if line.name == "EXDATE"
        for value in line.value.split(",")
    }
    ends = to_datetime(first.end).astimezone(zone).replace(tzinfo=None) - local
    found: list[Imported] = []
    for at in times:
        start = from_datetime(at.replace(tzinfo=zone))
        if start not in left_out:
            # A calendar names all of them by one UID; here each is a change of its own.
            uid = first.uid if at == local else f"{first.uid[:480]}#{at:%Y%m%dT%H%M%S}"
            found.append(Imported(uid, first.person, start, from_datetime((at + ends).replace(tzinfo=zone))))
    return found


def _shift(event: list[_Line], plan: Plan, timezone: str, last: int) -> Imported | None:
    by_name: dict[str, _Line] = {}
    for line in event:
        by_name.setdefault(line.name, line)
    if (status := by_name.get("STATUS")) and status.value.upper() == "CANCELLED":
        return None
    if "RECURRENCE-ID" in by_name:
        number = by_name["RECURRENCE-ID"].number
        raise _wrong(number, "an event that changes one of a series cannot be taken", "export the single events")
    if "RDATE" in by_name:
        hint = "export the single events"
        raise _wrong(by_name["RDATE"].number, "an event with further dates cannot be taken", hint)
    if "DTSTART" not in by_name:
        raise _wrong(last, "the event has no DTSTART")
    start, whole_day = _instant(by_name["DTSTART"], timezone)
    if "DTEND" in by_name:
        end, _ = _instant(by_name["DTEND"], timezone)
    elif "DURATION" in by_name:
        end = start + _length(by_name["DURATION"])
    elif whole_day:
        end = start + DAY
    else:
        raise _wrong(last, "the event has neither DTEND nor DURATION")
    if end <= start:
        raise _wrong(last, "the event does not end after it begins")
    person = _person(event, plan)
    if person is None:
        summary = by_name["SUMMARY"].value if "SUMMARY" in by_name else ""
        hint = "name a person of the configuration in SUMMARY, or their e-mail address in ATTENDEE"
        raise _wrong(by_name["DTSTART"].number, f"cannot tell whose shift {summary[:60]!r} is", hint)
    uid = by_name["UID"].value if "UID" in by_name else f"{person}-{start}"
    return Imported(uid[:500], person, start, end)


def _instant(line: _Line, timezone: str) -> tuple[Ms, bool]:
    """An instant, and whether it is a date alone."""
    name = line.parameters.get("TZID", timezone)
    try:
        zone = zoneinfo.ZoneInfo(name.lstrip("/"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(
            line.number, f"unknown time zone {name!r}", "export with IANA names such as Europe/Berlin"
        ) from None
    try:
        if re.fullmatch(r"\d{8}", line.value):
            return from_datetime(dt.datetime.strptime(line.value, "%Y%m%d").replace(tzinfo=zone)), True
        utc = line.value.endswith("Z")
        moment = dt.datetime.strptime(line.value.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - the zone follows
        return from_datetime(moment.replace(tzinfo=dt.UTC if utc else zone)), False
    except (ValueError, OverflowError):
        hint = "write 20260105T090000Z, 20260105T090000 or 20260105"
        raise _wrong(line.number, f"not a date and time: {line.value[:40]!r}", hint) from None


def _length(line: _Line) -> Ms:
    match = _DURATION.fullmatch(line.value)
    if match is None or not any(match.groups()):
        raise _wrong(line.number, f"not a duration: {line.value[:40]!r}", "write PT8H or P1D")
    weeks, days, hours, minutes, seconds = (int(n or 0) for n in match.groups())
    return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def _person(event: list[_Line], plan: Plan) -> str | None:
    names = {p.name.casefold(): p.name for p in plan.people}
    names |= {p.full_name.casefold(): p.name for p in plan.people if p.full_name}
    emails = {p.email.casefold(): p.name for p in plan.people if p.email}
    for kind in ("CATEGORIES", "ATTENDEE", "SUMMARY"):
        for line in event:
            if line.name != kind:
                continue
            value = re.sub(r"\\([\\;,])", r"\1", line.value).strip().casefold()
            if kind == "ATTENDEE":
                value = emails.get(value.removeprefix("mailto:"), "").casefold()
            for candidate in (value, value.partition(" on call")[0].strip()):
                if candidate in names:
                    return names[candidate]
    return None
