"""Every kind of step, at its time, on its condition, and what the timeline says of it."""

from __future__ import annotations

import pytest
from desk_kit import NOON, alert
from response_kit import TEAM, config_of, desk_of, told

from hypercare.model.errors import InputError
from hypercare.model.events import IncidentWanted, ProcedureWanted, StatusPostWanted
from hypercare.model.time import DAY, HOUR, MINUTE
from hypercare.oncall.acting import TakeRequest, load_requests
from hypercare.oncall.plan import Person, Plan
from hypercare.oncall.policy import PROCEDURE, Action, Policy, Step


def policy(*steps, more=""):
    lines = "\n".join(f"      - {step}" for step in steps)
    return f"{TEAM}\nescalations:\n  - name: default\n    steps:\n{lines}\n{more}"


def test_waits_and_repeats_from_a_step():
    text = policy(
        "notify: ada", "wait: 5m", "notify: bob", "wait: 5m", "repeat: {from: 3, times: 2}", "notify: cid", "wait: 1h"
    )
    desk = desk_of(text)
    desk.notify(alert())
    desk.wait(DAY)
    pages = [("0s", "ada"), ("5m", "bob"), ("10m", "bob"), ("15m", "bob"), ("20m", "cid")]
    assert desk.pages() == pages
    assert desk.escalation().state == "exhausted"
    assert desk.escalation().ended_at == NOON + 80 * MINUTE


def test_roles_receivers_and_everyone():
    more = "oncall: {roles: [{name: lead, is: [cid, dee]}]}"
    desk = desk_of(policy("notify: role:lead", "{notify: everyone, after: 10m}", more=more))
    desk.notify(alert())
    desk.wait(11 * MINUTE)
    assert desk.pages() == [("0s", "cid"), ("0s", "dee"), *(("10m", name) for name in ("ada", "bob", "cid", "dee"))]


OFFICE = "oncall: {calendars: [{name: office, timezone: Europe/Berlin, days: weekdays, from: '09:00', until: '17:00', holidays: ['2026-01-06']}]}"


@pytest.mark.parametrize(
    ("hours", "condition", "paged", "entry"),
    [
        # Noon in UTC is 13:00 in Berlin; 17 hours before it is evening of the day before.
        (0, "business_hours: office", ["ada", "bob"], []),
        (5, "business_hours: office", ["ada"], ["step_skip"]),
        (5, "outside_business_hours: office", ["ada", "bob"], []),
        (24, "business_hours: office", ["ada"], ["step_skip"]),
        (5, "business_hours: office, otherwise: stop", ["ada"], ["step_stop"]),
        # The sixth is a holiday: the office opens on the seventh at 08:00 UTC.
        (5, "business_hours: office, otherwise: wait", ["ada", "bob"], ["step_wait"]),
    ],
)
def test_business_hours(hours, condition, paged, entry):
    step = f"{{notify: bob, after: 10m, if: {{{condition}}}}}"
    desk = desk_of(policy("notify: ada", step, more=OFFICE), at=NOON + hours * HOUR)
    desk.notify(alert())
    desk.wait(3 * DAY)
    assert [name for _, name in desk.pages()] == paged
    assert [kind for kind in desk.kinds() if kind.startswith("step_")] == entry
    if entry == ["step_wait"]:
        assert desk.pages()[1] == ("1d15h", "bob")
        assert told(desk, "step_wait")[0][1].endswith(
            "only within office: Mon 17:10 UTC is outside of office; it waits until Wed 08:00 UTC"
        )
    if entry == ["step_stop"]:
        assert desk.escalation().state == "stopped"


def test_what_comes_after_a_step_that_waits_keeps_its_distance():
    step = "{notify: bob, after: 10m, if: {business_hours: office, otherwise: wait}}"
    desk = desk_of(policy("notify: ada", step, "{notify: cid, after: 30m}", more=OFFICE), at=NOON + 5 * HOUR)
    desk.notify(alert())
    desk.wait(3 * DAY)
    assert desk.pages() == [("0s", "ada"), ("1d15h", "bob"), ("1d15h20m", "cid")]


def test_more_than_so_many_alerts():
    step = "{notify: bob, after: 10m, if: {alerts: {more_than: 2, within: 5m}}}"
    few = desk_of(policy("notify: ada", step))
    few.notify(alert("High", i="1"), alert("High", i="2"), alert("High", i="3"))
    few.wait(HOUR)
    assert [name for _, name in few.pages()] == ["ada"]
    assert told(few, "step_skip")[0][1] == (
        "step 2 (page bob) only more than 2 alerts in 5m: 0 alerts began in the last 5m, not more than 2; left out"
    )
    many = desk_of(policy("notify: ada", step))
    many.notify(alert("High", i="1"))
    many.wait(6 * MINUTE)
    many.notify(alert("High", i="1"), alert("High", i="2"), alert("High", i="3"), alert("High", i="4"))
    many.wait(HOUR)
    assert [name for _, name in many.pages()] == ["ada", "bob"]


def test_other_rooms_are_asked_once_whatever_restarts(tmp_path):
    text = policy(
        "notify: ada",
        "wait: 30m",
        "open_incident: {title: a big one, severity: P0}",
        "status_page: {text: we look into it, components: [api]}",
    )
    desk = desk_of(text, tmp_path / "state.db")
    desk.notify(alert("Down", service="api"))
    desk.wait(10 * MINUTE)
    desk.restart(after=MINUTE)
    desk.wait(19 * MINUTE)
    incident = desk.one()
    (wanted,), (post,) = desk.seen(IncidentWanted), desk.seen(StatusPostWanted)
    assert (wanted.cause, wanted.title, wanted.severity, wanted.service) == (incident.id, "a big one", "P0", "api")
    assert (post.incident_id, post.text, post.state, post.components) == (
        incident.id, "we look into it", "investigating", ("api",),
    )  # fmt: skip
    assert told(desk, "incident_wanted", "status_page") == [
        ("30m", "another incident is to open as P0: a big one (policy default)"),
        ("30m", "status page: investigating: we look into it (policy default)"),
    ]


def test_a_procedure_is_a_row_until_somebody_takes_it():
    steps = (Step(0, ("ada",)), Step(5 * MINUTE, action=Action(PROCEDURE, "restart-api")))
    desk = desk_of(TEAM)
    desk.reload(Plan((Person("ada", ("console",)),), policies=(Policy("default", steps, 1),)))
    desk.notify(alert("Down", service="api"))
    desk.wait(6 * MINUTE)
    (event,) = desk.seen(ProcedureWanted)
    with desk.state.read() as db:
        (request,) = load_requests(db, waiting=True)
    assert (request.id, request.name, request.service) == (event.request_id, "restart-api", "api")
    taken = desk.call(TakeRequest(request.id, "procedures"))
    assert taken.taken_at == NOON + 6 * MINUTE
    with desk.state.read() as db:
        assert load_requests(db, waiting=True) == ()
    desk.wait(HOUR)
    assert len(desk.seen(ProcedureWanted)) == 2


def test_policies_by_severity():
    more = "  - {name: slow, severity: P2, steps: [{notify: dee}]}\nincidents: {open: ['alertname=~\".+\"']}"
    desk = desk_of(policy("notify: ada", more=more))
    desk.notify(alert("A", severity="warning"), alert("B"))
    assert [name for _, name in desk.pages()] == ["dee", "ada"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("run: restart", "unknown action 'restart'"),
        ("{notify: bob, after: 5m, if: {business_hours: offce}}", "unknown calendar 'offce'"),
        ("notify: role:lead", "unknown role 'lead'"),
        ("notify: bob", "each step must come later than the one before"),
        ("repeat: {times: 2}", "each step must come later than the one before"),
        ("repeat: {from: 4, times: 2}", "there is no step 4 before this one"),
        ("{wait: 5m, urgency: high}", "a step that waits or repeats has no other keys"),
        ("{notify: bob, run: x, after: 5m}", "at most one of notify, wait, repeat, run, open_incident, status_page"),
        ("{notify: bob, after: 5m, if: {alerts: {more_than: 1, within: 1m}, otherwise: wait}}", "only business hours"),
        ("{after: 5m}", "one of notify, wait, repeat, run, open_incident, status_page is required"),
        ("{notify: bob, after: 5m, if: {else: stop}}", "unknown key"),
    ],
)
def test_what_is_wrong_is_said(step, message):
    with pytest.raises(InputError) as caught:
        config_of(policy("notify: ada", step))
    found = str(caught.value)
    assert message in found, found
    assert ":12:" in found
