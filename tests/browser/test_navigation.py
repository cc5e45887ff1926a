"""The pages are reached by thumb and by keyboard, on a phone as on a desk."""

from __future__ import annotations

import json
import urllib.request

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

LONG = "AnAlert" * 12
ALERT = [{"labels": {"alertname": LONG, "severity": "critical", "service": "shop", "instance": "host." * 20}}]
MORE = ["Silences", "Actions", "Targets", "Channels", "Status page", "API", "Users", "Audit log"]


def test_the_menu_on_a_phone_opens_by_keyboard_and_nothing_is_wider_than_the_screen(serve, wait, chromium):
    server = serve(second="60s").start()
    server.post("/api/v2/alerts", ALERT)
    wait(lambda: server.get("/api/hypercare/v1/incidents"), what="an incident")
    server.post("/api/hypercare/v1/incidents/1/notes", {"by": "ben", "text": "/a/long/path" * 12})
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url + "/incidents/1")
    page.get_by_text("/a/long/path").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    menu = page.locator("details.menu")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    for name in MORE:
        assert menu.get_by_role("link", name=name, exact=True).is_visible(), name
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Escape")
    assert menu.get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Targets").wait_for()
    assert page.locator("details.menu summary").inner_text() == "Targets"


def test_somebody_logs_in_and_silences_an_alert_that_arrives_live(serve, chromium):
    server = serve(more="web: {token: open-sesame}\n").start()
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url + "/alerts")
    page.get_by_label("Password or token").fill("open-sesame")
    page.get_by_label("Password or token").press("Enter")
    page.get_by_text("Nothing fires").wait_for()
    head = {"Authorization": "Bearer open-sesame", "Content-Type": "application/json"}
    alert = urllib.request.Request(server.url + "/api/v2/alerts", json.dumps(ALERT).encode(), head)
    urllib.request.urlopen(alert, timeout=60).close()
    page.get_by_text(LONG).first.wait_for()
    page.get_by_role("link", name="silence…").first.click()
    page.get_by_label("Because").fill("we <b>know</b>")
    page.get_by_label("Because").press("Enter")
    page.get_by_text("we <b>know</b>").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(server.url + "/alerts")
    page.locator(".badge.suppressed").first.wait_for()
    page.goto(server.url + "/silences")
    page.get_by_role("button", name="Expire").click()
    page.get_by_role("button", name="Expire").wait_for(state="detached")
    page.goto(server.url + "/alerts")
    page.locator(".badge.suppressed").wait_for(state="detached")
