"""Go's time layouts: writing and reading times by the example of 2 January 2006, 15:04:05."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.gotime import ZERO_SECONDS, Time

if TYPE_CHECKING:
    from collections.abc import Callable

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# In the order in which Go tries them at one place.
_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|01|02|03|04|05|06|002|-07:00:00|-07:00|-070000|-0700|-07"
    r"|Z07:00:00|Z07:00|Z070000|Z0700|Z07|2006|__2|_2006|_2|15|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)


def month_name(number: int) -> str:
    """The month's English name, from 1."""
    return _MONTHS[number - 1]


def day_name(weekday: int) -> str:
    """The day's English name, Monday 0."""
    return _DAYS[weekday]


def format_time(when: Time, layout: str) -> str:
    """``Time.Format``."""
    wall = when.wall()
    return _ELEMENT.sub(lambda found: _write(found.group(), when, wall), layout)


_PLAIN: Final[dict[str, Callable[[dt.datetime], str]]] = {
    "January": lambda w: month_name(w.month),
    "Jan": lambda w: month_name(w.month)[:3],
    "Monday": lambda w: day_name(w.weekday()),
    "Mon": lambda w: day_name(w.weekday())[:3],
    "01": lambda w: f"{w.month:02d}",
    "1": lambda w: str(w.month),
    "02": lambda w: f"{w.day:02d}",
    "_2": lambda w: f"{w.day:2d}",
    "2": lambda w: str(w.day),
    "002": lambda w: f"{w.timetuple().tm_yday:03d}",
    "__2": lambda w: f"{w.timetuple().tm_yday:3d}",
    "03": lambda w: f"{w.hour % 12 or 12:02d}",
    "3": lambda w: str(w.hour % 12 or 12),
    "15": lambda w: f"{w.hour:02d}",
    "04": lambda w: f"{w.minute:02d}",
    "4": lambda w: str(w.minute),
    "05": lambda w: f"{w.second:02d}",
    "5": lambda w: str(w.second),
    "06": lambda w: f"{w.year % 100:02d}",
    "2006": lambda w: f"{w.year:04d}",
    "_2006": lambda w: f"_{w.year:04d}",
    "PM": lambda w: "PM" if w.hour >= 12 else "AM",
    "pm": lambda w: "pm" if w.hour >= 12 else "am",
}


def _write(element: str, when: Time, wall: dt.datetime) -> str:
    plain = _PLAIN.get(element)
    if plain is not None:
        return plain(wall)
    if element == "MST":
        return when.abbreviation()
    if element[0] in ".,":
        digits = f"{when.ns:09d}"[: len(element) - 1]
        if element[1] == "9":
            digits = digits.rstrip("0")
            return element[0] + digits if digits else ""
        return element[0] + digits.ljust(len(element) - 1, "0")
    return _write_offset(element, when.offset())


def _write_offset(element: str, offset: int) -> str:
    if element[0] == "Z" and offset == 0:
        return "Z"
    sign, rest = ("-", -offset) if offset < 0 else ("+", offset)
    hours, minutes, seconds = rest // 3600, rest // 60 % 60, rest % 60
    colon = ":" if ":" in element else ""
    size = len(element.replace(":", ""))
    shown = f"{sign}{hours:02d}"
    if size >= 5:
        shown += f"{colon}{minutes:02d}"
    return f"{shown}{colon}{seconds:02d}" if size >= 7 else shown


_READ: Final = {
    "January": r"(?P<month_long>[A-Za-z]+)",
    "Jan": r"(?P<month_short>[A-Za-z]{3})",
    "Monday": r"[A-Za-z]+",
    "Mon": r"[A-Za-z]{3}",
    "01": r"(?P<month>\d\d)",
    "1": r"(?P<month>\d\d?)",
    "02": r"(?P<day>\d\d)",
    "_2": r" ?(?P<day>\d\d?)",
    "2": r"(?P<day>\d\d?)",
    "002": r"(?P<yearday>\d{3})",
    "03": r"(?P<hour>\d\d)",
    "3": r"(?P<hour>\d\d?)",
    "15": r"(?P<hour>\d\d?)",
    "04": r"(?P<minute>\d\d)",
    "4": r"(?P<minute>\d\d?)",
    "05": r"(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?",
    "5": r"(?P<second>\d\d?)(?:[.,](?P<fraction>\d+))?",
    "06": r"(?P<year2>\d\d)",
    "2006": r"(?P<year>\d{4})",
    "PM": r"(?P<half>AM|PM)",
    "pm": r"(?P<half>am|pm)",
    "MST": r"(?P<zone>[A-Z]{3,5})",
}


def parse_time(layout: str, text: str) -> Time:
    """``time.Parse``: an instant, in UTC where the text names no offset.

    Raises:
        FunctionError: the text does not fit the layout, or there is no such date.
    """
    pattern, pos = [], 0
    for found in _ELEMENT.finditer(layout):
        pattern.append(re.escape(layout[pos : found.start()]))
        pattern.append(_read(found.group()))
        pos = found.end()
    pattern.append(re.escape(layout[pos:]))
    msg = f'parsing time "{text}" as "{layout}": cannot parse'
    try:
        match = re.fullmatch("".join(pattern), text)
        if match is None:
            raise FunctionError(msg)
        return _assemble({k: v for k, v in match.groupdict().items() if v is not None})
    except (re.error, ValueError):
        raise FunctionError(msg) from None


def _read(element: str) -> str:
    known = _READ.get(element)
    if known is not None:
        return known
    if element[0] in ".,":
        # A fraction behind the seconds is read there, whether or not the layout has one.
        return ""
    optional = "Z|" if element[0] == "Z" else ""
    return rf"(?P<offset>{optional}[+-]\d\d(?::?\d\d)?)"


def _assemble(parts: dict[str, str]) -> Time:
    month = int(parts.get("month", "1"))
    if "month_long" in parts:
        month = [m.lower() for m in _MONTHS].index(parts["month_long"].lower()) + 1
    if "month_short" in parts:
        month = [m[:3].lower() for m in _MONTHS].index(parts["month_short"].lower()) + 1
    year = int(parts.get("year", "0"))
    if "year2" in parts:
        short = int(parts["year2"])
        year = short + (1900 if short >= 69 else 2000)
    hour = int(parts.get("hour", "0"))
    if "half" in parts:
        hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
    minute, second = int(parts.get("minute", "0")), int(parts.get("second", "0"))
    # Python has no year 0, where Go puts times of day without a date: one leap year of 366 days before year 1.
    before = 366 * 86400 if year == 0 else 0
    wall = dt.datetime(year or 4, month, int(parts.get("day", "1")), hour, minute, second)  # noqa: DTZ001 - see Time
    origin = dt.datetime(year or 4, 1, 1) if year == 0 else dt.datetime(1, 1, 1)  # noqa: DTZ001 - see Time
    seconds = ZERO_SECONDS - before + int((wall - origin).total_seconds())
    if "yearday" in parts:
        seconds += (int(parts["yearday"]) - 1) * 86400
    zone = "UTC"
    offset = parts.get("offset", "Z")
    if offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        sign = -1 if offset[0] == "-" else 1
        seconds -= sign * (int(digits[:2]) * 3600 + int(digits[2:4]) * 60)
        zone = f"{offset[0]}{digits[:2]}:{digits[2:4]}"
    return Time(seconds, int(parts.get("fraction", "0")[:9].ljust(9, "0")), zone)
