"""Pages to persons: what goes into an effect for a contact way."""

from __future__ import annotations

from typing import Any

from hypercare.channels.notification import Page
from hypercare.channels.registry import CHANNELS

__all__ = ["Page", "render"]


def render(channel: str, page: Page) -> dict[str, Any]:
    """The payload of an effect that pages somebody through a channel.

    Raises:
        KeyError: no such channel.
    """
    return {"content": CHANNELS[channel].page(page)}
