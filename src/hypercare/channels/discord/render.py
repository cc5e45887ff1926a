"""Discord messages with one embed (discord.com/developers/docs/resources/webhook)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import facts, headline, links
from hypercare.channels.texts import shorten

if TYPE_CHECKING:
    from hypercare.channels.discord.config import DiscordConfig
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts

MAX_TITLE: Final = 256
"""Discord's limits, in characters."""
MAX_DESCRIPTION: Final = 4096
MAX_CONTENT: Final = 2000
RED, GREEN = 0x992D22, 0x2ECC71


def render(config: DiscordConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """A message, in the colours that Alertmanager uses.

    Raises:
        TemplateError: a template is faulty.
    """
    found: dict[str, Any] = {
        "content": shorten(texts.text(config.content), MAX_CONTENT),
        "embeds": [
            {
                "title": shorten(texts.text(config.title), MAX_TITLE),
                "description": shorten(texts.text(config.message), MAX_DESCRIPTION),
                "color": RED if notification.status == FIRING else GREEN,
            }
        ],
    }
    named = {"username": config.username, "avatar_url": config.avatar_url}
    return found | {name: value for name, value in named.items() if value}


def page(page: Page) -> dict[str, Any]:
    """A message whose title is the link that acknowledges."""
    pressed = [(name, url) for name, url in links(page) if name != "Runbook"]
    lines = [f"**{name}:** {value}" for name, value in facts(page) if (name, value) not in pressed]
    lines += [f"**[{name}]({url})**" for name, url in pressed]
    embed: dict[str, Any] = {
        "title": shorten(headline(page), MAX_TITLE),
        "description": shorten("\n".join(lines), MAX_DESCRIPTION),
        "color": RED,
    }
    if page.ack_url:
        embed["url"] = page.ack_url
    # What labels say must not call everybody of the server.
    return {"content": "", "embeds": [embed], "allowed_mentions": {"parse": []}}
