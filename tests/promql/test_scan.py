"""Range queries portion by portion come to the same as those on matrices, whatever the threads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypercare.adapters.workers import Threads
from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, StripSource
from hypercare.promql import Engine, Features
from hypercare.promql.errors import LimitError
from hypercare.promql.limits import Limits
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import SampleMatrix
    from hypercare.promql.results import RangeResult
    from hypercare.tsdb import Snapshot

STEP = 15_000
ROWS = 900
QUERIES = (
    "calls_total",
    "rate(calls_total[5m])",
    "sum(rate(calls_total[5m]))",
    "sum by (job) (rate(calls_total[5m]))",
    "avg by (instance, code) (increase(calls_total[10m]))",
    "count by (job) (irate(calls_total[2m]))",
    "min by (code) (depth)",
    "max without (instance) (depth offset 2m)",
    "sum by (instance) (depth)",
    "avg by (job) (avg_over_time(depth[10m]))",
    "max by (job) (max_over_time(depth[7m]))",
    "group by (job) (min_over_time(depth[1m]))",
    "stddev_over_time(depth[5m])",
    "stddev by (job) (depth)",
    "stdvar by (code) (rate(calls_total[5m]))",
    "sum by (job) (depth > 1)",
    "max without (code) (rate(calls_total[5m]) * 2)",
    "quantile by (job) (0.5, depth)",
    "topk(2, rate(calls_total[5m]))",
    "sum by (job) (deriv(depth[5m]))",
    "quantile_over_time(0.9, depth[3m])",
    "sum by (job) (resets(calls_total[30m]) + changes(depth[5m]))",
    "last_over_time(depth[5m])",
    "sum by (nothing) (nowhere)",
    'sum by (job) (rate({__name__=~"calls_total|depth"}[5m]))',
    'depth{code="2"} > 3',
)


class _Plain:
    """The same samples without portions."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def select(self, matchers: tuple[Matcher, ...], start: int, end: int) -> Sequence[SampleMatrix]:
        return self._snapshot.select(matchers, start, end)

    def select_histograms(self, matchers: tuple[Matcher, ...], start: int, end: int) -> Sequence[HistogramSeries]:
        return self._snapshot.select_histograms(matchers, start, end)


def _fill(store: Tsdb) -> None:
    """Five targets that come, go, restart, miss scrapes and change their series, over blocks, sealed and raw rows."""
    rng = np.random.default_rng(5)
    for n in range(5):
        group = store.group(f"t{n}")
        series = [Labels.of(__name__="calls_total", job=f"j{n % 2}", instance=str(n), code=str(c)) for c in range(45)]
        series += [Labels.of(__name__="depth", job=f"j{n % 2}", instance=str(n), code=str(c)) for c in range(7)]
        columns = np.array([group.column(labels) for labels in series], dtype=np.int64)
        counters = np.zeros(45)
        for row in range(ROWS):
            if (n == 1 and 200 < row < 230) or (n == 2 and row == 500) or (n == 3 and row < 400):
                continue
            counters = (counters if row % 333 or n != 4 else np.zeros(45)) + rng.poisson(3, 45)
            values = np.concatenate([counters, np.round(rng.normal(2, 5, 7), 2)])
            chosen = columns[::2] if n == 0 and 300 < row < 600 else columns
            values = values[::2] if n == 0 and 300 < row < 600 else values
            if n == 4 and row == 450:
                values = np.where(np.arange(len(values)) % 3 == 0, STALE, values)
            store.append(group, row * STEP + n * 70, chosen.copy() if n == 0 else chosen, values.copy())
        for row in range(0, ROWS, 100):
            store.maintain(row * STEP)
    store.maintain(ROWS * STEP)
    store.maintain(ROWS * STEP)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder: Path = tmp_path_factory.mktemp("store")
    store = Tsdb.open(folder, Options(block_span=3_600_000, seal_rows=60, keep_rows=40))
    _fill(store)
    return store.snapshot()


def _same(one: RangeResult, other: RangeResult) -> None:
    assert one.labels == other.labels
    assert (one.present == other.present).all()
    assert (one.warnings, one.infos) == (other.warnings, other.infos)
    here = one.present
    np.testing.assert_allclose(one.values[here], other.values[here], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("step", [STEP, 60_000, 47_000])
@pytest.mark.parametrize("query", QUERIES)
def test_the_answer_is_that_of_matrices(snapshot: Snapshot, query: str, step: int) -> None:
    engine = Engine(features=Features.all())
    span = -300_000, ROWS * STEP + 300_000
    _same(engine.range(snapshot, query, *span, step), engine.range(_Plain(snapshot), query, *span, step))


def test_the_store_is_read_in_portions(snapshot: Snapshot) -> None:
    assert isinstance(snapshot, StripSource)
    assert not isinstance(_Plain(snapshot), StripSource)


@pytest.mark.parametrize("query", QUERIES[:8])
def test_threads_change_nothing_not_even_the_last_bit(
    snapshot: Snapshot, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hypercare.promql.scan._WORTH", 0)
    monkeypatch.setattr("hypercare.promql.scan._LARGE", 0)
    span = 0, ROWS * STEP, 30_000
    alone = Engine(features=Features.all()).range(snapshot, query, *span)
    shared = Engine(features=Features.all(), workers=Threads(3)).range(snapshot, query, *span)
    assert alone.labels == shared.labels
    assert (alone.present == shared.present).all()
    assert np.where(alone.present, alone.values, 0).tobytes() == np.where(shared.present, shared.values, 0).tobytes()


def test_sums_in_which_large_numbers_cancel_keep_their_digits() -> None:
    store = Tsdb.open(None)
    group = store.group("t")
    columns = np.array([group.column(Labels.of(__name__="x", i=str(i))) for i in range(4)], dtype=np.int64)
    for row in range(3):
        store.append(group, row * STEP, columns, np.array([1e17, 1.0, 1.0, -1e17]))
    result = Engine(features=Features.all()).range(store.snapshot(), "sum(x)", 0, 2 * STEP, STEP)
    assert result.values.tolist() == [[2.0, 2.0, 2.0]]


def test_the_mean_of_numbers_whose_sum_is_too_large_is_finite() -> None:
    store = Tsdb.open(None)
    group = store.group("t")
    columns = np.array([group.column(Labels.of(__name__="x", i=str(i))) for i in range(2)], dtype=np.int64)
    for row in range(2):
        store.append(group, row * STEP, columns, np.array([1.7e308, 1.7e308]))
    result = Engine(features=Features.all()).range(store.snapshot(), "avg(x)", 0, STEP, STEP)
    assert all(math.isclose(value, 1.7e308) for value in result.values[0])


def test_a_query_that_reads_too_much_is_refused(snapshot: Snapshot) -> None:
    engine = Engine(Limits(max_scanned=1000))
    with pytest.raises(LimitError, match="too many samples"):
        engine.range(snapshot, "sum(rate(calls_total[5m]))", 0, ROWS * STEP, STEP)


def test_an_error_in_one_thread_is_the_error_of_all() -> None:
    def fail_at_seven(number: int) -> int:
        if number == 7:
            raise KeyError(number)
        return number * 2

    threads = Threads(3)
    with pytest.raises(KeyError):
        threads.map(fail_at_seven, list(range(50)))
    assert threads.map(fail_at_seven, [1, 2, 3]) == [2, 4, 6]
    assert threads.map(fail_at_seven, []) == []
