"""``people`` of hypercare.yml."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hypercare.config.base import Duration, FilePath, OneOrMany, Secret, SecretUrl, StrictModel, Timezone, refuse
from hypercare.config.schedules import Absence, Restriction

Groups = tuple[tuple[str, ...], ...]


class Contact(StrictModel):
    """One way to reach a person.

    Attributes:
        to: an e-mail address, a Slack channel or user, a Telegram chat's number, a user of Opsgenie.
        url: of a webhook, of Slack's, Discord's or Teams' too.
        routing_key: of PagerDuty.
        urgency: pages of this urgency go this way; ``any``: all.
        after: so long after the page's first ways, unless somebody has acknowledged by then, ms.

    """

    exclusive: ClassVar[Groups] = (("url", "url_file"), ("routing_key", "routing_key_file"))

    channel: Literal[
        "console",
        "slack",
        "email",
        "webhook",
        "pagerduty",
        "telegram",
        "discord",
        "msteams",
        "msteamsv2",
        "opsgenie",
        "apprise",
    ]
    to: str = ""
    url: SecretUrl = Secret("")
    url_file: FilePath = ""
    routing_key: Secret = Secret("")
    routing_key_file: FilePath = ""
    urgency: Literal["any", "high", "low"] = "any"
    after: Duration = 0

    @model_validator(mode="after")
    def _needs(self) -> Self:
        if self.channel in {"webhook", "discord", "msteams", "msteamsv2", "apprise"} and not (
            self.url or self.url_file
        ):
            msg = f"{self.channel} needs url or url_file"
            raise refuse(msg, "url")
        if self.channel == "telegram" and re.fullmatch(r"-?[0-9]{1,19}", self.to) is None:
            raise refuse("telegram needs to: the number of a chat with the bot of alertmanager.yml's global", "to")
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
        quiet_hours: when pages of low urgency wait until the end, by the clock of their own time zone.

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
    quiet_hours: Annotated[tuple[Restriction, ...], OneOrMany] = ()

    @model_validator(mode="after")
    def _email(self) -> Self:
        if self.email and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.email):
            msg = f"not an e-mail address: {self.email!r}"
            raise refuse(msg, "email")
        for index, contact in enumerate(self.contact):
            if contact.channel == "email" and not (contact.to or self.email):
                raise refuse("e-mail needs to, or the person's email", "contact", index, "to")
        return self
