"""``pagerduty_configs``."""

from typing import Any, ClassVar

from pydantic import Field

from hypercare.config.base import Duration, FilePath, Secret, StrictModel, Url
from hypercare.config.http_client import HttpClientConfig, NotifierConfig
from hypercare.config.people import Contact, Person

Groups = tuple[tuple[str, ...], ...]

DETAILS = {
    "firing": '{{ template "pagerduty.default.instances" .Alerts.Firing }}',
    "resolved": '{{ template "pagerduty.default.instances" .Alerts.Resolved }}',
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}
"""Details that are sent unless the configuration has others of these names."""


class PagerdutyLink(StrictModel):
    """A link of the incident."""

    href: str = ""
    text: str = ""


class PagerdutyImage(StrictModel):
    """An image of the incident; ``href`` makes it a link."""

    src: str = ""
    alt: str = ""
    href: str = ""


class PagerdutyConfig(NotifierConfig):
    """One PagerDuty service: by routing key (Events API v2) or by service key (v1)."""

    exclusive: ClassVar[Groups] = (
        ("service_key", "service_key_file"),
        ("routing_key", "routing_key_file"),
        ("service_key", "routing_key"),
        ("service_key", "routing_key_file"),
        ("service_key_file", "routing_key"),
        ("service_key_file", "routing_key_file"),
    )
    required_one: ClassVar[Groups] = (("routing_key", "routing_key_file", "service_key", "service_key_file"),)

    send_resolved: bool = True
    http_config: HttpClientConfig | None = None
    service_key: Secret = Secret("")
    service_key_file: FilePath = ""
    routing_key: Secret = Secret("")
    routing_key_file: FilePath = ""
    url: Url | None = None
    client: str = '{{ template "pagerduty.default.client" . }}'
    client_url: str = '{{ template "pagerduty.default.clientURL" . }}'
    description: str = '{{ template "pagerduty.default.description" . }}'
    details: dict[str, Any] = Field(default_factory=dict)
    images: tuple[PagerdutyImage, ...] = ()
    links: tuple[PagerdutyLink, ...] = ()
    source: str = ""
    severity: str = "error"
    class_: str = Field(default="", alias="class")
    component: str = ""
    group: str = ""
    timeout: Duration = 0

    @property
    def is_v1(self) -> bool:
        """Whether the old API is used."""
        return bool(self.service_key or self.service_key_file)


def contact(way: Contact, person: Person) -> PagerdutyConfig:
    """A person's service."""
    del person
    return PagerdutyConfig(routing_key=way.routing_key, routing_key_file=way.routing_key_file)
