"""Contents of mails."""

from __future__ import annotations

import hashlib
import html
from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import status_of, summary
from hypercare.channels.page_text import facts, headline, links, plain
from hypercare.model.time import to_datetime

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
    text, page = texts.text(config.text), texts.html(config.html) if config.html else ""
    given = {name.title(): template for name, template in config.headers.items()}
    return {
        "subject": texts.text(given.pop("Subject", SUBJECT)),
        "to": texts.text(config.to),
        "from": texts.text(config.from_),
        "headers": texts.each(given),
        # Whoever cannot see HTML (a watch, a text terminal) is told all the same.
        "text": text or (plain_text(notification) if page else ""),
        "html": page,
        "at": notification.now,
        "thread": _thread(config, notification),
    }


def _thread(config: EmailConfig, notification: Notification) -> str:
    """Names the thread of a group's mails; empty where they are single."""
    if not config.threading.enabled:
        return ""
    day = to_datetime(notification.now).strftime("-%Y-%m-%d") if config.threading.thread_by_date == "daily" else ""
    return f"group-{hashlib.sha256(notification.group_key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}{day}"


def plain_text(notification: Notification) -> str:
    """The alerts with their labels and annotations, as text."""
    parts = [summary(notification)]
    for alert in (*notification.firing, *notification.resolved):
        lines = [f"[{status_of(alert, notification.now)}] {alert.name}"]
        lines += [f"  {name} = {value}" for name, value in (*alert.labels, *alert.annotations)]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, notification.external_url]).strip()


def page(page: Page) -> dict[str, Any]:
    """A short mail that can be read on a phone; the address is the person's own."""
    rows = "".join(
        f"<tr><td><b>{html.escape(name)}</b>&nbsp;</td><td>{_linked(value)}</td></tr>" for name, value in facts(page)
    )
    title = html.escape(headline(page))
    style = "display:inline-block;padding:16px 32px;border-radius:10px;background:#0b6e4f;color:#fff;font-size:20px"
    button = "".join(
        f'<p><a href="{html.escape(url)}" style="{style}">{html.escape(name)}</a></p>'
        for name, url in links(page)
        if name != "Runbook"
    )
    return {
        "subject": headline(page),
        "to": "",
        "from": "",
        "headers": {"X-Priority": "1"},
        "text": plain(page),
        "html": f"<!doctype html><html><body><h2>{title}</h2>{button}<table>{rows}</table></body></html>",
        "at": page.at,
        "thread": f"incident-{page.incident_id}",
    }


def _linked(value: str) -> str:
    safe = html.escape(value)
    return f'<a href="{safe}">{safe}</a>' if value.startswith(("http://", "https://")) else safe
