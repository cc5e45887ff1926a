"""The room of an incident: severity, roles, tasks, checklists, updates and notices, step by step in virtual time."""

from __future__ import annotations

import pytest
from desk_kit import NOON, Desk, alert
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.channels.message import render_message
from hypercare.config import HypercareConfig
from hypercare.incidents import room_store
from hypercare.incidents.commands import (
    AddLink,
    AddNote,
    AddTask,
    AssignRole,
    ChangeTask,
    Describe,
    Pin,
    PostUpdate,
    Resolve,
    SetSeverity,
    TickStep,
)
from hypercare.incidents.reading import settings_of
from hypercare.incidents.reminders import instants, next_reminder
from hypercare.incidents.settings import Recipient
from hypercare.kernel import CommandError
from hypercare.model.runbooks import Runbook, RunbookPhase, RunbookStep
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND

CONFIG = {
    "platform": "shop",
    "people": [
        {"name": "ada", "contact": [{"channel": "pagerduty", "routing_key": "k"}, {"channel": "console"}]},
        {"name": "bob", "contact": [{"channel": "console"}]},
    ],
    "incidents": {
        "quiet_time": "10m",
        "notify": [{"to": ["receiver:chat", "bob"], "severity": ["P0", "P1"]}],
        "postmortem": {"severity": []},
    },
    "web": {"external_url": "https://care.example"},
}
CHAT = Recipient("chat", (("webhook", "receiver/chat/webhook/0"),))
RUNBOOK = Runbook(
    "high-errors", "runbooks/high-errors.md", "Errors", "text", ("HighErrors",), (),
    (RunbookPhase("Look", 15 * MINUTE, (RunbookStep("which path?"), RunbookStep("restart", "restart-pool"))),),
)  # fmt: skip


def room(path=None, **more):
    config = HypercareConfig.model_validate({**CONFIG, **more})
    desk = Desk(settings=settings_of(config, (CHAT,), (RUNBOOK,)), path=path, render=render_message)
    desk.notify(alert(service="api"))
    return desk


def steps(desk, ref=1):
    with desk.state.read() as db:
        return room_store.load_steps(db, desk.one(ref).id)


def roles(desk):
    with desk.state.read() as db:
        return {r.role: r.person for r in room_store.load_roles(db, desk.one().id)}


def told(desk):
    """(kind, whom, title) of what was sent that is no page."""
    return [
        (e.payload["content"].get("kind", "console"), e.target.split("/")[1], e.payload["content"].get("title", ""))
        for e in desk.post.sent
        if e.key.startswith("notice:")
    ]


def test_who_acknowledges_leads_until_somebody_else_is_named():
    desk = room()
    assert roles(desk) == {}
    desk.ack(by="ada")
    assert roles(desk) == {"commander": "ada"}
    desk.call(AssignRole("1", "ada", "commander", "bob"))
    desk.call(AssignRole("1", "bob", "scribe", "ada"))
    assert roles(desk) == {"commander": "bob", "scribe": "ada"}
    assert "ada hands over to bob: commander" in desk.story()[-2]
    with pytest.raises(CommandError, match="bob is commander already"):
        desk.call(AssignRole("1", "ada", "commander", "bob"))
    with pytest.raises(CommandError, match="nobody is liaison"):
        desk.call(AssignRole("1", "ada", "liaison", ""))


def test_who_hands_an_incident_back_leads_no_longer_but_who_was_named_does():
    from hypercare.incidents.commands import Unacknowledge

    desk = room()
    desk.ack(by="ada")
    desk.call(Unacknowledge("1", "ada"))
    assert roles(desk) == {}
    desk.call(AssignRole("1", "bob", "commander", "bob"))
    desk.ack(by="ada")
    desk.call(Unacknowledge("1", "ada"))
    assert roles(desk) == {"commander": "bob"}


def test_the_checklists_of_severity_and_runbook_are_ticked_and_told_when_time_is_up():
    desk = room()
    found = steps(desk)
    assert [s.phase for s in found if s.source == "high-errors"] == ["Look", "Look"]
    assert next(s for s in found if s.text == "restart").procedure == "restart-pool"
    first = found[0]
    desk.call(TickStep("1", "ada", first.number))
    assert (steps(desk)[0].done_by, steps(desk)[0].done_at) == ("ada", NOON)
    desk.call(TickStep("1", "ada", first.number, done=False))
    assert steps(desk)[0].done_at is None
    desk.call(TickStep("1", "ada", first.number))
    desk.wait(15 * MINUTE)
    told = [line for line in desk.story() if "the time for" in line]
    assert told == [
        "15m the time for Respond is over (15m): 1 of 5 steps are done",
        "15m the time for Look is over (15m): 0 of 2 steps are done",
    ]
    desk.wait(4 * HOUR)
    assert [line.split()[0] for line in desk.story() if "the time for" in line] == ["15m", "15m", "1h", "4h"]
    with pytest.raises(CommandError, match="no step 99"):
        desk.call(TickStep("1", "ada", 99))


def test_a_changed_runbook_moves_nobodys_ticks():
    desk = room()
    desk.call(TickStep("1", "ada", steps(desk)[-1].number))
    before = steps(desk)
    import dataclasses

    desk.reload(settings=dataclasses.replace(desk.settings, runbooks=(), phases=()))
    desk.call(SetSeverity("1", "ada", Severity.P0))
    assert steps(desk) == before


def test_another_severity_brings_its_phases_and_its_schedule():
    phases = [
        {"name": "All", "until": "10m", "steps": ["look"]},
        {"name": "Grave", "until": "20m", "steps": ["call everybody"], "severity": "P0"},
    ]
    desk = room(incidents={**CONFIG["incidents"], "phases": phases})
    assert [s.phase for s in steps(desk) if not s.source] == ["All"]
    assert desk.one().next_update_at == NOON + HOUR
    desk.wait(5 * MINUTE)
    desk.call(SetSeverity("1", "ada", Severity.P0, "all shops are down"))
    assert [s.phase for s in steps(desk) if not s.source] == ["All", "Grave"]
    assert desk.one().severity == Severity.P0
    assert desk.one().next_update_at == NOON + 30 * MINUTE
    assert desk.story()[-1] == "5m severity changed from P1 to P0: all shops are down"
    desk.call(SetSeverity("1", "ada", Severity.P3))
    assert desk.one().next_update_at is None
    with pytest.raises(CommandError, match="is P3 already"):
        desk.call(SetSeverity("1", "ada", Severity.P3))


def test_those_who_wait_are_told_and_the_commander_is_reminded_of_updates():
    desk = room()
    assert [(kind, whom) for kind, whom, _ in told(desk)] == [("incident.opened", "chat"), ("console", "bob")]
    assert told(desk)[0][2] == "Incident #1 (P1 High): HighErrors"
    desk.ack(by="ada")
    desk.wait(30 * MINUTE)
    desk.call(PostUpdate("1", "ada", "the pool is full", stage="identified"))
    assert desk.one().stage == "identified"
    assert [kind for kind, _, _ in told(desk)][2:] == ["incident.updated", "console"]
    content = desk.post.sent[-2].payload["content"]
    assert "the pool is full" in content["text"]
    assert "Status: identified" in content["text"]
    assert content["url"] == "https://care.example/incidents/1"
    assert "Next update: 2026-01-05 13:30:00 UTC" in content["text"]
    before = len(told(desk))
    desk.wait(HOUR - SECOND)
    assert len(told(desk)) == before
    desk.wait(SECOND)
    # Reminders do not go the way that wakes people while there is another.
    assert desk.post.sent[-1].target == "person/ada/1"
    assert desk.story()[-1] == "1h30m an update is due; ada is reminded"
    desk.wait(HOUR)
    assert desk.story()[-1].startswith("2h30m an update is overdue by 1h")
    desk.resolve(note="a larger pool", by="ada")
    titles = [title for kind, _, title in told(desk) if kind == "incident.resolved"]
    assert titles == ["Resolved: incident #1 (P1): HighErrors"]
    sent = len(desk.post.sent)
    desk.wait(2 * DAY)
    assert len(desk.post.sent) == sent


def test_the_resolution_is_told_from_data():
    desk = room()
    desk.ack(by="ada")
    desk.call(AddTask("1", "ada", "alert at 80 % of the pool", "bob", NOON + 7 * DAY, "action"))
    desk.wait(HOUR)
    desk.call(Resolve("1", "ada", "a larger pool", cause="the pool was too small"))
    assert desk.one().cause == "the pool was too small"
    text = next(
        e.payload["content"]["text"] for e in desk.post.sent
        if e.payload.get("content", {}).get("kind") == "incident.resolved"
    )  # fmt: skip
    assert text.splitlines() == [
        "Service: api",
        "Duration: 2026-01-05 12:00:00 UTC to 2026-01-05 13:00:00 UTC (1h)",
        "Root cause: the pool was too small",
        "",
        "Resolution: a larger pool",
        "",
        "Follow-up actions:",
        "- alert at 80 % of the pool (bob, due 2026-01-12 12:00:00 UTC)",
        "",
        "Post-mortem: https://care.example/incidents/1/postmortem",
    ]


def test_a_faulty_template_swallows_no_news():
    import dataclasses

    desk = Desk(render=render_message)
    config = settings_of(HypercareConfig.model_validate(CONFIG), (CHAT,))
    desk.reload(settings=dataclasses.replace(config, texts={"opened": "{{ 1 / 0 }}", "resolved": "{{ nothing }}"}))
    desk.notify(alert(service="api"))
    assert told(desk)[0][2] == "Incident #1 (P1 High): HighErrors"
    assert any("ZeroDivisionError" in line for line in desk.story())
    desk.resolve()
    assert any("'nothing' is undefined" in line for line in desk.story())


def test_tasks_have_owners_who_are_reminded():
    desk = room()
    desk.ack(by="bob")
    task = desk.call(AddTask("1", "ada", "  raise the\nlimit ", "ada", NOON + 4 * HOUR))
    assert (task.text, task.owner, task.kind) == ("raise the limit", "ada", "task")
    desk.wait(3 * HOUR)
    assert "3h task 1 is due in 1h: raise the limit; ada is reminded" in desk.story()
    desk.call(ChangeTask(task.id, "bob", owner="zoe", due_at=NOON + 6 * HOUR))
    desk.wait(3 * HOUR)
    # Nobody reaches zoe: whoever leads is reminded.
    assert any("task 1 is due now: raise the limit; bob is reminded" in line for line in desk.story())
    desk.call(ChangeTask(task.id, "zoe", done=True))
    assert desk.story()[-1] == "6h task 1 done: raise the limit"
    length = len(desk.story())
    desk.wait(9 * DAY)
    assert not [line for line in desk.story()[length:] if "task 1" in line]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (AddTask("1", "ada", " "), "say what is to be done"),
        (AddTask("1", "ada", "x", kind="wish"), "of kind task or action"),
        (AddTask("1", "ada", "x", kind="action"), "needs an owner and a due date"),
        (ChangeTask(7, "ada", done=True), "no task 7"),
        (AddLink("1", "ada", "javascript:alert(1)"), "begins with http"),
        (AddLink("1", "ada", "https://a b"), "begins with http"),
        (Pin("1", "ada", 999), "no entry 999"),
        (PostUpdate("1", "ada", " "), "is empty"),
        (PostUpdate("1", "ada", "x", stage="done"), "unknown stage"),
        (AddNote("1", "ada", "x", kind="poem"), "unknown kind"),
        (AddNote("1", "ada", "x", at=NOON + 1), "not what will be"),
        (Describe("1", "ada", title=" "), "needs a title"),
        (SetSeverity("1", " ", Severity.P0), "say who you are"),
    ],
)
def test_what_cannot_be_is_refused_in_words(command, why):
    desk = room()
    with pytest.raises(CommandError, match=why):
        desk.call(command)


def test_notes_have_kinds_times_and_pins():
    desk = room()
    desk.wait(HOUR)
    desk.call(AddNote("1", "ada", "users wrote to support", "finding", at=NOON + 10 * MINUTE, pinned=True))
    desk.call(AddNote("1", "bob", "roll back", "decision"))
    with desk.state.read() as db:
        from hypercare.incidents.store import load_timeline

        entries = load_timeline(db, desk.one().id)
    late = next(e for e in entries if e.kind == "finding")
    assert (late.at, late.data["noted_at"], late.pinned_at) == (NOON + 10 * MINUTE, NOON + HOUR, NOON + HOUR)
    assert [e.kind for e in entries if e.at <= NOON + 10 * MINUTE][-1] == "finding"
    desk.call(Pin("1", "ada", late.seq, pinned=False))
    desk.call(Pin("1", "ada", entries[-1].seq))
    with desk.state.read() as db:
        assert [e.kind for e in load_timeline(db, desk.one().id) if e.pinned_at] == ["decision"]


def test_impact_cause_and_title_are_told_once():
    desk = room()
    desk.call(Describe("1", "ada", impact="a third of the shops", title="The pool is full"))
    desk.call(Describe("1", "ada", impact="a third of the shops"))
    assert desk.story()[-2:] == ["0s impact: a third of the shops", "0s title: The pool is full"]
    assert desk.one().title == "The pool is full"


def test_a_restart_keeps_all_deadlines(tmp_path):
    desk = room(tmp_path / "state.db")
    desk.ack(by="ada")
    desk.call(AddTask("1", "ada", "raise the limit", "ada", NOON + 2 * HOUR))
    desk.call(TickStep("1", "ada", 1))
    desk.restart(after=90 * MINUTE)
    desk.wait(0)
    story = desk.story()
    assert "1h30m an update is overdue by 30m; ada is reminded" in story
    assert any("the time for Investigate is over" in line for line in story)
    assert "1h30m task 1 is due in 30m: raise the limit; ada is reminded" in story
    desk.wait(30 * MINUTE)
    assert any("task 1 is due now" in line for line in desk.story())
    assert roles(desk) == {"commander": "ada"}
    desk.state.close()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 60 * DAY), st.integers(-DAY, 90 * DAY))
def test_reminders_come_in_order_end_and_never_before_the_making(created, whole, after):
    times = list(instants(created, created + whole))
    assert times == sorted(set(times))
    assert all(at >= created for at in times)
    assert created + whole in times
    found = next_reminder(created, created + whole, created + after)
    assert found is None or found > created + after
    assert (found is None) == (created + after >= times[-1])
