"""Recurrences: what they mean, across changes of the clocks, in writing; and silences that recur."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hypercare.model.time import DAY, HOUR, MINUTE, format_rfc3339, from_datetime, parse_rfc3339
from hypercare.routing.intervals import TimeInterval
from hypercare.routing.recurrence import Recurrence
from hypercare.routing.recurrence_text import as_json, read_every, read_json, window_text
from hypercare.routing.silences import Silence, SilenceState, can_update, put

MADRID = "Europe/Madrid"


def at(text, zone=MADRID):
    return from_datetime(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def windows(text, since, until, zone=MADRID):
    found, recurrence, now = [], read_every(text, zone), since
    while (window := recurrence.window(now, since, until)) is not None:
        found.append((format_rfc3339(window.begins)[:16], format_rfc3339(window.ends)[:16]))
        now = window.ends
    return found


@pytest.mark.parametrize(
    ("text", "since", "until", "expected"),
    [
        # The clocks in Madrid go from 02:00 to 03:00 on 29 March 2026: an hour that does not come.
        ("02:00-04:00", "2026-03-28T12:00", "2026-03-30T12:00",
         [("2026-03-29T01:00", "2026-03-29T02:00"), ("2026-03-30T00:00", "2026-03-30T02:00")]),
        ("02:15-02:45", "2026-03-28T12:00", "2026-03-30T12:00", [("2026-03-30T00:15", "2026-03-30T00:45")]),
        # On 25 October they show 02:00 to 03:00 twice.
        ("02:00-04:00", "2026-10-24T12:00", "2026-10-25T12:00", [("2026-10-25T00:00", "2026-10-25T03:00")]),
        ("02:30-04:00", "2026-10-24T12:00", "2026-10-25T12:00",
         [("2026-10-25T00:30", "2026-10-25T01:00"), ("2026-10-25T01:30", "2026-10-25T03:00")]),
        ("mon-fri 02:00-04:00", "2026-01-02T12:00", "2026-01-06T00:00", [("2026-01-05T01:00", "2026-01-05T03:00")]),
        # Over midnight: from Friday's evening to Saturday's morning, one window.
        ("fri 22:00-06:00", "2026-01-01T00:00", "2026-01-08T00:00", [("2026-01-02T21:00", "2026-01-03T05:00")]),
        ("sat 22:00-06:00", "2026-01-01T00:00", "2026-01-08T00:00", [("2026-01-03T21:00", "2026-01-04T05:00")]),
        ("sat,sun", "2026-01-01T00:00", "2026-01-08T00:00", [("2026-01-02T23:00", "2026-01-04T23:00")]),
        ("fri-mon", "2026-01-01T00:00", "2026-01-08T00:00", [("2026-01-01T23:00", "2026-01-05T23:00")]),
        ("days last 23:00-24:00 UTC", "2026-01-30T00:00", "2026-03-01T12:00",
         [("2026-01-31T23:00", "2026-02-01T00:00"), ("2026-02-28T23:00", "2026-03-01T00:00")]),
        ("feb days 29 UTC", "2026-01-01T00:00", "2033-01-01T00:00",
         [("2028-02-29T00:00", "2028-03-01T00:00"), ("2032-02-29T00:00", "2032-03-01T00:00")]),
        ("dec-jan days 25", "2026-12-01T00:00", "2027-06-01T00:00",
         [("2026-12-24T23:00", "2026-12-25T23:00"), ("2027-01-24T23:00", "2027-01-25T23:00")]),
        ("2027 days 1 jan 08:00-09:00,10:00-11:00", "2026-12-01T00:00", "2029-01-01T00:00",
         [("2027-01-01T07:00", "2027-01-01T08:00"), ("2027-01-01T09:00", "2027-01-01T10:00")]),
        # Two zones: the hours of both run into one another.
        ("08:00-10:00; 08:30-10:00 UTC", "2026-01-01T00:00", "2026-01-02T00:00",
         [("2026-01-01T07:00", "2026-01-01T10:00")]),
        ("always", "2026-01-01T00:00", "2026-01-02T00:00", [("2025-12-31T23:00", "2026-01-01T23:00")]),
        # What has begun before the span, and ends after it, is cut.
        ("2026", "2026-05-01T00:00", "2026-06-01T00:00", [("2026-04-30T22:00", "2026-05-31T22:00")]),
        ("2027", "2026-05-01T00:00", "2026-06-01T00:00", []),
    ],
)  # fmt: skip
def test_windows(text, since, until, expected):
    assert windows(text, at(since), at(until)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("someday", "at character 1: 'someday' is no weekday, month, time, year or zone"),
        ("mon 2:00", "at character 5: '2:00' is no span of time"),
        ("mon 25:00-26:00", "at character 5: '25:00-26:00' is not between"),
        ("mon 02:60-03:00", "is not between"),
        ("mon 02:00-02:00", "no time lies between 02:00 and itself"),
        ("mon; tue-xyz", "at character 6: 'tue-xyz' is no weekday"),
        ("days 32", "32 is not a day of the month"),
        ("days", "'' is no day of the month"),
        ("days 1 22:00-06:00", "go with weekdays only"),
        ("mon Nowhere/Land", "Nowhere/Land"),
        ("2027-2026", "ends before it begins"),
        ("; ".join(["mon"] * 101), "at most 100"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text, problem):
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        read_every(text, MADRID)


def test_nothing_is_no_recurrence():
    assert (read_every(" ; "), read_json(())) == (None, None)
    with pytest.raises(ValueError, match=r"time interval 0, times\.0"):
        read_json([{"times": [{"start_time": "04:00", "end_time": "02:00"}]}])
    with pytest.raises(ValueError, match="time interval 1, wekdays"):
        read_json([{}, {"wekdays": ["monday"]}])


def ranges(low, high):
    pairs = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda p: (min(p), max(p)))
    return st.lists(pairs, max_size=2).map(tuple)


INTERVALS = st.builds(
    TimeInterval,
    times=st.lists(
        st.tuples(st.integers(0, 1439), st.integers(1, 240)).map(lambda p: (p[0], min(p[0] + p[1], 1440))), max_size=2
    ).map(tuple),
    weekdays=ranges(0, 6),
    days_of_month=ranges(1, 31),
    months=ranges(1, 12),
    location=st.sampled_from(["UTC", MADRID, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
RECURRENCES = st.lists(INTERVALS, min_size=1, max_size=3).map(tuple).map(Recurrence)


@given(RECURRENCES)
def test_both_ways_of_writing_come_back(recurrence):
    assert read_json(as_json(recurrence)) == recurrence
    assert read_every(str(recurrence)) == recurrence


@settings(max_examples=60, deadline=None)
@given(RECURRENCES, st.integers(at("2026-01-01T00:00"), at("2027-01-01T00:00")).map(lambda t: t // MINUTE * MINUTE))
@example(read_every("always"), at("2026-10-25T00:00"))
def test_the_next_change_is_the_first_minute_that_differs(recurrence, start):
    """Against looking at every minute, for two days."""
    now = recurrence.contains(start)
    minutes = range(start + MINUTE, start + 2 * DAY, MINUTE)
    expected = next((m for m in minutes if recurrence.contains(m) != now), None)
    assert recurrence.next_change(start, start + 2 * DAY - MINUTE) == expected


def recurring(text, starts, ends, **fields):
    return Silence("s", ((matcher("a=b"),),), starts, ends, recurrence=read_every(text, MADRID), **fields)


def matcher(text):
    from hypercare.config import parse_matchers

    return parse_matchers(text)[0]


def test_states_between_windows():
    one = recurring("mon-fri 02:00-04:00", at("2026-01-01T00:00"), at("2026-01-10T00:00"))
    for instant, silent, shown in [
        ("2025-12-31T03:00", False, "pending"), ("2026-01-02T03:00", True, "active"),
        ("2026-01-02T04:00", False, "pending"), ("2026-01-03T03:00", False, "pending"),
        ("2026-01-12T03:00", False, "expired"),
    ]:  # fmt: skip
        assert (one.is_silent(at(instant)), str(one.shown_state(at(instant)))) == (silent, shown), instant
    assert one.state(at("2026-01-03T03:00")) is SilenceState.ACTIVE
    assert window_text(one, at("2026-01-02T03:00")) == "02:00-04:00 (Europe/Madrid)"
    assert window_text(one, at("2026-01-09T12:00")) == ""
    weekend = recurring("sat,sun", at("2026-01-01T00:00"), at("2026-01-10T00:00"))
    assert window_text(weekend, at("2026-01-03T03:00")) == "2026-01-03 00:00 to 2026-01-05 00:00 (Europe/Madrid)"
    assert window_text(recurring("sat", *two_weeks()), at("2026-01-01T00:00")) == "00:00-24:00 (Europe/Madrid)"
    always = recurring("mon-sun 00:00-24:00", at("2026-01-01T09:15"), at("2026-01-10T00:00"))
    assert window_text(always, at("2026-01-03T03:00")) == "2026-01-01 09:15 to 2026-01-10 00:00 (Europe/Madrid)"


def two_weeks():
    return at("2026-01-01T00:00"), at("2026-01-15T00:00")


def test_a_recurrence_that_never_comes_is_refused():
    with pytest.raises(ValueError, match=r"its recurrence \(feb Europe/Madrid\) never comes between"):
        put(recurring("feb", *two_weeks()), None, "n", at("2026-01-01T00:00"))
    with pytest.raises(ValueError, match="thousands of years"):
        put(
            recurring("mon", parse_rfc3339("9998-01-01T00:00:00Z"), parse_rfc3339("9999-01-01T00:00:00Z")), None, "n", 0
        )


def test_another_recurrence_is_another_silence_once_it_has_begun():
    old, new = recurring("mon", *two_weeks()), recurring("tue", *two_weeks())
    assert not can_update(old, new, at("2026-01-02T00:00"))
    assert can_update(old, recurring("mon", old.starts_at, old.ends_at + HOUR), at("2026-01-02T00:00"))
    assert can_update(old, new, at("2025-12-31T00:00"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("mon-sun 02:00-04:00", "mon-sun 02:00-04:00 UTC"), ("fri-mon", "fri-mon UTC"), ("thu-tue", "thu-tue UTC"),
        ("sat,sun", "sat,sun UTC"), ("sun-sat", "sun-sat UTC"), ("mon,sat,sun", "mon,sat,sun UTC"),
        ("wed,fri-sun", "wed,fri-sun UTC"), ("mon-sat,sun-wed", "mon-sat,sun-wed UTC"),
    ],
)  # fmt: skip
def test_days_over_the_weekend_are_said_in_one(written, said):
    recurrence = read_every(written)
    assert str(recurrence) == said
    for day in range(1, 8):
        at_noon = at(f"2026-03-0{day}T12:00")
        assert read_every(said).contains(at_noon) == recurrence.contains(at_noon)
