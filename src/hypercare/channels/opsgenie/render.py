"""What Opsgenie is told: create or close (docs.opsgenie.com/docs/alert-api)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import headline, plain
from hypercare.channels.pagerduty.render import dedup_key
from hypercare.channels.texts import shorten

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.opsgenie.config import OpsgenieConfig
    from hypercare.channels.texts import Texts

MAX_MESSAGE: Final = 130
"""Opsgenie's limits, in characters."""
MAX_DESCRIPTION: Final = 15_000
_PRIORITIES: Final = {"P0": "P1", "P1": "P1", "P2": "P3", "P3": "P4"}


def render(config: OpsgenieConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """The alias and the body of a create or a close request.

    Raises:
        TemplateError: a template is faulty.
    """
    alias = dedup_key(notification.group_key)
    source = texts.text(config.source)
    if notification.status != FIRING:
        return {"alias": alias, "close": {"source": source}}
    body: dict[str, Any] = {
        "alias": alias,
        "message": shorten(texts.text(config.message), MAX_MESSAGE),
        "details": {**notification.common_labels.as_dict(), **texts.each(config.details)},
        "source": source,
    }
    optional: dict[str, Any] = {
        "description": shorten(texts.text(config.description), MAX_DESCRIPTION),
        "responders": _responders(config, texts),
        "tags": _split(texts.text(config.tags)),
        "note": texts.text(config.note),
        "priority": texts.text(config.priority),
        "entity": texts.text(config.entity),
        "actions": _split(texts.text(config.actions)),
    }
    created = body | {name: value for name, value in optional.items() if value}
    if not config.update_alerts:
        return {"alias": alias, "create": created}
    # Creating an alert that is open changes none of its texts.
    changes = [{"alias": alias, "change": name, "text": created.get(name, "")} for name in ("message", "description")]
    return {"alias": alias, "create": created, "then": changes}


def _responders(config: OpsgenieConfig, texts: Texts) -> list[dict[str, str]]:
    """Those that are not empty; ``teams`` stands for several of them, separated by commas."""
    found: list[dict[str, str]] = []
    for given in config.responders:
        one = {name: texts.text(getattr(given, name)) for name in ("id", "name", "username", "type")}
        if one["type"] == "teams":
            found += [{"name": team, "type": "team"} for team in _split(one["name"])]
        elif any(one.values()):
            found.append({name: value for name, value in one.items() if value or name == "type"})
    return found


def _split(text: str) -> list[str]:
    return [part for part in text.strip().split(",") if part]


def page(page: Page) -> dict[str, Any]:
    """An alert; all pages for one incident share an alias."""
    alias = f"hypercare-incident-{page.incident_id}"
    body = {
        "alias": alias,
        "message": shorten(headline(page), MAX_MESSAGE),
        "description": shorten(plain(page), MAX_DESCRIPTION),
        "details": {"incident": page.incident_id, "severity": page.severity, "acknowledge": page.ack_url},
        "source": "hypercare",
        "priority": _PRIORITIES.get(page.severity, "P1"),
        "entity": page.service,
    }
    return {"alias": alias, "create": {name: value for name, value in body.items() if value}}
