"""``msteamsv2_configs``."""

from typing import ClassVar

from hypercare.config.base import FilePath, Secret, SecretUrl
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class MsTeamsV2Config(NotifierConfig):
    """One workflow."""

    exclusive: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)
    required_one: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    webhook_url: SecretUrl = Secret("")
    webhook_url_file: FilePath = ""
    title: str = '{{ template "msteamsv2.default.title" . }}'
    text: str = '{{ template "msteamsv2.default.text" . }}'


def contact(way: Contact, person: Person) -> MsTeamsV2Config:
    """A workflow of a person's own."""
    del person
    return MsTeamsV2Config(webhook_url=way.url, webhook_url_file=way.url_file)
