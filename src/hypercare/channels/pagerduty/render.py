"""PagerDuty events, without their key."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import FIRING
from hypercare.channels.page_text import headline
from hypercare.channels.pagerduty.config import DETAILS
from hypercare.channels.texts import shorten
from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.pagerduty.config import PagerdutyConfig
    from hypercare.channels.texts import Texts

MAX_SUMMARY = 1024
"""PagerDuty's limit, in characters."""
_SEVERITIES = {"P0": "critical", "P1": "critical", "P2": "error", "P3": "warning"}


def dedup_key(group_key: str) -> str:
    """Names the incident: the same for all notifications of a group, as Alertmanager makes it."""
    return hashlib.sha256(group_key.encode("utf-8", "surrogatepass")).hexdigest()


def render(config: PagerdutyConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """An event of the API that the key belongs to.

    Raises:
        TemplateError: a template is faulty.
    """
    key = dedup_key(notification.group_key)
    action = "trigger" if notification.status == FIRING else "resolve"
    details = {name: _deep(value, texts) for name, value in {**DETAILS, **config.details}.items()}
    summary = shorten(texts.text(config.description), MAX_SUMMARY)
    client, client_url = texts.text(config.client), texts.text(config.client_url)
    if config.is_v1:
        return {
            "incident_key": key,
            "event_type": action,
            "description": summary,
            "client": client if action == "trigger" else "",
            "client_url": client_url if action == "trigger" else "",
            "details": details,
        }
    event: dict[str, Any] = {
        "client": client,
        "client_url": client_url,
        "dedup_key": key,
        "event_action": action,
        "payload": {
            "summary": summary or "(no description)",
            "source": texts.text(config.source) or client or "hypercare",
            "severity": texts.text(config.severity),
            "class": texts.text(config.class_),
            "component": texts.text(config.component),
            "group": texts.text(config.group),
            "custom_details": details,
        },
    }
    images = [{n: texts.text(v) for n, v in image if v} for image in config.images]
    links = [{n: texts.text(v) for n, v in link if v} for link in config.links]
    # PagerDuty refuses images without an address, and links without one.
    event["images"] = [image for image in images if image.get("src")]
    event["links"] = [link for link in links if link.get("href")]
    return event


def _deep(value: Any, texts: Texts) -> Any:
    if isinstance(value, str):
        return texts.text(value)
    if isinstance(value, dict):
        return {name: _deep(inner, texts) for name, inner in value.items()}
    if isinstance(value, list):
        return [_deep(inner, texts) for inner in value]
    return value


def page(page: Page) -> dict[str, Any]:
    """A trigger event; all pages for one incident share a key."""
    choices = [(url, name) for name, url in page.choices]
    links = [(page.ack_url, "Acknowledge in hypercare"), *choices, (page.runbook_url, "Runbook")]
    return {
        "client": "hypercare",
        "client_url": page.ack_url,
        "dedup_key": f"hypercare-incident-{page.incident_id}",
        "event_action": "trigger",
        "payload": {
            "summary": shorten(headline(page), MAX_SUMMARY),
            "source": page.service or "hypercare",
            "severity": _SEVERITIES.get(page.severity, "critical"),
            "timestamp": format_rfc3339(page.at),
            "component": page.service,
            "group": "",
            "class": "",
            "custom_details": {
                "incident": page.incident_id,
                "severity": page.severity,
                "summary": page.summary,
                "policy": page.policy,
                "step": page.step,
                "person": page.person,
            },
        },
        "images": [],
        "links": [{"href": href, "text": text} for href, text in links if href],
    }
