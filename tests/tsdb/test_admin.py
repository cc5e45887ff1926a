"""Deletion, cleaning, snapshots, merging of blocks, series that come and go."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import is_absent
from hypercare.tsdb import Options, Tsdb

INF = 2**62
OPTIONS = Options(block_span=75, seal_rows=8, keep_rows=4, fsync=False, retention=10_000)
M = (Matcher("__name__", MatchOp.EQUAL, "m"),)


def filled(place, rows: int = 1000, options: Options = OPTIONS) -> Tsdb:
    db = Tsdb.open(place, options)
    group = db.group("g")
    numbers = np.array([group.column(Labels.of(__name__="m", i=str(i))) for i in range(3)])
    for at in range(rows):
        db.append(group, at, numbers, at + np.arange(3.0))
        if at % 20 == 0:
            db.finish(at)
    db.flush(rows)
    return db


def counts(db: Tsdb, start: int = -1, end: int = INF) -> dict[str, int]:
    found: dict[str, int] = {}
    for matrix in db.snapshot().select(M, start, end):
        there = ~is_absent(matrix.values)
        assert (matrix.values == matrix.times[:, None] + [int(x.get("i")) for x in matrix.labels])[there].all()
        for labels, count in zip(matrix.labels, there.sum(axis=0).tolist(), strict=True):
            found[labels.get("i")] = found.get(labels.get("i"), 0) + count
    return {i: count for i, count in found.items() if count}


def one(i: int) -> tuple[Matcher, ...]:
    return (*M, Matcher("i", MatchOp.EQUAL, str(i)))


def test_blocks_are_merged_and_the_old_files_go(tmp_path):
    db = filled(tmp_path)
    names = sorted(path.name for path in (tmp_path / "blocks").iterdir())
    assert [name[:27] for name in names] == ["0000000000000-0000000000900"]
    assert counts(db) == {"0": 1000, "1": 1000, "2": 1000}
    db.close()
    again = Tsdb.open(tmp_path, OPTIONS)
    assert counts(again) == {"0": 1000, "1": 1000, "2": 1000}


def test_merging_stops_at_a_tenth_of_retention(tmp_path):
    db = filled(tmp_path, options=Options(block_span=100, fsync=False, retention=4000))
    spans = [tuple(map(int, path.stem.split("-")[:2])) for path in sorted((tmp_path / "blocks").iterdir())]
    assert spans == [(0, 300), (300, 600), (600, 900)]
    assert counts(db)["1"] == 1000


def test_a_reader_goes_on_with_blocks_that_were_merged_meanwhile(tmp_path):
    db = filled(tmp_path, 330)
    before = db.snapshot()
    paths = set((tmp_path / "blocks").iterdir())
    group = db.group("g")
    for at in range(330, 600):
        db.append(group, at, [0, 1, 2], at + np.arange(3.0))
    for path in paths:
        assert path.exists()
    db.finish(2000)
    assert sum(len(m.times) for m in before.select(M, -1, INF)) == 330
    del before
    db.finish(2000)
    assert counts(db) == {"0": 600, "1": 600, "2": 600}
    assert db.problems == []


def test_what_a_crash_left_of_a_merge_is_not_there_twice(tmp_path):
    db = filled(tmp_path, 240)
    old = {path.name: path.read_bytes() for path in (tmp_path / "blocks").iterdir()}
    db.close()
    db = Tsdb.open(tmp_path, OPTIONS)
    for at in range(240, 450):
        db.append(db.group("g"), at, [0, 1, 2], at + np.arange(3.0))
    db.finish(450)
    db.close()
    for name, data in old.items():
        assert not (tmp_path / "blocks" / name).exists()
        (tmp_path / "blocks" / name).write_bytes(data)
    again = Tsdb.open(tmp_path, OPTIONS)
    assert counts(again) == {"0": 450, "1": 450, "2": 450}
    assert not any((tmp_path / "blocks" / name).exists() for name in old)


@pytest.mark.parametrize("again", [False, True])
def test_deleted_samples_stay_deleted_until_their_blocks_are_written_without_them(tmp_path, again):
    db = filled(tmp_path)
    assert db.delete(one(1), 100, 950) == 1
    assert db.delete(one(2), 0, INF) == 1
    assert db.delete(one(7), 0, INF) == 0
    db.flush(1000)
    if again:
        db.close()
        db = Tsdb.open(tmp_path, OPTIONS)
    assert counts(db) == {"0": 1000, "1": 149}
    assert [x.get("i") for x in db.snapshot().series([M], -1, 899)] == ["0", "1"]
    group = db.group("g")
    db.append(group, 1000, [group.column(Labels.of(__name__="m", i="2"))], [1002.0])
    assert counts(db) == {"0": 1000, "1": 149, "2": 1}
    assert db.clean_tombstones() == 1
    db.finish(1000)
    assert db.clean_tombstones() == 0
    assert counts(db)["1"] == 149  # nobody holds the old block any more
    assert not list((tmp_path / "blocks").glob("*.tombstones"))
    assert counts(db) == {"0": 1000, "1": 149, "2": 1}
    db.close()
    assert counts(Tsdb.open(tmp_path, OPTIONS)) == {"0": 1000, "1": 149, "2": 1}


def test_deleted_samples_can_be_written_again():
    db = filled(None, 50)
    db.accept_out_of_order(1000)
    db.delete(one(1), 10, 19)
    assert counts(db)["1"] == 40
    group = db.group("g")
    assert db.append(group, 15, [1], [16.0]).appended == 1
    assert db.append(group, 20, [1], [21.0]).duplicates == 1
    assert counts(db)["1"] == 41


def test_damaged_tombstones_are_told(tmp_path):
    db = filled(tmp_path)
    db.delete(one(1), 0, 500)
    db.close()
    (path,) = (tmp_path / "blocks").glob("*.tombstones")
    path.write_bytes(path.read_bytes()[:-3])
    again = Tsdb.open(tmp_path, OPTIONS)
    assert [problem.file for problem in again.problems] == [str(path)]
    assert counts(again)["0"] == 1000


def test_a_snapshot_is_a_store_of_its_own(tmp_path):
    db = filled(tmp_path / "db")
    db.delete(one(2), 0, 300)
    db.snapshot_to(tmp_path / "copy")
    for at in range(1000, 1500):
        db.append(db.group("g"), at, [0, 1, 2], at + np.arange(3.0))
        db.finish(at)
    db.delete(M, 0, 400)
    copy = Tsdb.open(tmp_path / "copy", OPTIONS)
    assert counts(copy) == {"0": 1000, "1": 1000, "2": 699}
    assert copy.problems == []
    assert counts(db) == {"0": 1099, "1": 1099, "2": 1099}
    with pytest.raises(OSError, match="exists"):
        db.snapshot_to(tmp_path / "copy")
    with pytest.raises(ValueError, match="no files"):
        Tsdb.open(None).snapshot_to(tmp_path / "other")


def test_series_that_come_and_go_by_the_thousand_do_not_widen_the_matrix(tmp_path):
    db = Tsdb.open(tmp_path, Options(block_span=100_000, fsync=False, retention=100_000))
    group = db.group("pods")
    alive = list(range(500))
    for row in range(300):
        if row % 4 == 3:
            alive = [*alive[100:], *range(500 + row * 100, 600 + row * 100)]
        numbers = np.array([group.column(Labels.of(__name__="m", i=str(i))) for i in alive])
        db.append(group, row * 1000, numbers, row * 1000 + np.array(alive, dtype=float))
        if row % 10 == 0:
            db.finish(row * 1000)
            assert group.raw is not None
            assert group.raw.layout.width <= 1600
            assert group.raw.values.size <= 100_000
    assert len(group.series) < 6500
    found = counts(db, 250_000)
    assert found[str(alive[-1])] == 1
    assert sum(found.values()) == 500 * 49


@pytest.mark.parametrize("count", [10, 3000])
def test_with_very_many_series_fewer_rows_stay_uncompressed(count):
    db = Tsdb.open(None, Options(raw_bytes=1 << 20))
    for at in range(0, 150_000, 1000):
        series = tuple(
            FloatSeries(Labels.of(__name__="m", i=str(i)), np.array([at]), np.array([float(at + i)]))
            for i in range(count)
        )
        if at < 3000 or count == 10:
            db.write(WriteBatch("s", series), at)
        else:
            (group,) = db._index.groups()
            db.append(group, at, group.raw.layout.ids, at + np.arange(float(count)))
        db.maintain(at)
    (group,) = db._index.groups()
    assert group.raw is not None
    assert group.raw.values.nbytes <= (3 << 19 if count == 3000 else 1 << 20)
    assert bool(group.parts) == (count == 3000)
    assert counts(db)["3"] == 150


def crashed(place, copy) -> Tsdb:
    """The store as it would be found if the process that has it open were killed now."""
    shutil.copytree(place, copy)
    return Tsdb.open(copy, OPTIONS)


def test_what_was_deleted_stays_so_after_a_crash_while_a_reader_held_the_old_block(tmp_path):
    db = filled(tmp_path / "store", 240)
    reader = db.snapshot()
    (old,) = [path for path in (tmp_path / "store" / "blocks").iterdir() if path.name.startswith("0000000000000-")]
    assert sum(len(matrix.times) for matrix in reader.select(M, -1, INF)) == 240
    db.delete(one(1), 0, 60)
    db.flush(240)
    db.clean_tombstones()
    db.finish(240)
    for at in range(240, 500):
        db.append(db.group("g"), at, [0, 1, 2], at + np.arange(3.0))
        db.flush(at)
    db.finish(500)
    assert old.exists(), "the reader holds it"
    # Its successor was merged meanwhile, so that only a successor of that one knows of it.
    again = crashed(tmp_path / "store", tmp_path / "copy")
    assert counts(again)["1"] == 500 - 61
    again.close()
    del reader


def test_a_block_of_which_all_was_deleted_stays_gone_after_a_crash(tmp_path):
    db = filled(tmp_path / "store", 330)
    reader = db.snapshot()
    assert reader.select(M, -1, INF)
    db.delete(M, -1, 299)
    db.flush(330)
    db.clean_tombstones()
    db.finish(330)
    again = crashed(tmp_path / "store", tmp_path / "copy")
    assert counts(again) == {str(i): 30 for i in range(3)}
    again.close()
    del reader


def test_a_deletion_in_the_log_stays_as_long_as_the_rows_before_it(tmp_path):
    options = Options(block_span=100, seal_rows=8, keep_rows=4, fsync=False, out_of_order_window=10_000)
    db = filled(tmp_path / "store", 330, options)
    late = np.arange(10, 60, 5)
    db.write(WriteBatch("w", (FloatSeries(Labels.of(__name__="late"), late, late * 1.0),)), 330)
    db.close()
    db = Tsdb.open(tmp_path / "store", options)
    db.delete((Matcher("__name__", MatchOp.EQUAL, "late"),), 0, 30)
    db.flush(330)
    db.flush(540)
    first = db._disk.log.files[0]
    assert first.late
    # All rows are in blocks but those that came late to a span before.
    db._disk.log.delete_before(10_000, first.late)
    again = crashed(tmp_path / "store", tmp_path / "copy")
    (found,) = again.snapshot().select((Matcher("__name__", MatchOp.EQUAL, "late"),), -1, INF)
    assert found.times[~is_absent(found.values[:, 0])].tolist() == [35, 40, 45, 50, 55]
    again.close()


def test_tombstones_without_their_block_do_not_wait_for_another(tmp_path):
    filled(tmp_path, 330).close()
    orphan = tmp_path / "blocks" / "0000000000900-0000000001000-000099.tombstones"
    orphan.write_bytes(b"")
    db = Tsdb.open(tmp_path, OPTIONS)
    assert not orphan.exists()
    assert db.problems == []
