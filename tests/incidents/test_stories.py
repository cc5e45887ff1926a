"""Incidents from the first alert to the resolution."""

from __future__ import annotations

import dataclasses

import pytest
from desk_kit import NOON, Desk, alert

from hypercare.incidents.settings import IncidentSettings, ServiceSettings, SeverityRule
from hypercare.incidents.store import load_alerts
from hypercare.kernel import CommandError, Permanent
from hypercare.model.events import IncidentAcknowledged, IncidentOpened, IncidentResolved
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.severity import Severity
from hypercare.model.time import MINUTE, SECOND
from hypercare.oncall.plan import Person, Plan, Policy, Step

QUICK = IncidentSettings(quiet_time=5 * MINUTE)


def eq(name, value):
    return (Matcher(name, MatchOp.EQUAL, value),)


@pytest.fixture
def desk():
    return Desk(settings=QUICK)


def test_the_whole_story_is_in_the_timeline(desk):
    a = alert("HighErrors", NOON - 40 * SECOND, "API errors above 5 %", service="api", instance="a")
    desk.notify(a)
    desk.wait(2 * MINUTE)
    desk.ack(by="ada", note="looking")
    desk.note("rolled back 1.4.2")
    desk.wait(MINUTE)
    desk.end(a)
    desk.wait(6 * MINUTE)
    assert desk.story() == [
        "0s incident 1 opened as P1: API errors above 5 %",
        '0s alert fires: HighErrors{instance="a", service="api", severity="critical"}',
        "0s page sent to everyone via console",
        "0s page to everyone via console delivered",
        "2m acknowledged by ada: looking",
        "2m rolled back 1.4.2",
        '3m alert resolved: HighErrors{instance="a", service="api", severity="critical"}',
        "3m all alerts clear; resolves after 5m of quiet",
        "8m resolved: no alert for 5m",
    ]
    incident = desk.one()
    assert (incident.status, incident.resolved_by) == ("resolved", "hypercare")
    assert incident.time_to_detect == 40 * SECOND
    assert incident.time_to_acknowledge == 2 * MINUTE
    assert incident.time_to_resolve == 8 * MINUTE
    assert desk.seen(IncidentAcknowledged) == [IncidentAcknowledged(incident.id, "ada")]
    assert desk.seen(IncidentResolved) == [IncidentResolved(incident.id, "hypercare", "no alert for 5m")]


def test_what_is_not_critical_opens_nothing(desk):
    desk.notify(alert("Slow", NOON, "", severity="warning"))
    desk.end(alert("Slow", NOON, "", severity="warning"))
    assert desk.all() == ()


def test_two_receivers_of_one_group_share_one_incident(desk):
    a = alert(service="api")
    desk.notify(a, receiver="pager")
    desk.notify(a, receiver="slack")
    assert len(desk.all()) == 1
    assert desk.kinds().count("alert_joined") == 1


def test_alerts_of_a_service_join_and_others_open_their_own(desk):
    desk.notify(alert(service="api", instance="a"), alert(service="api", instance="b"), alert(service="db"))
    desk.notify(alert("Down", NOON, "", service="api"))
    assert [(i.number, i.service, i.firing) for i in desk.all()] == [(3, "api", 1), (2, "db", 1), (1, "api", 2)]
    desk.notify(alert(service="api", instance="c"))
    assert desk.one(1).firing == 3
    assert len(desk.seen(IncidentOpened)) == 3


def test_it_is_clear_only_when_the_last_alert_has_ended(desk):
    a, b = alert(service="api", instance="a"), alert(service="api", instance="b")
    desk.notify(a, b)
    desk.end(a)
    desk.wait(MINUTE)
    assert desk.one().alerts_cleared_at is None
    desk.end(b)
    assert desk.one().alerts_cleared_at == desk.clock.now()
    desk.wait(5 * MINUTE - 1)
    assert desk.one().status == "open"
    desk.wait(1)
    assert desk.one().status == "resolved"


def test_firing_again_within_the_quiet_time_keeps_it_open(desk):
    a = alert(service="api")
    desk.notify(a)
    desk.end(a)
    desk.wait(4 * MINUTE)
    again = dataclasses.replace(a, starts_at=desk.clock.now())
    desk.notify(again)
    assert "4m fires again: the incident goes on" in desk.story()
    desk.wait(60 * MINUTE)
    assert desk.one().status == "open"
    desk.end(again)
    desk.wait(5 * MINUTE)
    assert desk.one().status == "resolved"
    with desk.state.read() as db:
        assert [(x.starts_at - NOON, x.ends_at - NOON) for x in load_alerts(db, desk.one().id)] == [
            (0, 0),
            (4 * MINUTE, 64 * MINUTE),
        ]


@pytest.mark.parametrize("same_start", [True, False])
def test_flapping_that_routing_does_not_announce_is_seen_all_the_same(desk, same_start):
    a = alert(service="api")
    desk.notify(a)
    desk.end(a)
    desk.wait(MINUTE)
    desk.receive(a if same_start else dataclasses.replace(a, starts_at=desk.clock.now()))
    desk.receive(a)
    desk.wait(60 * MINUTE)
    assert (desk.one().status, desk.one().firing) == ("open", 1)
    assert desk.kinds().count("alerts_firing") == 1


def test_received_alerts_open_nothing_by_themselves(desk):
    desk.receive(alert(service="api"))
    assert desk.all() == ()


def test_a_person_confirms_where_it_is_configured():
    desk = Desk(settings=IncidentSettings(confirm=True))
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.wait(24 * 60 * MINUTE)
    assert desk.one().status == "open"
    assert "0s all alerts clear; waits for somebody to confirm the resolution" in desk.story()
    desk.resolve(by="bob", note="disk replaced")
    assert desk.story()[-1] == "1d resolved by bob: disk replaced"


def test_resolving_while_alerts_fire_says_so_and_repeats_do_not_reopen(desk):
    a, b = alert(service="api", instance="a"), alert(service="api", instance="b")
    desk.notify(a, b)
    desk.resolve(by="ada", note="known")
    assert desk.story()[-1] == "0s resolved by ada although 2 alerts still fire: known"
    desk.wait(MINUTE)
    desk.notify(a, b)
    desk.wait(60 * MINUTE)
    desk.notify(a, b)
    assert [i.status for i in desk.all()] == ["resolved"]
    desk.end(a)
    assert desk.one().firing == 1
    assert desk.one().status == "resolved"


def test_new_firing_soon_after_reopens_and_pages_again(desk):
    a = alert(service="api")
    desk.notify(a)
    desk.ack()
    desk.resolve()
    desk.end(a)
    desk.wait(4 * MINUTE)
    desk.notify(dataclasses.replace(a, starts_at=desk.clock.now()))
    incident = desk.one()
    assert (incident.status, incident.acknowledged_by, incident.resolved_at) == ("open", "", None)
    assert "4m fires again 4m after it was resolved" in desk.story()
    assert len(desk.seen(IncidentOpened)) == 2
    assert [at for at, _ in desk.pages()] == ["0s", "4m"]


def test_new_firing_later_opens_another(desk):
    a = alert(service="api")
    desk.notify(a)
    desk.end(a)
    desk.wait(11 * MINUTE)
    desk.notify(dataclasses.replace(a, starts_at=desk.clock.now()))
    assert [(i.number, i.status) for i in desk.all()] == [(2, "open"), (1, "resolved")]


def test_a_worse_alert_raises_the_severity():
    rules = (SeverityRule(Severity.P0, eq("scope", "all")),)
    desk = Desk(settings=IncidentSettings(severities=rules))
    desk.notify(alert(service="api"))
    desk.notify(alert(service="api", scope="all"))
    desk.notify(alert(service="api", instance="b"))
    assert desk.one().severity is Severity.P0
    assert desk.story().count("0s severity raised from P1 to P0") == 1


def test_what_the_opening_tells():
    services = (ServiceSettings("gateway", (eq("job", "gw"),), "https://wiki/gw", "gold"),)
    desk = Desk(settings=IncidentSettings(services=services))
    desk.notify(alert("Down", NOON, "", job="gw", zone="a", i="1"), alert("Down", NOON, "", job="gw", zone="a", i="2"))
    (event,) = desk.seen(IncidentOpened)
    labels = {"alertname": "Down", "job": "gw", "service": "gateway", "severity": "critical", "zone": "a"}
    assert event == IncidentOpened(
        desk.one().id,
        "Down",
        Severity.P1,
        "gateway",
        tuple(sorted(labels.items())),
        "https://wiki/gw",
        "gold",
        1,
    )


def test_the_annotation_s_runbook_comes_first():
    services = (ServiceSettings("gateway", (eq("job", "gw"),), "https://wiki/gw"),)
    desk = Desk(settings=IncidentSettings(services=services))
    noted = dataclasses.replace(alert(job="gw"), annotations=Labels.of(runbook_url="https://wiki/down"))
    desk.notify(noted)
    assert desk.one().runbook_url == "https://wiki/down"


def test_failed_and_late_deliveries_are_told():
    people = (Person("ada", ("slack", "email")),)
    desk = Desk(Plan(people, policies=(Policy("default", (Step(0, ("ada",)),)),)), QUICK)
    desk.post.answer = lambda effect: Permanent("HTTP 410: gone") if effect.channel == "slack" else None
    desk.notify(alert())
    assert "0s page to ada via slack failed: HTTP 410: gone" in desk.story()
    assert not any("via email delivered" in line for line in desk.story())


def test_a_second_person_may_acknowledge_too(desk):
    desk.notify(alert())
    desk.ack(by="ada")
    desk.ack(by="bob", note="helping")
    desk.ack(by="ada")
    assert desk.one().acknowledged_by == "ada"
    assert [line for line in desk.story() if "acknowledged" in line] == [
        "0s acknowledged by ada",
        "0s bob acknowledged too (after ada): helping",
    ]
    assert len(desk.seen(IncidentAcknowledged)) == 1


def test_acknowledged_incidents_stay_so_while_alerts_come_and_go(desk):
    a = alert(service="api")
    desk.notify(a)
    desk.ack()
    desk.end(a)
    desk.notify(dataclasses.replace(a, starts_at=desk.clock.now() + 1))
    desk.notify(alert(service="api", instance="b"))
    assert desk.one().status == "acknowledged"
    assert len(desk.pages()) == 1


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        (lambda d: d.ack(7), 404, "there is no incident 7"),
        (lambda d: d.note("x", "0" * 32), 404, "there is no incident 000"),
        (lambda d: d.resolve("#9"), 404, "there is no incident #9"),
        (lambda d: d.ack("' or 1=1 --"), 404, "there is no incident"),
        (
            lambda d: (d.resolve(1), d.resolve(1)),
            409,
            "incident 1 was resolved by ada at 2026-01-05T12:00:00.000Z already",
        ),
        (lambda d: (d.resolve(1), d.ack(1)), 409, "nothing to acknowledge"),
        (lambda d: d.note("  "), 400, "empty"),
        (lambda d: d.ack(1, by=" "), 400, "who you are"),
    ],
)
def test_refusals_in_plain_words(desk, act, status, words):
    desk.notify(alert())
    with pytest.raises(CommandError, match=words) as refused:
        act(desk)
    assert refused.value.status == status


def test_commands_take_the_number_or_the_id(desk):
    desk.notify(alert())
    by_id = desk.note("a", desk.one().id)
    assert desk.note("b", "#1") == by_id == desk.note("c", 1)


def test_notes_may_be_added_after_the_end(desk):
    desk.notify(alert())
    desk.resolve()
    desk.note("post-mortem on Tuesday")
    assert desk.story()[-1] == "0s post-mortem on Tuesday"


def test_the_quiet_time_survives_a_restart(tmp_path):
    desk = Desk(settings=QUICK, path=tmp_path / "state.db")
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.wait(2 * MINUTE)
    desk.restart(after=MINUTE)
    desk.wait(2 * MINUTE - 1)
    assert desk.one().status == "open"
    desk.wait(1)
    assert desk.one().status == "resolved"


def test_a_reload_changes_how_incidents_under_way_end(desk):
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.reload(settings=IncidentSettings(confirm=True))
    desk.wait(60 * MINUTE)
    assert desk.one().status == "open"
    desk.reload(settings=QUICK)
    desk.wait(0)
    assert desk.one().status == "resolved"


def test_reading_by_status(desk):
    desk.notify(alert("A"), alert("B"), alert("C"))
    desk.ack(1)
    desk.resolve(2)
    assert [i.number for i in desk.all("unresolved")] == [3, 1]
    assert [i.number for i in desk.all("acknowledged")] == [1]
    assert [i.number for i in desk.all("resolved")] == [2]
