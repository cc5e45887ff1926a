"""Flapping: found by its thresholds, told once when it begins and once when it ends where that is asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from routing_kit import House, matcher, route
from routing_kit import settings as routing_settings

from hypercare.config.alerting import FlappingConfig
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.routing.flapping import FlapRule, load_flapping
from hypercare.routing.store import load_alerts, load_journal

RULE = FlapRule(20 * MINUTE, high=6, low=2, damp=True)


def ours(*rules, **more):
    root = route(
        "ops", group_by=("alertname",), group_wait=10 * SECOND, group_interval=MINUTE, repeat_interval=4 * HOUR
    )
    return routing_settings(root, flapping=rules, **more)


def flap(house, alert, times, every=MINUTE):
    for _ in range(times):
        house.fire(alert)
        house.run(every)
        house.resolve(alert)
        house.run(every)


def flapping(house):
    with house.state.read() as db:
        return list(load_flapping(db))


def stages(house, alert):
    with house.state.read() as db:
        entries = load_journal(db, fingerprint=alert.fingerprint)[::-1]
    return [e.stage for e in entries if e.stage.startswith("flapping")]


def test_found_and_shown_but_told_as_ever_where_nobody_asks():
    house = House(ours(FlapRule(20 * MINUTE, 6, 2)))
    alert = house.alert("Down")
    flap(house, alert, 4)
    told = len(house.told)
    assert told == 8
    assert flapping(house) == [alert.fingerprint]
    house.fire(alert)
    with house.state.read() as db:
        (view,) = load_alerts(db, house.settings, house.clock.now())
    assert view.flapping_since is not None
    house.run(HOUR)
    assert flapping(house) == []
    assert stages(house, alert) == ["flapping", "flapping ended"]


@pytest.mark.parametrize("fires_on", [True, False])
def test_damped_it_is_told_once_when_it_begins_and_once_when_it_stops(fires_on):
    house = House(ours(RULE))
    alert = house.alert("Down")
    flap(house, alert, 3)
    before = len(house.told)
    assert flapping(house) == [alert.fingerprint]
    house.run(2 * MINUTE)
    flap(house, alert, 8)
    if fires_on:
        house.fire(alert)
    said = house.story[before - 1 :]
    assert [line.split(" ", 1)[1] for line in said] == ["ops +Down"], "that it flaps; nothing more while it does"
    house.run(HOUR)
    assert flapping(house) == []
    last = house.story[before:]
    assert [line.split(" ", 1)[1] for line in last] == ["ops +Down" if fires_on else "ops -Down"]
    assert [str(e.reason) for e in house.notified[-1:]] == ["flapping ended"]
    assert house.ended, "whoever waits for its end hears of it"


def test_the_notification_says_that_it_flaps():
    house = House(ours(RULE))
    alert = house.alert("Down")
    flap(house, alert, 4)
    told = [event for event in house.notified if str(event.reason) == "flapping"]
    assert len(told) == 1
    annotations = told[0].firing[0].annotations
    assert annotations.get("flapping") == "6 changes of state within 20m; told again when it is calm"
    assert annotations.get("summary") == "Down is bad"


def test_faster_than_group_wait_it_is_told_all_the_same():
    house = House(ours(RULE))
    alert = house.alert("Down")
    flap(house, alert, 3, SECOND)
    house.run(MINUTE)
    assert [line.split(" ", 1)[1] for line in house.story] == ["ops +Down"]


def test_it_goes_on_after_a_kill(tmp_path):
    house = House(ours(RULE), tmp_path / "state.db")
    alert = house.alert("Down")
    flap(house, alert, 4)
    before = len(house.told)
    house.restart(10 * SECOND)
    assert flapping(house) == [alert.fingerprint]
    flap(house, alert, 3)
    assert len(house.told) == before
    house.restart()
    house.run(HOUR)
    assert [line.split(" ", 1)[1] for line in house.story[before:]] == ["ops -Down"]
    assert flapping(house) == []


def test_others_of_the_group_are_told_and_rules_choose():
    house = House(ours(FlapRule(HOUR, 0, 0, matchers=(matcher("instance=b"),)), RULE))
    one, other = house.alert("Down", "a"), house.alert("Down", "b")
    flap(house, one, 4)
    before = len(house.told)
    flap(house, other, 4)
    assert flapping(house) == [one.fingerprint]
    assert len(house.told) >= before + 7
    assert all("-Down/a" not in line for line in house.story[before:])


def test_a_reload_that_no_longer_damps_tells_how_it_stands():
    house = House(ours(RULE))
    alert = house.alert("Down")
    flap(house, alert, 4)
    before = len(house.told)
    house.apply(ours(FlapRule(20 * MINUTE, 6, 2)))
    house.run(2 * MINUTE)
    assert len(house.told) <= before + 1
    house.fire(alert)
    house.run(2 * MINUTE)
    assert house.story[-1].endswith("+Down")


steps = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["fire", "resolve", "wait"]),
        strategies.sampled_from(["a", "b"]),
        strategies.sampled_from([1, 5, 30, 61, 200]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, strategies.booleans())
def test_nothing_is_lost(history, restarts):
    """What fires in the end is told as firing, what has ended is not; between start and end nothing of it is told."""
    rule = FlapRule(3 * MINUTE, high=4, low=1, damp=True)
    with tempfile.TemporaryDirectory() as folder:
        house = House(ours(rule), Path(folder) / "state.db")
        alerts, firing = {n: house.alert("Down", n) for n in "ab"}, set()
        for number, (what, name, seconds) in enumerate(history):
            if what == "fire":
                house.fire(alerts[name])
                firing.add(name)
            elif what == "resolve" and name in firing:
                house.resolve(alerts[name])
                firing.discard(name)
            house.run(seconds * SECOND)
            if restarts and number % 9 == 8:
                house.restart(SECOND)
        house.run(30 * MINUTE)
        assert flapping(house) == []
        told: dict[str, str] = {}
        for line in house.story:
            for word in line.split()[2:]:
                told[word.rsplit("/", 1)[1]] = word[0]
        for name in "ab":
            if name in firing:
                assert told.get(name) == "+", house.story
            else:
                assert told.get(name, "-") == "-", house.story
        house.state.close()


@pytest.mark.parametrize("given", [{"high": 1, "low": 0}, {"high": 3, "low": 3}, {"window": "1s"}, {"high": -1}])
def test_thresholds_that_make_no_sense(given):
    with pytest.raises(ValueError, match=r"low must be below high|at least|greater"):
        FlappingConfig.model_validate(given)
