"""Lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.notification import status_of
from hypercare.channels.page_text import facts
from hypercare.model.time import to_datetime

if TYPE_CHECKING:
    from hypercare.channels.console.config import ConsoleConfig
    from hypercare.channels.notification import Notification, Page
    from hypercare.channels.texts import Texts
    from hypercare.model.alerts import Alert
    from hypercare.model.time import Ms

_FIRST = ("service", "job", "instance")
_SHOWN = 5
_LONGEST = 200


def render(config: ConsoleConfig, notification: Notification, texts: Texts) -> dict[str, Any]:
    """One line an alert, those that fire first."""
    del config, texts
    alerts = (*notification.firing, *notification.resolved)
    return {"lines": [_line(alert, notification) for alert in alerts]}


def _line(alert: Alert, notification: Notification) -> str:
    labels = alert.labels
    rest = [name for name, _ in labels if name not in {"alertname", "severity", *_FIRST}]
    names = [name for name in _FIRST if name in labels] + rest
    words = [
        _clock(notification.now),
        f"{status_of(alert, notification.now).upper():<8}",
        labels.get("severity"),
        alert.name or "(no alertname)",
        *(f"{name}={one_line(labels.get(name))}" for name in names[:_SHOWN]),
        "…" if len(names) > _SHOWN else "",
    ]
    summary = alert.annotations.get("summary") or alert.annotations.get("description")
    if summary:
        words.append(f"— {one_line(summary)}")
    words.append(f"→ {one_line(notification.receiver)}")
    return " ".join(word for word in words if word)


def page(page: Page) -> dict[str, Any]:
    """What a person needs to begin: two or three lines."""
    whom = f" → {one_line(page.person)}" if page.person else ""
    step = f" (step {page.step} of {one_line(page.policy)})" if page.policy else f" (step {page.step})"
    service = f" {one_line(page.service)}:" if page.service else ""
    lines = [f"{_clock(page.at)} PAGE     {page.severity}{service} {one_line(page.title)}{whom}{step}"]
    told = {name: value for name, value in facts(page) if name in {"Summary", "Runbook", "Acknowledge"}}
    summary = told.pop("Summary", "")
    if summary and summary != page.title:
        lines.append(f"         {one_line(summary)}")
    lines += [f"         {name}: {one_line(value)}" for name, value in told.items()]
    return {"lines": lines}


def one_line(text: str) -> str:
    """Text from outside, made safe for a terminal: no line breaks, no control characters, not endless."""
    flat = " ".join(text.split())
    safe = "".join(char if char.isprintable() else "�" for char in flat)
    return safe if len(safe) <= _LONGEST else safe[: _LONGEST - 1] + "…"


def _clock(at: Ms) -> str:
    return to_datetime(at).strftime("%H:%M:%S")
