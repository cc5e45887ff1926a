"""``people``, ``oncall`` and ``escalations`` of hypercare.yml."""

import dataclasses
import datetime as dt
import re
import zoneinfo
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from hypercare.config.alertmanager import OneOrManyMatchers
from hypercare.config.base import Duration, FilePath, OneOrMany, Secret, SecretUrl, StrictModel, Timezone, refuse
from hypercare.model.time import MINUTE, WEEK, Ms, from_datetime

Groups = tuple[tuple[str, ...], ...]


class Contact(StrictModel):
    """One way to reach a person.

    Attributes:
        to: an e-mail address, a Slack channel or user.
        url: of a webhook or a Slack webhook.
        routing_key: of PagerDuty.

    """

    exclusive: ClassVar[Groups] = (("url", "url_file"), ("routing_key", "routing_key_file"))

    channel: Literal["console", "slack", "email", "webhook", "pagerduty"]
    to: str = ""
    url: SecretUrl = Secret("")
    url_file: FilePath = ""
    routing_key: Secret = Secret("")
    routing_key_file: FilePath = ""

    @model_validator(mode="after")
    def _needs(self) -> Self:
        if self.channel == "webhook" and not (self.url or self.url_file):
            raise refuse("a webhook needs url or url_file", "url")
        if self.channel == "slack" and not (self.to or self.url or self.url_file):
            raise refuse("slack needs url, url_file, or to (with a Slack address in alertmanager.yml's global)", "url")
        if self.channel == "pagerduty" and not (self.routing_key or self.routing_key_file):
            raise refuse("pagerduty needs routing_key or routing_key_file", "routing_key")
        return self


class Person(StrictModel):
    """Somebody who can be paged; without ``contact`` on the console, so that no page is lost."""

    key_hints: ClassVar[dict[str, str]] = {"contacts": "the key is called contact", "mail": "the key is called email"}

    name: str = Field(min_length=1)
    full_name: str = ""
    email: str = ""
    timezone: Timezone = "UTC"
    contact: Annotated[tuple[Contact, ...], OneOrMany] = (Contact(channel="console"),)

    @model_validator(mode="after")
    def _email(self) -> Self:
        if self.email and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.email):
            msg = f"not an e-mail address: {self.email!r}"
            raise refuse(msg, "email")
        for index, contact in enumerate(self.contact):
            if contact.channel == "email" and not (contact.to or self.email):
                raise refuse("e-mail needs to, or the person's email", "contact", index, "to")
        return self


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


class Rotation(StrictModel):
    """People take turns.

    Attributes:
        every: length of a turn, ms; whole days are counted in local time, so that the hand-off stays at its hour
            through daylight-saving changes.
        start: when the first person's first turn begins.
        handoff: local time of day of the change; none: that of ``start``.

    """

    people: tuple[str, ...] = Field(min_length=1)
    every: Annotated[Duration, Field(ge=MINUTE)] = WEEK
    start: Moment
    handoff: TimeOfDay | None = None


class Override(StrictModel):
    """Somebody stands in for a while."""

    person: str
    from_: Moment = Field(alias="from")
    until: Moment

    @model_validator(mode="after")
    def _order(self) -> Self:
        if (self.from_.tzinfo is None) != (self.until.tzinfo is None):
            raise refuse("from and until must both have an offset, or none", "until")
        if self.from_ >= self.until:
            raise refuse("until is not after from", "until")
        return self


class Schedule(StrictModel):
    """Who is on call when."""

    name: str = Field(min_length=1)
    timezone: Timezone = "UTC"
    rotation: Rotation
    overrides: tuple[Override, ...] = ()


class OncallConfig(StrictModel):
    """All schedules."""

    schedules: tuple[Schedule, ...] = ()


EVERYONE: Final = "everyone"


@dataclasses.dataclass(frozen=True, slots=True)
class NotifyTarget:
    """Whom a step pages: kind ``person``, ``schedule`` (who is on call), ``receiver`` or ``everyone``."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.name if self.kind in {"person", EVERYONE} else f"{self.kind}:{self.name}"


def _target(value: Any) -> Any:
    if isinstance(value, NotifyTarget):
        return value
    if not isinstance(value, str) or not value:
        raise refuse("expected a person, schedule:<name>, receiver:<name> or everyone")
    kind, colon, name = value.partition(":")
    if not colon:
        return NotifyTarget(EVERYONE if value == EVERYONE else "person", str(value))
    if kind not in {"person", "schedule", "receiver"} or not name.strip():
        hint = "write a person's name, schedule:<name>, receiver:<name> or everyone"
        msg = f"cannot tell whom {value!r} means"
        raise refuse(msg, hint=hint)
    return NotifyTarget(kind, name.strip())


Target = Annotated[
    NotifyTarget,
    BeforeValidator(_target),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["ada", "schedule:primary", "receiver:pager", "everyone"]}),
]


class EscalationStep(StrictModel):
    """Whom to page ``after`` so long since the escalation began (not since the step before), ms."""

    notify: Annotated[tuple[Target, ...], OneOrMany, Field(min_length=1)]
    after: Duration = 0


class Escalation(StrictModel):
    """Steps that run until somebody acknowledges.

    Attributes:
        match: which incidents, by the labels of the alert that opened them; none: all.
        repeat: how often the steps run again after the last one.

    """

    name: str = Field(min_length=1)
    match: OneOrManyMatchers = ()
    steps: tuple[EscalationStep, ...] = Field(min_length=1)
    repeat: int = Field(default=0, ge=0, le=100)

    @model_validator(mode="after")
    def _order(self) -> Self:
        for index in range(1, len(self.steps)):
            if self.steps[index].after <= self.steps[index - 1].after:
                raise refuse(
                    "each step must come later than the one before",
                    "steps", index, "after",
                    hint="after counts from the beginning of the escalation, not from the step before",
                )  # fmt: skip
        return self
