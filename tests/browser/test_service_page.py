"""A service opened at night, on a phone in another zone: what is wrong arrives by itself, charts name their zone."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]


def test_what_is_wrong_with_a_service_arrives_live(serve, outside, wait, chromium):
    server = serve(second="60s").start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    view = {"width": 390, "height": 800}
    page = chromium.new_context(viewport=view, timezone_id="Asia/Kolkata", locale="en-GB").new_page()
    page.set_default_timeout(60_000)
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url + "/services")
    page.get_by_role("heading", name="Services", exact=True).wait_for()
    page.locator("#live[data-state=on]").wait_for()  # before that, keys do nothing
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/services/shop")
    page.get_by_role("heading", name="shop", exact=True).wait_for()
    page.get_by_text("Nothing fires.").wait_for()
    page.locator("#live[data-state=on]").wait_for()

    outside.metrics = "up_truth 0\n"
    page.get_by_role("link", name="#1 the shop is broken").wait_for()
    page.locator(".plot .zone", has_text="GMT+5:30").first.wait_for()
    # Half past something, where UTC has a full hour or a quarter: what is written is what the zone says.
    mark = page.locator(".plot .times text[data-at]").first
    written, at = mark.text_content(), mark.get_attribute("data-at")
    assert (int(written[3:5]) - int(at[14:16])) % 60 == 30
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Acknowledge").click()
    page.locator(".badge.acknowledged").first.wait_for()
    assert problems == []
