"""What a backtest shows: on a terminal, on a page, to programs."""

from __future__ import annotations

import datetime as dt
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from backtest_kit import report

from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.time import parse_rfc3339
from hypercare.rehearse.page import Page
from hypercare.rehearse.text import Look, render
from hypercare.rules import check_template
from hypercare.sim.ports import VirtualFiles

START = parse_rfc3339("2026-01-05T21:00:00Z")
RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - {alert: High, expr: load > 5, for: 3m, labels: {severity: critical}}
      - {alert: Calm, expr: load > 500}
      - {alert: Unknown, expr: nosuch > 1}
"""
SERIES = 'load{who="<script>alert(1)</script>"} 1x9 9x29 1x17 9x2'
CONFIG = """
alertmanager:
  route: {receiver: team, group_wait: 1s, group_interval: 1m}
  receivers: [{name: team, webhook_configs: [{url: "http://hook/"}]}]
people: [{name: ana, timezone: Asia/Kolkata, contact: [{channel: console}]}]
oncall: {schedules: [{name: primary, timezone: Asia/Kolkata, rotation: {people: [ana], start: "2026-01-01T00:00:00"}}]}
"""


@pytest.fixture(scope="module")
def shown():
    path = Path("/virtual/hypercare.yml")
    config = load(path, VirtualFiles({path: CONFIG.encode()}), {}, INTEGRATIONS, check_template)
    return report(RULES, SERIES, start=START, config=config)


def lines(found, **look):
    return list(render(found, Look(zone=dt.UTC, **look)))


def test_the_bars_of_a_terminal(shown):
    text = lines(shown, width=68, unicode=False)
    bars = {line.split(" ")[0]: line[12:] for line in text if line.startswith(("High ", "Calm ", "Unknown "))}
    # A cell a minute (56 of them): pending 3 minutes, firing some 27.
    high = next(line for line in text if line.startswith("High  "))
    assert high.count("#") in range(24, 31)
    assert high.count("+") in range(2, 8)
    assert set(bars) == {"High", "Calm", "Unknown"}
    unicode = lines(shown, width=68, unicode=True, colour=True)
    assert any("█" in line and "\x1b[31m" in line for line in unicode)
    assert not any(ord(char) > 127 or char == "\x1b" for line in text for char in line)


def test_what_the_text_says(shown):
    text = "\n".join(lines(shown, unicode=False))
    for words in (
        "no data for nosuch",
        "Unknown  no data",
        "Mon 05 Jan 21:10",
        "nobody acknowledges",
        "1 time something was pending and never fired: --all",
        "Asia/Kolkata",
    ):
        assert words in text, text
    assert "pending and never fired" not in "\n".join(lines(shown, everything=True))


def test_json_has_it_all(shown):
    found = json.loads(json.dumps(shown.as_json()))
    high, calm, unknown = found["alerts"]
    assert (high["fired"], high["only_pending"], calm["fired"]) == (1, 1, 0)
    assert unknown["no_data_for"] == ["nosuch"]
    assert high["total_seconds"] == high["longest_seconds"] == 27 * 60
    by = {each["who"]: each for each in found["notifications"]["by"]}
    # 21:13 UTC is 2:43 in India; nobody answers, so that everyone is paged after a while.
    assert (by["ana"]["count"], by["ana"]["at_night"], by["ana"]["hours"][2]) == (2, 2, 2)
    assert by["team"]["count"] == 2


def test_nothing_at_all():
    found = report(RULES, "other 1x5", start=START)
    assert not found.has_data
    text = "\n".join(lines(found))
    assert "no data: the source has nothing" in text
    assert "fired" not in text.replace("would have fired is unknown", "")
    assert "No data." in Page(found, dt.UTC).html()


class _Checked(HTMLParser):
    """Every element is closed, nothing comes from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = dict(attrs)
        assert not {"src", "href", "onclick", "onload"} & set(names)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert not {"src", "href"} & set(dict(attrs))
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_sound_and_lets_nothing_in(shown):
    text = Page(shown, dt.UTC).html()
    checked = _Checked()
    checked.feed(text.removeprefix("<!doctype html>"))
    assert checked.open == []
    assert "script" not in checked.tags
    assert "&lt;script&gt;" in text
    assert "http" not in text.replace("Content-Security-Policy", "").replace("http-equiv", "")
    assert text.count("<details") == 4
    assert 'aria-label="fired 1 time' in text


def test_a_page_without_routes():
    assert "No configuration was given" in Page(report(RULES, SERIES, start=START), dt.UTC).html()
