"""What ``oncall`` and ``away`` of hypercare.yml may say, and how they are refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from hypercare.config import HypercareConfig
from hypercare.model.time import DAY, WEEK, parse_rfc3339
from hypercare.oncall.plan import Holiday, Layer, Override, Window
from hypercare.oncall.reading import plan_of

ROTATION = {"people": ["ann"], "start": "2026-01-07T12:00"}


def schedule(**changes):
    return {"name": "s", "timezone": "Europe/Berlin", "rotation": ROTATION, **changes}


def read(away=(), **changes):
    people = [{"name": "ann", "timezone": "Asia/Tokyo", "away": list(away)}]
    return HypercareConfig.model_validate({"people": people, "oncall": {"schedules": [schedule(**changes)]}})


def layer(**changes):
    return plan_of(read(rotation={**ROTATION, **changes})).schedules[0]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("monday:friday", (0, 1, 2, 3, 4)), ("weekdays", (0, 1, 2, 3, 4)), ("Weekend", (5, 6)), ("fri:mon", (0, 4, 5, 6)),
        (["tue", "Thursday", "saturday:sunday"], (1, 3, 5, 6)), ("sunday", (6,)),
    ],
)  # fmt: skip
def test_days(days, expected):
    found = layer(restrictions={"days": days, "from": "9:00", "until": "17:00"})
    assert found.layers[0].windows == (Window(expected, 540, 1020),)


@pytest.mark.parametrize(
    ("span", "expected"),
    [({}, (0, 1440)), ({"until": "24:00"}, (0, 1440)), ({"from": "22:00", "until": "06:00"}, (1320, 1800)),
     ({"from": "08:00", "until": "08:00"}, (480, 1920)), ({"from": "17:00"}, (1020, 1440))],
)  # fmt: skip
def test_times_of_day(span, expected):
    (window,) = layer(restrictions=[span]).layers[0].windows
    assert (window.start, window.end) == expected


@pytest.mark.parametrize(("every", "expected"), [("daily", DAY), ("Weekly", WEEK), ("3d", 3 * DAY), ("2w", 2 * WEEK)])
def test_every(every, expected):
    assert layer(every=every).every == expected


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        # 2026-01-07 is a Wednesday: the first turn ends at the first such day after it.
        ({"handoff_day": "friday"}, "2026-01-09T11:00:00Z"),
        ({"handoff_day": "friday", "handoff": "09:00"}, "2026-01-09T08:00:00Z"),
        ({"handoff_day": "wednesday"}, "2026-01-14T11:00:00Z"),
        ({"handoff_day": "wednesday", "handoff": "09:00"}, "2026-01-14T08:00:00Z"),
        ({"handoff_day": "wednesday", "handoff": "17:00"}, "2026-01-07T16:00:00Z"),
        ({"handoff_day": "tuesday", "every": "2w"}, "2026-01-20T11:00:00Z"),
    ],
)
def test_the_day_of_the_hand_off(changes, ends):
    from hypercare.oncall.rotation import on_call

    found = layer(people=["ann", "ben"], **changes)
    start = parse_rfc3339("2026-01-07T11:00:00Z")
    assert on_call(found, start - 1) is None
    shift = on_call(found, start)
    assert (shift.person, shift.start, shift.end) == ("ann", start, parse_rfc3339(ends))
    assert on_call(found, shift.end).person == "ben"


def test_dates_are_whole_days_of_the_person_and_moments_are_moments():
    config = read(
        [{"from": "2026-12-24", "until": "2026-12-26"}, {"from": "2026-12-30T09:00", "until": "2026-12-30T10:00"}]
    )
    day, hour = plan_of(config).schedules[0].away
    assert day == Override("ann", parse_rfc3339("2026-12-23T15:00:00Z"), parse_rfc3339("2026-12-26T15:00:00Z"))
    assert hour == Override("ann", parse_rfc3339("2026-12-30T00:00:00Z"), parse_rfc3339("2026-12-30T01:00:00Z"))


def test_holidays_in_short_and_in_full():
    config = read(
        holidays=["2026-12-25", {"date": "2026-12-31", "until": "2027-01-01", "person": "ann", "name": "turn"}]
    )
    one, two = plan_of(config).schedules[0].holidays
    assert (str(one.first), str(one.last), one.person) == ("2026-12-25", "2026-12-25", "")
    assert two == Holiday(two.first, two.last, "ann", "turn")
    assert str(two.last) == "2027-01-01"


def test_a_rotation_alone_stays_as_plain_as_it_was():
    assert plan_of(read()).schedules[0].plain
    both = plan_of(read(layers=[{**ROTATION, "name": "top", "timezone": "Asia/Tokyo"}])).schedules[0]
    assert both.people == ("ann",)
    assert both.layers == (
        Layer("top", ("ann",), both.start, "Asia/Tokyo", since=parse_rfc3339("2026-01-07T03:00:00Z")),
    )
    alone = plan_of(read(rotation=None, layers=[{**ROTATION, "restrictions": {}}, ROTATION])).schedules[0]
    assert (alone.people, [x.name for x in alone.layers]) == ((), ["layer 0", "layer 1"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotation": None}, "one of rotation, layers is required"),
        ({"rotation": {**ROTATION, "handoff_day": "friday", "every": "3d"}}, "handoff_day needs turns of whole weeks"),
        ({"rotation": {**ROTATION, "handoff_day": "fr"}}, "'fr' is not a weekday"),
        ({"rotation": {**ROTATION, "restrictions": {"days": "monday:funday"}}}, "'funday' is not a weekday"),
        ({"rotation": {**ROTATION, "restrictions": {"days": []}}}, "no day is named"),
        ({"rotation": {**ROTATION, "restrictions": {"from": "25:00"}}}, "expected a time of day such as 09:00"),
        ({"rotation": {**ROTATION, "restrictions": {"to": "17:00"}}}, "restrictions.0.to"),
        ({"rotation": {**ROTATION, "holidays": "never"}}, "work"),
        ({"rotation": {**ROTATION, "every": "sometimes"}}, "not a valid duration"),
        ({"holidays": ["christmas"]}, "expected a date such as 2026-12-25, found 'christmas'"),
        ({"holidays": [{"date": "2026-12-25", "until": "2026-12-24"}]}, "until is before date"),
        ({"swaps": [{"people": ["ann", "ann"], "from": "2026-01-01", "until": "2026-01-02"}]}, "a swap is between two people"),
        ({"swaps": [{"people": ["ann"], "from": "2026-01-01", "until": "2026-01-02"}]}, "at least 2"),
        ({"overrides": [{"person": "ann", "from": "2026-01-02", "until": "2026-01-02"}]}, "until is not after from"),
    ],
)  # fmt: skip
def test_refusals(changes, message):
    with pytest.raises(ValidationError) as wrong:
        read(**changes)
    assert message in str(wrong.value)


def test_what_is_shown_of_it_can_be_read_again():
    config = read(
        [{"from": "2026-12-24", "until": "2026-12-26"}], holidays=["2026-12-25"], fallback="ann",
        layers=[{**ROTATION, "handoff_day": "friday", "restrictions": {"days": "weekdays", "until": "07:00"}}],
        swaps=[{"people": ["ann", "ben"], "from": "2026-01-01", "until": "2026-01-02"}],
    )  # fmt: skip
    shown = json.loads(config.model_dump_json(by_alias=True, include={"people", "oncall"}, exclude_defaults=True))
    assert plan_of(HypercareConfig.model_validate(shown)) == plan_of(config)
    assert "Restriction" in json.dumps(HypercareConfig.model_json_schema())
