"""All channels. A new one is a folder and a line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hypercare.channels import (
    apprise,
    console,
    discord,
    email,
    msteams,
    msteamsv2,
    opsgenie,
    pagerduty,
    slack,
    telegram,
    webhook,
)
from hypercare.config.integrations_announced import ANNOUNCED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.base import Channel
    from hypercare.config.base import StrictModel

CHANNELS: Final[Mapping[str, Channel[Any]]] = MappingProxyType(
    {
        "apprise": apprise.CHANNEL,
        "console": console.CHANNEL,
        "discord": discord.CHANNEL,
        "email": email.CHANNEL,
        "msteams": msteams.CHANNEL,
        "msteamsv2": msteamsv2.CHANNEL,
        "opsgenie": opsgenie.CHANNEL,
        "pagerduty": pagerduty.CHANNEL,
        "slack": slack.CHANNEL,
        "telegram": telegram.CHANNEL,
        "webhook": webhook.CHANNEL,
    }
)
"""By the name that effects carry."""

BY_KEY: Final[Mapping[str, Channel[Any]]] = MappingProxyType({c.key: c for c in CHANNELS.values()})
"""By the key of a receiver's list."""

INTEGRATIONS: Final[Mapping[str, type[StrictModel]]] = MappingProxyType(
    {**ANNOUNCED, **{c.key: c.model for c in CHANNELS.values()}}
)
"""Models for all keys that a receiver may have; those without a channel are announced as not delivered."""
