"""Slack messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.page_text import headline, links, told
from hypercare.channels.texts import shorten

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.slack.config import SlackAction, SlackConfig
    from hypercare.channels.texts import Texts

MAX_TITLE = 1024
"""Slack's limit, in characters."""
MAX_SECTION = 3000
MAX_HEADER = 150


def render(config: SlackConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """A message with one attachment.

    Raises:
        TemplateError: a template is faulty.
    """
    del notification
    attachment: dict[str, Any] = {
        "title": shorten(texts.text(config.title), MAX_TITLE),
        "title_link": texts.text(config.title_link),
        "pretext": texts.text(config.pretext),
        "text": texts.text(config.text),
        "fallback": texts.text(config.fallback),
        "callback_id": texts.text(config.callback_id),
        "image_url": texts.text(config.image_url),
        "thumb_url": texts.text(config.thumb_url),
        "footer": texts.text(config.footer),
        "color": texts.text(config.color),
        "mrkdwn_in": list(config.mrkdwn_in) or ["fallback", "pretext", "text"],
    }
    if config.fields:
        attachment["fields"] = [
            {
                "title": texts.text(field.title),
                "value": texts.text(field.value),
                "short": config.short_fields if field.short is None else field.short,
            }
            for field in config.fields
        ]
    if config.actions:
        attachment["actions"] = [_action(action, texts) for action in config.actions]
    message = {
        "channel": texts.text(config.channel),
        "username": texts.text(config.username),
        "icon_emoji": texts.text(config.icon_emoji),
        "icon_url": texts.text(config.icon_url),
        "link_names": config.link_names,
        "text": texts.text(config.message_text),
        "attachments": [_filled(attachment)],
    }
    return _filled(message)


def _action(action: SlackAction, texts: Texts) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: texts.text(getattr(action, name)) for name in ("type", "text", "url", "style", "name", "value")
    }
    if action.confirm is not None:
        confirm = action.confirm
        found["confirm"] = _filled(
            {name: texts.text(getattr(confirm, name)) for name in ("title", "text", "ok_text", "dismiss_text")}
        )
    return _filled(found)


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in fields.items() if value or value is False}


def page(page: Page) -> dict[str, Any]:
    """Blocks for people, a text for notifications and screen readers."""
    lines = "\n".join(f"*{name}:* {_escaped(value)}" for name, value in told(page))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(headline(page), MAX_HEADER)}},
        {"type": "section", "text": {"type": "mrkdwn", "text": shorten(lines, MAX_SECTION)}},
    ]
    first = "primary" if page.ack_url or page.choices else ""
    buttons = [_button(name, url, "" if place else first) for place, (name, url) in enumerate(links(page))]
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    return {"text": _escaped(headline(page)), "blocks": blocks}


def _button(text: str, url: str, style: str) -> dict[str, Any]:
    button: dict[str, Any] = {"type": "button", "text": {"type": "plain_text", "text": text}, "url": url}
    if style:
        button["style"] = style
    return button


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
