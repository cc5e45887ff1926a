"""News for people that are not calls: an incident opened, how it stands, what is due. Nobody is woken by them."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.console.render import one_line
from hypercare.channels.notification import Page
from hypercare.channels.registry import CHANNELS
from hypercare.channels.texts import shorten
from hypercare.model.time import format_rfc3339, to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms

_SECTION: Final = 3000
_HEADER: Final = 150


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What is told.

    Attributes:
        kind: incident.opened, incident.updated, incident.resolved or reminder.
        title: one line.
        text: plain text, several lines.
        url: a page that shows more; may be empty.
        status: of the incident.

    """

    kind: str
    title: str
    text: str
    url: str
    at: Ms
    incident_id: str = ""
    number: int = 0
    severity: str = ""
    service: str = ""
    status: str = ""


def render_message(channel: str, message: Message) -> dict[str, Any]:
    """The payload of an effect that tells it through a channel.

    Channels that only know calls (PagerDuty) get one about the same incident: better seen twice than not at all.

    Raises:
        KeyError: no such channel.
    """
    own = _OWN.get(channel)
    content = CHANNELS[channel].page(_as_page(message)) if own is None else own(message)
    return {"content": content}


def _as_page(message: Message) -> Page:
    return Page(
        incident_id=message.incident_id,
        title=message.title,
        severity=message.severity or "P3",
        service=message.service,
        summary=message.text,
        at=message.at,
        ack_url=message.url,
    )


def _console(message: Message) -> dict[str, Any]:
    clock = to_datetime(message.at).strftime("%H:%M:%S")
    lines = [f"{clock} NEWS     {one_line(message.title)}"]
    lines += [f"         {one_line(line)}" for line in message.text.splitlines() if line.strip()]
    return {"lines": lines + ([f"         {one_line(message.url)}"] if message.url else [])}


def _slack(message: Message) -> dict[str, Any]:
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    title = message.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(message.title, _HEADER)}}
    ]
    if text.strip():
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": shorten(text, _SECTION)}})
    if message.url:
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": message.url}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": title, "blocks": blocks}


def _email(message: Message) -> dict[str, Any]:
    link = html.escape(message.url)
    more = f'<p><a href="{link}">{link}</a></p>' if message.url.startswith(("http://", "https://")) else ""
    body = f"<h2>{html.escape(message.title)}</h2><pre>{html.escape(message.text)}</pre>{more}"
    return {
        "subject": " ".join(message.title.split()),
        "to": "",
        "from": "",
        "headers": {},
        "text": "\n".join(part for part in (message.text, message.url) if part),
        "html": f"<!doctype html><html><body>{body}</body></html>",
        "at": message.at,
    }


def _webhook(message: Message) -> dict[str, Any]:
    fields = dataclasses.asdict(message)
    return {"type": "message", "version": "1", **fields, "at": format_rfc3339(message.at)}


_OWN: Final[dict[str, Callable[[Message], dict[str, Any]]]] = {
    "console": _console,
    "slack": _slack,
    "email": _email,
    "webhook": _webhook,
}
