"""Somebody works on an incident with the keyboard and on a phone: ticks, updates, tasks, resolves, writes the post-mortem."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]

MORE = "status_page: {title: The shop, components: [{name: Ordering, services: [shop]}]}\n"


def test_the_work_on_an_incident_from_the_first_tick_to_the_review(serve, outside, wait, chromium):
    server = serve(second="60s", more=MORE).start()
    outside.metrics = "up_truth 0\n"
    wait(lambda: server.get("/api/hypercare/v1/incidents"), what="an incident")
    page = chromium.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url + "/incidents/1")
    page.get_by_role("button", name="Acknowledge").click()
    page.locator("dt", has_text="Commander").wait_for()
    page.get_by_role("button", name="Tick step 1", exact=True).press("Enter")
    page.locator(".phase", has_text="1 of 5").first.wait_for()
    page.get_by_label("Tell those who wait").fill("<i>the till</i> is stuck")
    page.get_by_role("combobox", name="Stage").select_option("identified")
    page.get_by_label("status page, too").check()
    page.get_by_role("button", name="Send update").click()
    page.get_by_text("update (identified): <i>the till</i> is stuck").wait_for()
    page.get_by_text("Severity, roles, tasks, links").click()
    task = page.locator("form", has=page.get_by_role("heading", name="Task"))
    task.get_by_label("What").fill("a new till")
    task.get_by_label("What").press("Enter")
    page.get_by_role("button", name="Tick task 1").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    # What somebody else does arrives without a reload, and does not take the typing away.
    page.get_by_label("Add to the timeline").fill("half a sen")
    server.post("/api/hypercare/v1/incidents/1/notes", {"by": "ben", "text": "I see it, too", "kind": "finding"})
    page.locator(".timeline").get_by_text("I see it, too").wait_for()
    assert page.get_by_label("Add to the timeline").input_value() == "half a sen"

    page.goto(server.url + "/status/public")
    page.get_by_text("<i>the till</i> is stuck").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.goto(server.url + "/incidents/1")
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_role("link", name="draft").click()
    text = page.get_by_label("Edit (Markdown)")
    assert "the till" in text.input_value()
    text.fill("# What it was\n\nThe **till** was stuck.")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("heading", name="What it was").wait_for()
    page.get_by_role("button", name="Ask for review").click()
    page.locator(".badge", has_text="review").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert problems == []
