"""What somebody does who was woken: open the page, see it arrive, acknowledge, write a note."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.e2e]


def test_an_incident_arrives_live_and_is_acknowledged(serve, outside, wait, page):
    server = serve(second="60s").start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    page.get_by_role("heading", name="All is well").wait_for()
    page.locator("#live[data-state=on]").wait_for()

    outside.metrics = "up_truth 0\n"
    page.get_by_role("heading", name="Something is broken").wait_for()
    page.get_by_role("link", name="#1 the shop is broken").wait_for()
    page.get_by_role("combobox", name="Who you are").first.select_option("ben")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("taken by ben").wait_for()

    page.get_by_role("link", name="#1 the shop is broken").click()
    page.get_by_label("Add to the timeline").fill("looking at <b>the till</b>")
    page.get_by_role("button", name="Add note").click()
    page.get_by_text("looking at <b>the till</b>").wait_for()
    assert page.locator(".timeline li").count() >= 4

    outside.metrics = "up_truth 1\n"
    page.locator(".badge.resolved").wait_for()
    assert problems == []


PAGES = ["/", "/incidents", "/incidents/1", "/alerts", "/targets", "/oncall", "/graph?g0.expr=up_truth%20%3D%3D%200"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_both_schemes(serve, outside, wait, chromium, scheme):
    server = serve(second="60s").start()
    outside.metrics = "up_truth 0\n"
    wait(lambda: server.get("/api/hypercare/v1/incidents"), what="an incident")
    page = chromium.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme).new_page()
    page.set_default_timeout(60_000)
    for path in PAGES:
        page.goto(server.url + path)
        page.locator("main h1, main h2").first.wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} scrolls sideways"
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(int(n) for n in background[4:-1].split(",")[:3]) < 384
        assert dark == (scheme == "dark"), path


def test_the_keyboard_reaches_the_acknowledge_button(serve, outside, wait, page):
    server = serve(second="60s").start()
    outside.metrics = "up_truth 0\n"
    wait(lambda: server.get("/api/hypercare/v1/incidents"), what="an incident")
    page.goto(server.url)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Acknowledge":
            break
    # What arrives live does not take the keyboard's place away.
    page.evaluate("document.activeElement.dataset.old = true")
    server.post("/api/v2/alerts", [{"labels": {"alertname": "Another", "service": "shop"}}])
    page.locator("[data-old]").wait_for(state="detached")
    page.wait_for_function("document.activeElement.textContent === 'Acknowledge'")
    page.keyboard.press("Enter")
    page.locator(".badge.acknowledged").first.wait_for()


def test_links_of_alertmanagers_templates_lead_to_our_pages(serve, page):
    server = serve(second="60s").start()
    for theirs, ours in {
        "alerts?receiver=hook": "/alerts?receiver=hook",
        'alerts?filter={alertname="Broken"}': "/alerts?filter=%7Balertname%3D%22Broken%22%7D",
        'silences/new?filter={alertname="Broken"}': "/silences/new?matchers=%7Balertname%3D%22Broken%22%7D",
        "silences": "/silences",
    }.items():
        page.goto("about:blank")
        page.goto(f"{server.url}/#/{theirs}")
        page.wait_for_url(server.url + ours)
        assert page.get_by_text("is no matcher").count() == 0


def test_log_in(serve, wait, page):
    server = serve(more="web: {token: open-sesame}\n").start()
    page.goto(server.url + "/incidents")
    page.get_by_label("Password or token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That is not right").wait_for()
    page.get_by_label("Password or token").fill("open-sesame")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()
