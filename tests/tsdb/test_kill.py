"""``kill -9`` under full ingestion: the store starts again, has lost a second at most, and never shows a wrong value.

A child writes rows of known values without pause: a row every 10 ms of virtual time, the log every second of it as the
running program does, blocks of five seconds, merging, retention, series that come and go. It is killed at a seeded
moment: after some time, or in the middle of a system call that changes the disk (a write is then done in part). The
next child goes on where the store stands. ``KILLS=100 pytest tests/tsdb/test_kill.py`` (or ``make kills``) takes a
hundred moments instead of a dozen.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent, is_stale
from hypercare.tsdb import Options, Tsdb

KILLS = int(os.environ.get("KILLS", "8"))
STEP, SECOND = 10, 100  # ms a row, rows a flush
OPTIONS = Options(
    retention=60_000, block_span=5_000, seal_rows=120, keep_rows=60, seal_budget=3_000, wal_segment_bytes=1 << 18
)
GROUPS, WIDTH, LIFE = 4, 12, 7_000


def names(group: int, at: int) -> list[Labels]:
    """Columns at a time: most stay, two are others every seven seconds."""
    epoch = (at + group * 1_000) // LIFE
    fixed = [Labels.of(__name__="m", g=str(group), i=str(i)) for i in range(WIDTH - 2)]
    return fixed + [Labels.of(__name__="m", g=str(group), i=str(i), epoch=str(epoch)) for i in (WIDTH - 2, WIDTH - 1)]


def known(at: np.ndarray, group: int, column: int) -> np.ndarray:
    """The value of a cell, which nothing but its place tells: counters, decimals, noise, constants."""
    noise = (at * 2654435761 + column * 40503 + group * 977) % (1 << 32)
    return [at * (column + 1.0), noise / 8.0, np.round(noise / 1e4, 2), np.full(len(at), column + 0.25)][column % 4]


def child(directory: str, progress: str, kill_at_call: int, seed: int) -> None:
    """Write until killed; the number of rows appended stands in the progress file."""
    with Path(progress).open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    db = Tsdb.open(Path(directory), OPTIONS)
    if kill_at_call:
        _kill_in_call(kill_at_call, random.Random(seed))
    groups = [db.group(f"g{n}") for n in range(GROUPS)]
    last = max((group.last or 0 for group in groups), default=0)
    columns: list[np.ndarray | None] = [None] * GROUPS
    row = 0
    while True:
        row += 1
        at = last + row * STEP
        for number, group in enumerate(groups):
            if columns[number] is None or (at + number * 1_000) % LIFE < STEP or row % 50 == 1:
                columns[number] = np.array([group.column(labels) for labels in names(number, at)])
            instant = np.array([at])
            cells = np.array([known(instant, number, column)[0] for column in range(WIDTH)])
            assert db.append(group, at, columns[number], cells).appended == WIDTH
        shared[:8] = struct.pack("<q", at)
        if row % SECOND == 0:
            assert db.flush(at), db.problems
            db.maintain(at)
        if row % 25 == 0:
            db.maintain(at)


def _kill_in_call(number: int, chance: random.Random) -> None:
    """Die within the so-manieth call that changes the disk: before it, after it, or in the middle of a write."""
    left = number

    def dying(real):
        def call(*arguments, **named):
            nonlocal left
            left -= 1
            if left == 0:
                if real is os.write and chance.random() < 0.7:
                    real(arguments[0], bytes(arguments[1])[: chance.randrange(len(arguments[1]) + 1)])
                elif chance.random() < 0.5:
                    real(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in ("write", "fsync", "replace", "unlink", "truncate", "ftruncate"):
        setattr(os, name, dying(getattr(os, name)))


def look(directory: Path) -> tuple[int, int]:
    """Open the store and compare every cell with what was written; first and last time."""
    db = Tsdb.open(directory, OPTIONS)
    try:
        assert db.problems == []
        times: dict[int, set[int]] = {n: set() for n in range(GROUPS)}
        cells = 0
        for matrix in db.snapshot().select((), -1, 2**61):
            values = np.ascontiguousarray(matrix.values)
            assert not is_stale(values).any()
            there = ~is_absent(values)
            for column, labels in enumerate(matrix.labels):
                group = int(labels.get("g"))
                at = matrix.times[there[:, column]]
                found = values[there[:, column], column]
                assert (found == known(at, group, int(labels.get("i")))).all(), labels
                assert all(labels in names(group, int(each)) for each in at[:: max(len(at) // 5, 1)])
                times[group].update(at.tolist())
                cells += len(at)
        assert cells == sum(map(len, times.values())) * WIDTH, "every row has all its cells"
        ends = {group: (min(each), max(each)) for group, each in times.items() if each}
        if not ends:
            return 0, 0
        assert len(ends) == GROUPS
        for group, (first, last) in ends.items():
            assert sorted(times[group]) == list(range(first, last + STEP, STEP)), "no row is missing in between"
        return max(first for first, _ in ends.values()), min(last for _, last in ends.values())
    finally:
        db.close()


@pytest.mark.slow
@pytest.mark.timeout(300 + 10 * KILLS)
def test_kill_9_loses_a_second_at_most_and_shows_no_wrong_value(tmp_path):
    store, progress = tmp_path / "store", tmp_path / "progress"
    chance = random.Random(20)
    worst = grown = 0
    for kill in range(KILLS):
        progress.write_bytes(bytes(8))
        in_call = chance.randrange(1, 120) if kill % 2 else 0
        arguments = [str(store), str(progress), str(in_call), str(kill)]
        process = subprocess.Popen([sys.executable, __file__, *arguments], stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if not in_call and struct.unpack("<q", progress.read_bytes())[0]:
                time.sleep(chance.random() * 0.7)
                break
            time.sleep(0.01)
        process.kill()
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == -signal.SIGKILL, said
        written = struct.unpack("<q", progress.read_bytes())[0]
        first, last = look(store)
        # What had been appended since the last flush, and the row on its way.
        if written:
            worst = max(worst, written - last)
            assert last >= written - STEP * SECOND, (kill, in_call, written, last)
            assert last <= written + STEP
        assert first <= last
        grown = max(grown, last)
    print(f"{KILLS} kills, {grown / 1000:.0f} virtual seconds written, at most {worst} ms lost")
    assert grown > 5_000


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
