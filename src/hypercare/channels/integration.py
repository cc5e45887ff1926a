"""An element of a receiver, tied to its channel and the templates of the configuration."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import summary
from hypercare.channels.texts import Texts
from hypercare.config.base import Secret
from hypercare.gotemplate import TemplateError

if TYPE_CHECKING:
    from hypercare.channels.base import Channel
    from hypercare.channels.notification import Notification
    from hypercare.config.http_client import NotifierConfig
    from hypercare.gotemplate import TemplateSet

_log = logging.getLogger(__name__)
_REMEMBERED = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class BoundIntegration:
    """One way in which a receiver is told.

    Attributes:
        index: within the receiver's list of this kind.
        templates: those of the configuration over the default ones.
        fallback: the default ones alone.

    """

    receiver: str
    definition: Channel[Any]
    index: int
    config: NotifierConfig
    templates: TemplateSet
    fallback: TemplateSet

    @property
    def channel(self) -> str:
        """Name of the channel."""
        return self.definition.name

    @property
    def name(self) -> str:
        """Channel and index, e.g. ``slack/0``."""
        return f"{self.definition.name}/{self.index}"

    @property
    def target(self) -> str:
        """Names the integration in effects."""
        return f"receiver/{self.receiver}/{self.name}"

    @property
    def send_resolved(self) -> bool:
        """Whether the end of alerts is told."""
        return self.config.send_resolved

    def render(self, notification: Notification) -> dict[str, Any]:
        """The payload of the effect.

        A faulty template does not swallow an alert: the channel's default texts are used instead, and the error
        stands in the payload.
        """
        texts = Texts(self.templates, notification)
        payload: dict[str, Any] = {}
        if self.definition.ref is not None:
            payload["alerts"] = [alert.fingerprint for alert in notification.firing[:_REMEMBERED]]
            payload["note"] = summary(notification)
        try:
            payload["content"] = self.definition.render(self.config, notification, texts)
        except TemplateError as error:
            _log.warning("%s: the template is faulty, the default text is sent: %s", self.target, error)
            payload["template_error"] = str(error)
            plain = without_templates(self.config)
            payload["content"] = self.definition.render(plain, notification, Texts(self.fallback, notification))
        if any("{{" in secret for secret in _secrets(self.config)):
            payload["context"] = texts.context()
        return payload


@functools.cache
def _fields(kind: type[NotifierConfig]) -> tuple[str, ...]:
    return tuple(kind.model_fields)


def _secrets(config: NotifierConfig) -> list[str]:
    values = (getattr(config, name) for name in _fields(type(config)))
    return [value.reveal() for value in values if isinstance(value, Secret)]


def without_templates(config: NotifierConfig) -> NotifierConfig:
    """The settings with the default in place of each text, list or mapping that has a template in it."""
    changed: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if not isinstance(value, Secret) and "{{" in str(value):
            changed[name] = field.get_default(call_default_factory=True)
    return config.model_copy(update=changed)
