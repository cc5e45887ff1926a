"""A schedule as YAML, as a row and as a form is the same schedule: the same shifts over a year."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.config.schedule_doc import ScheduleError, as_yaml, dump_json, read_schedule, read_text
from hypercare.config.schedules import WEEKDAYS
from hypercare.model.time import YEAR, parse_rfc3339
from hypercare.oncall.reading import schedule_of
from hypercare.oncall.render import render
from hypercare.oncall.stored import StoredSchedule
from hypercare.web.schedule_form import definition_from, form_of, read_form

PEOPLE = ("ann", "ben", "eve", "zoë")
START = parse_rfc3339("2026-01-01T00:00:00Z")

person = st.sampled_from(PEOPLE)
zone = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata"])
clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 7, 30]))
day = st.dates(dt.date(2025, 12, 1), dt.date(2026, 12, 31)).map(dt.date.isoformat)
moment = st.one_of(
    st.builds("{}T{}".format, day, clock),
    st.builds("{}T{}:{}".format, day, clock, st.sampled_from(["17", "30+02:00", "00Z"])),
)
restriction = st.fixed_dictionaries(
    {}, optional={"days": st.lists(st.sampled_from(WEEKDAYS), min_size=1), "from": clock, "until": clock}
)


def rotation(**more):
    weeks = st.fixed_dictionaries(
        {"every": st.sampled_from(["weekly", "2w"])}, optional={"handoff_day": st.sampled_from(WEEKDAYS)}
    )
    other = st.fixed_dictionaries({"every": st.sampled_from(["daily", "12h", "36h", "1d12h", "90m", "10d"])})
    rest = st.fixed_dictionaries(
        {"people": st.lists(person, min_size=1, max_size=4), "start": moment},
        optional={"handoff": clock, "restrictions": st.lists(restriction, max_size=2), "until": moment,
                  "holidays": st.sampled_from(["work", "skip", "only"]), **more},
    )  # fmt: skip
    return st.builds(lambda turn, said: {**said, **turn}, st.one_of(weeks, other), rest)


def ordered(item):
    """An item whose until is after its from."""
    later = (dt.date.fromisoformat(item["from"][:10]) + dt.timedelta(days=item.pop("days"))).isoformat()
    return {**item, "until": later + item["from"][10:]}


span = {"from": moment, "days": st.integers(1, 20)}
overrides = st.lists(st.fixed_dictionaries({"person": person, **span}).map(ordered), max_size=2)
swaps = st.lists(
    st.fixed_dictionaries({"people": st.lists(person, min_size=2, max_size=2, unique=True), **span}).map(ordered),
    max_size=2,
)
holidays = st.lists(
    st.fixed_dictionaries({"date": day}, optional={"name": st.just("feast: #1"), "person": person}), max_size=3
)
definition = st.fixed_dictionaries(
    {"name": st.just("primary"), "timezone": zone, "layers": st.lists(
        rotation(name=st.sampled_from(["day", "- x: 'y'"]), timezone=zone), min_size=1, max_size=3)},
    optional={"rotation": rotation(), "overrides": overrides, "swaps": swaps, "holidays": holidays,
              "fallback": st.lists(person, max_size=2)},
)  # fmt: skip


def shifts(schedule):
    return [(d.person, d.start, d.end) for d in render(schedule_of(schedule), START, START + YEAR)]


def sent(form):
    """The form as a browser sends it."""
    fields = [(k, form[k]) for k in ("name", "timezone")] + [("fallback", name) for name in form["fallback"]]
    for key in ("holidays", "overrides", "swaps"):
        fields += [(f"{key}-{i}-{k}", v) for i, row in enumerate(form[key]) for k, v in row.items()]
    for i, layer in enumerate(form["layers"]):
        for key, value in layer.items():
            if key == "people":
                fields += [(f"layers-{i}-people", name) for name in value]
            elif key == "restrictions":
                for j, row in enumerate(value):
                    fields += [(f"layers-{i}-restrictions-{j}-days", d) for d in row["days"]]
                    fields += [(f"layers-{i}-restrictions-{j}-{k}", row[k]) for k in ("from", "until")]
            else:
                fields.append((f"layers-{i}-{key}", value))
    return parse_qs(urlencode(fields))


@settings(max_examples=30, deadline=None)
@given(definition)
def test_yaml_row_form_and_yaml_again_are_one_schedule(said):
    schedule = read_schedule(said, PEOPLE)
    row = StoredSchedule("primary", 1, dump_json(schedule), "saved", "", "ann", 0)
    assert row.definition == schedule
    again = read_schedule(read_text(as_yaml(row.definition)), PEOPLE)
    assert again == schedule
    typed = read_schedule(definition_from(read_form(sent(form_of(schedule)))), PEOPLE)
    expected = shifts(schedule)
    assert shifts(again) == expected
    assert shifts(typed) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("oncall: {schedules: []}", "expected one schedule, found 0"),
        ("[{name: a}, {name: b}]", "expected one schedule, found 2"),
        ("just a text", "expected a schedule"),
    ],
)
def test_what_is_no_schedule(text, told):
    with pytest.raises(ScheduleError, match=told):
        read_text(text)
