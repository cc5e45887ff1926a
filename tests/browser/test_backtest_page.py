"""The page of a backtest in a real browser: narrow and wide, by keyboard, without anything from elsewhere."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "rehearse"))
from backtest_kit import report

from hypercare.rehearse.page import Page

pytestmark = pytest.mark.browser
RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - {alert: AVeryLongNameOfAnAlertThatMightNotFitOnAPhone, expr: load > 5, for: 3m}
      - {alert: Other, expr: load > 50}
"""


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_opens_by_keyboard(chromium, tmp_path, width):
    file = tmp_path / "page.html"
    found = report(
        RULES,
        *(f'load{{instance="10.0.0.{n}:9100",job="a-long-name"}} 1x9 9x20 1x20' for n in range(3)),
        start=1_767_600_000_000,
    )
    file.write_text(Page(found, dt.UTC).html())
    context = chromium.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    first = page.locator("details").first
    assert first.evaluate("node => node.open")
    assert page.locator("details[open] tbody tr").count() == 3
    assert page.locator("details[open] .instance svg rect.firing").count() == 3
    # Wide tables scroll by themselves.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
    assert (said, asked) == ([], [file.as_uri()])
