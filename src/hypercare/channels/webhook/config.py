"""``webhook_configs``."""

from typing import Annotated, ClassVar

from pydantic import Field, PlainSerializer

from hypercare.config.base import Duration, FilePath, Secret, SecretUrl, StrictModel
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person


def _hide(url: Secret) -> str:
    """A secret URL as a URL: ``amtool config routes`` up to 0.25 reads the shown configuration and wants one here."""
    scheme = url.reveal().partition("://")[0].lower()
    return f"{scheme}://{url}" if scheme in {"http", "https"} else str(url)


class WebhookSignature(StrictModel):
    """A shared secret with which each message is signed; see docs/channels.md for how a receiver checks it."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("secret", "secret_file"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("secret", "secret_file"),)

    secret: Secret = Secret("")
    secret_file: FilePath = ""


class WebhookConfig(NotifierConfig):
    """One address.

    Attributes:
        signature: sign each message, ours, not Alertmanager's.
        max_alerts: alerts in one message, the others are counted only; 0: all.
        timeout: of one request, ms; 0: ten seconds.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    url: Annotated[SecretUrl, PlainSerializer(_hide, return_type=str)] = Secret("")
    url_file: FilePath = ""
    max_alerts: int = Field(default=0, ge=0)
    timeout: Duration = 0
    signature: WebhookSignature | None = None


def contact(way: Contact, person: Person) -> WebhookConfig:
    """A person's webhook."""
    del person
    return WebhookConfig(url=way.url, url_file=way.url_file)
