"""From hypercare.yml to the plan of on-call."""

from __future__ import annotations

import dataclasses

import pytest

from hypercare.config import HypercareConfig
from hypercare.model.time import DAY, HOUR, MINUTE, WEEK, parse_rfc3339
from hypercare.oncall.plan import Audit, Override, Person, Plan, Policy, Step
from hypercare.oncall.reading import plan_of
from hypercare.oncall.rotation import on_call


def plan(**document):
    return plan_of(HypercareConfig.model_validate(document))


def rotation(**changes):
    rotation = {"people": ["ada", "bob"], "start": "2026-01-05T09:00", **changes}
    schedule = {"name": "primary", "timezone": "Europe/Berlin", "rotation": rotation}
    return plan(oncall={"schedules": [schedule]}).schedules[0]


def test_nothing_configured():
    assert dataclasses.replace(plan(), high=(), clocks=(), audit=Audit()) == Plan()


def test_people_and_their_channels():
    ways = [{"channel": "slack", "url": "https://hooks.example/x"}, {"channel": "console"}]
    people = plan(people=[{"name": "ada", "contact": ways}, {"name": "bob"}]).people
    assert people == (Person("ada", ("slack", "console")), Person("bob", ("console",)))


def test_policies():
    steps = [
        {"notify": ["schedule:primary", "ada"]},
        {"notify": "receiver:pager", "after": "5m"},
        {"notify": "everyone", "after": "25m"},
    ]
    (policy,) = plan(escalations=[{"name": "default", "match": ['team="data"'], "steps": steps, "repeat": 2}]).policies
    assert policy.steps == (
        Step(0, ("schedule:primary", "ada")),
        Step(5 * MINUTE, ("receiver:pager",)),
        Step(25 * MINUTE, ("everyone",)),
    )
    assert (policy.repeat, policy.last_wait, [str(m) for m in policy.matchers]) == (2, 20 * MINUTE, ['team="data"'])


def test_a_single_step_waits_a_quarter_of_an_hour():
    (policy,) = plan(escalations=[{"name": "a", "steps": [{"notify": "everyone"}]}]).policies
    assert policy == Policy("a", (Step(0, ("everyone",)),), 0, 15 * MINUTE)


@pytest.mark.parametrize(
    ("changes", "start", "hand_off"),
    [
        ({}, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z"),
        ({"start": "2026-01-05T03:00-05:00"}, "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z"),
        ({"handoff": "17:00"}, "2026-01-05T08:00:00Z", "2026-01-12T16:00:00Z"),
        ({"handoff": "07:00"}, "2026-01-05T08:00:00Z", "2026-01-12T06:00:00Z"),
        ({"every": "12h"}, "2026-01-05T08:00:00Z", "2026-01-05T20:00:00Z"),
    ],
)
def test_the_first_turn(changes, start, hand_off):
    schedule = rotation(**changes)
    begin, end = parse_rfc3339(start), parse_rfc3339(hand_off)
    assert on_call(schedule, begin - 1) is None
    assert (on_call(schedule, begin).person, on_call(schedule, end - 1).person) == ("ada", "ada")
    assert (on_call(schedule, end).person, on_call(schedule, end).start) == ("bob", end)


def test_the_hand_off_stays_at_its_hour_in_summer():
    schedule = rotation()
    # 12 weeks later Berlin has summer time: 09:00 is 07:00 UTC.
    assert on_call(schedule, parse_rfc3339("2026-03-30T07:00:00Z")).start == parse_rfc3339("2026-03-30T07:00:00Z")
    assert schedule.every == WEEK


def test_overrides_are_in_the_schedule_s_zone():
    override = {"person": "cid", "from": "2026-07-01T00:00", "until": "2026-07-02T00:00"}
    rota = {"people": ["ada"], "start": "2026-01-05T09:00"}
    document = {"schedules": [{"name": "s", "timezone": "Europe/Berlin", "rotation": rota, "overrides": [override]}]}
    begin = parse_rfc3339("2026-07-01T00:00:00Z") - 2 * HOUR
    assert plan(oncall=document).schedules[0].overrides == (Override("cid", begin, begin + DAY),)


def test_a_policy_under_way_is_kept_as_text_and_read_again():
    policy = Policy("ü", (Step(0, ("ada", "schedule:x")), Step(5, ("everyone",))), 3, 7)
    assert Policy.load(policy.dump()) == policy
