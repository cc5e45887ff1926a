"""``opsgenie_configs``."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.base import FilePath, Secret, StrictModel, TextMap, Url, refuse
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class Responder(StrictModel):
    """Who an Opsgenie alert goes to."""

    id: str = ""
    name: str = ""
    username: str = ""
    type: str = ""

    @model_validator(mode="after")
    def _who(self) -> Self:
        if not (self.id or self.name or self.username):
            raise refuse("a responder needs id, name or username")
        if "{{" in self.type:
            if self.type.count("{{") != self.type.count("}}") or ("{{/*" in self.type and "*/}}" not in self.type):
                msg = f"not a valid template: {self.type!r}"
                raise refuse(msg, "type")
        elif self.type.lower() not in {"team", "teams", "user", "escalation", "schedule"}:
            msg = f"unknown responder type {self.type!r}"
            raise refuse(msg, "type", hint="team, user, escalation or schedule")
        return self


class OpsgenieConfig(NotifierConfig):
    """One integration; a key that is not set here is taken from ``global``."""

    exclusive: ClassVar[Groups] = (("api_key", "api_key_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    api_key: Secret = Secret("")
    api_key_file: FilePath = ""
    api_url: Url | None = None
    message: str = '{{ template "opsgenie.default.message" . }}'
    description: str = '{{ template "opsgenie.default.description" . }}'
    source: str = '{{ template "opsgenie.default.source" . }}'
    details: TextMap = Field(default_factory=dict)
    entity: str = ""
    responders: tuple[Responder, ...] = ()
    actions: str = ""
    tags: str = ""
    note: str = ""
    priority: str = ""
    update_alerts: bool = False

    def missing(self, defaults: StrictModel) -> str:
        """A key."""
        assert isinstance(defaults, AlertmanagerGlobal)  # noqa: S101 - narrows the type
        known = self.api_key or self.api_key_file or defaults.opsgenie_api_key or defaults.opsgenie_api_key_file
        return "" if known else "one of api_key, api_key_file is required, or opsgenie_api_key in global"


def contact(way: Contact, person: Person) -> OpsgenieConfig:
    """A user of Opsgenie, by the key of ``global``."""
    return OpsgenieConfig(responders=(Responder(username=way.to or person.email, type="user"),))
