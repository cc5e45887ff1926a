"""``email_configs``."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hypercare.config.alertmanager import AlertmanagerGlobal
from hypercare.config.base import Announced, FilePath, HostPort, Secret, StrictModel, TextMap, refuse
from hypercare.config.http_client import NotifierConfig, TlsConfig
from hypercare.config.people import Contact, Person

_HEADER_NAME = re.compile(r"[!-9;-~]+")
_OWN_HEADERS = frozenset({"content-type", "content-transfer-encoding", "content-disposition", "mime-version"})


class EmailThreading(StrictModel):
    """Mails of one group as one thread, or one a day."""

    enabled: bool = False
    thread_by_date: Literal["none", "daily"] = "daily"


class EmailConfig(NotifierConfig):
    """One or more recipients (separated by commas); what is not set here is taken from ``global``."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("auth_password", "auth_password_file"),
        ("auth_secret", "auth_secret_file"),
    )
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("to",),)

    send_resolved: bool = False
    to: str = ""
    from_: str = Field(default="", alias="from")
    hello: str = ""
    smarthost: HostPort = ""
    auth_username: str = ""
    auth_password: Secret = Secret("")
    auth_password_file: FilePath = ""
    auth_secret: Secret = Secret("")
    auth_secret_file: FilePath = ""
    auth_identity: Annotated[str, Announced("the user name is the identity")] = ""
    headers: TextMap = Field(default_factory=dict)
    html: str = '{{ template "email.default.html" . }}'
    text: str = ""
    require_tls: bool | None = None
    force_implicit_tls: bool | None = None
    tls_config: TlsConfig | None = None
    threading: EmailThreading = EmailThreading()

    @model_validator(mode="after")
    def _headers(self) -> "EmailConfig":
        seen: dict[str, str] = {}
        for name in self.headers:
            if _HEADER_NAME.fullmatch(name) is None:
                msg = f"{name!r} cannot be the name of a header"
                raise refuse(msg, "headers", name)
            if name.lower() in _OWN_HEADERS:
                msg = f"the header {name!r} is set by the mail's contents and cannot be changed"
                raise refuse(msg, "headers", name)
            if name.lower() in seen:
                msg = f"the header {name!r} stands twice (as {seen[name.lower()]!r})"
                raise refuse(msg, "headers", name)
            seen[name.lower()] = name
        return self

    def missing(self, defaults: StrictModel) -> str:
        """A server and a sender."""
        assert isinstance(defaults, AlertmanagerGlobal)  # noqa: S101 - narrows the type
        if not (self.smarthost or defaults.smtp_smarthost):
            return "smarthost is required, or smtp_smarthost in global"
        if not (self.from_ or defaults.smtp_from):
            return "from is required, or smtp_from in global"
        return ""


def contact(way: Contact, person: Person) -> EmailConfig:
    """A person's address, reached through ``global``."""
    return EmailConfig(to=way.to or person.email)
