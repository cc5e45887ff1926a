"""Who is on call: tables over hand-offs, clock changes and overrides, and the laws that hold for every schedule."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.time import DAY, HOUR, MINUTE, WEEK, from_datetime, parse_rfc3339
from hypercare.oncall.plan import Override, Plan, Schedule
from hypercare.oncall.rotation import Shift, on_call, shifts
from hypercare.oncall.store import OnCallNow, on_call_now

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
MONDAY = dt.datetime(2026, 1, 5, 9)  # noqa: DTZ001 - local wall-clock time of a schedule


def at(text, zone="UTC"):
    """An instant from local time; an offset in the text tells the two 01:30 of an autumn night apart."""
    when = dt.datetime.fromisoformat(text)
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone)))


def weekly(zone=NEW_YORK, people=("ann", "ben"), **other):
    return Schedule("primary", people, MONDAY, zone, **other)


def who(schedule, instant):
    shift = on_call(schedule, instant)
    return shift.person if shift else None


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, "UTC", "Asia/Kathmandu", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("day", "person"),
    [("2026-01-05", "ann"), ("2026-01-12", "ben"), ("2026-03-09", "ben"), ("2026-03-30", "ann"), ("2026-11-02", "ben")],
)
def test_hand_off_is_at_nine_on_the_local_clock_all_year(zone, day, person):
    schedule = weekly(zone)
    change = at(f"{day}T09:00", zone)
    assert who(schedule, change) == person
    assert on_call(schedule, change).start == change
    before = on_call(schedule, change - 1)
    if day != "2026-01-05":
        assert before.person == ({"ann", "ben"} - {person}).pop()
        assert before.end == change


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (NEW_YORK, "2026-03-02", 167),
        (NEW_YORK, "2026-03-09", 168),
        (NEW_YORK, "2026-10-26", 169),
        (BERLIN, "2026-03-23", 167),
        (BERLIN, "2026-10-19", 169),
        (BERLIN, "2026-10-26", 168),
    ],
)
def test_the_week_of_a_clock_change_is_an_hour_shorter_or_longer(zone, day, hours):
    shift = on_call(weekly(zone), at(f"{day}T09:00", zone))
    assert shift.end - shift.start == hours * HOUR


@pytest.mark.parametrize(
    ("zone", "start", "every", "instants"),
    [
        # The hour from 02:00 does not exist: 02:30 is 03:30 of the new time.
        (NEW_YORK, "2026-03-07T02:30", DAY, ["2026-03-07T02:30-05:00", "2026-03-08T03:30-04:00", "2026-03-09T02:30-04:00"]),
        (BERLIN, "2026-03-28T02:30", DAY, ["2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),
        # The hour comes twice: the first counts.
        (NEW_YORK, "2026-10-31T01:30", DAY, ["2026-10-31T01:30-04:00", "2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
        (BERLIN, "2026-10-24T02:30", DAY, ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        # Turns of an hour across the change: one falls out, one lasts two hours.
        (NEW_YORK, "2026-03-08T01:00", HOUR, ["2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00", "2026-03-08T04:00-04:00"]),
        (NEW_YORK, "2026-11-01T01:00", HOUR, ["2026-11-01T01:00-04:00", "2026-11-01T02:00-05:00", "2026-11-01T03:00-05:00"]),
    ],
)  # fmt: skip
def test_hand_offs_within_the_hour_of_a_clock_change(zone, start, every, instants):
    schedule = Schedule("s", ("a", "b", "c", "d"), dt.datetime.fromisoformat(start), zone, every)
    begins = [at(instant) for instant in instants]
    assert [shift.start for shift in shifts(schedule, begins[0], begins[-1] + 1)] == begins


def test_the_turn_that_falls_out_in_spring_is_nobody_s():
    schedule = Schedule("s", ("a", "b", "c", "d"), dt.datetime(2026, 3, 8, 1), NEW_YORK, HOUR)  # noqa: DTZ001 - local
    found = shifts(schedule, at("2026-03-08T01:00", NEW_YORK), at("2026-03-08T05:00", NEW_YORK))
    assert [shift.person for shift in found] == ["a", "c", "d"]


def test_nobody_before_the_start_and_the_first_person_from_then_on():
    schedule = weekly()
    start = at("2026-01-05T09:00", NEW_YORK)
    assert on_call(schedule, start - 1) is None
    assert on_call(schedule, start) == Shift("ann", start, start + WEEK)
    assert shifts(schedule, start - 3 * WEEK, start) == ()
    assert [s.start for s in shifts(schedule, start - 3 * WEEK, start + 1)] == [start]


@pytest.mark.parametrize(
    ("since", "first_end"),
    [("2026-01-05T14:00", "2026-01-12T09:00"), ("2026-01-05T07:00", "2026-01-12T09:00")],
    ids=["after the hour of the hand-off", "before it"],
)
def test_a_first_turn_that_begins_at_another_hour(since, first_end):
    schedule = weekly(since=at(since, NEW_YORK))
    first, second = shifts(schedule, at("2026-01-01T00:00"), at("2026-01-13T00:00"))
    assert first == Shift("ann", at(since, NEW_YORK), at(first_end, NEW_YORK))
    assert (second.person, second.start) == ("ben", first.end)


def test_without_people_only_overrides_count():
    cover = Override("cat", at("2026-02-01T00:00"), at("2026-02-02T00:00"))
    schedule = weekly(people=(), overrides=(cover,))
    assert shifts(schedule, at("2026-01-01T00:00"), at("2027-01-01T00:00")) == (Shift("cat", cover.start, cover.end),)
    assert on_call(schedule, cover.end) is None


# -- overrides -------------------------------------------------------------------------------------------------

BASE = at("2026-01-05T09:00", NEW_YORK)


def cover(person, start, end):
    return Override(person, BASE + start * HOUR, BASE + end * HOUR)


def spans(found):
    return [(s.person, (s.start - BASE) // HOUR, (s.end - BASE) // HOUR) for s in found]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], [("ann", 0, 168), ("ben", 168, 336)]),
        ([cover("cat", 10, 20)], [("ann", 0, 10), ("cat", 10, 20), ("ann", 20, 168), ("ben", 168, 336)]),
        ([cover("cat", 160, 170)], [("ann", 0, 160), ("cat", 160, 170), ("ben", 170, 336)]),
        ([cover("cat", -5, 5)], [("cat", -5, 5), ("ann", 5, 168), ("ben", 168, 336)]),
        ([cover("cat", -9, -5)], [("cat", -9, -5), ("ann", 0, 168), ("ben", 168, 336)]),
        # Of two that overlap the later in the list counts, wherever it lies.
        (
            [cover("cat", 10, 30), cover("dan", 20, 40)],
            [("ann", 0, 10), ("cat", 10, 20), ("dan", 20, 40), ("ann", 40, 168), ("ben", 168, 336)],
        ),
        (
            [cover("dan", 20, 40), cover("cat", 10, 30)],
            [("ann", 0, 10), ("cat", 10, 30), ("dan", 30, 40), ("ann", 40, 168), ("ben", 168, 336)],
        ),
        # One within the other splits it, or is hidden by it.
        (
            [cover("cat", 10, 40), cover("dan", 20, 30)],
            [("ann", 0, 10), ("cat", 10, 20), ("dan", 20, 30), ("cat", 30, 40), ("ann", 40, 168), ("ben", 168, 336)],
        ),
        (
            [cover("dan", 20, 30), cover("cat", 10, 40)],
            [("ann", 0, 10), ("cat", 10, 40), ("ann", 40, 168), ("ben", 168, 336)],
        ),
        # Over several turns; and one of no length.
        ([cover("cat", 0, 336)], [("cat", 0, 336)]),
        ([cover("cat", 10, 10)], [("ann", 0, 168), ("ben", 168, 336)]),
    ],
)
def test_overrides(overrides, expected):
    schedule = weekly(overrides=tuple(overrides))
    assert spans(shifts(schedule, BASE - 10 * HOUR, BASE + 336 * HOUR)) == expected


# -- the four weeks of a real team -----------------------------------------------------------------------------

FOUR_WEEKS = [
    ("2026-01-05", "alex", "sarah", "mike"),
    ("2026-01-12", "sarah", "david", "mike"),
    ("2026-01-19", "david", "alex", "lisa"),
    ("2026-01-26", "alex", "sarah", "lisa"),
]


@pytest.mark.parametrize("later", [0, 4, 8, 48])
@pytest.mark.parametrize(("day", "primary", "secondary", "manager"), FOUR_WEEKS)
def test_four_weeks_come_round_again(later, day, primary, secondary, manager):
    first, second, third = (tuple(week[i] for week in FOUR_WEEKS) for i in (1, 2, 3))
    plan = Plan(
        schedules=tuple(
            dataclasses.replace(weekly(people=people), name=name)
            for name, people in [("primary", first), ("secondary", second), ("manager", third)]
        )
    )
    middle = from_datetime(
        (dt.datetime.fromisoformat(f"{day}T12:00") + dt.timedelta(weeks=later)).replace(tzinfo=ZoneInfo(NEW_YORK))
    )
    assert [now.person for now in on_call_now(plan, middle)] == [primary, secondary, manager]


def test_a_person_with_two_turns_in_a_row_has_two_shifts():
    schedule = weekly(people=("mike", "mike", "lisa", "lisa"))
    found = shifts(schedule, BASE, BASE + 4 * WEEK)
    assert [(s.person, (s.start - BASE) // WEEK) for s in found] == [("mike", 0), ("mike", 1), ("lisa", 2), ("lisa", 3)]


def test_who_is_on_call_now_and_who_is_next():
    plan = Plan(schedules=(weekly(), dataclasses.replace(weekly(people=()), name="empty")))
    assert on_call_now(plan, BASE + HOUR) == (
        OnCallNow("primary", "ann", BASE, BASE + WEEK, "ben"),
        OnCallNow("empty", "", None, None, ""),
    )
    ending = weekly(overrides=(Override("cat", BASE - 9 * HOUR, BASE - 8 * HOUR),))
    assert on_call_now(Plan(schedules=(ending,)), BASE - 9 * HOUR)[0].next_person == ""


# -- laws ------------------------------------------------------------------------------------------------------

ZONES = st.sampled_from([NEW_YORK, BERLIN, "UTC", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"])
YEAR_START = parse_rfc3339("2026-01-01T00:00:00Z")
INSTANTS = st.integers(0, 365 * 24 * 60).map(lambda minutes: YEAR_START + minutes * MINUTE)


@st.composite
def schedules(draw, *, overridden=True):
    every = draw(st.sampled_from([30 * MINUTE, HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, WEEK, 2 * WEEK]))
    start = dt.datetime(2025, 12, 1) + dt.timedelta(minutes=draw(st.integers(0, 60 * 24 * 60)))  # noqa: DTZ001 - local
    people = tuple(draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5)))
    overrides = []
    for _ in range(draw(st.integers(0, 4)) if overridden else 0):
        begin = draw(INSTANTS)
        overrides.append(
            Override(draw(st.sampled_from("xyz")), begin, begin + draw(st.integers(0, 3 * 24 * 60)) * MINUTE)
        )
    return Schedule("s", people, start, draw(ZONES), every, overrides=tuple(overrides))


@settings(max_examples=50, deadline=None)
@given(schedules(), INSTANTS, st.integers(1, 3 * 24))
def test_shifts_tile_the_span(schedule, start, hours):
    end = start + hours * HOUR
    found = shifts(schedule, start, end)
    assert all(s.start < s.end for s in found)
    # Overlaps never; gaps only before the rotation's start.
    rotation = on_call(dataclasses.replace(schedule, overrides=()), start)
    for one, two in itertools.pairwise(found):
        assert one.end <= two.start
        if rotation is not None:
            assert one.end == two.start
    if rotation is not None:
        assert found[0].start <= start
        assert found[-1].end >= end


@settings(max_examples=50, deadline=None)
@given(schedules(), INSTANTS)
def test_exactly_one_person_at_every_minute(schedule, start):
    rotation = dataclasses.replace(schedule, overrides=())
    found = shifts(schedule, start, start + 6 * HOUR)
    for instant in range(start, start + 6 * HOUR, 7 * MINUTE):
        holding = [s for s in found if s.start <= instant < s.end]
        ruling = [o.person for o in schedule.overrides if o.start <= instant < o.end]
        base = on_call(rotation, instant)
        expected = ruling[-1] if ruling else base.person if base else None
        assert [s.person for s in holding] == ([expected] if expected else [])
        assert on_call(schedule, instant) == (holding[0] if holding else None)


@settings(max_examples=50, deadline=None)
@given(schedules(overridden=False), INSTANTS)
def test_turns_follow_the_order_of_the_list_where_no_clock_changes(schedule, instant):
    schedule = dataclasses.replace(schedule, timezone="UTC")
    first = from_datetime(schedule.start.replace(tzinfo=dt.UTC))
    shift = on_call(schedule, instant)
    if instant < first:
        assert shift is None
        return
    turn = (instant - first) // schedule.every
    begin = first + turn * schedule.every
    assert shift == Shift(schedule.people[turn % len(schedule.people)], begin, begin + schedule.every)
