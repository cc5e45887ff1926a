"""What a restart, an outage and a kill leave of the alerts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, SECOND
from hypercare.rules.spec import Surroundings
from hypercare.tsdb import Tsdb

RULES = """
groups:
- name: g
  interval: 30s
  rules:
  - {alert: Now, expr: "load > 5", annotations: {s: "load {{ $value }}"}}
  - {alert: Later, expr: "load > 5", for: 5m}
  - {alert: Kept, expr: "load > 8", keep_firing_for: 4m}
"""
LOAD = 'load{h="a"} 9x100'


def start(house, tmp_path, load=LOAD):
    return house(path=tmp_path / "state.db").load("30s", load).run(RULES)


def elements(h, name):
    return [(a.state, a.active_at, a.fired_at, a.keep_firing_since) for a in h.rule(name).alerts]


def test_state_survives_exactly(house, tmp_path) -> None:
    h = start(house, tmp_path, 'load{h="a"} 9 9 7x100').until("2m")
    before = {name: elements(h, name) for name in ("Now", "Later", "Kept")}
    assert before["Kept"][0][3] is not None
    again = h.again().run(RULES)
    assert {name: elements(again, name) for name in before} == before
    assert again.news == []


def test_firing_alert_keeps_its_start(house, tmp_path) -> None:
    h = start(house, tmp_path).until("2m")
    again = h.again().load("30s", LOAD).run(RULES).until("20m")
    starts = {a.starts_at for _, alerts in h.news for a in alerts if a.name == "Now"}
    assert {a.fired_at for a in again.rule("Now").alerts} == starts
    assert [a.name for _, alerts in again.news for a in alerts] == ["Later"]


def test_short_outage_counts_towards_for(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    h.clock.advance_to(t0 + 3 * MINUTE + 40 * SECOND)
    again = h.again().load("30s", LOAD).run(RULES).until("20m")
    assert again.rule("Later").alerts[0].fired_at == t0 + 5 * MINUTE


def test_long_outage_does_not(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    h.clock.advance_to(t0 + 23 * MINUTE)
    again = h.again().load("30s", LOAD).run(RULES)
    assert [str(a.state) for a in again.rule("Later").alerts] == ["pending"]
    again.until("24m30s")
    # The move of active_at is stored: a second restart at once does not undo it.
    twice = again.again().load("30s", LOAD).run(RULES).until("40m")
    assert twice.rule("Later").alerts[0].fired_at == t0 + 25 * MINUTE


def test_lost_samples_start_for_anew(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    again = h.again(Tsdb.open(None)).load("30s", LOAD).run(RULES).until("20m")
    assert again.rule("Later").alerts[0].fired_at == t0 + 8 * MINUTE


def test_no_data_right_after_the_start_resolves_nothing(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    again = h.again(Tsdb.open(None)).run(RULES, Surroundings(patience=2 * MINUTE))
    again.load("30s", 'load{h="a"} _x9 9x90')
    again.until("4m30s")
    assert sorted(again.states()) == ["firing", "firing", "pending"]
    again.until("10m")
    assert [a.name for _, alerts in again.news for a in alerts] == ["Later"]
    assert again.value("ALERTS{alertname='Now'}")


def test_patience_ends(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    again = h.again(Tsdb.open(None)).run(RULES, Surroundings(patience=2 * MINUTE)).until("20m")
    told = [(at, a.name, a.ends_at) for at, alerts in again.news for a in alerts]
    assert told == [(5 * MINUTE, "Now", t0 + 5 * MINUTE), (9 * MINUTE, "Kept", t0 + 9 * MINUTE)]
    assert again.states() == []


def test_evidence_ends_patience(house, tmp_path, t0) -> None:
    """Seen again and gone: that is an answer."""
    h = start(house, tmp_path).until("3m")
    again = h.again(Tsdb.open(None)).load("30s", 'load{h="a"} _x6 9 1x90').run(RULES, Surroundings(patience=5 * MINUTE))
    again.until("4m")
    assert [(at, a.name) for at, alerts in again.news for a in alerts] == [(3 * MINUTE + 30 * SECOND, "Now")]


def waiting(house, tmp_path, expr, before, after, until="4m"):
    """Alerts pending at the third minute, and what is left of them a while after a restart without old samples."""
    rules = {"groups": [{"name": "g", "interval": "30s", "rules": [{"alert": "A", "expr": expr, "for": "10m"}]}]}
    h = house(path=tmp_path / "state.db").load("30s", *before).run(rules).until("3m")
    assert h.alerts()
    again = h.again(Tsdb.open(None)).run(rules, Surroundings(patience=5 * MINUTE)).load("30s", *after).until(until)
    return sorted(a.labels.get("h") for a in again.rule("A").alerts), again


@pytest.mark.parametrize(
    ("expr", "after", "left"),
    [
        # The data came back and are fine for a; nobody has asked b yet.
        ("load > 5", ['load{h="a"} 1x100'], ["b"]),
        ("load > 5", ["load 1x100"], []),
        # Another metric's data say nothing.
        ("load > 5", ['other{h="a"} 1x100'], ["a", "b"]),
        ("max by (h) (load) > 5", ['load{h="a",i="x"} 1x100'], ["b"]),
        # One sample is no answer to a question for a change: at 3m30s there is one.
        ("sum by (h) (delta(load[5m])) == 0", ['load{h="a"} _x7 1+1x90'], ["a", "b"]),
        # A selector that looks back says nothing about now.
        ("load > 5 unless load offset 1h", ['load{h="b"} 1x100'], ["a"]),
        ("load offset 1s > 5", ['load{h="b"} 1x100'], ["a", "b"]),
    ],
)
def test_pending_waits_for_its_own_data(house, tmp_path, expr, after, left) -> None:
    before = ['load{h="a"} 9x100', 'load{h="b"} 9x100']
    assert waiting(house, tmp_path, expr, before, after, "3m30s")[0] == left


def test_pending_on_a_rate_ends_with_the_second_sample(house, tmp_path) -> None:
    left, again = waiting(
        house, tmp_path, "sum by (h) (delta(load[5m])) == 0", ['load{h="a"} 9x100'], ['load{h="a"} _x7 1+1x90'], "4m"
    )
    assert left == []
    assert again.news == []


def test_rules_gone_while_we_were_away(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    again = h.again().run({"groups": []}, Surroundings())
    ended = [(a.name, a.ends_at) for _, alerts in again.news for a in alerts]
    assert sorted(ended) == [("Kept", t0 + 3 * MINUTE), ("Now", t0 + 3 * MINUTE)]
    third = again.again().run(RULES)
    assert len(third.news) == 1, "nothing is restored: the alerts begin anew"


def test_external_labels_changed_while_we_were_away(house, tmp_path) -> None:
    h = start(house, tmp_path).until("3m")
    again = h.again().run(RULES, Surroundings(external_labels=Labels.of(dc="eu")))
    told = [(a.labels.get("dc"), a.ends_at is None) for _, alerts in again.news for a in alerts if a.name == "Now"]
    assert told == [("", False), ("eu", True)]


@pytest.mark.parametrize("value", ["NaN", "Inf", "1e-320"])
def test_any_value_is_restored(house, tmp_path, value) -> None:
    rules = 'groups: [{name: g, interval: 1m, rules: [{alert: A, expr: "load"}]}]'
    h = house(path=tmp_path / "s.db").load("1m", f"load {value}").run(rules)
    again = h.again().run(rules)
    assert repr(again.rule("A").alerts[0].value) == repr(h.rule("A").alerts[0].value)


def test_a_sleep_is_a_break_like_a_restart(house, t0) -> None:
    """The loop stands for half an hour: what fired goes on, and the time of what was pending does not grow."""
    h = house().load("30s", LOAD).run(RULES).until("3m")
    before = {name: elements(h, name) for name in ("Now", "Kept")}
    h.clock.advance_to(t0 + 33 * MINUTE + SECOND)
    h.world._queue.clear()
    h.load("30s", 'load{h="a"} _x68 9x100').until("33m30s")
    assert {name: elements(h, name) for name in before} == before
    assert [str(a.state) for a in h.rule("Later").alerts] == ["pending"]
    h.until("50m")
    # Three of five minutes were served.
    assert h.rule("Later").alerts[0].fired_at == t0 + 35 * MINUTE
    assert [a.name for _, alerts in h.news for a in alerts] == ["Now", "Kept", "Later"]


def test_the_time_that_a_sleep_moved_is_stored(house, tmp_path, t0) -> None:
    h = start(house, tmp_path).until("3m")
    h.clock.advance_to(t0 + 33 * MINUTE)
    h.until("33m")
    again = h.again().load("30s", LOAD).run(RULES).until("50m")
    assert again.rule("Later").alerts[0].fired_at == t0 + 35 * MINUTE


def test_a_sleep_ends_what_has_no_data_any_more(house, t0) -> None:
    h = house().load("30s", 'load{h="a"} 9x6').run(RULES).until("3m")
    h.clock.advance_to(t0 + 33 * MINUTE)
    h.until("33m30s")
    assert h.rule("Now").alerts
    h.until("36m")
    assert not h.rule("Now").alerts
    assert not h.rule("Later").alerts


@settings(max_examples=30, deadline=None)
# Away for three evaluations while pending, and calm at the first ones after: the time before the outage is void.
@example([False] * 8 + [True] * 2 + [False] * 4 + [True] * 2, {9}, 3)
@given(st.lists(st.booleans(), min_size=5, max_size=30), st.sets(st.integers(1, 30), max_size=3), st.integers(0, 5))
def test_never_fires_before_for_whatever_restarts(house, presence, restarts, outage) -> None:
    """Firing means: present at every evaluation of the last two minutes, all of them made while we ran."""
    rules = 'groups: [{name: g, interval: 30s, rules: [{alert: A, expr: "load > 5", for: 2m}]}]'
    # Three outages may end after the story; it goes on calmly.
    presence = presence + [False] * 16
    load = "load " + " ".join("9" if here else "1" for here in presence)
    with tempfile.TemporaryDirectory() as folder:
        h = house(path=Path(folder) / "s.db").load("30s", load).run(rules)
        news, start, skipped = [], h.clock.now(), set()
        for step in range(len(presence)):
            h.until(step * 30_000)
            if step in restarts:
                news += h.news
                # An earlier outage may have taken us past this step.
                last = (h.clock.now() - start) // 30_000
                h.clock.advance_to(h.clock.now() + outage * 30_000)
                skipped |= set(range(last + 1, last + outage))
                h = h.again().load("30s", load).run(rules)
        news += h.news
    fired = [a.starts_at for _, alerts in news for a in alerts if a.ends_at is None]
    assert len(fired) == len(set(fired)), "nothing fires twice"
    for at in fired:
        last = (at - start) // 30_000
        assert last >= 4
        if outage > 2:
            seen = [step for step in range(last, -1, -1) if step not in skipped][:5]
            assert all(presence[step] for step in seen)
        else:
            assert all(presence[step] for step in range(last - 4, last + 1) if step not in skipped)
