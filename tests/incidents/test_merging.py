"""Merging, splitting, declaring; incidents that are alike; and how incidents went."""

from __future__ import annotations

import dataclasses
import statistics

import pytest
from desk_kit import NOON, Desk, alert
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.incidents import similar as likes
from hypercare.incidents import stats, store
from hypercare.incidents.commands import AddTask, Declare, Merge, Resolve, Split
from hypercare.incidents.room_store import load_tasks
from hypercare.incidents.settings import IncidentSettings
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentWanted, PageSent
from hypercare.model.severity import Severity
from hypercare.model.time import HOUR, MINUTE

ONE, TWO = alert("HighErrors", service="api"), alert("SlowSearch", service="search")


def two():
    desk = Desk()
    desk.notify(ONE)
    desk.notify(TWO)
    return desk


def firing(desk, ref):
    with desk.state.read() as db:
        return [a.labels.get("alertname") for a in store.load_alerts(db, desk.one(ref).id) if a.ends_at is None]


def test_the_alerts_of_two_that_are_one_go_on_in_it():
    desk = two()
    desk.ack(1)
    desk.call(AddTask("2", "ada", "look"))
    answer = desk.call(Merge("2", "ada", "1"))
    assert answer.number == 1
    assert sorted(firing(desk, 1)) == ["HighErrors", "SlowSearch"]
    assert (desk.one(2).status, desk.one(2).merged_into) == ("resolved", desk.one(1).id)
    assert desk.escalation(2).state == "resolved"
    with desk.state.read() as db:
        assert [t.incident for t in load_tasks(db)] == [1]
    # Its alerts end there, and what fires under its key joins there.
    desk.notify(alert("SlowSearch", NOON + 1, service="search", instance="b"))
    assert len(desk.all()) == 2
    assert len(firing(desk, 1)) == 3
    desk.end(ONE, TWO, alert("SlowSearch", NOON + 1, service="search", instance="b"))
    desk.wait(10 * MINUTE)
    assert desk.one(1).status == "resolved"
    desk.wait(HOUR)
    desk.notify(alert("SlowSearch", NOON + HOUR, service="search"))
    assert [i.number for i in desk.all("unresolved")] == [3]


def test_groups_of_other_labels_are_merged_too():
    desk = Desk()
    settings = dataclasses.replace(IncidentSettings(), group_by=("team",))
    desk.reload(settings=settings)
    desk.notify(alert("A", service="api", team="x"))
    desk.notify(alert("B", service="api", team="y"))
    first = desk.call(Merge("1", "ada", "2"))
    assert first.number == 2
    assert len(firing(desk, 2)) == 2


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (Merge("1", "ada", "1"), "into itself"),
        (Merge("1", "ada", "9"), "no incident 9"),
        (Split("1", "ada", ("nope",)), "no alert nope"),
        (Split("1", "ada", ()), "none named"),
        (Split("1", "ada", (ONE.fingerprint,)), "at least one has to stay"),
        (Declare("ada", " ", Severity.P1), "needs a title"),
    ],
)
def test_what_cannot_be_merged_or_split_is_refused(command, why):
    desk = two()
    with pytest.raises(CommandError, match=why):
        desk.call(command)


def test_only_what_goes_on_is_merged():
    desk = two()
    desk.resolve(2)
    with pytest.raises(CommandError, match="incident 2 is over"):
        desk.call(Merge("1", "ada", "2"))
    with pytest.raises(CommandError, match="incident 2 is over"):
        desk.call(Split("2", "ada", (TWO.fingerprint,)))


def split_desk(taken):
    desk = Desk(settings=dataclasses.replace(IncidentSettings(), group_by=("service",)))
    other = alert("Disk", service="api", instance="b")
    desk.notify(ONE, other)
    if taken:
        desk.ack(1, by="ada")
    before = len(desk.seen(PageSent))
    new = desk.call(Split("1", "ada", (other.fingerprint,), "The disk is full"))
    return desk, other, new, len(desk.seen(PageSent)) - before


def test_one_that_is_two_is_two_and_who_works_on_it_is_not_paged_for_it():
    desk, other, new, pages = split_desk(taken=True)
    assert (new.number, new.title, new.status, new.acknowledged_by) == (2, "The disk is full", "acknowledged", "ada")
    assert pages == 0
    assert desk.escalation(2).state == "acknowledged"
    assert (firing(desk, 1), firing(desk, 2)) == (["HighErrors"], ["Disk"])
    # Each alert ends and comes again where it is now; others of the old key stay with the old one.
    desk.end(other)
    desk.wait(MINUTE)
    desk.receive(dataclasses.replace(other, starts_at=NOON + MINUTE))
    assert (firing(desk, 1), firing(desk, 2)) == (["HighErrors"], ["Disk"])
    desk.notify(alert("Third", service="api"))
    assert sorted(firing(desk, 1)) == ["HighErrors", "Third"]
    from hypercare.incidents.commands import Unacknowledge

    desk.call(Unacknowledge("2", "ada"))
    desk.wait(MINUTE)
    assert desk.escalation(2).state == "running"


def test_one_that_nobody_has_is_paged_for_when_it_is_split_off():
    _, _, new, pages = split_desk(taken=False)
    assert (new.status, pages) == ("open", 1)


def test_a_declared_incident_stays_until_somebody_resolves_it():
    desk = Desk()
    made = desk.call(Declare("ada", "users cannot log in", Severity.P0, "auth"))
    assert (made.number, made.severity, made.service) == (1, "P0", "auth")
    assert len(desk.seen(PageSent)) == 1
    desk.reload()
    desk.wait(3 * HOUR)
    assert desk.one().status == "open"
    desk.resolve()
    assert desk.one().status == "resolved"


def test_a_step_that_wants_another_incident_gets_it_once():
    desk = two()
    event = IncidentWanted("r1", desk.one(1).id, "whole shop", Severity.P0, "shop", (("service", "shop"),), "default")
    desk.publish(event)
    desk.publish(event)
    assert [i.title for i in desk.all()] == ["whole shop", "SlowSearch", "HighErrors"]
    assert "because of incident 1" in desk.story(3)[0]
    assert "0s incident 3 is opened by policy default" in desk.story(1)


# -- alike ---------------------------------------------------------------------------------------------------------


def test_similar_ones_say_why():
    desk = Desk()
    first = alert("HighErrors", service="api", team="shop", instance="a")
    desk.notify(first)
    desk.call(Resolve("1", "ada", "restarted the pool"))
    desk.notify(alert("SlowSearch", service="search"))
    desk.call(Resolve("2", "ada"))
    desk.wait(2 * HOUR)
    desk.notify(alert("HighErrors", NOON + 2 * HOUR, service="api", team="shop", instance="b"))
    with desk.state.read() as db:
        found = likes.similar(db, desk.one(3))
    assert [f.incident.number for f in found] == [1]
    assert found[0].reasons == ("the same service, api", "the same alert, HighErrors", "1 of 2 labels, team=shop")
    with desk.state.read() as db:
        assert [f.incident.number for f in likes.related(db, desk.one(3), desk.clock.now())] == []


def test_related_ones_are_of_the_same_time():
    desk = two()
    desk.call(Merge("2", "ada", "1"))
    desk.notify(alert("Disk", service="db"))
    with desk.state.read() as db:
        found = likes.related(db, desk.one(1), NOON)
    assert [(f.incident.number, f.reasons) for f in found] == [
        (2, ("merged into this one",)),
        (3, ("at the same time",)),
    ]


words = st.frozensets(st.sampled_from("abcdef"), max_size=4)
traits = st.builds(
    likes.Traits, st.sampled_from(["", "api", "db"]), words, st.frozensets(st.tuples(st.sampled_from("xyz"), st.sampled_from("12")), max_size=4)
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(traits, traits)
def test_likeness_is_symmetric_bounded_and_explained(one, other):
    score, reasons = likes.likeness(one, other)
    assert score == likes.likeness(other, one)[0]
    assert 0 <= score <= 8
    assert bool(reasons) == (score > 0)
    assert score <= likes.likeness(one, one)[0]


# -- how they went -------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_the_distribution_is_the_textbooks(values):
    found = stats.times_of(values)
    assert found.count == len(values)
    assert found.longest == max(values)
    assert found.median == int(statistics.median(values))
    assert sum(v <= found.p95 for v in values) >= 0.95 * len(values)
    assert found.p95 in values


def test_statistics_and_metrics_tell_how_incidents_went():
    desk = Desk()
    desk.notify(alert("HighErrors", NOON - MINUTE, service="api"))
    desk.wait(5 * MINUTE)
    desk.ack(1)
    desk.wait(25 * MINUTE)
    desk.call(Resolve("1", "ada", cause="a full pool"))
    desk.notify(alert("SlowSearch", NOON + 30 * MINUTE, service="search"))
    with desk.state.read() as db:
        found = stats.load_stats(db, NOON, NOON + HOUR)
    assert (found.whole.incidents, found.whole.unresolved) == (2, 1)
    assert [(p.name, p.incidents) for p in found.by_cause] == [("a full pool", 1), ("unknown", 1)]
    assert [(p.name, p.resolve.mean) for p in found.by_service] == [("api", 30 * MINUTE), ("search", 0)]
    assert found.by_severity[0].acknowledge.median == 5 * MINUTE
    assert found.whole.detect.longest == MINUTE
    exported = {(r.name, *labels): value for r in desk.incidents.exported.readings() for labels, value in r.samples}
    assert exported["hypercare_incidents", ("severity", "P1"), ("status", "open")] == 1
    assert exported["hypercare_incident_time_to_resolve_seconds", ("", "_sum"), ("severity", "P1")] == 1800
    assert exported["hypercare_incident_time_to_resolve_seconds", ("", "_count"), ("severity", "P1")] == 1
    assert exported["hypercare_incident_causes", ("cause", "a full pool"), ("service", "api")] == 1


def test_merged_ones_do_not_count_twice():
    desk = two()
    desk.call(Merge("2", "ada", "1"))
    with desk.state.read() as db:
        assert stats.load_stats(db, NOON, NOON + HOUR).whole.incidents == 1
