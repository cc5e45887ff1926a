"""What is silenced or inhibited wakes nobody and opens nothing, until it is no longer; a bad rule harms no other."""

from __future__ import annotations

import pytest

from hypercare.config import parse_matchers
from hypercare.model.time import HOUR, MINUTE
from hypercare.routing.commands import ExpireSilence, PutSilence

NODE = {"alert": "NodeDown", "expr": "node > 5", "labels": {"severity": "critical", "service": "api"}}
INHIBIT = """
inhibit_rules:
  - {source_matchers: [alertname="NodeDown"], target_matchers: [alertname="High"], equal: [instance]}
"""


def silence(one, text, duration):
    now = one.clock.now()
    return one.call(PutSilence((tuple(parse_matchers(text)),), now, now + duration, "ana", "work on it"))


def test_a_silence_stops_notifications_incidents_and_pages(story):
    one = story().run(MINUTE)
    silence(one, 'alertname="High"', HOUR)
    one.load("a", 9).run(50 * MINUTE)
    assert one.firing("High")
    assert (one.chats(), one.paged(), one.incidents()) == ([], [], ())
    one.run(15 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    assert one.paged()[0] == "ana"
    assert len(one.incidents()) == 1


def test_a_silence_ends_early(story):
    one = story().run(MINUTE)
    silence_id = silence(one, 'instance="a:80"', HOUR)
    one.load("a", 9).load("b", 9).run(5 * MINUTE)
    assert one.chats() == [("High", "b:80", "firing")]
    one.call(ExpireSilence(silence_id))
    one.run(2 * MINUTE)
    assert one.chats() == [("High", "b:80", "firing"), ("High", "a:80", "firing")]


def test_a_silence_outlives_a_kill(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE)
    silence(one, 'alertname="High"', HOUR)
    one.load("a", 9).run(5 * MINUTE).kill(away=MINUTE).run(30 * MINUTE)
    assert one.firing("High")
    assert (one.chats(), one.paged(), one.incidents()) == ([], [], ())


def test_what_ends_under_a_silence_is_never_heard_of(story):
    one = story().run(MINUTE)
    silence(one, 'alertname="High"', HOUR)
    one.load("a", 9).run(10 * MINUTE).load("a", 1).run(2 * HOUR)
    assert (one.chats(), one.paged(), one.incidents()) == ([], [], ())


def test_a_silence_after_the_first_page_holds_the_notifications_but_not_the_incident(story):
    """Who opened the incident has to acknowledge it: a silence is no acknowledgement."""
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    assert one.paged() == ["ana"]
    silence(one, 'alertname="High"', HOUR)
    one.run(20 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    assert one.paged() == ["ana", "ben"]
    one.load("a", 1).run(20 * MINUTE)
    assert one.incidents()[0].status == "resolved"


@pytest.fixture
def dependent(story, write):
    """High on a and b depends on the nodes under them."""
    one = story(rules_yml=write.rules(NODE, write.high), alertmanager_yml=write.alertmanager + INHIBIT)
    for name in ("a", "b"):
        one.target(f"{name}:80").gauge("node", 1)
    return one.run(MINUTE)


def test_inhibited_alerts_open_no_incident(dependent):
    one = dependent
    one.target("a:80").gauge("node", 9)
    one.load("a", 9).load("b", 9).run(5 * MINUTE)
    assert sorted(one.chats()) == [("High", "b:80", "firing"), ("NodeDown", "a:80", "firing")]
    titles = sorted(i.title for i in one.incidents())
    assert titles == ["High", "NodeDown"]
    high = next(i for i in one.incidents() if i.title == "High")
    assert high.firing == 1


def test_all_is_inhibited(dependent):
    one = dependent
    for name in ("a", "b"):
        one.target(f"{name}:80").gauge("node", 9)
    one.load("a", 9).load("b", 9).run(30 * MINUTE)
    assert {name for name, _, _ in one.chats()} == {"NodeDown"}
    assert [i.title for i in one.incidents()] == ["NodeDown"]


def test_what_remains_when_the_cause_is_gone_is_heard_of(dependent):
    one = dependent
    one.target("a:80").gauge("node", 9)
    one.load("a", 9).run(5 * MINUTE)
    assert one.chats("High") == []
    one.target("a:80").gauge("node", 1)
    one.run(3 * MINUTE)
    assert one.chats("High") == [("High", "a:80", "firing")]
    assert sorted(i.title for i in one.incidents()) == ["High", "NodeDown"]


# -- bad rules ---------------------------------------------------------------------------------------------------

BAD = {
    "many to many": {"alert": "Bad", "expr": "load * on () load > 0"},
    "same labels": {"alert": "Bad", "expr": "load > 0", "labels": {"instance": "one"}},
    "recording": {"record": "bad", "expr": "label_replace(load, 'instance', 'x', '', '')"},
    "template": {"alert": "Bad", "expr": "load > 0", "annotations": {"summary": '{{ query "load *" }}'}},
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("place", ["before", "after", "group"])
def test_a_failing_rule_harms_no_other(story, write, kind, place):
    bad = BAD[kind]
    texts = {
        "before": write.rules(bad, write.high),
        "after": write.rules(write.high, bad),
        "group": write.rules(write.high, other=[bad]),
    }
    one = story(rules_yml=texts[place]).run(MINUTE).load("a", 9).run(5 * MINUTE)
    assert one.chats("High") == [("High", "a:80", "firing")]
    assert one.paged() == ["ana"]
    assert list(one.errors()) == [bad.get("alert") or bad["record"]]
    one.load("a", 1).run(5 * MINUTE)
    assert one.chats("High")[1:] == [("High", "a:80", "resolved")]
    failed = one.app.rules.failures
    one.reload(rules_yml=write.rules(write.high)).run(5 * MINUTE)
    assert one.errors() == {}
    assert one.app.rules.failures == failed


def test_a_rule_that_fails_for_a_while_keeps_its_alert(story, write):
    """Two series of one name make the join ambiguous; the alert is neither resolved nor announced anew."""
    joined = {**write.high, "expr": "load > 5 and on () (limit * on () limit)"}
    one = story(rules_yml=write.rules(joined))
    one.target("a:80").gauge("limit", 1)
    one.run(MINUTE).load("a", 9).run(5 * MINUTE)
    (before,) = one.elements("High")
    assert before[1] == "firing"
    one.target("a:80").gauge('limit{x="2"}', 1)
    one.run(10 * MINUTE)
    assert "many-to-many" in one.errors()["High"]
    assert one.elements("High") == [before]
    one.target("a:80").remove('limit{x="2"}')
    one.run(10 * MINUTE)
    assert one.errors() == {}
    assert one.elements("High") == [before]
    assert one.chats("High") == [("High", "a:80", "firing")]
