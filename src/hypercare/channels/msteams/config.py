"""``msteams_configs``."""

from typing import ClassVar

from hypercare.config.base import FilePath, Secret, SecretUrl
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class MsTeamsConfig(NotifierConfig):
    """One connector."""

    exclusive: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)
    required_one: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    webhook_url: SecretUrl = Secret("")
    webhook_url_file: FilePath = ""
    title: str = '{{ template "msteams.default.title" . }}'
    summary: str = '{{ template "msteams.default.summary" . }}'
    text: str = '{{ template "msteams.default.text" . }}'


def contact(way: Contact, person: Person) -> MsTeamsConfig:
    """A connector of a person's own."""
    del person
    return MsTeamsConfig(webhook_url=way.url, webhook_url_file=way.url_file)
