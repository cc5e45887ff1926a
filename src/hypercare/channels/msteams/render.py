"""MessageCards (learn.microsoft.com/outlook/actionable-messages/message-card-reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import headline, links, told

if TYPE_CHECKING:
    from hypercare.channels.msteams.config import MsTeamsConfig
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts

RED, GREEN = "8C1A1A", "2DC72D"
_CARD: Final = {"@context": "http://schema.org/extensions", "type": "MessageCard"}


def render(config: MsTeamsConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """A card, in the colours that Alertmanager uses.

    Raises:
        TemplateError: a template is faulty.
    """
    return {
        **_CARD,
        "title": texts.text(config.title),
        "summary": texts.text(config.summary),
        "text": texts.text(config.text),
        "themeColor": RED if notification.status == FIRING else GREEN,
    }


def page(page: Page) -> dict[str, Any]:
    """A card with a link that acknowledges."""
    lines = [f"**{name}:** {value}" for name, value in told(page)]
    return {
        **_CARD,
        "title": headline(page),
        "summary": headline(page),
        "text": "\n\n".join(lines),
        "themeColor": RED,
        "potentialAction": [
            {"@type": "OpenUri", "name": name, "targets": [{"os": "default", "uri": url}]} for name, url in links(page)
        ],
    }
