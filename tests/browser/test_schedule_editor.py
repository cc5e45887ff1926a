"""A weekly schedule of two layers is made on a phone with the keyboard, previewed, saved, and stands in the calendar."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

ROTA = """
oncall: {schedules: [{name: primary, rotation: {people: [ana, ben], every: 1w, start: "2026-01-05T00:00:00"}}]}
"""


def shoot(page, name):
    if folder := os.environ.get("HYPERCARE_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def add_people(page, layer, *names):
    for name in names:
        page.get_by_label(f"Add to layer {layer}", exact=True).select_option(name)
        page.get_by_role("button", name=f"Add the person to layer {layer}").press("Enter")
        page.locator(f"#layers-{layer - 1}-people-who:focus").wait_for()


def test_a_schedule_of_two_layers(serve, chromium):
    server = serve(more=ROTA).start()
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url + "/oncall/schedules")
    page.get_by_role("link", name="New schedule").press("Enter")
    page.locator("#name:focus").fill("nights")
    page.get_by_label("Time zone").first.fill("Europe/Berlin")
    page.get_by_label("The first turn begins").fill("2026-01-05T09:00")
    # Enter previews; what is missing is told beside its field, and nothing is lost.
    page.locator("#name").press("Enter")
    page.locator("#layers-0-people-who-wrong", has_text="must not be empty").wait_for()
    page.locator("#layers-0-people-who:focus").wait_for()
    assert page.locator("#name").input_value() == "nights"
    shoot(page, "schedule-refused")
    add_people(page, 1, "ana", "ben")
    page.get_by_role("button", name="Move ben up").press("Enter")
    page.locator("#layers-0-people-0-up:focus").wait_for()
    assert page.get_by_label("1. of layer 1").input_value() == "ben"
    page.get_by_role("button", name="Add a layer").press("Enter")
    page.locator("#layers-1-name").wait_for(state="attached")
    second = page.get_by_role("group", name="Layer 2")
    add_people(page, 2, "ana")
    if not second.get_by_label("Name", exact=False).first.is_visible():
        second.get_by_text("Name, zone, hours, holidays, end").press("Enter")
    second.get_by_label("Name").fill("office")
    second.get_by_role("button", name="Add hours").press("Enter")
    page.locator("#layers-1-restrictions-0-from:focus").wait_for()
    assert fits(page)
    shoot(page, "schedule-form-390")
    page.get_by_role("button", name="Preview").last.press("Enter")
    preview = page.locator("#preview")
    preview.get_by_text("Every minute of the coming four weeks would be covered").wait_for()
    assert preview.locator(".duty", has_text="office").count() >= 20
    assert preview.get_by_text("On call twice at once").count() == 1, "ana and ben are on call in primary, too"
    assert fits(page)
    shoot(page, "schedule-preview-390")
    page.get_by_role("button", name="Save", exact=True).first.press("Enter")
    page.get_by_text("Saved as version 1.").wait_for()
    assert "name: office" in page.locator("pre.yaml").inner_text()
    page.goto(server.url + "/oncall?zone=Europe/Berlin")
    page.locator(".day:not(.past)", has_text="office").first.wait_for()
    assert page.locator(".day.today dt", has_text="nights").count() == 1
    assert fits(page)
    page.set_viewport_size({"width": 1180, "height": 900})
    page.emulate_media(color_scheme="dark")
    page.goto(server.url + "/oncall/editor?of=nights")
    page.get_by_role("button", name="Preview").last.click()
    page.locator("#preview", has_text="Nobody's shifts change.").wait_for()
    shoot(page, "schedule-form-dark")
    assert problems == []
