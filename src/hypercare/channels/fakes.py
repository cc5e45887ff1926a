"""All pretended receivers, by the name of their channel."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hypercare.channels.pagerduty.fake import FakePagerduty
from hypercare.channels.slack.fake import FakeSlack
from hypercare.channels.webhook.fake import FakeWebhook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.channels.fake import FakeService

FAKES: Final[Mapping[str, Callable[[], FakeService]]] = MappingProxyType(
    {"pagerduty": FakePagerduty, "slack": FakeSlack, "webhook": FakeWebhook}
)
"""Those of services that are reached over HTTP."""
