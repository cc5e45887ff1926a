"""What is silenced or inhibited wakes nobody and opens nothing, until it is no longer; a bad rule harms no other."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hypercare.config import parse_matchers
from hypercare.incidents.commands import Acknowledge, AddNote, Resolve, Unacknowledge
from hypercare.kernel import CommandError
from hypercare.kernel.tables import outbox
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


def test_a_silence_after_the_first_page_holds_notifications_and_pages_while_it_lasts(story):
    """A silence is no acknowledgement: when it ends, the escalation goes on; whoever was paged before is paged anew."""
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    assert one.paged() == ["ana"]
    silence(one, 'alertname="High"', HOUR)
    one.run(40 * MINUTE)
    assert one.chats() == [("High", "a:80", "firing")]
    assert one.paged() == ["ana"]
    assert "every alert that fires is silenced: nobody is paged until one is heard again" in texts(one)
    one.run(40 * MINUTE)
    _, *later = one.pages()
    assert [(at - 66, name) for at, name in later] == [(0, "ana"), (10, "ben")]
    assert "no longer silenced or inhibited after 1h: goes on" in texts(one)
    one.load("a", 1).run(20 * MINUTE)
    assert one.incidents()[0].status == "resolved"


def texts(one):
    return [entry.text for entry in one.timeline(one.incidents()[0])]


def test_a_short_silence_shifts_the_next_step(story):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    silence(one, 'alertname="High"', 3 * MINUTE)
    one.run(30 * MINUTE)
    (first, _), (second, name) = one.pages()
    assert (name, second - first) == ("ben", 13)


def test_an_expired_silence_lets_the_escalation_go_on(story):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    silence_id = silence(one, 'alertname="High"', HOUR)
    one.run(2 * MINUTE)
    one.call(ExpireSilence(silence_id))
    one.run(20 * MINUTE)
    (first, _), (second, name) = one.pages()
    assert (name, second - first) == ("ben", 12)


def test_one_of_two_alerts_is_silenced(story, write):
    """The other calls for somebody as before."""
    one = story().run(MINUTE).load("a", 9).load("b", 9).run(5 * MINUTE)
    silence(one, 'instance="a:80"', HOUR)
    one.run(10 * MINUTE)
    assert one.paged() == ["ana", "ben"]
    silence(one, 'instance="b:80"', HOUR)
    assert texts(one)[-1].startswith("every alert that fires is silenced")


def test_a_silence_that_begins_later(story):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    now = one.clock.now()
    matchers = (tuple(parse_matchers("alertname=High")),)
    one.call(PutSilence(matchers, now + 2 * MINUTE, now + HOUR, "ana", "work on it"))
    one.run(30 * MINUTE)
    assert one.paged() == ["ana"]


def test_a_silence_after_the_first_page_outlives_a_kill(story, tmp_path):
    one = story(data=tmp_path).run(MINUTE).load("a", 9).run(5 * MINUTE)
    silence(one, 'alertname="High"', HOUR)
    one.run(2 * MINUTE).kill(away=2 * MINUTE).run(40 * MINUTE)
    assert one.paged() == ["ana"]
    one.kill(away=20 * MINUTE).run(MINUTE)
    assert one.paged() == ["ana", "ana"]
    one.run(11 * MINUTE)
    assert one.paged() == ["ana", "ana", "ben"]


def test_nobody_is_paged_while_the_alerts_have_ended(story):
    one = story().run(MINUTE).load("a", 9).run(6 * MINUTE)
    one.load("a", 1).run(5 * MINUTE)
    assert one.paged() == ["ana"]
    one.load("a", 9).run(30 * MINUTE)
    (first, _), (_, again), (third, name) = one.pages()
    # Five minutes without the alert: ana may think that it is over.
    assert (again, name) == ("ana", "ben")
    assert third - first > 13


def test_an_alert_whose_rule_is_removed_pages_nobody(story, write):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    other = {"alert": "Other", "expr": "load > 50"}
    one.reload(rules_yml=write.rules(other)).run(30 * MINUTE)
    assert one.paged() == ["ana"]
    assert one.incidents()[0].status == "resolved"


def test_an_inhibited_alert_pages_nobody_until_its_cause_is_gone(dependent):
    one = dependent
    one.load("a", 9).run(5 * MINUTE)
    assert one.paged() == ["ana"]
    one.target("a:80").gauge("node", 9)
    one.run(2 * MINUTE)
    node, high = one.incidents()
    assert (node.title, high.title) == ("NodeDown", "High")
    one.call(Acknowledge(node.id, "ana"))
    one.run(30 * MINUTE)
    assert one.paged() == ["ana", "ana"]
    assert "every alert that fires is inhibited" in "".join(t.text for t in one.timeline(high))
    one.target("a:80").gauge("node", 1)
    one.run(3 * MINUTE)
    assert one.paged() == ["ana", "ana", "ana"]


def test_a_page_that_could_not_be_delivered_is_withdrawn_by_a_silence_and_sent_after_it(story):
    one = story().run(MINUTE)
    one.ana.status = 503
    one.load("a", 9).run(3 * MINUTE)
    silence_id = silence(one, 'alertname="High"', HOUR)
    tries = len(one.ana.requests)
    one.ana.status = 200
    one.run(3 * MINUTE)
    assert len(one.ana.requests) == tries
    assert "page to ana via webhook withdrawn before it arrived: every alert that fires is silenced" in texts(one)
    one.call(ExpireSilence(silence_id))
    one.run(MINUTE)
    assert len(one.ana.requests) == tries + 1


@pytest.mark.parametrize("end", [Acknowledge, Resolve])
def test_a_page_that_could_not_be_delivered_is_withdrawn_when_somebody_has_it(story, end):
    one = story().run(MINUTE)
    one.ana.status = 503
    one.load("a", 9).run(3 * MINUTE)
    tries = len(one.ana.requests)
    one.call(end("1", "ben"))
    one.ana.status = 200
    one.run(30 * MINUTE)
    assert len(one.ana.requests) == tries
    with one.app.state.read() as db:
        row = db.execute(select(outbox).where(outbox.c.cancel_key.is_not(None))).one()
    assert row.state == "cancelled"
    assert row.error in {"ben has acknowledged the incident", "the incident is resolved"}


CONFIRM = "incidents: {quiet_time: 10m, confirm: true}"


def test_after_everybody_was_paged_in_vain_a_new_firing_pages_again(story, write):
    hypercare = write.hypercare.replace("incidents: {quiet_time: 10m}", CONFIRM)
    one = story(hypercare_yml=hypercare).run(MINUTE).load("a", 9).run(HOUR)
    assert one.paged() == ["ana", "ben"]
    one.load("a", 1).run(HOUR).load("a", 9).run(HOUR)
    assert one.paged() == ["ana", "ben"] * 2
    assert len(one.incidents()) == 1
    one.call(Acknowledge("1", "ben"))
    one.load("a", 1).run(HOUR).load("a", 9).run(HOUR)
    assert one.paged() == ["ana", "ben"] * 2


def test_a_forgotten_acknowledgement_pages_again(story, write):
    hypercare = write.hypercare.replace("{quiet_time: 10m}", "{quiet_time: 10m, ack_timeout: 1h}")
    one = story(hypercare_yml=hypercare).run(MINUTE).load("a", 9).run(5 * MINUTE)
    one.call(Acknowledge("1", "ana"))
    one.run(50 * MINUTE)
    one.call(AddNote("1", "ana", "still looking"))
    one.run(50 * MINUTE)
    assert one.paged() == ["ana"]
    one.run(11 * MINUTE)
    assert one.paged() == ["ana", "ana"]
    assert "acknowledged by ana, but nobody has said a word for 1h: paging again" in texts(one)
    assert one.incidents()[0].status == "open"
    one.call(Acknowledge("1", "ana"))
    silence(one, "alertname=High", 3 * HOUR)
    one.run(2 * HOUR)
    assert one.paged() == ["ana", "ana"]
    one.run(90 * MINUTE)
    assert one.paged()[2:] == ["ana", "ben"]


def test_an_acknowledgement_is_handed_back(story):
    one = story().run(MINUTE).load("a", 9).run(5 * MINUTE)
    with pytest.raises(CommandError, match="not acknowledged"):
        one.call(Unacknowledge("1", "ana"))
    one.call(Acknowledge("1", "ana"))
    one.run(HOUR)
    one.call(Unacknowledge("1", "ana", "I do not know this service"))
    one.run(11 * MINUTE)
    assert one.paged() == ["ana", "ana", "ben"]
    assert "handed back by ana: I do not know this service" in texts(one)
    one.call(Acknowledge("1", "ben"))
    one.load("a", 1).run(MINUTE)
    one.call(Unacknowledge("1", "ben"))
    one.run(5 * MINUTE)
    assert one.paged() == ["ana", "ana", "ben"]
    one.load("a", 9).run(15 * MINUTE)
    assert one.paged()[3:] == ["ana", "ben"]


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
