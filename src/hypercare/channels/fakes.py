"""All pretended receivers, by the name of their channel."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hypercare.channels.discord.fake import FakeDiscord
from hypercare.channels.msteams.fake import FakeTeams
from hypercare.channels.opsgenie.fake import FakeOpsgenie
from hypercare.channels.pagerduty.fake import FakePagerduty
from hypercare.channels.slack.fake import FakeSlack
from hypercare.channels.telegram.fake import FakeTelegram
from hypercare.channels.webhook.fake import FakeWebhook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.channels.fake import FakeService

FAKES: Final[Mapping[str, Callable[[], FakeService]]] = MappingProxyType(
    {
        "discord": FakeDiscord,
        "msteams": FakeTeams,
        "msteamsv2": FakeTeams,
        "opsgenie": FakeOpsgenie,
        "pagerduty": FakePagerduty,
        "slack": FakeSlack,
        "telegram": FakeTelegram,
        "webhook": FakeWebhook,
    }
)
"""Those of services that are reached over HTTP."""
