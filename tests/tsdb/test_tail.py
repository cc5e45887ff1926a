"""Reading what was appended: every sample once, in order, from any position, after restarts and damage."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.model.histograms import Buckets, Histogram, HistogramSeries
from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, is_absent, is_stale
from hypercare.model.time import HOUR
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdb.tail import Position

START = 1_767_600_000_000


def make(folder, **options):
    return Tsdb.open(folder, Options(fsync=False, **options))


def fill(store, rounds, first=0, width=3, name="a"):
    group = store.group(f"scrape/{name}")
    columns = np.array([group.column(Labels.of(__name__=name, n=str(n))) for n in range(width)], np.int64)
    for i in range(first, first + rounds):
        store.append(group, START + i * 1000, columns, np.arange(width) + 10.0 * i)
        store.flush(START + i * 1000)


def everything(tail, samples=1000):
    """(labels, time) → value, each at most once."""
    found = {}
    while rows := tail.read(samples):
        for columns, times, cells in rows:
            for at, row in zip(times.tolist(), cells, strict=True):
                for c in columns.floats.tolist():
                    if not is_absent(row)[c]:
                        assert (columns.labels[c], at) not in found
                        found[columns.labels[c], at] = row[c]
    return found


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("portion", [1, 7, 10_000])
def test_what_is_appended_is_read_once(tmp_path, durable, portion):
    store = make(tmp_path if durable else None, wal_segment_bytes=2000)
    fill(store, 3)
    tail = store.tail()
    assert tail.read(100) == []
    fill(store, 40, first=3)
    fill(store, 40, first=3, width=5, name="b")
    assert tail.unread > 0
    found = everything(tail, portion)
    assert len(found) == 40 * 3 + 40 * 5
    assert found[Labels.of(__name__="a", n="2"), START + 5000] == 52.0
    assert tail.unread == 0
    assert tail.lost == 0
    store.close()


def test_a_position_holds_over_restarts(tmp_path):
    store = make(tmp_path, wal_segment_bytes=3000)
    tail = store.tail()
    fill(store, 50)
    first = {}
    for columns, times, cells in tail.read(40):
        first.update(((columns.labels[0], at), cells[i, 0]) for i, at in enumerate(times.tolist()))
    position = tail.position
    store.close()
    store = make(tmp_path, wal_segment_bytes=3000)
    fill(store, 5, first=50)
    rest = everything(store.tail(position))
    assert {at for _, at in first} | {at for _, at in rest} == {START + i * 1000 for i in range(55)}
    assert not {at for _, at in first} & {at for _, at in rest}
    assert len(everything(store.tail(Position(0, 0)))) == 55 * 3
    store.close()


def test_a_position_of_another_log_begins_anew(tmp_path):
    store = make(tmp_path)
    fill(store, 5)
    assert len(everything(store.tail(Position(77, 5000)))) == 15
    store.close()


def test_damage_costs_only_what_it_hits(tmp_path):
    store = make(tmp_path)
    fill(store, 30)
    store.close()
    (path,) = (tmp_path / "wal").glob("*.wal")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    store = make(tmp_path)
    tail = store.tail(Position(0, 0))
    assert len(everything(tail)) == 29 * 3
    store.close()


def test_markers_holes_and_histograms(tmp_path):
    store = make(tmp_path)
    tail = store.tail()
    group = store.group("g")
    columns = [group.column(Labels.of(__name__=name)) for name in "xyz"]
    store.append(group, START, columns, [1.0, ABSENT, 3.0], stale=())
    store.append(group, START + 1, columns[:1], [2.0], stale=columns[1:2])
    one = Histogram(schema=1, count=3, sum=2.5, positive=Buckets(np.array([2, 5]), np.array([1.0, 2.0])))
    times = np.array([START], np.int64)
    store.write(
        WriteBatch(
            "s",
            (FloatSeries(Labels.of(__name__="f"), times, np.array([1.0]), np.array([START - 5])),),
            (HistogramSeries(Labels.of(__name__="h"), times, (one,)),),
        ),
        START,
    )
    store.flush(START)
    rows = tail.read(1000)
    plain = [(c, t, v) for c, t, v in rows if c.key == "g"]
    assert is_stale(plain[1][2]).sum() == 1
    written = [(c, t, v) for c, t, v in rows if c.key != "g"]
    floats = {
        c.labels[i].name: (v[0, i], c.starts.tolist())
        for c, _, v in written
        for i in c.floats.tolist()
        if not is_absent(v)[0, i]
    }
    assert floats["f"][0] == 1.0
    ((columns, _, cells),) = [row for row in written if row[0].plans]
    (plan,) = columns.plans
    (found,) = plan.build(cells, plan.rows(cells))
    assert plan.labels == Labels.of(__name__="h")
    assert (found.count, found.sum, found.positive.indexes.tolist()) == (3, 2.5, [2, 5])
    starts = [v[0, at] for c, _, v in written for at in c.starts.tolist() if at >= 0]
    assert starts == [START - 5]
    store.close()


def test_files_are_kept_for_a_reader_that_is_behind(tmp_path):
    store = make(tmp_path, block_span=HOUR)
    tail = store.tail()
    fill(store, 3)
    later = START + 3 * HOUR
    for _ in range(5):
        store.maintain(later)
    assert len(list((tmp_path / "wal").glob("*.wal"))) >= 1
    store.flush(later)
    fill(store, 1, first=3 * 3600)
    assert len(everything(tail)) == 12
    assert tail.lost == 0
    tail.keep_from(tail.position)
    store.close()


def test_files_that_are_gone_are_told(tmp_path):
    store = make(tmp_path, block_span=HOUR)
    fill(store, 3)
    for i in range(5):
        store.flush(START + (3 + i) * HOUR)
        store.maintain(START + (3 + i) * HOUR)
    assert not list((tmp_path / "wal").glob("00000001.wal"))
    fill(store, 1, first=9 * 3600)
    tail = store.tail(Position(1, 30))
    assert len(everything(tail)) == 3
    assert tail.lost == 1
    store.close()
