"""New kinds of errors: found when they are beyond chance, and otherwise not."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.judge.findings import Level
from hypercare.judge.pattern import Bounds, Kinds
from hypercare.model.time import DAY, HOUR, MINUTE

STEP = 5 * MINUTE
BOUNDS = Bounds(5, 0.001, 0.05, 0.001)


def fed(kinds, counters, traffic=1000.0):
    for number, each in enumerate(counters, 1):
        kinds.feed(number * STEP, each, traffic)
    return kinds.found(len(counters) * STEP, BOUNDS)


def kinds(known=(), baseline=7 * DAY):
    return Kinds(frozenset(known), baseline, 0)


@pytest.mark.parametrize(
    ("counters", "level"),
    [
        ([{}, {"503": 4}, {"503": 9}], Level.WARNING),
        ([{}, {"503": 400}, {"503": 900}], Level.CRITICAL),
        # Known, too few, one burst alone, none of it since the start.
        ([{}, {"500": 400}, {"500": 900}], None),
        ([{}, {"503": 1}, {"503": 2}], None),
        ([{}, {"503": 900}, {"503": 900}], None),
        ([{"503": 0}, {"503": 0}], None),
        # A counter that began anew counts on.
        ([{}, {"503": 4}, {"503": 3}], Level.WARNING),
    ],
)
def test_what_is_found(counters, level):
    found = fed(kinds({"500"}), counters)
    assert (found.level if found else None) == level


def test_the_finding_names_kinds_counts_and_since_when():
    found = fed(kinds({"500"}), [{}, {"503": 4, "504": 10}, {"503": 9, "504": 30}])
    assert found.since == 2 * STEP
    assert found.reason.startswith("new: '504': 30 events (1.5 % of the traffic) in 5m, '503': 9 events")
    assert found.reason.endswith("none in the 1w before")


def test_what_has_not_occurred_for_an_hour_has_passed():
    one = kinds()
    assert fed(one, [{}, {"503": 4}, {"503": 9}]) is not None
    for number in range(4, 16):
        one.feed(number * STEP, {"503": 9}, 1000.0)
    assert one.found(15 * STEP, BOUNDS) is None


def test_a_kind_as_rare_as_before_is_no_news():
    """Kinds with one moment in a day and a half: in two days after one day without them they come by chance."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(2000):
        one = kinds(baseline=DAY)
        moments = np.flatnonzero(rng.random(2 * DAY // STEP) < STEP / (1.5 * DAY))
        before = rng.random() < np.exp(-1 / 1.5)
        if not before:
            continue
        count = 0
        for at in moments:
            count += 6
            one.feed(int(at + 1) * STEP, {"rare": count}, 1.0)
            if one.found(int(at + 1) * STEP, BOUNDS) is not None:
                alarms += 1
                break
    assert alarms <= 2


def test_a_short_baseline_asks_for_more():
    counters = [{}, *({"503": 10 * n} for n in range(1, 30))]
    when = []
    for baseline in (HOUR, 7 * DAY):
        one = kinds(baseline=baseline)
        for number, each in enumerate(counters, 1):
            one.feed(number * STEP, each, 100.0)
            if one.found(number * STEP, BOUNDS):
                when.append(number)
                break
    assert when[1] == 3
    assert len(when) == 1 or when[0] > when[1]
