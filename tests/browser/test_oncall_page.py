"""Somebody swaps shifts with a colleague, with the keyboard and on a phone, and takes it back."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

ROTA = """
oncall: {schedules: [{name: primary, rotation: {people: [ana, ben], every: 1w, start: "2026-01-05T00:00:00"}}]}
"""


def test_a_shift_is_swapped_and_taken_back(serve, chromium):
    server = serve(more=ROTA).start()
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url + "/oncall?zone=UTC")
    today = page.locator(".day.today")
    today.wait_for()
    before = today.inner_text()
    holder = page.locator("main li strong").first.inner_text()
    other = next(name for name in ("ana", "ben") if name != holder)
    page.get_by_role("combobox", name="Who", exact=True).select_option(holder)
    page.get_by_role("combobox", name="swaps with").select_option(other)
    page.get_by_label("From (UTC)").fill("2026-01-01T00:00")
    page.get_by_label("Until (UTC)").fill("2026-01-01T00:00")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_text("a change ends after it begins").wait_for()
    start = page.locator(".day time").nth(0).get_attribute("datetime")
    end = page.locator(".day time[datetime]").last.get_attribute("datetime")[:10]
    page.get_by_role("combobox", name="Who", exact=True).select_option(holder)
    page.get_by_role("combobox", name="swaps with").select_option(other)
    page.get_by_label("From (UTC)").fill(f"{start}T00:00")
    page.get_by_label("Until (UTC)").fill(f"{end}T00:00")
    page.get_by_label("Why").fill("<i>holiday</i>")
    page.get_by_label("Why").press("Enter")
    page.get_by_text(f"{holder} and {other} swap their shifts.").wait_for()
    page.get_by_text("<i>holiday</i>").wait_for()
    assert page.locator(".day.today").inner_text() != before
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Take out").click()
    page.get_by_text("Taken out.").wait_for()
    assert page.get_by_role("button", name="Take out").count() == 0
    assert problems == []


def test_a_change_is_previewed_and_the_shift_taken_over(serve, chromium):
    server = serve(more=ROTA).start()
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url + "/oncall?zone=UTC")
    holder = page.locator("main li strong").first.inner_text()
    other = next(name for name in ("ana", "ben") if name != holder)
    page.get_by_role("combobox", name="Who", exact=True).select_option(other)
    page.get_by_role("button", name="Preview").press("Enter")
    page.locator("#preview").wait_for()
    assert f"{other}: " in page.locator("#preview").inner_text()
    if folder := os.environ.get("HYPERCARE_SCREENSHOTS"):
        page.locator("[aria-labelledby=change-title]").screenshot(path=f"{folder}/oncall-preview.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_text(f"{other} stands in.").wait_for()
    page.context.add_cookies([{"name": "hypercare_me", "value": other, "url": server.url}])
    page.goto(server.url + "/oncall?zone=UTC")
    page.get_by_role("button", name=f"Take over primary now, for {holder}").click()
    page.get_by_text(f"You are on call in primary now, for {holder}.").wait_for()
