"""What a change would do, before anybody makes it."""

from __future__ import annotations

import datetime as dt

import pytest
from desk_kit import NOON

from hypercare.kernel import CommandError
from hypercare.model.time import DAY, HOUR
from hypercare.oncall.commands import AddOverride, AddSwap
from hypercare.oncall.plan import Override, Person, Plan, Schedule
from hypercare.oncall.preview import preview, rest_of_shift

PEOPLE = tuple(Person(name, ("slack",)) for name in ("ada", "bob", "cid"))
WEEKS = dt.datetime(2026, 1, 5)  # noqa: DTZ001 - local time of the schedule
PLAN = Plan(PEOPLE, (Schedule("one", ("ada", "bob"), WEEKS), Schedule("two", ("cid", "bob"), WEEKS)))


def duties(found):
    return [(d.person, (d.start - NOON) // HOUR, (d.end - NOON) // HOUR) for d in found]


def test_an_override_shows_both_ways_and_who_would_be_twice():
    found = preview(PLAN, AddOverride("one", "cid", NOON, NOON + 4 * HOUR, "ada"))
    assert found.changes
    assert duties(found.before) == [("ada", 0, 4)]
    assert duties(found.after) == [("cid", 0, 4)]
    assert (found.opens, found.closes) == ((), ())
    assert [(o.person, set(o.schedules)) for o in found.doubles] == [("cid", {"one", "two"})]
    assert not preview(PLAN, AddOverride("one", "ada", NOON, NOON + HOUR, "ada")).changes


def test_a_swap_over_two_weeks():
    found = preview(PLAN, AddSwap("one", "ada", "bob", NOON, NOON + 14 * DAY, "ada"))
    assert [d.person for d in found.before] == ["ada", "bob", "ada"]
    assert [d.person for d in found.after] == ["bob", "ada", "bob"]


def test_a_gap_that_is_closed():
    late = Plan(PEOPLE, (Schedule("one", ("ada",), WEEKS, since=NOON + 2 * HOUR),))
    found = preview(late, AddOverride("one", "bob", NOON, NOON + 3 * HOUR, "ada"))
    assert [(g.from_at - NOON, g.until - NOON) for g in found.closes] == [(0, 2 * HOUR)]
    assert found.opens == ()


def test_a_gap_that_would_open():
    away = Plan(PEOPLE, (Schedule("one", ("ada",), WEEKS, away=(Override("bob", NOON, NOON + HOUR),)),))
    found = preview(away, AddSwap("one", "ada", "bob", NOON, NOON + 3 * HOUR, "ada"))
    assert [(g.from_at - NOON, g.until - NOON) for g in found.opens] == [(0, HOUR)]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (AddOverride("three", "ada", NOON, NOON + 1, "ada"), "no schedule 'three'"),
        (AddOverride("one", "zoe", NOON, NOON + 1, "ada"), "'zoe' is not among the people"),
        (AddOverride("one", "ada", NOON, NOON, "ada"), "ends after it begins"),
    ],
)
def test_what_cannot_be(command, words):
    with pytest.raises(CommandError, match=words):
        preview(PLAN, command)


def test_taking_over_lasts_until_the_end_of_the_shift():
    assert rest_of_shift(PLAN, "one", NOON) == ("ada", NOON - 12 * HOUR + 7 * DAY)
    with pytest.raises(CommandError, match="nobody is on call"):
        rest_of_shift(PLAN, "one", NOON - 30 * DAY)
