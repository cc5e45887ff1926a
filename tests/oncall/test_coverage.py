"""Coverage is proved, or the exact minutes that are not covered are told; and how the load is shared."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from hypercare.config import HypercareConfig
from hypercare.kernel.tables import outbox
from hypercare.model.time import DAY, HOUR, MINUTE, WEEK, YEAR, from_datetime
from hypercare.oncall.coverage import Gap, Overlap, coverage
from hypercare.oncall.fairness import fairness, pages_of
from hypercare.oncall.plan import Person, Plan, Schedule
from hypercare.oncall.reading import plan_of
from hypercare.oncall.render import render
from hypercare.state import State

EXAMPLES = Path(__file__).parents[2] / "examples"


def at(text, zone="UTC"):
    when = dt.datetime.fromisoformat(text)
    return from_datetime(when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone)))


def read(text):
    return plan_of(HypercareConfig.model_validate(yaml.load(text, yaml.BaseLoader)))


def people(*names, zone="UTC"):
    return "people:\n" + "".join(
        f"  - {{name: {n}, timezone: {zone}, email: {n}@shop.example, contact: [{{channel: email}}]}}\n" for n in names
    )


# -- the rotation of the reference platform, in the words of its team -----------------------------------------------

R52 = """
people:
  - {name: alex, timezone: America/New_York, email: a@x.example, contact: {channel: email}}
  - {name: sarah, timezone: America/Los_Angeles, email: s@x.example, contact: {channel: email}}
  - {name: david, timezone: Europe/London, email: d@x.example, contact: {channel: email}}
  - {name: mike, timezone: America/New_York, email: m@x.example, contact: {channel: email}}
  - {name: lisa, timezone: America/Chicago, email: l@x.example, contact: {channel: email}}
oncall:
  schedules:
    - {name: primary, timezone: America/New_York, rotation: {people: [alex, sarah, david, alex], every: weekly, start: "2026-01-05T09:00"}}
    - {name: secondary, timezone: America/New_York, rotation: {people: [sarah, david, alex, sarah], every: 1w, start: "2026-01-05T09:00"}}
    - {name: manager, timezone: America/New_York, rotation: {people: [mike, lisa], every: 2w, start: "2026-01-05T09:00"}}
"""
FOLLOW_THE_SUN = (
    people("syd1", "syd2", zone="Australia/Sydney")
    + people("ber1", "ber2", zone="Europe/Berlin").removeprefix("people:\n")
    + people("den1", "den2", zone="America/Denver").removeprefix("people:\n")
    + """
oncall:
  schedules:
    - name: primary
      timezone: UTC
      layers:
        - {name: denver, timezone: America/Denver, people: [den1, den2], start: "2026-01-05T00:00", restrictions: {from: "07:00", until: "17:00"}}
        - {name: berlin, timezone: Europe/Berlin, people: [ber1, ber2], start: "2026-01-05T00:00", restrictions: {from: "07:00", until: "17:00"}}
        - {name: sydney, timezone: Australia/Sydney, people: [syd1, syd2], start: "2026-01-05T00:00", handoff_day: wednesday, handoff: "10:00", restrictions: {from: "07:00", until: "19:00"}}
"""
)
BOTH_WAYS = (
    people("ann", "ben", "cat", zone="Europe/Berlin")
    + """
oncall:
  schedules:
    - name: primary
      timezone: Europe/Berlin
      layers:
        - {name: nights, people: [ann, ben, cat], every: daily, start: "2026-01-01T02:30", restrictions: {from: "22:00", until: "02:30"}}
        - {name: mornings, people: [cat, ann], every: 3d, start: "2026-01-01T02:30", restrictions: {from: "02:30", until: "10:00"}}
        - {name: days, people: [ben], start: "2026-01-01T00:00", restrictions: {from: "10:00", until: "22:00"}}
"""
)
FEASTS = """
people:
  - {name: ann, timezone: Europe/Berlin, email: a@x.example, contact: {channel: email}, away: [{from: 2026-12-21, until: 2026-12-31, reason: ski}]}
  - {name: ben, timezone: Europe/Berlin, email: b@x.example, contact: {channel: email}, away: [{from: 2026-12-24T16:00, until: 2026-12-26T08:00}]}
  - {name: cat, timezone: Europe/Berlin, email: c@x.example, contact: {channel: email}}
  - {name: dan, timezone: Europe/London, email: d@x.example, contact: {channel: email}}
oncall:
  schedules:
    - name: primary
      timezone: Europe/Berlin
      rotation: {people: [ann, ben], start: "2026-12-07T09:00"}
      layers:
        - {name: office, people: [cat], start: "2026-12-07T09:00", restrictions: {days: weekdays, from: "09:00", until: "17:00"}, holidays: skip}
      holidays: [{date: 2026-12-25, until: 2026-12-26, person: dan}, 2027-01-01]
      swaps: [{people: [ann, ben], from: 2026-12-14T09:00, until: 2026-12-28T09:00}]
      overrides: [{person: cat, from: 2026-12-26T20:00, until: 2026-12-27T08:00}]
      fallback: [ann, cat]
"""


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        (R52, "America/New_York", "2026-01-05T09:00", "2028-01-05T09:00"),
        (FOLLOW_THE_SUN, "UTC", "2026-01-06T00:00", "2027-01-06T00:00"),
        (BOTH_WAYS, "Europe/Berlin", "2026-01-01T22:00", "2027-01-01T22:00"),
        (FEASTS, "Europe/Berlin", "2026-12-07T09:00", "2027-02-01T09:00"),
    ],
    ids=["four weeks", "follow the sun", "clock changes", "holidays"],
)
def test_every_minute_of_every_role_is_covered(text, zone, start, end):
    found = coverage(read(text), at(start, zone), at(end, zone))
    assert found.gaps == ()
    assert found.covered
    assert found.overlaps == ()


def on_duty(text, schedule, *instants):
    (wanted,) = (s for s in read(text).schedules if s.name == schedule)
    found = []
    for instant in instants:
        (duty,) = render(wanted, at(instant), at(instant) + 1)
        found.append(duty.person)
    return found


def test_the_four_weeks_of_the_reference_platform():
    weeks = [f"2026-01-{day:02d}T14:00" for day in (5, 12, 19, 26)]
    assert on_duty(R52, "primary", *weeks) == ["alex", "sarah", "david", "alex"]
    assert on_duty(R52, "secondary", *weeks) == ["sarah", "david", "alex", "sarah"]
    assert on_duty(R52, "manager", *weeks) == ["mike", "mike", "lisa", "lisa"]
    # 09:00 in New York is 14:00 UTC in winter and 13:00 in summer.
    assert on_duty(R52, "primary", "2026-03-09T12:59", "2026-03-09T13:00") == ["alex", "sarah"]


def test_the_sun_goes_round_and_the_upper_layer_has_the_shared_hour():
    # In January Sydney is at UTC+11, Berlin at +1, Denver at -7; Berlin stands above Denver where both work.
    day = [
        "2026-01-06T20:00",
        "2026-01-07T07:59",
        "2026-01-07T08:00",
        "2026-01-07T15:59",
        "2026-01-07T16:00",
        "2026-01-07T20:00",
    ]
    assert on_duty(FOLLOW_THE_SUN, "primary", *day) == ["syd1", "syd2", "ber1", "ber1", "den1", "syd2"]
    # Sydney hands over on Wednesdays at ten, local: 23:00 UTC of the day before.
    assert on_duty(FOLLOW_THE_SUN, "primary", "2026-01-06T22:59", "2026-01-06T23:00") == ["syd1", "syd2"]


def test_nights_of_clock_changes():
    # Spring: 02:30 does not exist and is 03:30 summer time (01:30 UTC). Autumn: 02:30 comes twice, the first counts.
    assert (
        on_duty(BOTH_WAYS, "primary", "2026-03-29T01:29", "2026-03-29T01:30")[1]
        == on_duty(BOTH_WAYS, "primary", "2026-03-29T07:59")[0]
    )
    plan = read(BOTH_WAYS)
    spring, autumn = (
        [(d.source, d.start, d.end) for d in render(plan.schedules[0], at(day), at(day) + 12 * HOUR)]
        for day in ("2026-03-28T21:00", "2026-10-24T20:00")
    )
    assert ("mornings", at("2026-03-29T03:30+02:00"), at("2026-03-29T10:00+02:00")) in spring
    assert ("mornings", at("2026-10-25T02:30+02:00"), at("2026-10-25T08:00+00:00")) in autumn


def test_christmas():
    # The swap gives ben ann's week and ann ben's; ann is away, so ben has both; on holy days dan; ben leaves on the 24th.
    moments = [
        "2026-12-22T20:00",
        "2026-12-24T10:00",
        "2026-12-24T15:30",
        "2026-12-25T12:00",
        "2026-12-26T20:00",
        "2026-12-27T12:00",
    ]
    assert on_duty(FEASTS, "primary", *moments) == ["ben", "cat", "cat", "dan", "cat", "ben"]
    # New Year's Day is a Friday; the office does not work, and nobody is named: the rotation.
    assert on_duty(FEASTS, "primary", "2027-01-01T11:00") == ["ben"]
    assert on_duty(FEASTS, "primary", "2026-12-31T11:00") == ["cat"]


def test_a_broken_one_is_caught_with_the_exact_minutes():
    # In July Sydney (UTC+10) has to hold until Berlin (UTC+2) begins at 05:00 UTC, which is 15:00 there.
    late = FOLLOW_THE_SUN.replace('until: "19:00"', 'until: "14:47"')
    found = coverage(read(late), at("2026-07-06T12:00"), at("2026-07-08T12:00"))
    reason = "no layer has anybody and there is no fallback"
    assert found.gaps == tuple(
        Gap("primary", at(f"2026-07-{d}T04:47"), at(f"2026-07-{d}T05:00"), reason) for d in ("07", "08")
    )
    assert not found.covered


def test_gaps_by_their_reasons():
    text = """
people:
  - {name: ann, away: {from: 2026-01-06T10:07, until: 2026-01-06T11:08}, email: a@x.example, contact: {channel: email}}
  - {name: mute, contact: []}
oncall:
  schedules:
    - {name: p, rotation: {people: [ann], start: "2026-01-05T09:00"}, overrides: [{person: mute, from: "2026-01-07T00:00", until: "2026-01-07T00:01"}]}
    - {name: q, layers: [{people: [ann], start: "2026-01-05T09:00", until: "2026-01-08T00:00"}]}
""".replace("{from: 2026-01-06T10:07, until: 2026-01-06T11:08}", "[{from: 2026-01-06T10:07, until: 2026-01-06T11:08}]")
    found = coverage(read(text), at("2026-01-05T08:59"), at("2026-01-09T00:00"))
    away = "ann is away and nobody stands in"
    assert found.gaps == (
        Gap("p", at("2026-01-05T08:59"), at("2026-01-05T09:00"), "the schedule has not begun"),
        Gap("p", at("2026-01-06T10:07"), at("2026-01-06T11:08"), away),
        Gap("p", at("2026-01-07T00:00"), at("2026-01-07T00:01"), "mute has no contact way"),
        Gap("q", at("2026-01-05T08:59"), at("2026-01-05T09:00"), "the schedule has not begun"),
        Gap("q", at("2026-01-06T10:07"), at("2026-01-06T11:08"), away),
        Gap("q", at("2026-01-08T00:00"), at("2026-01-09T00:00"), "no layer has anybody and there is no fallback"),
    )
    assert coverage(read(text), at("2026-01-05T09:00"), at("2026-01-06T10:07")).covered
    assert coverage(read(text), at("2026-01-05T09:00"), at("2026-01-06T10:07")).overlaps == (
        Overlap(("p", "q"), "ann", at("2026-01-05T09:00"), at("2026-01-06T10:07")),
    )


def test_nothing_configured_is_not_covered_and_the_console_alone_is_told():
    assert not coverage(Plan(), 0, DAY).covered
    monday = dt.datetime(2026, 1, 5, 9)  # noqa: DTZ001 - local
    plan = Plan((Person("ann", ("console",)), Person("ben", ("email",))), (Schedule("s", ("ann", "ben"), monday),))
    found = coverage(plan, at("2026-01-05T09:00"), at("2026-02-05T09:00"))
    assert (found.covered, found.console_only) == (True, ("ann",))
    assert coverage(plan, at("2026-01-05T09:00"), at("2026-02-05T09:00"), only="t").schedules == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40_000), st.integers(1, 400))
def test_any_hole_is_found_to_the_minute(begin, minutes):
    text = R52.replace("name: david,", 'name: david, away: [{from: "%s", until: "%s"}],')
    hole = at("2026-01-05T14:00") + begin * MINUTE
    iso = [dt.datetime.fromtimestamp(x / 1000, dt.UTC).isoformat() for x in (hole, hole + minutes * MINUTE)]
    plan = read(text % tuple(iso))
    alone = dataclasses.replace(
        plan, schedules=(Schedule("solo", ("david",), plan.schedules[0].start, away=plan.schedules[0].away),)
    )
    start = at("2026-01-05T09:00")
    found = coverage(alone, start, start + YEAR)
    assert [(g.from_at, g.until) for g in found.gaps] == [(hole, hole + minutes * MINUTE)]
    assert coverage(plan, at("2026-01-05T14:00"), start + YEAR).gaps == ()


def test_the_load_is_counted_by_each_person_s_own_clock():
    monday = dt.datetime(2026, 1, 5)  # noqa: DTZ001 - local
    plan = Plan(
        (Person("ann", ("email",), "UTC"), Person("syd", ("email",), "Australia/Sydney"), Person("idle", ("email",))),
        (Schedule("s", ("ann", "syd"), monday),),
    )
    start = at("2026-01-05T00:00")
    ann, syd, idle = fairness(plan, start, start + 2 * WEEK, {"ann": 3})
    assert (ann.person, ann.shifts, ann.time, ann.pages, ann.share) == ("ann", 1, WEEK, 3, 0.5)
    # Seven nights of nine hours, of which the first lacks two and the last seven: 00-07, six whole, 22-24.
    assert (ann.night, ann.weekend) == (7 * HOUR + 6 * 9 * HOUR + 2 * HOUR, 2 * DAY)
    # 11 hours ahead the week goes from Monday 11:00 to Monday 11:00.
    assert (syd.night, syd.weekend) == (7 * 9 * HOUR, 2 * DAY)
    assert (idle.time, idle.share, idle.shifts) == (0, 0.0, 0)
    twice = dataclasses.replace(plan, schedules=(*plan.schedules, dataclasses.replace(plan.schedules[0], name="t")))
    assert fairness(twice, start, start + 2 * WEEK, {})[0].time == WEEK
    assert fairness(twice, start, start + 2 * WEEK, {}, "t")[0].shifts == 1


def test_pages_are_counted_once_for_all_ways():
    state = State.open(None)
    rows = [("person/ann/0", "incident:1", 10), ("person/ann/1", "incident:1", 10), ("person/ann/0", "incident:1", 20),
            ("person/b/c/0", "incident:1", 20), ("hook/0", "incident:1", 20), ("person/ann/0", "incident:2", 99)]  # fmt: skip
    with state.engine.begin() as db:
        for n, (target, subject, when) in enumerate(rows):
            db.execute(insert(outbox).values(
                id=str(n), channel="c", target=target, subject=subject, lane="", payload="", state="sent", attempts=1,
                created_at=when, next_at=0, error="",
            ))  # fmt: skip
    with state.read() as db:
        assert pages_of(db, 10, 99) == {"ann": 2, "b/c": 1}
    state.close()


def test_the_examples_are_covered():
    for folder in ("gremlinsai", "robust-ai-orchestrator"):
        document = yaml.load((EXAMPLES / folder / "hypercare.yml").read_text(), yaml.BaseLoader)
        plan = read(yaml.safe_dump({k: document[k] for k in ("people", "oncall")}))
        assert coverage(plan, at("2026-01-05T14:00"), at("2027-01-05T14:00")).gaps == (), folder
