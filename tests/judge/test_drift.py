"""How drifts are shared out among looks, how a window's mean is weighed, and that chance finds no more than it may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.judge.drift import Look, drift, window_means
from hypercare.judge.panel import Panel, spending
from hypercare.judge.reference import Measure, understand
from hypercare.judge.series import Direction, Scale
from hypercare.model.time import DAY, HOUR, MINUTE

from .worlds import STEP, autoregressive, samples

LATENCY = Measure(Direction.HIGH, Scale.LEVEL, 0.1)
LOOKS = (
    *range(15 * MINUTE, 4 * HOUR + 1, 15 * MINUTE),
    *range(6 * HOUR, DAY + 1, 2 * HOUR),
    *range(DAY + 4 * HOUR, 2 * DAY + 1, 4 * HOUR),
)
PANEL = Panel(10, LOOKS, 576, STEP)


@given(st.lists(st.integers(1, 3 * DAY), max_size=60, unique=True), st.integers(0, DAY))
def test_looks_spend_no_more_than_there_is(looks, first):
    looks.sort()
    spent = spending(looks, first)
    assert len(spent) == len(looks)
    assert sum(spent) == pytest.approx(1.0 if any(at >= first for at in looks) else 0.0)
    assert all((part > 0) == (at >= first) for at, part in zip(looks, spent, strict=True))


def test_the_looks_of_the_first_hour_may_spend_most():
    spent = spending(LOOKS, 40 * MINUTE)
    assert spent[:5] == pytest.approx((0, 0, 0.2, 0.2, 0.3 / 12))
    assert sum(spent[16:]) == pytest.approx(0.3)


def test_a_plan_without_early_looks_spends_all_on_the_others():
    assert spending((6 * HOUR, 12 * HOUR), HOUR) == pytest.approx((0.5, 0.5))
    assert spending((30 * MINUTE, 6 * HOUR), HOUR) == (0.0, 1.0)
    assert spending((), HOUR) == ()


def test_a_look_spends_the_share_of_the_planned_one_before_it():
    whole = 0.05 * 0.4 / 10
    assert PANEL.drift(44 * MINUTE) == 0
    assert PANEL.drift(45 * MINUTE) == pytest.approx(whole / 5)
    assert PANEL.drift(74 * MINUTE) == pytest.approx(whole / 5)
    assert PANEL.drift(3 * DAY) == pytest.approx(whole * 0.3 / 16)
    assert PANEL.drift(10 * MINUTE, lasting=True) == 0
    assert PANEL.drift(3 * DAY, lasting=True) == pytest.approx(whole / 5)
    assert Panel(10, (), 576, STEP).drift(HOUR) == 0


@pytest.mark.parametrize("memory", [0.0, 0.4, 0.7, 0.97])
@pytest.mark.parametrize("count", [8, 12, 48])
def test_a_windows_mean_is_the_best_linear_one(memory, count):
    lags = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    inverse = np.linalg.inv(memory**lags)
    best = inverse.sum(axis=0) / inverse.sum()
    weights = [float(window_means(row, count, memory)[0]) for row in np.eye(count)]
    assert weights == pytest.approx(best.tolist())
    assert 1 / inverse.sum() == pytest.approx((1 + memory) / (count - (count - 2) * memory))


def test_window_means_of_all_places():
    values = np.arange(20.0) ** 2
    assert window_means(values, 8, 0.0) == pytest.approx([values[at : at + 8].mean() for at in range(13)])
    assert window_means(values, 8, 0.6)[5] == pytest.approx(window_means(values[5:13], 8, 0.6)[0])


def test_chance_finds_no_more_than_it_may_in_the_first_hours():
    # Ten times what a watch allows, so that a few hundred worlds can tell: 2 % a check, 1.4 % until hour 4.
    rng = np.random.default_rng(20261122)
    panel, found, worlds = Panel(1, LOOKS, 576, STEP), 0, 700
    for _ in range(worlds):
        reference = understand(samples(autoregressive(rng, 576, sigma=0.1)), LATENCY)
        watched = samples(autoregressive(rng, 48, sigma=0.1))
        found += any(panel.drifting(watched, reference, now, 0) for now in LOOKS[2:16])
    assert found <= 0.014 * worlds + 3 * (0.014 * worlds) ** 0.5


def test_a_quarter_more_at_a_scatter_of_a_tenth_is_mostly_found_within_the_hour():
    rng = np.random.default_rng(20261123)
    early, worlds = 0, 300
    for _ in range(worlds):
        reference = understand(samples(autoregressive(rng, 576, sigma=0.1)), LATENCY)
        watched = samples(autoregressive(rng, 12, sigma=0.1) * 1.25)
        early += any(PANEL.drifting(watched, reference, now, 0) for now in LOOKS[:4])
    assert early > 0.52 * worlds


def test_what_was_found_at_an_early_look_does_not_end_because_later_ones_are_stricter():
    rng = np.random.default_rng(3)
    reference = understand(samples(autoregressive(rng, 576, sigma=0.1)), LATENCY)
    now = 75 * MINUTE
    strict, lax = PANEL.drift(now), PANEL.drift(now, lasting=True)
    for more in np.arange(1.1, 1.6, 0.005):
        watched = samples(np.full(15, 0.4 * more))
        if drift(watched, reference, Look(now, 0, lax)) and not drift(watched, reference, Look(now, 0, strict)):
            break
    else:
        pytest.fail("no level between the two bounds")
    assert PANEL.drifting(watched, reference, now, 0) is None
    assert PANEL.drifting(watched, reference, now, 0, lasting=True) is not None
