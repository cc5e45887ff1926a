"""Targets read all at once give what they give one by one, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.model.bundle import Bundle
from hypercare.model.labels import Labels
from hypercare.promql import Engine, Tick, parse
from hypercare.tsdb import Tsdb
from one_by_one_kit import OneByOne

NOW = 36_000_000
SEALED = NOW - 253 * 30_000
"""The first of so many rows that 120 of them are sealed."""
RANGES = ["rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv"]
OVER_TIME = ["sum", "avg", "min", "max", "count", "last", "stddev", "present"]
EXPRESSIONS = [
    *(f"{name}(m[5m])" for name in RANGES),
    *(f"{name}_over_time(m[5m])" for name in OVER_TIME),
    "rate(m[1h])",
    "rate(m[5m] offset 10m)",
    "predict_linear(m[10m], 3600)",
    "quantile_over_time(0.9, m[5m])",
    "sum by (job) (rate(m[5m]))",
    "m > 20",
    "m offset 5m",
    "avg(m)",
    'rate(m{target="1"}[5m])',
    'm{target="1"} / m{target="1"}',
    "absent_over_time(m[5m])",
    "m[5m]",
]


def filled(intervals, rows_sealed=False):
    """A store with a group for each interval; groups have one to three series beside another metric."""
    tsdb = Tsdb.open(None)
    chance = np.random.default_rng(5)
    for number, interval in enumerate(intervals):
        group = tsdb.group(f"g{number}")
        names = [("m", str(n)) for n in range(1 + number % 3)] + [("other", "0")]
        columns = np.array(
            [group.column(Labels({"__name__": m, "n": n, "target": str(number), "job": "j"}.items())) for m, n in names]
        )
        values = np.zeros(len(columns))
        begin = SEALED if rows_sealed else NOW - 4_000_000
        for at in range(begin + number * 500, NOW, interval):
            values = np.where(chance.random(len(columns)) < 0.02, 0.0, values + chance.random(len(columns)) * 9)
            tsdb.append(group, at, columns, values)
    return tsdb


def same(left, right):
    assert left.type == right.type
    assert left.labels == right.labels
    assert left.values.tobytes() == right.values.tobytes()
    assert left.warnings == right.warnings
    assert left.infos == right.infos
    for ours, theirs in zip(left.series, right.series, strict=True):
        assert ours.labels == theirs.labels
        assert np.array_equal(ours.times, theirs.times)
        assert np.array_equal(ours.values, theirs.values)


@pytest.mark.parametrize("intervals", [[30_000] * 6, [30_000, 15_000, 30_000, 60_000, 30_000], [30_000]])
@pytest.mark.parametrize("rows_sealed", [False, True])
def test_all_at_once_and_one_by_one_are_equal(intervals, rows_sealed):
    snapshot = filled(intervals, rows_sealed).snapshot()
    engine, tick, other = Engine(), Tick(), Tick()
    plain = OneByOne(snapshot)
    for expr in EXPRESSIONS:
        same(engine.instant(snapshot, expr, NOW, tick), engine.instant(plain, expr, NOW, other))


def test_a_bundle_is_a_sequence_of_matrices():
    found = filled([30_000] * 5).snapshot().select(parse("m").matchers, NOW - 300_000, NOW)
    assert isinstance(found, Bundle)
    assert len(found) == 5
    assert found[1] is list(found)[1]
    assert [len(matrix.times) for matrix in found[:2]] == [10, 10]
    assert found.cells == sum(matrix.values.size for matrix in found)
    assert found.newest().tolist() == [value for matrix in found for value in matrix.values[-1].tolist()]


def test_what_is_missing_is_no_bundle():
    tsdb = filled([30_000] * 5)
    group = tsdb.group("g2")
    gone, *others = group.series
    tsdb.append(group, NOW, others, [1.0] * len(others), stale=[gone])
    snapshot = tsdb.snapshot()
    assert not isinstance(snapshot.select(parse("m").matchers, NOW - 300_000, NOW), Bundle)
    assert isinstance(snapshot.select(parse("other").matchers, NOW - 300_000, NOW), Bundle)
    assert len(Engine().instant(snapshot, "m", NOW).labels) == 1 + 2 + 2 + 1 + 2


def test_windows_behind_the_sealed_rows_are_read_without_them():
    """A window that begins between the newest sealed row and the oldest one that stayed has no sealed row in it."""
    tsdb = filled([30_000] * 5, rows_sealed=True)
    groups = [tsdb.group(f"g{number}") for number in range(5)]
    assert all(group.parts for group in groups)
    stayed = sorted({NOW - group.raw.clock[0] for group in groups})
    for span in [each + more for each in stayed for more in (-10_000, 0, 1_000, 20_000, 29_000, 40_000)]:
        found = tsdb.snapshot().select(parse("m").matchers, NOW - span, NOW)
        for number, matrix in enumerate(found):
            times = np.arange(SEALED + number * 500, NOW, 30_000)
            assert matrix.times.tolist() == times[times > NOW - span].tolist()
