"""``people`` and ``escalations`` of hypercare.yml."""

import dataclasses
import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from hypercare.config.alertmanager import OneOrManyMatchers
from hypercare.config.base import Duration, FilePath, OneOrMany, Secret, SecretUrl, StrictModel, Timezone, refuse
from hypercare.config.schedules import Absence

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
    """Somebody who can be paged; without ``contact`` on the console, so that no page is lost.

    Attributes:
        away: when they are not on call, whatever a schedule says; in their own time zone.
        slack_id: their member id in Slack (``U024…``), so that a button they press is pressed in their name.
        pagerduty_id: their user id in PagerDuty.

    """

    key_hints: ClassVar[dict[str, str]] = {"contacts": "the key is called contact", "mail": "the key is called email"}

    name: str = Field(min_length=1)
    full_name: str = ""
    email: str = ""
    timezone: Timezone = "UTC"
    contact: Annotated[tuple[Contact, ...], OneOrMany] = (Contact(channel="console"),)
    away: tuple[Absence, ...] = ()
    slack_id: str = Field(default="", pattern=r"^[A-Z0-9]*$")
    pagerduty_id: str = ""

    @model_validator(mode="after")
    def _email(self) -> Self:
        if self.email and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.email):
            msg = f"not an e-mail address: {self.email!r}"
            raise refuse(msg, "email")
        for index, contact in enumerate(self.contact):
            if contact.channel == "email" and not (contact.to or self.email):
                raise refuse("e-mail needs to, or the person's email", "contact", index, "to")
        return self


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
