"""Contents of mails."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from hypercare.channels.page_text import facts, headline, plain

if TYPE_CHECKING:
    from hypercare.channels.email.config import EmailConfig
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts

SUBJECT = '{{ template "email.default.subject" . }}'


def render(config: EmailConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """Subject, addresses and bodies.

    Raises:
        TemplateError: a template is faulty.
    """
    given = {name.title(): template for name, template in config.headers.items()}
    return {
        "subject": texts.text(given.pop("Subject", SUBJECT)),
        "to": texts.text(config.to),
        "from": texts.text(config.from_),
        "headers": texts.each(given),
        "text": texts.text(config.text),
        "html": texts.html(config.html) if config.html else "",
        "at": notification.now,
    }


def page(page: Page) -> dict[str, Any]:
    """A short mail that can be read on a phone; the address is the person's own."""
    rows = "".join(
        f"<tr><td><b>{html.escape(name)}</b>&nbsp;</td><td>{_linked(value)}</td></tr>" for name, value in facts(page)
    )
    title = html.escape(headline(page))
    return {
        "subject": headline(page),
        "to": "",
        "from": "",
        "headers": {"X-Priority": "1"},
        "text": plain(page),
        "html": f"<!doctype html><html><body><h2>{title}</h2><table>{rows}</table></body></html>",
        "at": page.at,
    }


def _linked(value: str) -> str:
    safe = html.escape(value)
    return f'<a href="{safe}">{safe}</a>' if value.startswith(("http://", "https://")) else safe
