"""Pages from the opening of an incident to somebody's answer, or to nobody's."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from desk_kit import NOON, Desk, alert
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.incidents.settings import IncidentSettings
from hypercare.kernel import Effect
from hypercare.model.events import EscalationExhausted, IncidentOpened, PageSent
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, HOUR, MINUTE
from hypercare.oncall import pages
from hypercare.oncall.plan import Person, Plan, Policy, Receiver, Schedule, Step

PEOPLE = tuple(Person(name, ("console",)) for name in ("ada", "bob", "cid", "dee"))
WEEKS = dt.datetime.fromisoformat("2026-01-05")
SCHEDULES = (
    Schedule("primary", ("ada", "bob"), WEEKS),
    Schedule("secondary", ("bob", "ada"), WEEKS),
    Schedule("manager", ("cid",), WEEKS),
)
STEPS = (Step(0, ("schedule:primary",)), Step(15 * MINUTE, ("schedule:secondary",)), Step(30 * MINUTE, ("cid",)))
DEFAULT = Policy("default", STEPS)
PLAN = Plan(PEOPLE, SCHEDULES, (DEFAULT,))
QUIET = IncidentSettings(quiet_time=10 * MINUTE)


def with_policy(**changes):
    return dataclasses.replace(PLAN, policies=(dataclasses.replace(DEFAULT, **changes),))


def test_nobody_answers():
    desk = Desk(PLAN)
    desk.notify(alert("Down", NOON, "it is down", service="api"))
    desk.wait(3 * HOUR)
    assert desk.pages() == [("0s", "ada"), ("15m", "bob"), ("30m", "cid")]
    assert desk.escalation().state == "exhausted"
    assert [at - NOON for at, e in desk.events if isinstance(e, EscalationExhausted)] == [45 * MINUTE]
    story = desk.story()
    assert "15m nobody acknowledged: escalated to step 2" in story
    assert "30m page sent to cid via console" in story
    assert story[-1] == "45m all steps of the escalation have passed; nobody acknowledged"


def test_what_a_page_says():
    desk = Desk(dataclasses.replace(PLAN, external_url="https://ops.example"))
    desk.notify(alert("Down", NOON, "it is down", service="api"))
    (effect,) = desk.post.sent
    incident = desk.one()
    assert effect == Effect(
        key=f"page:{incident.id}:0:0:ada:0",
        channel="console",
        target="person/ada/0",
        subject=f"incident:{incident.id}",
        payload={
            "incident_id": incident.id,
            "title": "#1 it is down",
            "severity": "P1",
            "service": "api",
            "summary": "alertname=Down, service=api, severity=critical",
            "at": NOON,
            "person": "ada",
            "policy": "default",
            "step": 1,
            "runbook_url": "",
            "ack_url": f"https://ops.example/incidents/{incident.id}",
            "choices": [],
        },
        cancel_key=f"page:{incident.id}",
    )
    assert desk.seen(PageSent) == [PageSent(incident.id, "ada", "console", 0)]


@pytest.mark.parametrize("end", ["ack", "resolve"])
@pytest.mark.parametrize(("at", "paged"), [(0, 1), (15 * MINUTE - 1, 1), (15 * MINUTE, 2), (44 * MINUTE, 3)])
def test_an_answer_stops_it(end, at, paged):
    desk = Desk(PLAN)
    desk.notify(alert())
    desk.wait(at)
    getattr(desk, end)()
    desk.wait(DAY)
    assert len(desk.pages()) == paged
    assert desk.escalation().state == {"ack": "acknowledged", "resolve": "resolved"}[end]
    assert desk.seen(EscalationExhausted) == []


def test_the_end_of_the_alerts_stops_it():
    desk = Desk(PLAN, QUIET)
    a = alert()
    desk.notify(a)
    desk.wait(2 * MINUTE)
    desk.end(a)
    desk.wait(DAY)
    assert desk.pages() == [("0s", "ada")]


def test_rounds():
    desk = Desk(with_policy(repeat=2))
    desk.notify(alert())
    desk.wait(DAY)
    assert [at for at, _ in desk.pages()] == ["0s", "15m", "30m", "45m", "1h", "1h15m", "1h30m", "1h45m", "2h"]
    assert [at - NOON for at, e in desk.events if isinstance(e, EscalationExhausted)] == [135 * MINUTE]
    assert desk.story().count("45m nobody acknowledged: escalation begins again") == 1


def test_a_first_step_may_wait():
    desk = Desk(with_policy(steps=(Step(5 * MINUTE, ("ada",)), Step(10 * MINUTE, ("bob",)))))
    desk.notify(alert())
    desk.wait(DAY)
    assert desk.pages() == [("5m", "ada"), ("10m", "bob")]


def test_who_is_on_call_is_asked_when_the_step_is_due():
    desk = Desk(PLAN, at=NOON - 12 * HOUR + 7 * DAY - 10 * MINUTE)
    desk.notify(alert())
    desk.wait(20 * MINUTE)
    # The hand-off at midnight lies between: the secondary of the new week is the primary of the old one.
    assert desk.pages() == [("0s", "ada"), ("15m", "ada")]


def test_every_contact_way_is_used_and_nobody_is_called_twice_in_a_step():
    people = (Person("ada", ("console", "slack")), Person("bob", ("email",)))
    plan = Plan(
        people,
        (Schedule("p", ("ada",), WEEKS), Schedule("s", ("ada",), WEEKS)),
        (Policy("default", (Step(0, ("schedule:p", "schedule:s", "ada", "everyone")),)),),
    )
    desk = Desk(plan)
    desk.notify(alert())
    assert [(e.channel, e.target) for e in desk.post.sent] == [
        ("console", "person/ada/0"),
        ("slack", "person/ada/1"),
        ("email", "person/bob/0"),
    ]


@pytest.mark.parametrize(
    ("notify", "reached"),
    [
        (("everyone",), ["ada", "bob"]),
        (("schedule:later",), ["ada", "bob"]),
        (("schedule:gone", "nobody"), ["ada", "bob"]),
        (("schedule:later", "bob"), ["bob"]),
        (("receiver:pager",), ["receiver:pager"]),
        (("receiver:gone",), ["ada", "bob"]),
        (("mute",), ["mute"]),
    ],
)
def test_a_step_always_reaches_somebody(notify, reached):
    plan = Plan(
        PEOPLE[:2],
        (Schedule("later", ("ada",), dt.datetime.fromisoformat("2030-01-01")),),
        receivers=(Receiver("pager", (("pagerduty", "pager/0"),)),),
    )
    if notify == ("mute",):
        plan = dataclasses.replace(plan, people=(*plan.people, Person("mute", ())))
    found = pages.recipients(plan, notify, NOON)
    assert [recipient.name for recipient in found] == reached
    assert all(recipient.ways for recipient in found)


def test_a_receiver_is_reached_through_its_own_targets():
    plan = Plan(
        policies=(Policy("default", (Step(0, ("receiver:pager",)),)),),
        receivers=(Receiver("pager", (("pagerduty", "pager/0"), ("webhook", "pager/1"))),),
    )
    desk = Desk(plan)
    desk.notify(alert())
    assert [(e.channel, e.target) for e in desk.post.sent] == [("pagerduty", "pager/0"), ("webhook", "pager/1")]


def test_with_nobody_configured_the_console_is_paged():
    desk = Desk()
    desk.notify(alert())
    assert [(e.channel, e.target) for e in desk.post.sent] == [("console", "person/everyone/0")]
    assert desk.seen(PageSent)[0].person == "everyone"


def match(name, value):
    return (Matcher(name, MatchOp.EQUAL, value),)


ONE = (Step(0, ("ada",)),)


@pytest.mark.parametrize(
    ("policies", "named", "chosen"),
    [
        ([("a", ()), ("gold", ())], "gold", "gold"),
        ([("lab", match("team", "lab")), ("data", match("team", "data")), ("default", ())], "", "data"),
        ([("default", ()), ("data", match("team", "data"))], "gone", "data"),
        ([("lab", match("team", "lab")), ("rest", ()), ("default", ())], "", "default"),
        ([("lab", match("team", "lab")), ("rest", ())], "", "rest"),
        ([("lab", match("team", "lab"))], "", "lab"),
        ([("lab", match("team", "lab")), ("ops", match("team", "ops"))], "", "default"),
        ([], "", "default"),
    ],
)
def test_the_choice_of_the_policy(policies, named, chosen):
    plan = Plan(PEOPLE, policies=tuple(Policy(name, ONE, matchers=matchers) for name, matchers in policies))
    assert plan.choose(named, Labels.of(team="data")).name == chosen


def test_without_policies_those_on_call_are_paged_then_everyone():
    desk = Desk(dataclasses.replace(PLAN, policies=()))
    desk.notify(alert())
    desk.wait(20 * MINUTE)
    assert [at + " " + who for at, who in desk.pages()] == [
        "0s ada", "0s bob", "0s cid", "15m ada", "15m bob", "15m cid", "15m dee",
    ]  # fmt: skip


def test_an_incident_opened_again_pages_from_the_beginning():
    desk = Desk(with_policy(repeat=1), QUIET)
    a = alert()
    desk.notify(a)
    desk.wait(20 * MINUTE)
    desk.resolve()
    desk.end(a)
    desk.wait(5 * MINUTE)
    desk.notify(dataclasses.replace(a, starts_at=desk.clock.now()))
    desk.wait(DAY)
    assert [at for at, _ in desk.pages()] == ["0s", "15m", "25m", "40m", "55m", "1h10m", "1h25m", "1h40m"]
    assert len({effect.key for effect in desk.post.sent}) == 8
    assert desk.story().count("25m nobody acknowledged: escalation begins again") == 0


def test_long_names_make_short_keys():
    keys = {pages.key("f" * 32, 0, 0, "p" * 60, way) for way in range(3)}
    assert len(keys) == 3
    assert max(map(len, keys)) <= 64


# -- restarts ----------------------------------------------------------------------------------------------------


def test_a_restart_in_between_changes_nothing(tmp_path):
    desk = Desk(PLAN, path=tmp_path / "state.db")
    desk.notify(alert())
    for _ in range(10):
        desk.restart()
        desk.wait(6 * MINUTE)
    assert desk.pages() == [("0s", "ada"), ("15m", "bob"), ("30m", "cid")]
    assert desk.escalation().state == "exhausted"
    assert len(desk.seen(EscalationExhausted)) == 1


def test_what_fell_due_during_a_standstill_is_done_once(tmp_path):
    desk = Desk(PLAN, path=tmp_path / "state.db")
    desk.notify(alert())
    desk.restart(after=40 * MINUTE)
    desk.restart(after=0)
    desk.wait(DAY)
    assert desk.pages() == [("0s", "ada"), ("40m", "bob"), ("40m", "cid")]
    assert len(desk.seen(EscalationExhausted)) == 1


def test_after_a_long_standstill_each_step_is_paged_once_and_given_time(tmp_path):
    desk = Desk(with_policy(repeat=5), path=tmp_path / "state.db")
    desk.notify(alert())
    desk.restart(after=DAY)
    desk.wait(14 * MINUTE)
    assert sorted(desk.pages()) == [("0s", "ada"), ("1d", "ada"), ("1d", "bob"), ("1d", "cid")]
    assert desk.escalation().state == "running"
    desk.wait(MINUTE)
    assert desk.escalation().state == "exhausted"


def test_an_acknowledgement_holds_through_a_restart(tmp_path):
    desk = Desk(PLAN, path=tmp_path / "state.db")
    desk.notify(alert())
    desk.ack()
    desk.restart(after=HOUR)
    desk.wait(DAY)
    assert len(desk.pages()) == 1


def test_a_page_that_was_not_delivered_before_the_end_of_the_process_is_sent_again(tmp_path):
    desk = Desk(PLAN, path=tmp_path / "state.db")
    desk.post.answer = lambda _: None
    desk.notify(alert())
    desk.restart()
    first, again = desk.post.sent
    assert first == again


# -- reloads -----------------------------------------------------------------------------------------------------


def test_a_reload_goes_on_with_the_new_policy_of_that_name():
    desk = Desk(PLAN)
    desk.notify(alert())
    desk.wait(5 * MINUTE)
    desk.reload(with_policy(steps=(Step(0, ("ada",)), Step(7 * MINUTE, ("dee",)), Step(9 * MINUTE, ("cid",)))))
    desk.wait(DAY)
    assert desk.pages() == [("0s", "ada"), ("7m", "dee"), ("9m", "cid")]


def test_a_reload_with_a_shorter_delay_pages_at_once_and_only_once():
    desk = Desk(PLAN)
    desk.notify(alert())
    desk.wait(10 * MINUTE)
    desk.reload(with_policy(steps=(Step(0, ("ada",)), Step(5 * MINUTE, ("dee",)))))
    desk.reload()
    desk.wait(DAY)
    assert desk.pages() == [("0s", "ada"), ("10m", "dee")]


def test_a_policy_that_is_gone_runs_to_its_end_as_it_was():
    desk = Desk(PLAN)
    desk.notify(alert())
    desk.reload(dataclasses.replace(PLAN, policies=(Policy("other", ONE),)))
    desk.wait(DAY)
    assert desk.pages() == [("0s", "ada"), ("15m", "bob"), ("30m", "cid")]


def test_a_policy_that_lost_its_remaining_steps_ends():
    desk = Desk(PLAN)
    desk.notify(alert())
    desk.wait(20 * MINUTE)
    desk.reload(with_policy(steps=ONE))
    desk.wait(DAY)
    assert [at for at, _ in desk.pages()] == ["0s", "15m"]
    assert desk.escalation().state == "exhausted"


# -- properties --------------------------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["wait", "join", "end", "fire", "ack", "note", "restart", "reload"]), st.integers(0, 40)),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(ACTIONS)
def test_acknowledged_incidents_never_page(tmp_path_factory, actions):
    """Whatever happens after the acknowledgement but a resolution: nobody is paged."""
    path = tmp_path_factory.mktemp("s") / "state.db"
    desk = Desk(with_policy(repeat=3), IncidentSettings(confirm=True), path)
    a = alert(service="api")
    desk.notify(a)
    desk.ack()
    for count, (action, minutes) in enumerate(actions):
        if action == "join":
            desk.notify(alert("HighErrors", NOON, "", service="api", instance=str(count)))
        elif action == "end":
            desk.end(a)
        elif action == "fire":
            desk.notify(dataclasses.replace(a, starts_at=desk.clock.now()))
        elif action == "ack":
            desk.ack(by=f"p{count}")
        elif action == "note":
            desk.note("n")
        elif action == "restart":
            desk.restart(after=minutes * MINUTE)
        elif action == "reload":
            desk.reload(with_policy(repeat=minutes % 3, steps=ONE if minutes % 2 else STEPS))
        desk.wait(minutes * MINUTE)
    assert len(desk.post.sent) == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=4),
    st.integers(0, 2),
    st.sampled_from(["UTC", "America/New_York", "Europe/Berlin"]),
    st.sampled_from(["2026-03-08T06:30:00+00:00", "2026-10-25T00:10:00+00:00", "2026-11-01T05:30:00+00:00"]),
)
def test_delays_are_elapsed_time_in_every_time_zone(gaps, repeat, zone, begin):
    """Clock changes within an escalation move no step, whatever zone its schedules are in."""
    at = int(dt.datetime.fromisoformat(begin).timestamp() * 1000)
    steps = tuple(Step(sum(gaps[:i]) * MINUTE, ("schedule:s",)) for i in range(len(gaps) + 1))
    schedule = Schedule("s", ("ada",), dt.datetime.fromisoformat("2026-01-01"), zone)
    policy = Policy("default", steps, repeat, 10 * MINUTE)
    desk = Desk(Plan(PEOPLE, (schedule,), (policy,)), at=at)
    desk.notify(alert("X", at))
    desk.wait(2 * DAY)
    period = sum(gaps) * MINUTE + 10 * MINUTE
    expected = [at + r * period + step.after for r in range(repeat + 1) for step in steps]
    assert [effect.payload["at"] for effect in desk.post.sent] == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_restarts_lose_and_repeat_nothing(tmp_path_factory, downtimes):
    """Each step is paged exactly once a round at most, the first round wholly, whenever the process was down."""
    desk = Desk(with_policy(repeat=1), path=tmp_path_factory.mktemp("s") / "state.db")
    desk.notify(alert())
    for minutes in downtimes:
        desk.restart(after=minutes * MINUTE)
        desk.wait(MINUTE)
    desk.wait(DAY)
    keys = [effect.key for effect in desk.post.sent]
    assert len(keys) == len(set(keys))
    paged = {tuple(key.split(":")[2:4]) for key in keys}
    assert {("1", "0"), ("1", "1"), ("1", "2"), ("0", "0")} <= paged
    assert len(desk.seen(EscalationExhausted)) == 1


def test_an_opening_of_a_foreign_incident_is_escalated_too():
    """On-call knows incidents by the event alone."""
    desk = Desk(PLAN)
    desk.publish(IncidentOpened("x1", "t", Severity.P0, "", ()))
    assert desk.post.sent[0].payload["title"] == "t"
