"""``apprise_configs``: ours, not Alertmanager's."""

from hypercare.config.base import FilePath, Secret
from hypercare.config.http_client import NotifierConfig
from hypercare.config.people import Contact, Person


class AppriseConfig(NotifierConfig):
    """One of the services that Apprise reaches, by its URL (``ntfy://…``, ``matrix://…``)."""

    exclusive = (("url", "url_file"),)
    required_one = (("url", "url_file"),)

    send_resolved: bool = True
    url: Secret = Secret("")
    url_file: FilePath = ""
    title: str = '{{ template "default.title" . }}'
    message: str = '{{ template "default.message" . }}'


def contact(way: Contact, person: Person) -> AppriseConfig:
    """A person's own URL."""
    del person
    return AppriseConfig(url=way.url, url_file=way.url_file)
