"""On-call as hypercare.yml says it: hand-off times, overrides, escalations, and a real team's four weeks."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR, MINUTE, WEEK, parse_rfc3339
from hypercare.oncall.plan import Step
from hypercare.oncall.reading import plan_of
from hypercare.oncall.rotation import on_call, shifts
from hypercare.sim.ports import VirtualFiles

ROOT = Path(__file__).parents[2]
PEOPLE = "prometheus: false\npeople: [{name: ann}, {name: ben}, {name: cat}]\n"


def plan(text):
    file = Path("/c/hypercare.yml")
    return plan_of(load(file, VirtualFiles({file: (PEOPLE + text).encode()}), {}).hypercare)


def schedule(rotation, zone="America/New_York", overrides="[]"):
    text = f"oncall: {{schedules: [{{name: s, timezone: {zone}, rotation: {{{rotation}}}, overrides: {overrides}}}]}}"
    return plan(text).schedules[0]


def changes(found, start, end):
    return [(s.person, s.start) for s in shifts(found, parse_rfc3339(start), parse_rfc3339(end))]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        # The hand-off is at the hour of the start, or at its own.
        (
            'people: [ann, ben], start: "2026-01-05T14:00"',
            [("ann", "2026-01-05T14:00-05:00"), ("ben", "2026-01-12T14:00-05:00")],
        ),
        (
            'people: [ann, ben], start: "2026-01-05T14:00", handoff: "09:00"',
            [("ann", "2026-01-05T14:00-05:00"), ("ben", "2026-01-12T09:00-05:00")],
        ),
        (
            'people: [ann, ben], start: "2026-01-05T07:00", handoff: "09:00"',
            [("ann", "2026-01-05T07:00-05:00"), ("ben", "2026-01-12T09:00-05:00")],
        ),
        # An offset in the text counts; the hand-off is on the schedule's clock all the same.
        (
            'people: [ann, ben], start: "2026-01-05T14:00+00:00"',
            [("ann", "2026-01-05T09:00-05:00"), ("ben", "2026-01-12T09:00-05:00")],
        ),
        # Turns of half a day, begun after the hand-off's hour and before it.
        (
            'people: [ann, ben, cat], every: 12h, start: "2026-01-13T22:00", handoff: "09:00"',
            [("ann", "2026-01-13T22:00-05:00"), ("ben", "2026-01-14T09:00-05:00")],
        ),
        (
            'people: [ann, ben, cat], every: 12h, start: "2026-01-13T20:00", handoff: "21:00"',
            [("ann", "2026-01-13T20:00-05:00"), ("ben", "2026-01-13T21:00-05:00"), ("cat", "2026-01-14T09:00-05:00")],
        ),
        (
            'people: [ann, ben, cat], every: 6h, start: "2026-01-13T23:30", handoff: "09:00"',
            [("ann", "2026-01-13T23:30-05:00"), ("ben", "2026-01-14T03:00-05:00"), ("cat", "2026-01-14T09:00-05:00")],
        ),
        (
            'people: [ann, ben, cat], every: 6h, start: "2026-01-14T01:00", handoff: "09:00"',
            [("ann", "2026-01-14T01:00-05:00"), ("ben", "2026-01-14T03:00-05:00"), ("cat", "2026-01-14T09:00-05:00")],
        ),
    ],
)
def test_hand_off_times(rotation, expected):
    found = schedule(rotation)
    until = "2026-01-14T14:30:00Z"
    assert changes(found, "2026-01-01T00:00:00Z", until) == [(who, parse_rfc3339(when)) for who, when in expected]


def test_overrides_are_in_the_schedule_s_zone():
    text = '[{person: cat, from: "2026-07-01T09:00", until: "2026-07-01T17:00"}]'
    found = schedule('people: [ann], start: "2026-01-05T09:00"', "Europe/Berlin", text)
    shift = on_call(found, parse_rfc3339("2026-07-01T10:00:00Z"))
    assert shift is not None
    assert (shift.person, shift.start, shift.end - shift.start) == (
        "cat",
        parse_rfc3339("2026-07-01T07:00:00Z"),
        8 * HOUR,
    )


@pytest.mark.parametrize(("afters", "wait"), [(["0s"], 15), (["0s", "5m"], 5), (["0s", "5m", "35m"], 30)])
def test_the_last_step_has_as_long_as_the_one_before(afters, wait):
    steps = ", ".join(f"{{notify: ann, after: {after}}}" for after in afters)
    (policy,) = plan(f"escalations: [{{name: default, steps: [{steps}], repeat: 2}}]").policies
    assert (policy.last_wait, policy.repeat) == (wait * MINUTE, 2)


def test_an_escalation_names_its_incidents():
    text = """escalations:
  - {name: data, match: ['team="data"'], steps: [{notify: ["person:ben", "schedule:s"]}]}
  - {name: rest, steps: [{notify: everyone}]}
oncall: {schedules: [{name: s, rotation: {people: [ann], start: "2026-01-05T09:00"}}]}
"""
    found = plan(text)
    assert found.choose("", Labels.of(team="data")).steps == (Step(0, ("ben", "schedule:s")),)
    assert found.choose("", Labels.of(team="web")).steps == (Step(0, ("everyone",)),)


@pytest.mark.parametrize("later", [0, 4, 40])
@pytest.mark.parametrize(
    ("week", "expected"),
    [
        (0, ["alex", "sarah", "mike"]),
        (1, ["sarah", "david", "mike"]),
        (2, ["david", "alex", "lisa"]),
        (3, ["alex", "sarah", "lisa"]),
    ],
)
def test_the_gremlinsai_example_keeps_its_four_weeks(later, week, expected):
    config = load(ROOT / "examples/gremlinsai/hypercare.yml", VirtualFiles(), {}, INTEGRATIONS)
    at = parse_rfc3339("2026-01-05T18:00:00Z") + (week + later) * WEEK
    found = [on_call(schedule, at) for schedule in plan_of(config.hypercare).schedules]
    assert [shift.person if shift else "" for shift in found] == expected
