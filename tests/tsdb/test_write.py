"""Series that arrive one by one, native histograms, start timestamps, samples out of order."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram, HistogramSeries, ResetHint
from hypercare.model.ingest import FloatSeries, WriteBatch, WriteResult
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import STALE, is_absent, is_stale
from hypercare.tsdb import AppendResult, Options, Tsdb

INF = 2**62
SMALL = Options(block_span=1000, seal_rows=8, keep_rows=4, fsync=False, retention=10**9, merge_span=1)


def metric(name: str) -> tuple[Matcher, ...]:
    return (Matcher("__name__", MatchOp.EQUAL, name),)


def floats(labels: Labels, *samples: tuple[int, float], starts=None) -> FloatSeries:
    times, values = np.array([t for t, _ in samples]), np.array([v for _, v in samples], dtype=float)
    return FloatSeries(labels, times, values, None if starts is None else np.array(starts))


def series(i: int, **more: str) -> Labels:
    return Labels.of(__name__="m", i=str(i), job="j", **more)


def held(db: Tsdb, name: str = "m", start: int = -1, end: int = INF) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for matrix in db.snapshot().select(metric(name), start, end):
        absent = is_absent(matrix.values)
        assert (np.diff(matrix.times) > 0).all()
        if matrix.dense:
            assert not absent.any()
        for at, labels in enumerate(matrix.labels):
            here = found.setdefault(labels.get("i"), [])
            here += [
                (t, v)
                for t, v, a in zip(matrix.times.tolist(), matrix.values[:, at].tolist(), absent[:, at], strict=True)
                if not a
            ]
    return {i: sorted(samples) for i, samples in found.items()}


def buckets(**counts: float) -> Buckets:
    return Buckets(np.array([int(k[1:]) for k in counts]), np.array(list(counts.values()), dtype=float))


def same(a: Histogram, b: Histogram) -> bool:
    plain = ("schema", "zero_threshold", "zero_count", "count", "sum", "custom_values", "hint")
    sides = [(a.positive, b.positive), (a.negative, b.negative)]
    return all(getattr(a, n) == getattr(b, n) for n in plain) and all(
        x.indexes.tolist() == y.indexes.tolist() and x.counts.tolist() == y.counts.tolist() for x, y in sides
    )


def test_series_of_one_target_share_rows_however_they_are_spread_over_requests():
    db = Tsdb.open(None)
    for at in range(1000, 40_000, 1000):
        for shard in ([0, 1, 2], [3, 4]):
            batch = WriteBatch("rw", tuple(floats(series(i, instance="a"), (at, at + i)) for i in shard))
            assert db.write(batch, at) == WriteResult(appended=len(shard))
        other = WriteBatch("rw", tuple(floats(series(i, instance="b"), (at + 7, i)) for i in range(5, 8)))
        assert db.write(other, at).appended == 3
    found = db.snapshot().select(metric("m"), 0, INF)
    assert [(len(m.labels), len(m.times), m.dense) for m in found] == [(5, 39, True), (3, 39, True)]
    assert held(db)["4"] == [(at, at + 4.0) for at in range(1000, 40_000, 1000)]


def test_a_slow_shard_fills_rows_that_others_have_passed():
    db = Tsdb.open(None)
    for at in range(1000, 9000, 1000):
        db.write(WriteBatch("rw", (floats(series(0), (at, 1.0)), floats(series(1), (at, 2.0)))), at)
    before = db.snapshot()
    late = [(at, 3.0) for at in range(1000, 9000, 500)]
    db.write(WriteBatch("rw", (floats(series(2), (8000, 0.0)),)), 9000)
    assert db.write(WriteBatch("rw", (floats(series(3), *late),)), 9000) == WriteResult(appended=16)
    assert held(db)["3"] == late
    assert held(db)["0"] == [(at, 1.0) for at in range(1000, 9000, 1000)]
    assert [m.values.shape for m in before.select(metric("m"), 0, INF)] == [(8, 2)]


def test_rows_of_a_series_may_come_unsorted_and_twice():
    db = Tsdb.open(None)
    batch = WriteBatch("rw", (floats(series(0), (3000, 3), (1000, 1), (2000, 2), (2000, 2), (2000, 9)),))
    result = db.write(batch, 5000)
    assert (result.appended, result.duplicates + result.conflicts + result.too_old) == (3, 2)
    assert held(db)["0"] == [(1000, 1), (2000, 2), (3000, 3)]


def test_refusals_are_counted_and_told():
    db = Tsdb.open(None, Options(retention=1000))
    assert db.write(WriteBatch("rw", (floats(series(0), (5000, 1), (6000, 2)),)), 6000).appended == 2
    result = db.write(WriteBatch("rw", (floats(series(0), (4000, 1), (5500, 1), (6000, 3), (7000, 4)),)), 6000)
    assert result[:5] == (1, 0, 0, 1, 2)
    assert len(result.problems) == 3
    assert 'first of m{i="0", job="j"}' in result.problems[0]
    assert "out_of_order_time_window is 0" in result.problems[1]
    assert "older than retention" in result.problems[2]
    assert db.write(WriteBatch("rw", (floats(series(0), (7000, 4)),)), 6000) == WriteResult(duplicates=1)


@pytest.mark.parametrize("options", [Options(), SMALL])
def test_a_source_finds_its_series_again_after_a_restart(tmp_path, options):
    for run in range(3):
        db = Tsdb.open(tmp_path, options)
        for at in range(run * 3000, run * 3000 + 3000, 100):
            db.write(WriteBatch("rw", tuple(floats(series(i), (at, i)) for i in range(4))), at)
            db.maintain(at)
        db.close()
    db = Tsdb.open(tmp_path, options)
    assert len(db.snapshot().select(metric("m"), 0, INF)) == 1
    assert held(db) == {str(i): [(at, float(i)) for at in range(0, 9000, 100)] for i in range(4)}
    db.close()


HISTOGRAMS = (
    Histogram(3, 0.001, 2, 12, 30.5, buckets(a0=4, a2=0, a9=1), Buckets(np.array([-3, 4]), np.array([2.0, 3.0]))),
    Histogram(3, 0.001, 2, 14, 33.5, buckets(a0=5, a2=1, a9=1, b10=1), hint=ResetHint.RESET),
    Histogram(1, 0.01, 2, 7, 3.5, buckets(a0=5), hint=ResetHint.GAUGE),
    Histogram(CUSTOM_SCHEMA, count=6, sum=1.5, positive=buckets(a0=5, a2=1), custom_values=(0.1, 0.5)),
)


@pytest.mark.parametrize("durable", [False, True])
def test_histograms_come_back_as_they_were(tmp_path, durable):
    db = Tsdb.open(tmp_path if durable else None, SMALL)
    assert db.snapshot().select_histograms(metric("h"), 0, INF) == []
    group = db.group("g")
    number, plain = group.column(Labels.of(__name__="h")), group.column(Labels.of(__name__="m", i="0"))
    times = range(100, 6100, 100)
    for at in times:
        value = HISTOGRAMS[at // 100 % 4]
        result = db.append(group, at, [plain], [float(at)], histograms=((number, value),), starts=((plain, 50),))
        assert result == AppendResult(1, histograms=1)
        assert db.append(group, at, [], [], histograms=((number, value),)) == AppendResult(0, duplicates=1)
        db.flush(at)
        db.maintain(at)
    other = HISTOGRAMS[(times[-1] // 100 + 1) % 4]
    assert db.append(group, times[-1], [], [], histograms=((number, other),)).conflicts == 1
    db.append(group, 6100, [plain], [1.0], stale=[number])
    db.flush(6100)
    for reopened in (False, True):
        if reopened and durable:
            db.close()
            db = Tsdb.open(tmp_path, SMALL)
            assert db.snapshot().stats().blocks == 5
        (found,) = db.snapshot().select_histograms(metric("h"), 100, 6000)
        assert found.labels == Labels.of(__name__="h")
        assert found.times.tolist() == list(times)[1:]
        assert all(same(h, HISTOGRAMS[at // 100 % 4]) for at, h in zip(times[1:], found.values, strict=True))
        (matrix,) = db.snapshot().select(metric("h"), 0, INF)
        assert is_stale(matrix.values).sum() == 1
        (matrix,) = db.snapshot().select(metric("m"), 0, 6000)
        assert matrix.starts is not None
        assert matrix.starts.tolist() == [[50]] * 60
        assert matrix.dense
        assert db.snapshot().series([()], 0, 6000) == [Labels.of(__name__="h"), Labels.of(__name__="m", i="0")]
        assert db.snapshot().label_names([], 0, INF) == ["__name__", "i"]
        assert (
            db.snapshot().select(metric("h"), 0, 6000) == []
            or is_absent(db.snapshot().select(metric("h"), 0, 6000)[0].values).all()
        )


def test_histograms_are_written_series_by_series():
    db = Tsdb.open(None)
    labels = Labels.of(__name__="h", job="j")
    times = np.array([1000, 2000, 3000, 4000])
    starts = np.array([0, 5, 5, 5])
    batch = WriteBatch(
        "rw",
        (floats(series(0), *((t, 1.0) for t in times.tolist())),),
        (HistogramSeries(labels, times, HISTOGRAMS, starts),),
    )
    assert db.write(batch, 5000) == WriteResult(appended=4, histograms=4)
    assert db.write(batch, 5000)[:5] == (0, 0, 2, 0, 6)
    (found,) = db.snapshot().select_histograms(metric("h"), 1000, INF)
    assert all(same(a, b) for a, b in zip(found.values, HISTOGRAMS[1:], strict=True))
    assert found.starts is not None
    assert found.starts.tolist() == [5, 5, 5]
    assert len(db.snapshot().select(metric("m"), 0, INF)) == 1
    stale = WriteBatch("rw", (floats(labels, (5000, STALE)),))
    assert db.write(stale, 5000).appended == 1
    assert is_stale(db.snapshot().select(metric("h"), 4000, INF)[0].values).all()


@pytest.mark.parametrize("durable", [False, True])
def test_samples_out_of_order_are_accepted_within_the_window_and_merged(tmp_path, durable):
    options = Options(
        block_span=1000, seal_rows=8, keep_rows=4, fsync=False, retention=10**9, out_of_order_window=3000, merge_span=1
    )
    db = Tsdb.open(tmp_path if durable else None, options)
    for at in range(0, 6000, 100):
        db.write(WriteBatch("rw", (floats(series(0), (at, at)), floats(series(1), (at, -at)))), at)
        db.maintain(at)
    assert not durable or db.snapshot().stats().blocks == 5
    late = [(at, 7.0) for at in range(2950, 6000, 500)]
    result = db.write(
        WriteBatch("rw", (floats(series(0), (1000, 1.0), (2000, 5), (3000, 3000), (3100, 5), *late),)), 6000
    )
    assert result[:5] == (7, 0, 1, 1, 2)
    assert "out_of_order_time_window is 3 s" in result.problems[1]
    expected = {
        "0": sorted([(at, float(at)) for at in range(0, 6000, 100)] + late),
        "1": [(at, -float(at)) for at in range(0, 6000, 100)],
    }
    assert held(db) == expected
    assert held(db, start=3300, end=3500) == {
        "0": [(3400, 3400), (3450, 7), (3500, 3500)],
        "1": [(3400, -3400), (3500, -3500)],
    }
    if not durable:
        return
    db.flush(6000)
    for _ in range(6):
        db.close()
        db = Tsdb.open(tmp_path, options)
        assert held(db) == expected
        assert db.problems == []
        for _ in range(4):
            db.maintain(8000)
            assert held(db) == expected
    assert db.snapshot().stats().blocks == 6
    db.close()


def test_a_histogram_that_comes_twice_for_one_time_keeps_its_own_buckets():
    db = Tsdb.open(None, SMALL)
    labels = Labels.of(__name__="h")
    first = Histogram(schema=2, count=3.0, sum=1.0, positive=buckets(b1=1, b2=2))
    second = Histogram(schema=2, count=4.0, sum=2.0, positive=buckets(b2=1, b7=3))
    at = np.array([10])
    batch = WriteBatch("w", (), (HistogramSeries(labels, at, (first,)), HistogramSeries(labels, at, (second,))))
    assert db.write(batch, 10)[:5] == (0, 1, 0, 1, 0)
    (found,) = db.snapshot().select_histograms(metric("h"), -1, INF)
    assert same(found.values[0], first)


def test_histograms_beyond_retention_are_counted():
    db = Tsdb.open(None, SMALL)
    value = Histogram(schema=2, count=3.0, sum=1.0, positive=buckets(b1=1, b2=2))
    batch = WriteBatch("w", (), (HistogramSeries(Labels.of(__name__="h"), np.array([10]), (value,)),))
    result = db.write(batch, 2 * 10**9)
    assert result[:5] == (0, 0, 0, 0, 1)
    assert "older than retention" in result.problems[0]
