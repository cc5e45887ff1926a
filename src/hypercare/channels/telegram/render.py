"""Texts of Telegram messages."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.page_text import facts, headline, links
from hypercare.channels.texts import shorten

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.telegram.config import TelegramConfig
    from hypercare.channels.texts import Texts

MAX_TEXT: Final = 4096
"""Telegram's limit in characters, without markup."""
_MAX_BYTES: Final = 1 << 15
_TAG: Final = re.compile(r"<[^>]*>")


def render(config: TelegramConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """The text; markup that would have to be cut gives way to plain text, since half a tag is refused.

    Raises:
        TemplateError: a template is faulty.
    """
    del notification
    if config.parse_mode != "HTML":
        return {"text": shorten(texts.text(config.message), MAX_TEXT), "parse_mode": config.parse_mode}
    text = texts.html(config.message)
    if len(html.unescape(_TAG.sub("", text))) <= MAX_TEXT and len(text.encode("utf-8", "replace")) <= _MAX_BYTES:
        return {"text": text, "parse_mode": "HTML"}
    return {"text": shorten(html.unescape(_TAG.sub("", text)), MAX_TEXT), "parse_mode": ""}


def page(page: Page) -> dict[str, Any]:
    """A text with a button below it that opens the link that acknowledges."""
    pressed = [(name, url) for name, url in links(page) if name != "Runbook"]
    lines = [f"<b>{name}:</b> {html.escape(value)}" for name, value in facts(page) if (name, value) not in pressed]
    text = "\n".join([f"<b>{html.escape(headline(page))}</b>", *lines])
    found: dict[str, Any] = {"text": text, "parse_mode": "HTML"}
    if len(text) > MAX_TEXT:
        found = {"text": shorten(html.unescape(_TAG.sub("", text)), MAX_TEXT), "parse_mode": ""}
    # Telegram takes no buttons that lead to addresses without TLS or to this machine.
    buttons = [{"text": name, "url": url} for name, url in pressed if url.startswith("https://")]
    if buttons:
        found["reply_markup"] = {"inline_keyboard": [buttons]}
    for name, url in pressed:
        if not url.startswith("https://"):
            found["text"] += f"\n{html.escape(url if page.ack_url else f'{name}: {url}')}"
    return found
