"""The pure step: timelines of states, and what can never happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.model.alerts import AlertState
from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, SECOND
from hypercare.rules.transitions import Active, Change, Durations, Found, advance

A = Labels.of(alertname="A")
STEP = 15 * SECOND


def found(annotation: str = "x") -> dict[Labels, Found]:
    return {A: Found(Labels.of(text=annotation), 1.0)}


def timeline(presence: str, hold: int = 0, keep: int = 0) -> str:
    """States after each evaluation: ``.`` inactive, ``p`` pending, ``F`` firing; one letter a step."""
    active: dict[Labels, Active] = {}
    shown = ""
    for step, char in enumerate(presence):
        active, _ = advance(active, found() if char == "1" else {}, step * STEP, Durations(hold * STEP, keep * STEP))
        shown += {AlertState.PENDING: "p", AlertState.FIRING: "F"}[active[A].state] if active else "."
    return shown


@pytest.mark.parametrize(
    ("presence", "hold", "keep", "states"),
    [
        ("0110", 0, 0, ".FF."),
        ("1110", 2, 0, "ppF."),
        ("1101110", 2, 0, "pp.ppF."),
        ("11000", 1, 2, "pFFF."),
        ("1100110000", 1, 2, "pFFFFFFF.."),
        ("1000", 0, 1, "FF.."),
        ("1010", 2, 5, "p.p."),
        ("00000", 0, 5, "....."),
    ],
)
def test_timeline(presence: str, hold: int, keep: int, states: str) -> None:
    assert timeline(presence, hold, keep) == states


@given(st.text(alphabet="01", max_size=40), st.integers(0, 6), st.integers(0, 6))
def test_never_fires_before_for_and_never_ends_before_keep(presence: str, hold: int, keep: int) -> None:
    states = timeline(presence, hold, keep)
    for step, state in enumerate(states):
        if state == "F" and (step == 0 or states[step - 1] != "F"):
            assert "0" not in presence[step - hold : step + 1], "a gap within for"
            assert step - hold >= 0
        if state == "." and step and states[step - 1] == "F":
            assert "1" not in presence[step - keep : step + 1], "it was there within keep_firing_for"
    assert all(state != "." for state, here in zip(states, presence, strict=True) if here == "1")


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), max_size=40))
def test_changes_tell_the_whole_story(story: list[tuple[bool, str]]) -> None:
    """Who only hears of the changes knows who fires, and knows the annotations to a minute."""
    active: dict[Labels, Active] = {}
    heard: dict[Labels, Active] = {}
    for step, (here, text) in enumerate(story):
        at = step * STEP
        active, changes = advance(active, found(text) if here else {}, at, Durations(2 * STEP, STEP))
        for change, alert in changes:
            if change in {Change.RESOLVED, Change.CALMED}:
                del heard[alert.labels]
            else:
                heard[alert.labels] = alert
        assert {k: (a.state, a.active_at, a.fired_at, a.keep_since) for k, a in heard.items()} == {
            k: (a.state, a.active_at, a.fired_at, a.keep_since) for k, a in active.items()
        }
        if A in active and active[A].state is AlertState.FIRING and here:
            assert active[A].told == active[A].annotations or at - active[A].told_at < MINUTE


def test_annotations_are_told_once_a_minute() -> None:
    active, told = {}, []
    for step in range(13):
        active, changes = advance(active, found(str(step)), step * STEP, Durations())
        told += [step for change, _ in changes if change in {Change.FIRED, Change.ALTERED}]
    assert told == [0, 4, 8, 12]
    assert active[A].annotations.get("text") == "12"


@pytest.mark.parametrize("state", [AlertState.PENDING, AlertState.FIRING])
def test_restored_alerts_get_patience(state: AlertState) -> None:
    old = {A: Active(A, Labels(), 1.0, state, 0, fired_at=5 if state is AlertState.FIRING else 0, restored=True)}
    times = Durations(hold=10 * STEP, patience_until=4 * STEP)
    kept, changes = advance(old, {}, 3 * STEP, times)
    assert (kept, changes) == (old, [])
    gone, changes = advance(kept, {}, 4 * STEP, times)
    assert not gone
    assert len(changes) == 1


def test_a_restored_alert_that_was_seen_gets_no_more_patience() -> None:
    old = {A: Active(A, Labels(), 1.0, AlertState.FIRING, 0, fired_at=5, told=Labels.of(text="x"), restored=True)}
    times = Durations(patience_until=10 * STEP)
    seen, changes = advance(old, found(), STEP, times)
    assert changes == []
    gone, changes = advance(seen, {}, 2 * STEP, times)
    assert not gone
    assert changes[0][0] is Change.RESOLVED
