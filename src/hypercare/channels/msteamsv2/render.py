"""Adaptive Cards (learn.microsoft.com/connectors/teams)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import headline, links, told

if TYPE_CHECKING:
    from hypercare.channels.msteamsv2.config import MsTeamsV2Config
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts

RED, GREEN = "Attention", "Good"


def render(config: MsTeamsV2Config, notification: Notification, texts: Texts) -> dict[str, Any]:
    """A card, in the colours that Alertmanager uses.

    Raises:
        TemplateError: a template is faulty.
    """
    color = RED if notification.status == FIRING else GREEN
    return _message([_title(texts.text(config.title), color), _text(texts.text(config.text))])


def page(page: Page) -> dict[str, Any]:
    """A card with buttons that open the link that acknowledges, and the runbook."""
    actions = [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in links(page)]
    facts_of = {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in told(page)]}
    return _message([_title(headline(page), RED), facts_of], actions)


def _title(text: str, color: str) -> dict[str, Any]:
    style = {"weight": "Bolder", "size": "Medium", "wrap": True, "style": "heading", "color": color}
    return {"type": "TextBlock", "text": text, **style}


def _text(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True}


def _message(body: list[dict[str, Any]], actions: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "msteams": {"width": "full"},
    }
    if actions:
        content["actions"] = actions
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}
