"""What the public is told: by hand, by escalations, by itself; and that nothing of ours is in it."""

from __future__ import annotations

import dataclasses
import json

import pytest
from desk_kit import NOON, Desk, alert
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.incidents.commands import (
    CancelMaintenance,
    Merge,
    PlanMaintenance,
    PostStatus,
    PostUpdate,
    SetSeverity,
)
from hypercare.incidents.settings import Component, IncidentSettings, StatusPage
from hypercare.incidents.statusview import ORDER, status_view, worst
from hypercare.kernel import CommandError
from hypercare.model.events import StatusPostWanted
from hypercare.model.plain import plain
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, HOUR, MINUTE

PAGE = StatusPage(
    "Shop", "https://status.example", (Component("Ordering", "carts", ("api-gw", "orders-db")), Component("Search", "", ("vector",)))
)  # fmt: skip


def desk_of(page=PAGE, **values):
    return Desk(settings=IncidentSettings(status_page=dataclasses.replace(page, **values)))


def view(desk):
    with desk.state.read() as db:
        return status_view(db, desk.settings.status_page, desk.clock.now())


def states(desk):
    return {c.name: c.state for c in view(desk).components}


def test_an_incident_shows_in_the_state_of_its_component_alone():
    desk = desk_of()
    assert (view(desk).state, states(desk)) == ("operational", {"Ordering": "operational", "Search": "operational"})
    desk.notify(alert("SecretAlert", service="api-gw", instance="10.0.0.7:9100", customer="acme"))
    assert states(desk) == {"Ordering": "partial", "Search": "operational"}
    assert view(desk).incidents == ()
    desk.call(SetSeverity("1", "ada", Severity.P0))
    assert states(desk)["Ordering"] == "major"
    desk.resolve()
    assert view(desk).state == "operational"


def test_without_automatic_only_posts_count():
    desk = desk_of(automatic=False)
    desk.notify(alert(service="vector"))
    assert view(desk).state == "operational"
    desk.call(PostStatus("ada", "Search is slow.", incident="1"))
    assert states(desk) == {"Ordering": "operational", "Search": "partial"}


def test_posts_on_one_incident_are_one_story_which_ends_with_it():
    desk = desk_of()
    desk.notify(alert("SecretAlert", service="vector"))
    desk.call(PostStatus("ada", "Search is slow.", incident="1", title="Slow search", impact="degraded"))
    assert states(desk)["Search"] == "degraded"
    desk.wait(10 * MINUTE)
    desk.call(PostUpdate("1", "ada", "We know why.", stage="mitigating", public=True))
    desk.wait(10 * MINUTE)
    desk.resolve()
    page = view(desk)
    assert page.incidents == ()
    story = page.past[0]
    assert (story.title, story.state, story.components) == ("Slow search", "resolved", ("Search",))
    assert [(p.state, p.text) for p in story.posts] == [
        ("resolved", "The problem is over."),
        ("identified", "We know why."),
        ("investigating", "Search is slow."),
    ]
    desk.wait(15 * DAY)
    assert view(desk).past == ()


def test_an_escalation_posts_once_and_not_our_title():
    desk = desk_of()
    desk.notify(alert("SecretAlert", NOON, "db-7 of acme is down", service="orders-db"))
    one = desk.one().id
    for text in ("db-7 of acme is down", "db-7 of acme is down", "Orders are late."):
        desk.publish(StatusPostWanted("r", one, text, "investigating", "orders-db", ("Ordering", "no such")))
    story = view(desk).incidents[0]
    assert [p.text for p in story.posts] == ["Orders are late.", "We are looking into a problem."]
    assert story.title == "Problem with Ordering"


def test_nothing_of_ours_is_on_the_page():
    desk = desk_of()
    ours = ["SecretAlert", "10.0.0.7", "acme", "api-gw", "orders-db", "vector", "ada", "ops note", "bob"]
    desk.notify(alert("SecretAlert", NOON, "acme: db", service="api-gw", instance="10.0.0.7", customer="acme"))
    desk.ack(by="ada")
    desk.note("ops note")
    desk.call(PostStatus("bob", "Orders are late.", incident="1"))
    desk.call(PlanMaintenance("bob", "Upgrade", NOON + HOUR, NOON + 2 * HOUR))
    text = json.dumps(plain(view(desk)))
    assert [word for word in (*ours, desk.one().id) if word in text] == []


def test_maintenance_is_announced_runs_and_is_over():
    desk = desk_of()
    made = desk.call(PlanMaintenance("ada", "Upgrade", NOON + HOUR, NOON + 2 * HOUR, "Reads only.", ("Search",)))
    assert [m.state for m in view(desk).maintenance] == ["scheduled"]
    assert states(desk)["Search"] == "operational"
    desk.wait(HOUR)
    assert ([m.state for m in view(desk).maintenance], states(desk)["Search"]) == (["in progress"], "maintenance")
    desk.wait(HOUR)
    assert ([m.state for m in view(desk).maintenance], states(desk)["Search"]) == (["completed"], "operational")
    with pytest.raises(CommandError, match="over already"):
        desk.call(CancelMaintenance(made.id, "ada"))
    later = desk.call(PlanMaintenance("ada", "Again", NOON + 5 * HOUR, NOON + 6 * HOUR))
    desk.call(CancelMaintenance(later.id, "ada"))
    assert [m.title for m in view(desk).maintenance] == ["Upgrade"]


def test_a_page_without_components_stands_for_the_whole():
    desk = desk_of(components=())
    desk.notify(alert(service="anything"))
    assert states(desk) == {"Shop": "partial"}


def test_posts_follow_a_merged_incident():
    desk = desk_of()
    desk.notify(alert("A", service="api-gw"))
    desk.notify(alert("B", service="vector"))
    desk.call(PostStatus("ada", "Search is slow.", incident="2"))
    desk.call(Merge("2", "ada", "1"))
    assert [i.state for i in view(desk).incidents] == ["investigating"]
    desk.resolve(1)
    assert (view(desk).incidents, view(desk).past[0].state) == ((), "resolved")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (PostStatus("ada", " "), "say something"),
        (PostStatus(" ", "x"), "say who you are"),
        (PostStatus("ada", "x", "gone"), "unknown state"),
        (PostStatus("ada", "x", impact="huge"), "unknown impact"),
        (PostStatus("ada", "x", components=("Orderin",)), "no component 'Orderin'; one of Ordering, Search"),
        (PostStatus("ada", "x", incident="9"), "no incident 9"),
        (PostStatus("ada", "x", topic="9"), "no topic 9"),
        (PlanMaintenance("ada", "x", NOON + 2, NOON + 1), "ends after it begins"),
        (PlanMaintenance("ada", "", NOON + 1, NOON + 2), "needs a title"),
        (CancelMaintenance("x", "ada"), "no maintenance x"),
    ],
)
def test_what_cannot_be_said_is_refused(command, why):
    with pytest.raises(CommandError, match=why):
        desk_of().call(command)


def test_without_a_page_nothing_is_posted():
    desk = Desk()
    desk.notify(alert(service="api"))
    with pytest.raises(CommandError, match="there is no status page"):
        desk.call(PostStatus("ada", "x"))
    desk.publish(StatusPostWanted("r", desk.one().id, "x", "investigating", "api"))
    with pytest.raises(CommandError, match="there is no status page"):
        desk.call(PostUpdate("1", "ada", "x", public=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ORDER)), st.lists(st.sampled_from(ORDER)))
def test_the_worst_is_monotone(one, other):
    assert ORDER.index(worst([*one, *other])) == max(ORDER.index(worst(one)), ORDER.index(worst(other)))
