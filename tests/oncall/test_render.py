"""Layered schedules: tables, and every schedule against a calendar painted minute by minute."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.time import DAY, HOUR, MINUTE, WEEK, from_datetime
from hypercare.oncall.plan import Holiday, Layer, Override, Schedule, Swap, Window
from hypercare.oncall.render import Duty, render
from hypercare.oncall.rotation import Shift, on_call, shifts

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
MONDAY = dt.datetime(2026, 1, 5, 9)  # noqa: DTZ001 - local wall-clock time of a schedule
WEEKDAYS, WEEKEND = (0, 1, 2, 3, 4), (5, 6)


def at(text, zone="UTC"):
    return from_datetime(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def seen(schedule, start, end, zone="UTC"):
    """Who, from when on the local clock, why."""
    found = []
    for duty in render(schedule, at(start, zone), at(end, zone)):
        local = dt.datetime.fromtimestamp(duty.start / 1000, ZoneInfo(zone)).strftime("%a %d %H:%M")
        found.append((duty.person, local, duty.source))
    return found


BASE = Schedule("s", ("ann", "ben"), MONDAY)


@pytest.mark.parametrize(
    ("changes", "start", "end", "expected"),
    [
        # A layer for business hours over a rotation.
        (
            {"layers": (Layer("day", ("eve",), MONDAY, windows=(Window(WEEKDAYS, 9 * 60, 17 * 60),)),)},
            "2026-01-09T12:00", "2026-01-12T10:00",
            [("eve", "Fri 09 12:00", "day"), ("ann", "Fri 09 17:00", "rotation"), ("eve", "Mon 12 09:00", "day")],
        ),
        # Not on holidays; and who works only then.
        (
            {
                "layers": (
                    Layer("day", ("eve",), MONDAY, windows=(Window(WEEKDAYS, 9 * 60, 17 * 60),), holidays="skip"),
                    Layer("feast", ("fay",), MONDAY, holidays="only"),
                ),
                "holidays": (Holiday(dt.date(2026, 1, 8), dt.date(2026, 1, 8)), Holiday(dt.date(2026, 1, 9), dt.date(2026, 1, 9), "gus")),
            },
            "2026-01-07T16:00", "2026-01-10T01:00",
            [("eve", "Wed 07 16:00", "day"), ("ann", "Wed 07 17:00", "rotation"), ("fay", "Thu 08 00:00", "feast"),
             ("gus", "Fri 09 00:00", "holiday"), ("ann", "Sat 10 00:00", "rotation")],
        ),
        # Who is away: the next in the order, then what lies below, then the fallback.
        (
            {"away": (Override("ann", at("2026-01-06T00:00"), at("2026-01-07T00:00")),)},
            "2026-01-05T12:00", "2026-01-08T00:00",
            [("ann", "Mon 05 12:00", "rotation"), ("ben", "Tue 06 00:00", "rotation"), ("ann", "Wed 07 00:00", "rotation")],
        ),
        (
            {
                "away": tuple(Override(p, at("2026-01-06T00:00"), at("2026-01-07T00:00")) for p in ("ann", "ben")),
                "fallback": ("ann", "zoe"),
            },
            "2026-01-04T00:00", "2026-01-07T12:00",
            [("ann", "Mon 05 09:00", "rotation"), ("zoe", "Tue 06 00:00", "fallback"), ("ann", "Wed 07 00:00", "rotation")],
        ),
        # An override by somebody who is away does not count.
        (
            {
                "overrides": (Override("cat", at("2026-01-06T00:00"), at("2026-01-07T00:00")),),
                "away": (Override("cat", at("2026-01-06T06:00"), at("2026-01-06T12:00")),),
            },
            "2026-01-06T00:00", "2026-01-07T00:00",
            [("cat", "Tue 06 00:00", "override"), ("ann", "Tue 06 06:00", "rotation"), ("cat", "Tue 06 12:00", "override")],
        ),
        # A swap over both weeks changes both; over a part, the part. Two swaps apply one after another.
        (
            {"swaps": (Swap("ann", "ben", at("2026-01-05T09:00"), at("2026-01-19T09:00")),)},
            "2026-01-05T09:00", "2026-01-20T00:00",
            [("ben", "Mon 05 09:00", "rotation"), ("ann", "Mon 12 09:00", "rotation"), ("ann", "Mon 19 09:00", "rotation")],
        ),
        (
            {"swaps": (Swap("ann", "ben", at("2026-01-06T00:00"), at("2026-01-07T00:00")),
                       Swap("ben", "cat", at("2026-01-06T12:00"), at("2026-01-07T00:00")))},
            "2026-01-06T00:00", "2026-01-07T06:00",
            [("ben", "Tue 06 00:00", "rotation"), ("cat", "Tue 06 12:00", "rotation"), ("ann", "Wed 07 00:00", "rotation")],
        ),
        # A layer that begins and ends.
        (
            {"layers": (Layer("launch", ("eve",), MONDAY, every=DAY, since=at("2026-01-07T15:00"), until=at("2026-01-08T12:00")),)},
            "2026-01-07T00:00", "2026-01-09T00:00",
            [("ann", "Wed 07 00:00", "rotation"), ("eve", "Wed 07 15:00", "launch"), ("eve", "Thu 08 09:00", "launch"),
             ("ann", "Thu 08 12:00", "rotation")],
        ),
    ],
)  # fmt: skip
def test_layers(changes, start, end, expected):
    assert seen(dataclasses.replace(BASE, **changes), start, end) == expected


def test_a_night_s_window_belongs_to_the_day_on_which_it_begins():
    layer = Layer("night", ("eve",), MONDAY, BERLIN, windows=(Window((4,), 22 * 60, 30 * 60),))
    schedule = Schedule("s", (), MONDAY, BERLIN, layers=(layer,))
    (duty,) = render(schedule, at("2026-01-05T09:00", BERLIN), at("2026-01-12T09:00", BERLIN))
    assert duty == Duty("eve", at("2026-01-09T22:00", BERLIN), at("2026-01-10T06:00", BERLIN), "night")
    assert on_call(schedule, duty.end - 1) == Shift("eve", duty.start, duty.end)
    assert on_call(schedule, duty.end) is None


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-06", 8)])
def test_a_night_of_a_clock_change_is_an_hour_shorter_or_longer(day, hours):
    layer = Layer("night", ("eve",), MONDAY, BERLIN, windows=(Window(start=22 * 60, end=30 * 60),))
    schedule = Schedule("s", (), MONDAY, BERLIN, layers=(layer,))
    shift = on_call(schedule, at(f"{day}T23:00", BERLIN))
    assert shift.end - shift.start == hours * HOUR


def test_the_whole_shift_is_found_from_any_instant_in_it_and_an_endless_fallback_is_cut():
    long = Layer("long", ("ann", "ben"), MONDAY, every=60 * WEEK)
    schedule = Schedule("s", (), MONDAY, layers=(long,), fallback=("zoe",))
    begin = at("2026-01-05T09:00")
    assert on_call(schedule, begin + 59 * WEEK) == Shift("ann", begin, begin + 60 * WEEK)
    over = dataclasses.replace(schedule, layers=(dataclasses.replace(long, until=begin + DAY),))
    shift = on_call(over, begin + WEEK)
    assert (shift.person, shift.start) == ("zoe", begin + DAY)
    assert shift.end == begin + 4 * WEEK
    assert on_call(over, begin + 4 * WEEK) == Shift("zoe", begin + 4 * WEEK, begin + 8 * WEEK)


# -- against a calendar painted minute by minute ------------------------------------------------------------------

ZONES = st.sampled_from([NEW_YORK, BERLIN, "UTC", "Australia/Lord_Howe", "Asia/Kathmandu"])
# The first day of a span: clock changes of the zones above, and other days.
DAYS = st.sampled_from(
    ["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-06-12"]
)
PEOPLE = st.sampled_from("abcd")
LONG = 3 * 24 * 60
MINUTES = st.integers(-200, LONG + 200)


def stamp(layer, local):
    return from_datetime(local.replace(tzinfo=ZoneInfo(layer)))


@st.composite
def layered(draw, start):
    def span():
        a = start + draw(MINUTES) * MINUTE
        return a, a + draw(st.integers(1, 2000)) * MINUTE

    layers = []
    for number in range(draw(st.integers(1, 3))):
        windows = tuple(
            Window(
                tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1)))), begin, begin + draw(st.integers(30, 1440))
            )
            for begin in draw(st.lists(st.integers(0, 1439), max_size=2))
        )
        people = tuple(draw(st.lists(PEOPLE, min_size=1, max_size=4)))
        every = draw(st.sampled_from([30 * MINUTE, HOUR, 8 * HOUR, DAY, WEEK]))
        first = dt.datetime(2026, 3, 1) + dt.timedelta(minutes=draw(st.integers(0, 3000)))  # noqa: DTZ001 - local
        until = draw(st.none() | st.just(start + 30 * HOUR))
        holidays = draw(st.sampled_from(["work", "skip", "only"])) if number else "work"
        layers.append(Layer(f"l{number}", people, first, draw(ZONES), every, None, until, windows, holidays))
    day = dt.datetime.fromtimestamp(start / 1000, dt.UTC).date() + dt.timedelta(days=1)
    return Schedule(
        "s", (), MONDAY, draw(ZONES),
        layers=tuple(layers),
        overrides=tuple(Override(draw(PEOPLE), *span()) for _ in range(draw(st.integers(0, 2)))),
        swaps=tuple(Swap("a", draw(st.sampled_from("bc")), *span()) for _ in range(draw(st.integers(0, 2)))),
        holidays=(Holiday(day, day, draw(st.sampled_from(["", "d"]))),) if draw(st.booleans()) else (),
        fallback=tuple(draw(st.lists(PEOPLE, max_size=2))),
        away=tuple(Override(draw(PEOPLE), *span()) for _ in range(draw(st.integers(0, 3)))),
    )  # fmt: skip


def painted(schedule, start):
    """Who is on call at each minute: layer over layer into one list, nothing shared with the code under test."""
    minutes = [start + i * MINUTE for i in range(LONG)]
    who = [None] * LONG

    def away(person, when):
        return any(a.person == person and a.start <= when < a.end for a in schedule.away)

    def swapped(person, when):
        for swap in schedule.swaps:
            if swap.start <= when < swap.end:
                person = {swap.one: swap.other, swap.other: swap.one}.get(person, person)
        return person

    def mark(spans):
        flags = [False] * LONG
        for a, b in spans:
            low, high = (min(LONG, max(0, -(-(x - start) // MINUTE))) for x in (a, b))
            flags[low:high] = [True] * max(0, high - low)
        return flags

    def feast(zone):
        return mark([
            (stamp(zone, dt.datetime.combine(h.first, dt.time())), stamp(zone, dt.datetime.combine(h.last + dt.timedelta(days=1), dt.time())))
            for h in schedule.holidays
        ])  # fmt: skip

    for i, when in enumerate(minutes):
        who[i] = next((p for p in schedule.fallback if not away(p, when)), None)
    for layer in schedule.layers:
        turn = [None] * LONG
        k, every = 0, dt.timedelta(milliseconds=layer.every)
        k = max(0, (dt.datetime.fromtimestamp(start / 1000, dt.UTC).replace(tzinfo=None) - layer.start) // every - 100)
        while (begin := stamp(layer.timezone, layer.start + k * every)) < minutes[-1] + 2 * DAY:
            low = max(0, -(-(begin - start) // MINUTE))
            turn[low:] = [k] * max(0, LONG - low)
            k += 1
        spans = [(stamp(layer.timezone, d + dt.timedelta(minutes=w.start)), stamp(layer.timezone, d + dt.timedelta(minutes=w.end)))
                 for w in layer.windows for n in range(-3, 6)
                 if (d := dt.datetime.combine(dt.datetime.fromtimestamp(start / 1000, dt.UTC).date(), dt.time()) + dt.timedelta(days=n)).weekday() in w.days]  # fmt: skip
        opened = mark(spans) if layer.windows else [True] * LONG
        holiday = feast(layer.timezone)
        for i, when in enumerate(minutes):
            fits = layer.holidays == "work" or holiday[i] == (layer.holidays == "only")
            if turn[i] is None or not opened[i] or not fits or (layer.until is not None and when >= layer.until):
                continue
            order = [swapped(layer.people[(turn[i] + n) % len(layer.people)], when) for n in range(len(layer.people))]
            who[i] = next((p for p in order if not away(p, when)), who[i])
    named = feast(schedule.timezone)
    for holiday in schedule.holidays:
        for i, when in enumerate(minutes):
            if holiday.person and named[i] and not away(holiday.person, when):
                who[i] = holiday.person
    for override in schedule.overrides:
        for i, flag in enumerate(mark([(override.start, override.end)])):
            if flag and not away(override.person, minutes[i]):
                who[i] = override.person
    return who


@settings(max_examples=40, deadline=None)
@given(st.data(), DAYS)
def test_every_minute_is_as_a_painted_calendar_has_it(data, day):
    start = at(f"{day}T00:00") + data.draw(st.integers(0, 23)) * HOUR
    schedule = data.draw(layered(start))
    found = render(schedule, start, start + LONG * MINUTE)
    rendered = [None] * LONG
    for duty in found:
        assert (duty.start - start) % MINUTE == 0
        low, high = (duty.start - start) // MINUTE, (duty.end - start) // MINUTE
        rendered[low:high] = [duty.person] * (high - low)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    assert all(duty.start < duty.end for duty in found)
    assert rendered == painted(schedule, start)


@settings(max_examples=30, deadline=None)
@given(st.data(), DAYS)
def test_a_shift_is_the_same_from_whichever_span_it_is_seen(data, day):
    start = at(f"{day}T00:00")
    schedule = data.draw(layered(start))
    for shift in shifts(schedule, start, start + DAY):
        assert on_call(schedule, max(shift.start, start)) == shift
        assert on_call(schedule, shift.end - 1) == shift


@settings(max_examples=30, deadline=None)
@given(st.data(), DAYS)
def test_the_short_way_of_a_plain_rotation_is_the_long_one(data, day):
    start = at(f"{day}T00:00")
    layer = data.draw(layered(start)).layers[0]
    plain = Schedule("s", layer.people, layer.start, layer.timezone, layer.every)
    long = dataclasses.replace(plain, fallback=("z",))
    cut = [(max(s.start, start), min(s.end, start + DAY)) for s in shifts(plain, start, start + DAY)]
    assert [(d.start, d.end) for d in render(long, start, start + DAY)] == cut
    assert on_call(long, start) == on_call(plain, start)
