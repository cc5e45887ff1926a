"""Somebody watches an escalation arrive live, sees what comes next, and acknowledges; on a phone, with the keyboard."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

MORE = """
oncall: {schedules: [{name: primary, rotation: {people: [ana, ben], every: 1w, start: "2026-01-05T00:00:00"}}]}
heartbeat: {url: "http://127.0.0.1:9/ping", every: 1h}
"""
ALERT = [
    {
        "labels": {"alertname": "Down", "severity": "critical", "service": "shop"},
        "annotations": {"summary": "the shop is down"},
    }
]


def shot(page, name):
    if folder := os.environ.get("HYPERCARE_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_an_escalation_arrives_live_and_is_acknowledged(serve, chromium):
    server = serve(second="15m", more=MORE).start()
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url + "/escalations")
    page.get_by_text("nobody is being paged").wait_for()
    server.post("/api/v2/alerts", ALERT)
    page.get_by_text("#1 the shop is down").wait_for()
    step = page.locator("[aria-current=step]")
    assert "ben" in step.inner_text()
    left = page.locator(".countdown time")
    expect(left).to_have_text(re.compile(r"^14:\d\d$"), timeout=60_000)
    before = left.inner_text()
    expect(left).not_to_have_text(before, timeout=60_000)
    assert page.locator(".clocks li").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "escalations-phone")
    page.set_viewport_size({"width": 1200, "height": 800})
    shot(page, "escalations-wide")
    page.emulate_media(color_scheme="dark")
    shot(page, "escalations-dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("button", name="Acknowledge").press("Enter")
    page.get_by_text("nobody is being paged").wait_for()
    page.goto(server.url + "/incidents/1")
    page.get_by_role("button", name="Assessed").click()
    page.get_by_text("#1 is assessed.").wait_for()
    assert page.locator(".clocks .met").count() == 2
    shot(page, "incident-clocks")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert problems == []
