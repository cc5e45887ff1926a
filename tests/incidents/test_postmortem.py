"""After an incident: the document, its states, what is due by when (R5.9: 2 h, 24 h, 72 h), and reminders."""

from __future__ import annotations

import dataclasses

import pytest
from desk_kit import NOON, Desk, alert

from hypercare.channels.message import render_message
from hypercare.config import HypercareConfig
from hypercare.incidents.commands import (
    AddNote,
    AddTask,
    AssignRole,
    ChangeTask,
    Describe,
    EditPostmortem,
    MovePostmortem,
    PassMilestone,
    Resolve,
    StartPostmortem,
)
from hypercare.incidents.postmortem import exported, load_milestones, load_postmortem
from hypercare.incidents.reading import settings_of
from hypercare.kernel import CommandError
from hypercare.model.time import DAY, HOUR, MINUTE

CONFIG = {
    "people": [{"name": n, "contact": [{"channel": "console"}]} for n in ("ada", "bob")],
    "incidents": {"phases": []},
}


def over(path=None):
    """An incident of half an hour that is over."""
    desk = Desk(settings=settings_of(HypercareConfig.model_validate(CONFIG)), path=path, render=render_message)
    desk.notify(alert(service="api"))
    desk.ack(by="ada")
    desk.wait(10 * MINUTE)
    desk.call(AddNote("1", "ada", "the <b>pool</b> | is full", "finding"))
    desk.call(Describe("1", "ada", impact="a third of the shops"))
    desk.call(AssignRole("1", "ada", "commander", "bob"))
    desk.wait(20 * MINUTE)
    desk.call(Resolve("1", "bob", "a larger pool", cause="the pool was too small"))
    return desk


def document(desk):
    with desk.state.read() as db:
        return load_postmortem(db, desk.one().id)


def due(desk):
    with desk.state.read() as db:
        return {m.name: (m.due_at - NOON, m.done_by) for m in load_milestones(db, desk.one().id)}


def test_the_document_is_drawn_from_the_timeline():
    desk = over()
    found = document(desk)
    assert (found.state, found.version, found.changed_by) == ("draft", 1, "hypercare")
    lines = found.text.splitlines()
    assert lines[0] == "# Post-mortem: incident #1, HighErrors"
    assert "| Acknowledged after | 0s by ada |" in lines
    assert "| Resolved after | 30m by bob |" in lines
    assert "| Commander | bob |" in lines
    for section, first in (("## Summary", "a larger pool"), ("## Impact", "a third of the shops"),
                           ("## Root cause", "the pool was too small")):  # fmt: skip
        assert lines[lines.index(section) + 2] == first
    assert "- 2026-01-05 12:10:00 UTC (ada): the <b>pool</b> | is full" in lines
    assert not [line for line in lines if "page to" in line]
    assert any(line.startswith('- HighErrors {service="api"') or "HighErrors" in line for line in lines)


def test_what_is_due_counts_from_the_end_and_is_reminded_of():
    desk = over()
    end = 30 * MINUTE
    assert due(desk) == {"evidence": (end + 2 * HOUR, ""), "meeting": (end + 24 * HOUR, ""), "document": (end + 72 * HOUR, "")}  # fmt: skip
    desk.call(PassMilestone("1", "ada", "evidence"))
    desk.wait(4 * DAY)
    told = [line for line in desk.story() if "is reminded" in line]
    assert told == [
        "18h30m meet with all who were involved: is due in 6h; bob is reminded",
        "1d30m meet with all who were involved: is due now; bob is reminded",
        "2d30m meet with all who were involved: is overdue by 1d; bob is reminded",
        "2d6h30m finish the document: is due in 18h; bob is reminded",
        "3d30m meet with all who were involved: is overdue by 2d; bob is reminded",
        "3d30m finish the document: is due now; bob is reminded",
        "4d30m meet with all who were involved: is overdue by 3d; bob is reminded",
        "4d30m finish the document: is overdue by 1d; bob is reminded",
    ]
    assert desk.post.sent[-1].target == "person/bob/0"
    assert due(desk)["evidence"][1] == "ada"
    with pytest.raises(CommandError, match="done when the post-mortem is"):
        desk.call(PassMilestone("1", "ada", "document"))


def test_reminders_end_with_what_they_are_of():
    desk = over()
    for name in ("evidence", "meeting"):
        desk.call(PassMilestone("1", "ada", name))
    desk.call(MovePostmortem("1", "ada", "review"))
    desk.call(MovePostmortem("1", "bob", "done"))
    assert due(desk)["document"][1] == "bob"
    length = len(desk.story())
    desk.wait(20 * DAY)
    assert desk.story()[length:] == []


def test_states_go_one_by_one_and_what_is_done_is_not_edited():
    desk = over()
    with pytest.raises(CommandError, match="goes to review, not to done"):
        desk.call(MovePostmortem("1", "ada", "done"))
    with pytest.raises(CommandError, match="unknown state"):
        desk.call(MovePostmortem("1", "ada", "lost"))
    desk.call(MovePostmortem("1", "ada", "review"))
    found = desk.call(MovePostmortem("1", "ada", "done"))
    assert found.done_at == desk.clock.now()
    with pytest.raises(CommandError, match="take it back to review"):
        desk.call(EditPostmortem("1", "ada", "x"))
    desk.call(MovePostmortem("1", "ada", "review"))
    assert desk.call(EditPostmortem("1", "ada", "x")).text == "x"
    with pytest.raises(CommandError, match="only a draft is drawn up anew"):
        desk.call(StartPostmortem("1", "ada", anew=True))


def test_nobody_overwrites_what_they_have_not_seen():
    desk = over()
    desk.call(EditPostmortem("1", "ada", "ada's text", version=1))
    with pytest.raises(CommandError, match="ada has changed it since"):
        desk.call(EditPostmortem("1", "bob", "bob's text", version=1))
    assert document(desk).text == "ada's text"
    desk.call(EditPostmortem("1", "bob", "bob's text", version=2))
    assert document(desk).version == 3


def test_actions_are_exported_as_they_stand():
    desk = over()
    one = desk.call(AddTask("1", "ada", "alert at 80 %", "bob", NOON + 7 * DAY, "action"))
    desk.call(AddTask("1", "ada", "write the runbook", "ada", NOON + 3 * DAY, "action"))
    desk.call(ChangeTask(one.id, "bob", done=True))
    with desk.state.read() as db:
        text = exported(db, document(desk))
    assert text.endswith(
        "## Action items\n\n- [x] alert at 80 % (bob, due 2026-01-12)\n- [ ] write the runbook (ada, due 2026-01-08)\n"
    )
    desk.wait(3 * DAY)
    assert any("action 2" in line and "ada is reminded" in line for line in desk.story())


def test_a_template_of_ones_own_replaces_the_built_in_one_and_a_faulty_one_does_no_harm():
    desk = over()
    for template, begins in (("# {{ number }}: {{ alerts[0].name }}", "# 1: HighErrors"), ("{{ x }}", "# Post-mortem")):
        desk.reload(settings=dataclasses.replace(desk.settings, texts={"postmortem": template}))
        assert desk.call(StartPostmortem("1", "ada", anew=True)).text.startswith(begins)


def test_lesser_incidents_get_one_when_somebody_wants_it():
    desk = Desk(settings=settings_of(HypercareConfig.model_validate({**CONFIG, "incidents": {"postmortem": {"severity": "P0"}}})))  # fmt: skip
    desk.notify(alert(service="api"))
    desk.resolve()
    assert document(desk) is None
    with pytest.raises(CommandError, match="has no post-mortem"):
        desk.call(MovePostmortem("1", "ada", "review"))
    assert desk.call(StartPostmortem("1", "ada")).state == "draft"
    with pytest.raises(CommandError, match="has a post-mortem already"):
        desk.call(StartPostmortem("1", "ada"))


def test_a_restart_keeps_the_document_and_its_deadlines(tmp_path):
    desk = over(tmp_path / "state.db")
    desk.restart(after=25 * HOUR)
    desk.wait(0)
    told = [line for line in desk.story() if "is reminded" in line]
    assert "1d1h30m meet with all who were involved: is overdue by 1h; bob is reminded" in told
    assert document(desk).version == 1
    desk.state.close()


def test_one_that_goes_on_again_is_not_written_about_yet():
    desk = over()
    desk.wait(5 * MINUTE)
    desk.notify(alert("HighErrors", NOON + 35 * MINUTE, service="api"))
    assert desk.one().status == "open"
    desk.wait(2 * HOUR)
    assert not [line for line in desk.story() if "is reminded" in line]
    desk.resolve()
    assert due(desk)["evidence"][0] == 2 * HOUR + 35 * MINUTE + 2 * HOUR
