"""The journal of an alert says why somebody was told, or nobody."""

from __future__ import annotations

import pytest

from hypercare.config import parse_matchers
from hypercare.incidents.commands import Acknowledge
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.reports.why import why, why_not
from hypercare.routing.commands import PutSilence


def ask(one, text="alertname=High"):
    with one.app.state.read() as db:
        return why(one.app, db, tuple(parse_matchers(text)), one.clock.now())


def told(one, text="alertname=High"):
    (found,) = ask(one, text)
    return [line.text for line in found.lines]


def test_received_told_paged_acknowledged_ended(story):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    one.call(Acknowledge("1", "ana"))
    one.load("a", 1).run(15 * MINUTE)
    (found,) = ask(one)
    assert found.now == "It does not fire now."
    assert found.labels.get("instance") == "a:80"
    assert [line.text for line in found.lines] == [
        'received from our own rules, into group {}:{alertname="High", instance="a:80"} for receiver chat',
        "receiver chat by webhook/0 is told (new): accepted after 20ms and 1 try",
        "incident #1: incident 1 opened as P1: High",
        'incident #1: alert fires: High{instance="a:80", job="shop", service="api", severity="critical"}',
        "incident #1: page sent to ana via webhook",
        "incident #1: evidence kept: 1 graph, 0 deployments, 0 other alerts",
        "incident #1: page to ana via webhook delivered",
        "receiver chat by webhook/0 is not told: nothing changed since the last notification",
        "incident #1: acknowledged by ana",
        "ended",
        'incident #1: alert resolved: High{instance="a:80", job="shop", service="api", severity="critical"}',
        "incident #1: all alerts clear; resolves after 10m of quiet",
        "receiver chat by webhook/0 is told (resolved): accepted after 20ms and 1 try",
        "incident #1: resolved: no alert for 10m",
        "incident #1: a post-mortem is drawn up from the timeline",
    ]
    assert [line.at for line in found.lines] == sorted(line.at for line in found.lines)


def test_silenced_and_then_told(story):
    one = story().run(MINUTE)
    now = one.clock.now()
    one.call(PutSilence((tuple(parse_matchers("alertname=High")),), now, now + HOUR, "ana", "work on it"))
    one.load("a", 9).run(10 * MINUTE)
    (found,) = ask(one, "instance=a:80")
    assert "silenced by silence" in found.now
    assert ' of ana until 2026-01-05T09:01:00.000Z ("work on it")' in found.now
    assert found.lines[1].text.startswith("receiver chat is not told: silenced by silence")
    one.run(HOUR)
    texts = told(one)
    assert texts[2:4] == [
        "no longer held back from receiver chat",
        "receiver chat by webhook/0 is told (new): accepted after 20ms and 1 try",
    ]


def test_a_receiver_that_does_not_answer(story):
    one = story().run(MINUTE)
    one.chat.status = 503
    one.load("a", 9).run(3 * MINUTE)
    (line,) = [text for text in told(one) if "is told" in text]
    assert "not accepted yet" in line
    assert "503" in line
    one.chat.status = 400
    one.run(10 * MINUTE)
    (line,) = [text for text in told(one) if "is told" in text]
    assert "FAILED after" in line


def test_an_alert_that_waits_and_one_that_is_no_incident(story, write):
    mild = {"alert": "Mild", "expr": "load > 5", "labels": {"severity": "info"}}
    one = story(rules_yml=write.rules(write.high, mild)).run(MINUTE).load("a", 9).run(35 * SECOND)
    (found,) = ask(one, "alertname=Mild")
    assert "it opens no incident and pages nobody, as incidents.open does not fit it" in found.now
    assert why_not(one.app, tuple(parse_matchers("alertname=High"))).endswith("Z.")
    assert "pending since 2026-01-05T08:01" in why_not(one.app, tuple(parse_matchers("alertname=High")))
    assert why_not(one.app, tuple(parse_matchers("alertname=None"))).startswith(
        "No alert with these labels was received"
    )


def test_what_inhibits_is_named(story, write):
    node = {"alert": "NodeDown", "expr": "node > 5", "labels": {"severity": "critical"}}
    inhibit = """
inhibit_rules:
  - {source_matchers: [alertname="NodeDown"], target_matchers: [alertname="High"], equal: [instance]}
"""
    one = story(rules_yml=write.rules(node, write.high), alertmanager_yml=write.alertmanager + inhibit)
    one.target("a:80").gauge("node", 9)
    one.load("a", 9).run(5 * MINUTE)
    (found,) = ask(one, "alertname=High")
    assert "inhibited by {alertname=" in found.now
    assert any("NodeDown" in text for text in told(one, "alertname=High"))


def test_the_journal_outlives_a_kill(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE).load("a", 9).run(5 * MINUTE)
    before = told(one)
    one.kill(away=MINUTE)
    assert told(one) == before


@pytest.mark.parametrize("count", [2])
def test_several_alerts_fit(story, count):
    one = story().run(MINUTE).load("a", 9).load("b", 9).run(5 * MINUTE)
    assert len(ask(one)) == count
