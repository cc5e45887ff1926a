"""What survives: crashes, torn writes, flipped bits, full disks, restarts, retention."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypercare.model.errors import InputError
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import is_absent
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from pathlib import Path

INF = 2**62
OPTIONS = Options(block_span=100, seal_rows=8, keep_rows=4, fsync=False, merge_span=1)
M = (Matcher("__name__", MatchOp.EQUAL, "m"),)


def write(
    directory: Path, rows: range, width: int = 2, options: Options = OPTIONS, keys: tuple[str, ...] = ("g",)
) -> Tsdb:
    """Rows at the given times with value = time + column; left open and flushed after each row."""
    db = Tsdb.open(directory, options)
    for at in rows:
        for key in keys:
            group = db.group(key)
            numbers = [group.column(Labels.of(__name__="m", group=key, i=str(i))) for i in range(width)]
            db.append(group, at, numbers, np.arange(width) + float(at))
        db.flush(at)
    return db


def times(db: Tsdb) -> list[int]:
    found = db.snapshot().select(M, -1, INF)
    for matrix in found:
        there = ~is_absent(matrix.values)
        assert (
            matrix.values[there] == (matrix.times[:, None] + np.arange(len(matrix.labels)).astype(float))[there]
        ).all()
    return found[0].times.tolist() if found else []


def only_log(directory: Path) -> Path:
    (path,) = (directory / "wal").glob("*.wal")
    return path


def test_everything_flushed_is_there_after_a_restart(tmp_path):
    write(tmp_path, range(1, 60)).close()
    db = Tsdb.open(tmp_path, OPTIONS)
    assert times(db) == list(range(1, 60))
    assert (db.recovery.rows, db.recovery.samples, db.recovery.torn_bytes) == (59, 118, 0)
    assert db.problems == []
    db.close()


def test_close_writes_what_was_not_flushed(tmp_path):
    db = Tsdb.open(tmp_path, OPTIONS)
    group = db.group("g")
    db.append(group, 1, [group.column(Labels.of(__name__="m"))], [1.0])
    db.close()
    assert times(Tsdb.open(tmp_path, OPTIONS)) == [1]


def test_a_log_torn_at_any_byte_loses_only_the_torn_record(tmp_path):
    write(tmp_path / "whole", range(1, 7)).close()
    data = only_log(tmp_path / "whole").read_bytes()
    ends: dict[int, int] = {}
    rows_before = 0
    for size in range(len(data) + 1):
        place = tmp_path / "torn"
        (place / "wal").mkdir(parents=True)
        (place / "wal" / "00000001.wal").write_bytes(data[:size])
        db = Tsdb.open(place, OPTIONS)
        rows = times(db)
        assert rows == list(range(1, len(rows) + 1))
        assert len(rows) >= rows_before
        assert db.problems == []
        if rows != list(range(1, rows_before + 1)):
            assert db.recovery.torn_bytes == 0
        rows_before = len(rows)
        ends[size] = len(rows)
        # It is writable again, and the cut tail does not come back.
        group = db.group("g")
        db.append(group, 100, [group.column(Labels.of(__name__="m", group="g", i="0"))], [100.0])
        db.close()
        db = Tsdb.open(place, OPTIONS)
        assert db.recovery.torn_bytes == 0
        assert times(db) == [*rows, 100]
        db.close()
        shutil.rmtree(place)
    assert ends[len(data)] == 6


def test_a_flipped_byte_anywhere_loses_no_other_group_and_nothing_silently(tmp_path):
    write(tmp_path / "whole", range(1, 5), keys=("g", "h")).close()
    data = only_log(tmp_path / "whole").read_bytes()
    worst = 0
    for at in range(len(data)):
        place = tmp_path / "flipped"
        (place / "wal").mkdir(parents=True)
        (place / "wal" / "00000001.wal").write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        db = Tsdb.open(place, OPTIONS)
        found = db.snapshot().select(M, 0, INF)
        lost = 16 - sum(m.values.size for m in found)
        for matrix in found:
            assert (matrix.values == matrix.times[:, None] + np.arange(2)).all()
            assert {labels.get("group") for labels in matrix.labels} in ({"g"}, {"h"})
        assert any(len(m.times) == 4 for m in found)
        assert db.problems or db.recovery.torn_bytes, at
        assert lost == 0 or db.recovery.lost_samples + 2 >= lost
        worst = max(worst, lost)
        db.close()
        shutil.rmtree(place)
    assert worst == 8


def test_damage_is_told_with_its_place(tmp_path):
    write(tmp_path, range(1, 30)).close()
    path = only_log(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    db = Tsdb.open(tmp_path, OPTIONS)
    (problem,) = db.problems
    assert problem.file == str(path)
    assert "damaged" in problem.message
    assert len(times(db)) == 28


@pytest.mark.parametrize("junk", [b"", b"junk", b"HCWAL 1\n", b"\0" * 5000, bytes(range(256)) * 20])
def test_a_log_file_of_junk_harms_nothing(tmp_path, junk):
    write(tmp_path, range(1, 10)).close()
    (tmp_path / "wal" / "00000002.wal").write_bytes(junk)
    db = Tsdb.open(tmp_path, OPTIONS)
    assert times(db) == list(range(1, 10))


CHILD = """
import sys
from pathlib import Path
from hypercare.model.labels import Labels
from hypercare.tsdb import Options, Tsdb

db = Tsdb.open(Path(sys.argv[1]), Options(block_span=2000, seal_rows=50, keep_rows=20, seal_budget=500))
group = db.group("g")
numbers = [group.column(Labels.of(__name__="m", group="g", i=str(i))) for i in range(3)]
at = int(sys.argv[2])
while True:
    at += 1
    db.append(group, at, numbers, [float(at), at + 1.0, at + 2.0])
    if at % 7 == 0:
        db.flush(at)
        print(at, flush=True)
    if at % 20 == 0:
        db.maintain(at)
"""


def test_kill_9_loses_nothing_that_was_flushed(tmp_path):
    at = 0
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(at)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(600):
            flushed = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        child.wait()
        flushed = max([flushed, *rest])
        db = Tsdb.open(tmp_path, Options(block_span=2000))
        found = times(db)
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= flushed
        assert db.problems == []
        at = len(found)
        db.close()
    assert list((tmp_path / "blocks").glob("*.block"))


def sealed(directory: Path, rows: range, **kwargs) -> Tsdb:
    """Written rows, with all spans that are over moved into blocks."""
    db = write(directory, rows, **kwargs)
    while True:
        before = db.snapshot().stats().blocks
        db.maintain(rows[-1])
        if db.snapshot().stats().blocks == before:
            return db


def test_blocks_take_rows_out_of_memory_and_log(tmp_path):
    db = sealed(tmp_path, range(1, 551))
    stats = db.snapshot().stats()
    assert stats.blocks == 5
    assert (stats.min_time, stats.head_min_time, stats.max_time) == (1, 500, 550)
    assert times(db) == list(range(1, 551))
    assert db.snapshot().select(M, 90, 110)[0].times.tolist() == list(range(91, 111))
    assert db.snapshot().select(M, 498, 502)[0].times.tolist() == [499, 500, 501, 502]
    first = db.snapshot().select(M, 0, INF)[0].labels
    assert db.snapshot().select(M, 300, 510)[0].labels is first
    db.close()
    # The file of the current span, and that of the span before where its last flush reached over the edge.
    assert len(list((tmp_path / "wal").iterdir())) <= 2
    again = Tsdb.open(tmp_path, OPTIONS)
    assert times(again) == list(range(1, 551))
    assert again.recovery.rows == 51
    assert len(again.snapshot().select(M, 0, INF)) == 1


def test_a_snapshot_taken_before_a_block_is_written_reads_the_same_after(tmp_path):
    db = write(tmp_path, range(1, 260))
    before = db.snapshot()
    db.maintain(259)
    db.maintain(259)
    assert db.snapshot().stats().blocks == 2
    assert before.select(M, 0, INF)[0].times.tolist() == list(range(1, 260))


def test_a_block_is_written_a_bounded_amount_at_a_time(tmp_path):
    options = Options(block_span=100, seal_rows=8, keep_rows=4, seal_budget=300, fsync=False)
    db = write(tmp_path, range(1, 160), options=options, keys=("a", "b", "c", "d", "e"))
    calls = 0
    while not db.snapshot().stats().blocks:
        assert len(db.snapshot().select(M, 0, INF)) == 5
        db.maintain(160 + calls)
        calls += 1
        for key in "abcde":
            assert db.append(db.group(key), 160 + calls, [0, 1], [160.0 + calls, 161.0 + calls]).appended == 2
    assert calls == 3
    found = db.snapshot().select(M, 0, INF)
    assert [m.times.tolist() for m in found] == [[*range(1, 160), *range(161, 164)]] * 5


def test_rows_of_a_span_whose_block_is_written_are_refused(tmp_path):
    db = sealed(tmp_path, range(1, 251))
    late = db.group("late")
    column = late.column(Labels.of(__name__="m"))
    assert db.append(late, 199, [column], [1.0]).out_of_order == 1
    assert db.append(late, 200, [column], [1.0]).appended == 1


def test_a_series_that_comes_back_after_a_restart_is_one_column(tmp_path):
    sealed(tmp_path, range(1, 251), width=3).close()
    db = write(tmp_path, range(251, 280), width=2)
    (matrix,) = db.snapshot().select(M, 0, INF)
    assert len(matrix.labels) == 3
    assert not matrix.dense
    assert is_absent(matrix.values).sum() == 29
    assert db.snapshot().select((*M, Matcher("i", MatchOp.EQUAL, "0")), 0, INF)[0].dense


def test_retention_by_time_deletes_whole_blocks_and_forgets_their_series(tmp_path):
    options = Options(block_span=100, seal_rows=8, keep_rows=4, retention=250, fsync=False)
    db = sealed(tmp_path, range(1, 300), options=options, keys=("old",))
    group = db.group("new")
    for at in range(300, 700):
        db.append(group, at, [group.column(Labels.of(__name__="m", group="new"))], [float(at)])
        db.maintain(at)
    (matrix,) = db.snapshot().select(M, 0, INF)
    assert matrix.labels[0].get("group") == "new"
    assert matrix.times[0] == 400
    assert db.snapshot().stats().total_series == 1
    assert [p.name[:13] for p in sorted((tmp_path / "blocks").iterdir())] == ["0000000000400", "0000000000500"]


def test_retention_by_size_deletes_the_oldest(tmp_path):
    db = sealed(tmp_path, range(1, 1060))
    size = db.snapshot().stats().bytes_on_disk
    block = min((tmp_path / "blocks").iterdir()).stat().st_size
    db.close()
    options = Options(block_span=100, seal_rows=8, keep_rows=4, retention_bytes=size - 2 * block, fsync=False)
    db = Tsdb.open(tmp_path, options)
    db.maintain(1060)
    assert db.snapshot().stats().bytes_on_disk <= size - 2 * block
    left = times(db)
    assert left == list(range(left[0], 1060))
    assert 200 <= left[0] <= 400


def test_a_reader_outlives_the_deletion_of_its_block(tmp_path):
    db = sealed(tmp_path, range(1, 351))
    snapshot = db.snapshot()
    for path in (tmp_path / "blocks").iterdir():
        path.unlink()
    # Its files stay open for as long as anybody looks at them.
    assert [m.times.tolist() for m in snapshot.select(M, 0, INF)] == [list(range(1, 351))]
    assert db.problems == []


def test_a_block_damaged_anywhere_harms_only_itself_and_is_told(tmp_path):
    sealed(tmp_path / "whole", range(1, 351), width=40).close()
    victim = sorted((tmp_path / "whole" / "blocks").iterdir())[1].name
    data = (tmp_path / "whole" / "blocks" / victim).read_bytes()
    for at in [*range(8, len(data), 37), len(data) - 1, len(data) - 10]:
        place = tmp_path / "damaged"
        shutil.copytree(tmp_path / "whole", place)
        (place / "blocks" / victim).write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        db = Tsdb.open(place, OPTIONS)
        found = times(db)
        assert set(found) >= {*range(1, 100), *range(200, 351)}
        # A damaged table of names is not needed where another block has the same one.
        assert any(victim in problem.file for problem in db.problems) or found == list(range(1, 351)), at
        db.close()
        shutil.rmtree(place)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_block_cut_short_is_left_out_and_told(tmp_path, size):
    sealed(tmp_path, range(1, 351)).close()
    path = min((tmp_path / "blocks").iterdir())
    path.write_bytes(path.read_bytes()[:size])
    db = Tsdb.open(tmp_path, OPTIONS)
    assert times(db) == list(range(100, 351))
    assert [p.file for p in db.problems] == [str(path)]


def test_half_written_blocks_are_removed(tmp_path):
    sealed(tmp_path, range(1, 251)).close()
    (tmp_path / "blocks" / "x.tmp").write_bytes(b"half")
    assert times(Tsdb.open(tmp_path, OPTIONS)) == list(range(1, 251))
    assert not list((tmp_path / "blocks").glob("*.tmp"))


def test_two_processes_cannot_share_a_directory(tmp_path):
    db = write(tmp_path, range(1, 5))
    with pytest.raises(InputError, match="in use by another process"):
        Tsdb.open(tmp_path, OPTIONS)
    db.close()
    Tsdb.open(tmp_path, OPTIONS).close()


class FullDisk:
    """os.write on a disk that has room for a number of bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        taken = min(len(data), self.room)
        if taken == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= taken
        return self.write(fd, bytes(data[:taken]))


@pytest.mark.parametrize("room", [0, 3, 8, 50, 333])
def test_a_full_disk_stops_no_appends_and_loses_nothing_once_there_is_room(tmp_path, monkeypatch, room):
    db = Tsdb.open(tmp_path, OPTIONS)
    group = db.group("g")
    monkeypatch.setattr(os, "write", FullDisk(room))
    for at in range(1, 30):
        db.append(group, at, [group.column(Labels.of(__name__="m", group="g", i="0"))], [float(at)])
        db.flush(at)
    assert not db.flush(30)
    assert ["No space left" in p.message for p in db.problems] == [True]
    monkeypatch.undo()
    assert db.flush(31)
    db.close()
    again = Tsdb.open(tmp_path, OPTIONS)
    assert times(again) == list(range(1, 30))
    assert (again.problems, again.recovery.torn_bytes) == ([], 0)


def test_a_block_that_cannot_be_written_is_tried_again(tmp_path, monkeypatch):
    db = write(tmp_path, range(1, 251))
    real = os.fsync

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    db.maintain(251)
    assert db.snapshot().stats().blocks == 0
    assert "cannot be written" in db.problems[0].message
    assert times(db) == list(range(1, 251))
    monkeypatch.setattr(os, "fsync", real)
    db.maintain(252)
    assert db.snapshot().stats().blocks == 1
    assert times(db) == list(range(1, 251))
    assert not list((tmp_path / "blocks").glob("*.tmp"))


def test_the_log_goes_on_in_a_new_file_when_one_is_large(tmp_path):
    options = Options(block_span=10**6, wal_segment_bytes=2000, fsync=False)
    write(tmp_path, range(1, 200), options=options).close()
    assert len(list((tmp_path / "wal").iterdir())) > 4
    # Each file is whole in itself: the loss of one loses no other.
    min((tmp_path / "wal").iterdir()).unlink()
    db = Tsdb.open(tmp_path, options)
    found = times(db)
    assert found == list(range(found[0], 200))
    assert found[0] < 100
    assert db.problems == []


def test_readers_in_other_threads_see_no_row_twice_or_missing_while_blocks_are_written(tmp_path):
    db = write(tmp_path, range(1, 3))
    group = db.group("g")
    wrong: list[list[int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            (matrix,) = db.snapshot().select(M, 0, INF)
            found = matrix.times.tolist()
            if found != list(range(1, len(found) + 1)) or not (matrix.values[:, 0] == matrix.times).all():
                wrong.append(found)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for at in range(3, 1500):
        db.append(group, at, [0, 1], [float(at), at + 1.0])
        db.flush(at)
        db.maintain(at)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert db.snapshot().stats().blocks == 14
    assert db.problems == []
