"""``oncall`` of hypercare.yml: schedules, their layers, and what departs from them."""

import datetime as dt
import re
import zoneinfo
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from hypercare.config.base import Duration, OneOrMany, StrictModel, Timezone, refuse
from hypercare.model.time import DAY, HOUR, MINUTE, WEEK, Ms, from_datetime

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _moment(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        hint = "write it as 2026-01-05T09:00"
        msg = f"expected a date and time, found {value!r}"
        raise refuse(msg, hint=hint) from None


Moment = Annotated[
    dt.datetime,
    BeforeValidator(_moment),
    PlainSerializer(dt.datetime.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["2026-01-05T09:00"]}),
]
"""A date and time; without an offset in the schedule's time zone."""


def instant(moment: dt.datetime, timezone: str) -> Ms:
    """The instant of a moment; one that daylight saving skips is taken with the offset before the change."""
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zoneinfo.ZoneInfo(timezone)))


def _time_of_day(value: Any) -> Any:
    if isinstance(value, dt.time):
        return value
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(value), re.ASCII)
    if match is None:
        msg = f"expected a time of day such as 09:00, found {value!r}"
        raise refuse(msg)
    return dt.time(int(match[1]), int(match[2]))


TimeOfDay = Annotated[
    dt.time,
    BeforeValidator(_time_of_day),
    PlainSerializer(lambda t: t.strftime("%H:%M"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["09:00"]}),
]


_WORDS: Final = {"hourly": HOUR, "daily": DAY, "weekly": WEEK, "fortnightly": 2 * WEEK}


def _every(value: Any) -> Any:
    return _WORDS.get(str(value).strip().lower(), value)


def _weekday(value: Any) -> int:
    if isinstance(value, int):
        return value
    name = str(value).strip().lower()
    found = [i for i, day in enumerate(WEEKDAYS) if len(name) >= 3 and day.startswith(name)]
    if not found:
        msg = f"{value!r} is not a weekday"
        raise refuse(msg, hint=f"one of {', '.join(WEEKDAYS)}")
    return found[0]


Weekday = Annotated[
    int,
    BeforeValidator(_weekday),
    PlainSerializer(lambda day: WEEKDAYS[day], return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "enum": list(WEEKDAYS)}),
]
"""0 is Monday."""


def _days(value: Any) -> Any:
    """Weekdays from ``monday``, ``monday:friday``, ``weekdays``, ``weekend``, or a list of these."""
    found: list[int] = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        text = str(item).strip().lower() if not isinstance(item, int) else item
        text = {"weekdays": "monday:friday", "weekend": "saturday:sunday"}.get(str(text), text)
        first, _, last = text.partition(":") if isinstance(text, str) else (text, "", "")
        begin = _weekday(first)
        end = _weekday(last) if last else begin
        found += [(begin + i) % 7 for i in range((end - begin) % 7 + 1)]
    if not found:
        raise refuse("no day is named", hint="leave days out for every day")
    return tuple(sorted(set(found)))


Days = Annotated[
    tuple[int, ...],
    BeforeValidator(_days),
    PlainSerializer(lambda days: [WEEKDAYS[day] for day in days], return_type=list, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                    "examples": ["monday:friday", ["saturday", "sunday"]]}),
]  # fmt: skip


def end_of_day(value: Any) -> Any:
    """``24:00`` is midnight."""
    return dt.time(0) if str(value) == "24:00" else value


class Restriction(StrictModel):
    """When a layer applies; of several any.

    Attributes:
        days: the weekdays on which the time begins.
        from_: local time of day.
        until: local time of day, excluded; at or before ``from``: of the next day.

    """

    key_hints: ClassVar[dict[str, str]] = {"to": "the key is called until", "weekdays": "the key is called days"}

    days: Days = (0, 1, 2, 3, 4, 5, 6)
    from_: TimeOfDay = Field(default=dt.time(0), alias="from")
    until: Annotated[TimeOfDay, BeforeValidator(end_of_day)] = dt.time(0)


class Rotation(StrictModel):
    """People take turns.

    Attributes:
        every: length of a turn, ms, or daily, weekly; whole days are counted in local time, so that the hand-off stays
            at its hour through daylight-saving changes.
        start: when the first person's first turn begins.
        until: when the rotation ends; none: never.
        handoff: local time of day of the change; none: that of ``start``.
        handoff_day: weekday of the change, where a turn is a number of weeks; the first turn ends at the first such
            day after the start. None: that of ``start``.
        restrictions: when it applies; none: always.
        holidays: on holidays it applies as on other days (``work``), not at all (``skip``), or only then (``only``).

    """

    people: tuple[str, ...] = Field(min_length=1)
    every: Annotated[Duration, Field(ge=MINUTE), BeforeValidator(_every)] = WEEK
    start: Moment
    until: Moment | None = None
    handoff: TimeOfDay | None = None
    handoff_day: Weekday | None = None
    restrictions: Annotated[tuple[Restriction, ...], OneOrMany] = ()
    holidays: Literal["work", "skip", "only"] = "work"

    @model_validator(mode="after")
    def _whole_weeks(self) -> Self:
        if self.handoff_day is not None and self.every % WEEK:
            raise refuse("handoff_day needs turns of whole weeks", "handoff_day", hint="write every: 1w, or 2w")
        return self


class Layer(Rotation):
    """A rotation above others: where it has somebody, those below do not count.

    Attributes:
        timezone: of its hand-offs, restrictions and holidays; none: the schedule's.

    """

    name: str = ""
    timezone: Timezone | None = None


_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _end(value: Any) -> Any:
    """A date alone means to the end of that day."""
    if not isinstance(value, dt.datetime) and _DATE.fullmatch(str(value)):
        moment = _moment(value)
        return moment + dt.timedelta(days=1)
    return value


End = Annotated[Moment, BeforeValidator(_end)]
"""A moment; a date alone is included whole."""


def _in_order(start: dt.datetime, end: dt.datetime) -> None:
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise refuse("from and until must both have an offset, or none", "until")
    if start >= end:
        raise refuse("until is not after from", "until")


class Absence(StrictModel):
    """A person is away; dates (the last one included) or moments."""

    from_: Moment = Field(alias="from")
    until: End
    reason: str = ""

    @model_validator(mode="after")
    def _order(self) -> Self:
        _in_order(self.from_, self.until)
        return self


def _date(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        msg = f"expected a date such as 2026-12-25, found {value!r}"
        raise refuse(msg) from None


Date = Annotated[
    dt.date,
    BeforeValidator(_date),
    PlainSerializer(dt.date.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-12-25"]}),
]


class Holiday(StrictModel):
    """One or several whole local days.

    Attributes:
        until: the last day; none: ``date`` alone.
        person: is on call then, above all layers and below overrides; none: what the layers say of holidays.

    """

    date: Date
    until: Date | None = None
    name: str = ""
    person: str = ""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.until is not None and self.until < self.date:
            raise refuse("until is before date", "until")
        return self


def holiday(value: Any) -> Any:
    """A date alone is a holiday without a name."""
    return value if isinstance(value, (dict, Holiday)) else {"date": value}


class Swap(StrictModel):
    """Two people take each other's turns for a while."""

    people: tuple[str, ...] = Field(min_length=2, max_length=2)
    from_: Moment = Field(alias="from")
    until: Moment

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.people[0] == self.people[1]:
            raise refuse("a swap is between two people", "people", 1)
        _in_order(self.from_, self.until)
        return self


class Override(StrictModel):
    """Somebody stands in for a while."""

    person: str
    from_: Moment = Field(alias="from")
    until: Moment

    @model_validator(mode="after")
    def _order(self) -> Self:
        _in_order(self.from_, self.until)
        return self


class Schedule(StrictModel):
    """Who is on call when.

    Attributes:
        rotation: the lowest layer.
        layers: above it, each above the one before.
        fallback: who is on call where nobody else is: the first of them who is not away.

    """

    key_hints: ClassVar[dict[str, str]] = {"rotations": "the key is called rotation, or layers where there are several"}
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("rotation", "layers"),)

    name: str = Field(min_length=1)
    timezone: Timezone = "UTC"
    rotation: Rotation | None = None
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    swaps: tuple[Swap, ...] = ()
    holidays: tuple[Annotated[Holiday, BeforeValidator(holiday)], ...] = ()
    fallback: Annotated[tuple[str, ...], OneOrMany] = ()
