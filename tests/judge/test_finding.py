"""What is found in series whose truth is known: steps, blips, leaks, bursts of errors; and what is not."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.judge.burn import burning
from hypercare.judge.drift import Look, drift
from hypercare.judge.excursion import Budget, excursions
from hypercare.judge.findings import Level, Method
from hypercare.judge.limits import Crossing, Limit
from hypercare.judge.reference import ENOUGH, Measure, understand
from hypercare.judge.series import Direction, Scale
from hypercare.judge.tails import fit_tail
from hypercare.judge.trend import Leak, leak, slope
from hypercare.model.time import DAY, HOUR, MINUTE

from .worlds import STEP, autoregressive, failures, samples

TWO_DAYS = 576
BUDGET = Budget(0.0025, TWO_DAYS)
LATENCY = Measure(Direction.HIGH, Scale.LEVEL, 0.1)
ERRORS = Measure(Direction.HIGH, Scale.RATIO, 0.01, minimum_traffic=20)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def usual(rng):
    return understand(samples(autoregressive(rng, TWO_DAYS)), LATENCY)


def looks(found_in, reference, started=0, until=2 * DAY, every=15 * MINUTE, chance=0.002 / 32):
    for now in range(started + every, until + 1, every):
        found = drift(found_in, reference, Look(now, started, chance))
        if found:
            return found
    return None


def test_the_same_again_is_nothing(rng, usual):
    for _ in range(10):
        again = samples(autoregressive(rng, TWO_DAYS))
        assert excursions(again, usual, BUDGET) == []
        assert looks(again, usual, every=4 * HOUR) is None


@pytest.mark.parametrize(("since", "within"), [(0, HOUR), (120, 4 * HOUR)])
def test_a_quarter_more_is_found_in_time(rng, usual, since, within):
    for _ in range(5):
        values = autoregressive(rng, TWO_DAYS, sigma=0.05)
        values[since:] *= 1.25
        watched = samples(values)
        every = 15 * MINUTE if since == 0 else 2 * HOUR
        found = looks(watched, usual, every=every)
        early = [each.at for each in excursions(watched, usual, BUDGET)]
        assert found is not None
        assert found.method is Method.DRIFT
        assert found.change == pytest.approx(0.25, abs=0.12)
        assert min([found.at, *early]) - since * STEP <= within


def test_less_than_the_tolerance_is_not_worth_a_word(rng):
    usual = understand(samples(autoregressive(rng, TWO_DAYS, sigma=0.01)), LATENCY)
    assert looks(samples(autoregressive(rng, TWO_DAYS, sigma=0.01) * 1.07), usual, every=HOUR) is None
    assert looks(samples(autoregressive(rng, TWO_DAYS, sigma=0.01) * 1.13), usual, every=HOUR)


def test_an_excursion_begins_lasts_and_ends(rng, usual):
    values = autoregressive(rng, TWO_DAYS)
    values[100:104] *= 3
    (found,) = excursions(samples(values), usual, BUDGET)
    assert found.level is Level.CRITICAL
    assert found.since == 101 * STEP
    assert found.at == 102 * STEP
    assert found.until == 105 * STEP
    assert found.change > 1.5


def test_one_extreme_sample_is_a_note_and_two_are_a_warning(rng, usual):
    values = autoregressive(rng, TWO_DAYS)
    values[100] *= 5
    values[300:302] *= 5
    note, warning = excursions(samples(values), usual, BUDGET)
    assert (note.level, note.since, note.at) == (Level.NOTE, 101 * STEP, 101 * STEP)
    assert (warning.level, warning.at) == (Level.WARNING, 302 * STEP)


def test_what_lasts_has_no_end_yet(rng, usual):
    values = autoregressive(rng, 50)
    values[47:] *= 4
    (found,) = excursions(samples(values), usual, BUDGET)
    assert found.until is None


def test_what_the_baseline_did_itself_is_not_new(rng):
    values = autoregressive(rng, TWO_DAYS)
    values[50:54] *= 3
    reference = understand(samples(values), LATENCY)
    again = autoregressive(rng, TWO_DAYS)
    again[200:204] *= 2.9
    assert excursions(samples(again), reference, BUDGET) == []


def test_a_few_failures_where_there_were_none(rng):
    reference = understand(samples(np.zeros(TWO_DAYS), 135), ERRORS)
    values = np.zeros(60)
    values[40], values[41] = 3 / 135, 1 / 135
    (found,) = excursions(samples(values, 135), reference, BUDGET)
    assert found.level is Level.WARNING
    assert found.at == 42 * STEP


def test_a_few_failures_where_there_always_are(rng):
    reference = understand(samples(failures(rng, TWO_DAYS, 0.01), 500), ERRORS)
    for _ in range(10):
        assert excursions(samples(failures(rng, TWO_DAYS, 0.01), 500), reference, BUDGET) == []
    burst = failures(rng, TWO_DAYS, 0.01)
    burst[80:86] = 0.08
    assert excursions(samples(burst, 500), reference, BUDGET)[0].at <= 82 * STEP


def test_too_little_traffic_is_not_looked_at(rng):
    reference = understand(samples(np.zeros(TWO_DAYS), 100), ERRORS)
    assert excursions(samples(np.ones(50), 19), reference, BUDGET) == []
    assert drift(samples(np.ones(50), 19), reference, Look(50 * STEP, 0, 0.01)) is None


def test_a_baseline_of_too_few_samples_says_nothing():
    assert understand(samples(np.ones(ENOUGH - 1)), LATENCY) is None
    assert understand(samples(np.full(100, np.nan)), LATENCY) is None
    assert understand(samples(np.ones(ENOUGH)), LATENCY) is not None


@pytest.mark.parametrize("direction", list(Direction))
def test_directions(rng, direction):
    measure = Measure(direction, Scale.LEVEL, 0.1)
    reference = understand(samples(autoregressive(rng, TWO_DAYS)), measure)
    high, low = autoregressive(rng, 60), autoregressive(rng, 60)
    high[30:35] *= 4
    low[30:35] /= 4
    assert bool(excursions(samples(high), reference, BUDGET)) == (direction is not Direction.LOW)
    assert bool(excursions(samples(low), reference, BUDGET)) == (direction is not Direction.HIGH)


def test_values_that_are_sometimes_nought_are_compared_as_they_are(rng):
    values = rng.poisson(3, TWO_DAYS).astype(float)
    reference = understand(samples(values), LATENCY)
    assert not reference.logarithmic
    again = rng.poisson(3, TWO_DAYS).astype(float)
    assert excursions(samples(again), reference, BUDGET) == []
    again[70:74] = 60
    assert excursions(samples(again), reference, BUDGET)


def test_a_baseline_that_never_moved():
    reference = understand(samples(np.full(TWO_DAYS, 5.0)), LATENCY)
    assert excursions(samples(np.full(50, 5.2)), reference, BUDGET) == []
    assert drift(samples(np.full(50, 5.2)), reference, Look(50 * STEP, 0, 1e-4)) is None
    assert excursions(samples(np.full(50, 50.0)), reference, BUDGET)
    assert drift(samples(np.full(50, 7.0)), reference, Look(50 * STEP, 0, 1e-4))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e12, 1e12) | st.just(float("nan")), min_size=0, max_size=60),
    st.lists(st.floats(-1e12, 1e12) | st.just(float("nan")), min_size=0, max_size=60),
    st.sampled_from(list(Direction)),
)
def test_nothing_in_the_numbers_makes_it_fall_over(before, after, direction):
    reference = understand(samples(before), Measure(direction, Scale.LEVEL, 0.1))
    watched = samples(after)
    slope(watched, 0.05)
    leak(watched, Leak(limit=5.0), 0.01)
    if reference is not None:
        for found in excursions(watched, reference, BUDGET):
            assert found.since <= found.at
            assert found.until is None or found.until > found.at
        drift(watched, reference, Look(60 * STEP, 0, 0.01))


def crossings(found_in, limit, gap):
    """The stretches in which one limit is crossed, as findings with their ends."""
    crossing, found = Crossing((limit,), gap // 5), []
    for at, value in zip(found_in.times.tolist(), found_in.values.tolist(), strict=True):
        now = crossing.feed(at, value, None)
        lasts = bool(found) and found[-1].until is None
        if now and lasts and now.since == found[-1].since:
            worse = max if limit.above else min
            found[-1] = dataclasses.replace(found[-1], value=worse(found[-1].value, now.value))
        elif now:
            found.append(now)
        elif lasts:
            found[-1] = dataclasses.replace(found[-1], until=at)
    return found


def test_limits_hold_for_their_time():
    limit = Limit(0.5, above=True, level=Level.CRITICAL, lasting=2 * STEP)
    values = np.array([0.1, 0.6, 0.6, 0.1, 0.7, 0.8, 0.9, 0.2, 0.6])
    (found,) = crossings(samples(values), limit, 2 * STEP)
    assert (found.since, found.at, found.until) == (5 * STEP, 7 * STEP, 8 * STEP)
    assert found.value == 0.9
    assert "critical limit of 0.5 for 10m" in found.reason
    below = Limit(0.5, above=False, level=Level.WARNING)
    assert [each.since for each in crossings(samples(values), below, 2 * STEP)] == [STEP, 4 * STEP, 8 * STEP]


def test_a_hole_ends_a_stretch():
    values = np.array([0.9, np.nan, np.nan, np.nan, 0.9])
    limit = Limit(0.5, above=True, level=Level.CRITICAL, lasting=2 * STEP)
    assert crossings(samples(values), limit, 2 * STEP) == []
    assert len(crossings(samples(values), limit, 5 * STEP)) == 1


def test_a_leak_under_a_saw(rng):
    hours = np.arange(TWO_DAYS) / 12
    saw = 100 * (np.arange(TWO_DAYS) % 7)
    values = 1000 + 10 * hours + saw + rng.normal(0, 10, TWO_DAYS)
    found = slope(samples(values), 0.01)
    assert found.low < 10 < found.high
    assert found.per_hour == pytest.approx(10, rel=0.1)
    critical = leak(samples(values), Leak(limit=1600), 0.01)
    assert critical.level is Level.CRITICAL
    assert "reaches 1,600 in" in critical.reason
    assert leak(samples(values), Leak(limit=1900), 0.01).level is Level.WARNING
    assert leak(samples(values), Leak(limit=1e9), 0.01).level is Level.NOTE
    assert leak(samples(values), Leak(limit=1700, usual=11), 0.01) is None


def test_no_leak(rng):
    for _ in range(10):
        assert leak(samples(autoregressive(rng, TWO_DAYS, sigma=0.2)), Leak(), 0.001) is None
    assert slope(samples(np.ones(10)), 0.05) is None


def test_burning_needs_both_windows():
    now = 72 * STEP
    good = np.zeros(72)
    burst = good.copy()
    burst[-12:] = 0.05
    past = good.copy()
    past[-14:-2] = 0.05
    assert burning(samples(good, 1000), 0.999, now) is None
    found = burning(samples(burst, 1000), 0.999, now)
    assert (found.level, found.method) == (Level.CRITICAL, Method.BURN)
    assert "50.0 times too fast" in found.reason
    assert burning(samples(past, 1000), 0.999, now).bound == pytest.approx(0.006)
    past[-30:] = 0
    assert burning(samples(past, 1000), 0.999, now) is None
    assert burning(samples([], 1), 0.999, now) is None


def test_the_first_minutes_do_not_speak_for_an_hour():
    values = np.full(3, 0.016)
    assert burning(samples(values, 1000), 0.999, 3 * STEP) is None


def test_a_fitted_tail_is_near_the_truth(rng):
    for draw, exact in ((rng.exponential, lambda x: np.exp(-x)), (rng.standard_normal, None)):
        tail = fit_tail(draw(size=20_000), 1e-6)
        if exact:
            for x in (4, 8, 12):
                assert tail.probability(x) == pytest.approx(exact(x), rel=1.0)
        assert tail.probability(-10) == pytest.approx(1, abs=1e-3)
    heavy = fit_tail(rng.pareto(3, 20_000), 1e-6)
    assert heavy.shape == pytest.approx(1 / 3, abs=0.12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_a_tail_never_rises(values):
    tail = fit_tail(np.array(values), 0.1)
    grid = np.linspace(min(values) - 1, max(values) + 5, 50)
    chances = [tail.probability(x) for x in grid]
    assert all(0 <= chance <= 1 for chance in chances)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(chances))
