"""``discord_configs``."""

from typing import ClassVar

from hypercare.config.base import FilePath, Secret, SecretUrl
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]


class DiscordConfig(NotifierConfig):
    """One webhook of a channel."""

    exclusive: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)
    required_one: ClassVar[Groups] = (("webhook_url", "webhook_url_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    webhook_url: SecretUrl = Secret("")
    webhook_url_file: FilePath = ""
    content: str = '{{ template "discord.default.content" . }}'
    title: str = '{{ template "discord.default.title" . }}'
    message: str = '{{ template "discord.default.message" . }}'
    username: str = ""
    avatar_url: str = ""


def contact(way: Contact, person: Person) -> DiscordConfig:
    """A person's webhook."""
    del person
    return DiscordConfig(webhook_url=way.url, webhook_url_file=way.url_file)
