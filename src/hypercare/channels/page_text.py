"""Words that all channels use for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.channels.notification import Page


def headline(page: Page) -> str:
    """One line: severity, service, title."""
    service = f" {page.service}:" if page.service else ""
    return f"[{page.severity}]{service} {page.title}"


def facts(page: Page) -> list[tuple[str, str]]:
    """Name and value of what is known, without what is empty."""
    everything = [
        ("Incident", page.incident_id),
        ("Severity", page.severity),
        ("Service", page.service),
        ("Summary", page.summary),
        ("Escalation", f"{page.policy}, step {page.step}" if page.policy else f"step {page.step}"),
        ("Runbook", page.runbook_url),
        ("Acknowledge", page.ack_url),
        *page.choices,
    ]
    return [(name, value) for name, value in everything if value]


def told(page: Page) -> list[tuple[str, str]]:
    """The facts without those that ``links`` has."""
    names = {name for name, _ in links(page)}
    return [(name, value) for name, value in facts(page) if name not in names]


def links(page: Page) -> list[tuple[str, str]]:
    """What can be pressed: name and address, the most important first."""
    found = [("Acknowledge", page.ack_url), *page.choices, ("Runbook", page.runbook_url)]
    return [(name, url) for name, url in found if url]


def plain(page: Page) -> str:
    """Several lines of plain text."""
    return "\n".join([headline(page), "", *(f"{name}: {value}" for name, value in facts(page))])
