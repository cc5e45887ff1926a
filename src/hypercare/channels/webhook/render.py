"""The bodies."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypercare.gotemplate import build_data
from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts
    from hypercare.channels.webhook.config import WebhookConfig

VERSION = "4"


def render(config: WebhookConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """Alertmanager's webhook message."""
    shown = notification.limited(config.max_alerts)
    data = build_data(
        shown.receiver,
        shown.alerts,
        shown.now,
        group_labels=shown.group_labels.as_dict(),
        external_url=shown.external_url,
    )
    body = data.as_object()
    if shown.route_labels:
        # Alertmanager 0.29 and later; older ones have no such field, and their receivers need not know it.
        body["routeLabels"] = texts.route_labels()
    return {
        **body,
        # What is cut off may still fire.
        "status": notification.status,
        "version": VERSION,
        "groupKey": notification.group_key,
        "truncatedAlerts": shown.truncated,
    }


def page(page: Page) -> dict[str, Any]:
    """A page as an object of its own kind."""
    fields = dataclasses.asdict(page)
    choices = [{"name": name, "url": url} for name, url in fields.pop("choices")]
    fields |= {"choices": choices} if choices else {}
    return {"type": "page", "version": "1", **fields, "at": format_rfc3339(page.at)}
