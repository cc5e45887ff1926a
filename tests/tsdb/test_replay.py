"""The log read back: rows that are appended many at once are those that were appended one by one."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import ABSENT_BITS, STALE
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdb.wal import MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.tsdb.group import Group

SPAN = 1000
OPTIONS = Options(seal_rows=6, keep_rows=5, block_span=SPAN, retention=10**9, fsync=False)
M = Matcher("__name__", MatchOp.EQUAL, "m")


def stored(db: Tsdb) -> dict[str, list[tuple[int, int]]]:
    """Every sample, bit by bit."""
    found: dict[str, list[tuple[int, int]]] = {}
    for matrix in db.snapshot().select((M,), -1, 2**62):
        for column, labels in enumerate(matrix.labels):
            bits = np.ascontiguousarray(matrix.values[:, column]).view(np.int64).tolist()
            cells = [cell for cell in zip(matrix.times.tolist(), bits, strict=True) if cell[1] != ABSENT_BITS]
            if cells:
                found[str(labels)] = cells
    return dict(sorted(found.items()))


def columns(group: Group, count: int) -> np.ndarray:
    return np.array([group.column(Labels.of(__name__="m", g=group.key, i=str(i))) for i in range(count)])


def files(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "wal").iterdir())


STEP = st.one_of(
    st.tuples(st.just("rows"), st.integers(0, 1), st.integers(1, 30)),
    st.tuples(st.just("marker"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("wider"), st.integers(0, 1), st.integers(1, 5)),
    st.tuples(st.just("again"), st.integers(0, 1), st.integers(0, 4)),
    st.tuples(st.just("delete"), st.integers(0, 1), st.integers(1, 40)),
    st.tuples(st.just("maintain"), st.just(0), st.just(0)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=25), step=st.sampled_from([7, 90]))
def test_what_is_read_back_is_what_was_there(tmp_path, steps, step):
    shutil.rmtree(tmp_path / "db", ignore_errors=True)
    db = Tsdb.open(tmp_path / "db", OPTIONS)
    groups = [db.group("a"), db.group("b")]
    wide = [4, 3]
    now = 100
    db.flush(now)
    for kind, which, count in steps:
        group, numbers = groups[which], columns(groups[which], wide[which])
        if kind == "rows":
            for _ in range(count):
                now += step
                db.append(group, now, numbers, np.arange(len(numbers)) + now * 1.5)
        elif kind == "marker":
            now += step
            values = np.arange(len(numbers)) + 0.25
            values[count % len(numbers)] = STALE
            db.append(group, now, numbers, values)
        elif kind == "wider":
            wide[which] += count
        elif kind == "again":
            # More cells of the newest row, or a row of some columns.
            db.append(group, now, numbers[count % len(numbers) :], np.full(len(numbers) - count % len(numbers), 9.0))
        elif kind == "delete":
            db.delete((M, Matcher("i", MatchOp.EQUAL, "1")), now - count * step, now - step)
        elif kind == "maintain":
            db.maintain(now)
        else:
            db.flush(now)
    before = stored(db)
    db.close()
    again = Tsdb.open(tmp_path / "db", OPTIONS)
    assert (again.problems, stored(again)) == ([], before)
    # And rows go on behind, whatever stays uncompressed.
    group = again.group("a")
    for row in range(30):
        again.append(group, now + 1 + row, columns(group, wide[0]), np.full(wide[0], float(row)))
    after = stored(again)
    again.close()
    assert stored(Tsdb.open(tmp_path / "db", OPTIONS)) == after


def log_of(place: Path, rows: int) -> Path:
    db = Tsdb.open(place, OPTIONS)
    groups = [db.group("a"), db.group("b")]
    for row in range(rows):
        for group in groups:
            db.append(group, 10 + row, columns(group, 3), np.arange(3) + 10.0 * row)
    db.close()
    (path,) = (place / "wal").iterdir()
    return path


def test_a_damaged_row_among_many_is_lost_alone(tmp_path):
    path = log_of(tmp_path, 40)
    data = bytearray(path.read_bytes())
    at = -1
    # Two groups have a record of names and one of columns each; the tenth row of the first group follows.
    for _ in range(4 + 19):
        at = data.index(MARKER, at + 1)
    data[at + 40] ^= 1
    path.write_bytes(data)
    db = Tsdb.open(tmp_path, OPTIONS)
    assert [problem.message for problem in db.problems] == [
        f"{12 + 17 + 24} bytes from offset {at} are damaged; the records around them were read"
    ]
    assert [len(found) for found in stored(db).values()] == [39, 39, 39, 40, 40, 40]
    assert (db.recovery.rows, db.recovery.samples, db.recovery.lost_samples) == (79, 3 * 79, 0)


def test_rows_without_their_names_are_counted(tmp_path):
    path = log_of(tmp_path, 40)
    data = bytearray(path.read_bytes())
    data[data.index(b'"i", "2"') + 6] ^= 1
    path.write_bytes(data)
    db = Tsdb.open(tmp_path, OPTIONS)
    assert (db.recovery.rows, db.recovery.samples, db.recovery.lost_samples) == (40, 120, 120)
    assert [problem.message.split(" ", 1)[1] for problem in db.problems][-1:] == [
        "samples belong to series whose names stood in damaged bytes"
    ]


def test_a_row_of_the_next_span_begins_a_new_file(tmp_path):
    db = Tsdb.open(tmp_path, OPTIONS)
    early, late = db.group("a"), db.group("b")
    db.append(early, 10, columns(early, 2), np.zeros(2))
    db.flush(20)
    # Both spans within one flush; the second group is still on its way when the first one is in the new span.
    db.append(early, SPAN - 5, columns(early, 2), np.ones(2))
    db.append(early, SPAN + 1, columns(early, 2), np.ones(2))
    db.append(late, SPAN - 2, columns(late, 2), np.ones(2))
    assert files(tmp_path) == ["00000001.wal"]
    db.flush(SPAN + 2)
    assert files(tmp_path) == ["00000001.wal", "00000002.wal"]
    db.append(late, SPAN + 3, columns(late, 2), np.ones(2))
    db.flush(SPAN + 4)
    before = stored(db)
    db.maintain(3 * SPAN)
    assert files(tmp_path) == ["00000002.wal"]
    assert stored(db) == before
    db.close()
    again = Tsdb.open(tmp_path, OPTIONS)
    assert stored(again) == before
    assert (again.recovery.rows, again.recovery.lost_samples) == (2, 0)


@pytest.mark.parametrize("at", [2 * SPAN + 1, 50 * SPAN])
def test_a_wrong_clock_begins_no_files(tmp_path, at):
    db = Tsdb.open(tmp_path, OPTIONS)
    group, other = db.group("a"), db.group("b")
    for row in range(10):
        db.append(group, 10 + row, columns(group, 1), np.zeros(1))
        db.append(other, at + row, columns(other, 1), np.zeros(1))
        db.flush(10 + row)
    assert len(files(tmp_path)) == 1
    db.flush(SPAN + 1)
    db.append(group, SPAN + 2, columns(group, 1), np.zeros(1))
    db.close()
    assert len(files(tmp_path)) == 2


def test_a_full_disk_at_the_edge_of_a_span_loses_nothing(tmp_path, monkeypatch):
    db = Tsdb.open(tmp_path, OPTIONS)
    group = db.group("a")
    for at in (10, 20):
        db.append(group, at, columns(group, 2), np.zeros(2))
        db.flush(at)
    real, room = os.write, [40]

    def write(fd, data):
        if room[0] <= 0:
            raise OSError(28, "no space")
        done = real(fd, bytes(data)[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr("os.write", write)
    for at in (SPAN - 1, SPAN + 1, SPAN + 2):
        db.append(group, at, columns(group, 2), np.full(2, float(at)))
        assert not db.flush(at)
    # The file before can be written, the new one not yet.
    room[0] = 120
    assert not db.flush(SPAN + 3)
    room[0] = 10**6
    assert db.flush(SPAN + 4)
    before = stored(db)
    db.close()
    assert files(tmp_path) == ["00000001.wal", "00000002.wal"]
    again = Tsdb.open(tmp_path, OPTIONS)
    assert (stored(again), again.recovery.torn_bytes, again.recovery.lost_samples) == (before, 0, 0)


def test_what_the_start_left_uncompressed_is_compressed_bit_by_bit(tmp_path):
    log_of(tmp_path, 600)
    db = Tsdb.open(tmp_path, dataclasses.replace(OPTIONS, seal_budget=20))
    before = stored(db)
    assert [group.raw.count for group in db._index.groups()] == [600, 600]
    calls = 0
    while db.maintain(700):
        calls += 1
        assert stored(db) == before
    assert calls > 10
    assert all(group.raw.count <= 11 and len(group.parts) > 10 for group in db._index.groups())
    assert stored(db) == before
