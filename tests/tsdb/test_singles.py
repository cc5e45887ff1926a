"""Batches of many series with one sample each are stored as those that come series by series are."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.ingest import FloatColumns, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.samples import STALE
from hypercare.tsdb import Options, Tsdb, singles

START = 1_767_600_000_000
SERIES = [Labels.of(__name__="m", job=f"j{n % 3}", n=str(n)) for n in range(8)]

samples = st.tuples(st.integers(0, 7), st.integers(0, 5), st.sampled_from([0.0, 1.0, 2.0, STALE, float("inf")]))
batches = st.lists(st.lists(samples, min_size=1, max_size=20), min_size=1, max_size=5)


def batch_of(rows, same):
    labels = [SERIES[n] if same else Labels(SERIES[n].pairs) for n, _, _ in rows]
    times = np.array([START + t * 1000 for _, t, _ in rows], np.int64)
    return WriteBatch("remote_write", singles=FloatColumns(labels, times, np.array([v for _, _, v in rows])))


def content(store):
    found = {}
    for matrix in store.snapshot().select((), 0, START * 2):
        for column, labels in enumerate(matrix.labels):
            bits = np.ascontiguousarray(matrix.values[:, column]).view(np.int64).tolist()
            found.setdefault(labels, {}).update(zip(matrix.times.tolist(), bits, strict=True))
    absent = int(np.array([0x7FF000000000AB5E], np.int64)[0])
    return {labels: {t: b for t, b in row.items() if b != absent} for labels, row in found.items()}


@settings(deadline=None, max_examples=150)
@given(batches, st.booleans(), st.sampled_from([0, 3000]))
def test_they_come_to_the_same(given_, same, window):
    options = Options(out_of_order_window=window)
    fast, slow = Tsdb.open(None, options), Tsdb.open(None, options)
    for rows in given_:
        keys = {(n, t) for n, t, _ in rows}
        batch = batch_of(rows, same)
        one = fast.write(batch, START)
        two = slow.write(dataclasses.replace(batch, floats=batch.series, singles=None), START)
        if len(keys) == len(rows):
            assert sum(one[:5]) == sum(two[:5]) == len(rows)
        else:
            assert one == two
    if all(
        len({(n, t) for n, t, _ in rows}) == len(rows) and rows == sorted(rows, key=lambda r: r[1]) for rows in given_
    ):
        assert content(fast) == content(slow)


def test_memory_of_label_sets_stays_bounded(monkeypatch):
    monkeypatch.setattr(singles, "_REMEMBERED", 10)
    store = Tsdb.open(None)
    for i in range(9):
        result = store.write(batch_of([(n, i, 1.0) for n in range(8)], same=False), START)
        assert result.appended == 8
    assert sum(len(row) for row in content(store).values()) == 72
    (routes,) = store._writer._singles.values()
    assert len(routes._labels) <= 18


def test_an_empty_batch():
    none = FloatColumns([], np.empty(0, np.int64), np.empty(0))
    assert sum(Tsdb.open(None).write(WriteBatch("s", singles=none), START)[:5]) == 0


def test_what_was_written_out_survives_the_process(tmp_path):
    store = Tsdb.open(tmp_path / "a", Options(wal_segment_bytes=300))
    for t in range(6):
        store.write(batch_of([(n, t, 1.0) for n in range(8)], same=True), START)
        assert store.write_out()
    # As it is on disk now, nothing closed.
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    other = Tsdb.open(tmp_path / "b")
    assert sum(len(row) for row in content(other).values()) == 48
    other.close()
    assert store.flush(START)
    store.write(batch_of([(0, 7, 1.0)], same=True), START)
    assert store.flush(START)
    store.close()
    again = Tsdb.open(tmp_path / "a")
    assert sum(len(row) for row in content(again).values()) == 49
    again.close()
