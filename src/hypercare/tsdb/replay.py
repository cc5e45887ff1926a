"""Bringing back what the log holds."""

from __future__ import annotations

import dataclasses
import os
from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.errors import Problem
from hypercare.model.labels import Labels
from hypercare.tsdb.raw import holes_of
from hypercare.tsdb.rows import NEVER, write_rows
from hypercare.tsdb.wal import (
    ColumnsRecord,
    Damage,
    DeletionRecord,
    LogFile,
    RowRecord,
    RowsRecord,
    SeriesRecord,
    read_log,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head
    from hypercare.tsdb.tombstones import Tombstone


@dataclasses.dataclass(slots=True)
class Recovery:
    """What opening a store found in its log.

    Attributes:
        rows: brought back.
        samples: brought back.
        torn_bytes: cut off at the end of a file: the last write before a crash.
        damaged_bytes: unreadable in the middle of a file.
        lost_samples: readable, but of series whose names stood in damaged bytes.
        problems: the damage in words.

    """

    rows: int = 0
    samples: int = 0
    torn_bytes: int = 0
    damaged_bytes: int = 0
    lost_samples: int = 0
    problems: list[Problem] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class _Run:
    """Rows of a group that follow each other, with the same columns and ascending times.

    Attributes:
        known: which of the cells are of known series (none: all).

    """

    layout: int
    width: int
    group: Group
    numbers: Ints
    known: Bools | None
    times: list[Ms]
    cells: list[memoryview]


class _FileReplay:
    """Replay of one file: what its numbers mean.

    Rows are appended many at once: those of a group wait until something else of this group, or a deletion, follows.
    """

    def __init__(self, head: Head, group_of: Callable[[str], Group], recovery: Recovery) -> None:
        self._head = head
        self._group_of = group_of
        self._recovery = recovery
        self._groups: dict[int, Group] = {}
        self._columns: dict[int, dict[int, int]] = {}
        # Per group: number of the list, its columns, and which of them are known (none: all).
        self._lists: dict[int, tuple[int, Ints, Bools | None]] = {}
        self._runs: dict[int, _Run] = {}
        self._introduced = 0

    @property
    def late(self) -> int:
        """The number of the newest late segment."""
        return self._head.late

    def series(self, record: SeriesRecord) -> None:
        self._end_run(record.gid)
        group = self._group_of(record.key)
        if self._groups.get(record.gid) is not group:
            # Numbers that meant columns of another group mean nothing in this one.
            self._columns.pop(record.gid, None)
            self._lists.pop(record.gid, None)
            self._groups[record.gid] = group
        known = self._columns.setdefault(record.gid, {})
        self._introduced += len(record.series)
        self._head.hold(self._introduced)
        for number, pairs in record.series:
            known[number] = group.column(Labels(pairs))

    def columns(self, record: ColumnsRecord) -> None:
        self._end_run(record.gid)
        known = self._columns.get(record.gid, {})
        here = np.array([number in known for number in record.columns], dtype=np.bool_)
        if not here.all() and (group := self._groups.get(record.gid)) is not None and group.owners:
            # What is unknown may be a bucket: without it a histogram would be another one.
            part = [number in known and group.is_part(known[number]) for number in record.columns]
            here &= ~np.array(part, dtype=np.bool_)
        numbers = np.array([known[n] for n, used in zip(record.columns, here, strict=True) if used], dtype=np.int64)
        if len(np.unique(numbers)) < len(numbers):
            # No writer names a column twice: the rows that need this list are lost, and counted.
            self._lists.pop(record.gid, None)
            return
        self._lists[record.gid] = (record.layout, numbers, None if here.all() else here)

    def row(self, record: RowRecord) -> None:
        gid, layout, at, packed = record
        run = self._runs.get(gid)
        if run is not None:
            if layout == run.layout and at > run.times[-1] and len(packed) == run.width:
                run.times.append(at)
                run.cells.append(packed)
                return
            self._end_run(gid)
        found = self._columns_of(record, len(packed) // 8)
        if found is not None:
            self._runs[gid] = _Run(layout, len(packed), *found, [at], [packed])

    def end_runs(self) -> None:
        """Append all rows that wait."""
        for gid in list(self._runs):
            self._end_run(gid)

    def _end_run(self, gid: int) -> None:
        """Append the rows of a group that wait."""
        run = self._runs.pop(gid, None)
        if run is None:
            return
        if run.known is not None:
            self._recovery.lost_samples += int((~run.known).sum()) * (len(run.times) - 1)
        valid = self._head.min_valid
        first = 0 if valid is None else bisect_left(run.times, valid)
        if first == len(run.times):
            return
        times = np.array(run.times[first:], dtype=np.int64)
        cells = np.frombuffer(b"".join(run.cells[first:]), dtype=np.float64).reshape(len(times), -1)
        if run.known is not None:
            cells = cells[:, run.known]
        self._recovery.rows += len(times)
        # One by one: what does not follow the newest row, and rows with markers.
        last = run.group.last
        at = 0 if last is None else int(np.searchsorted(times, last, side="right"))
        self._one_by_one(run, times[:at], cells[:at])
        marked = np.flatnonzero(holes_of(cells[at:]).any(axis=1)) + at
        for row in [*marked.tolist(), len(times)]:
            self._together(run, times[at:row], cells[at:row])
            self._one_by_one(run, times[row : row + 1], cells[row : row + 1])
            at = row + 1

    def _together(self, run: _Run, times: Ints, cells: Floats) -> None:
        if len(times) and len(run.numbers):
            self._head.extend(run.group, times, run.numbers, cells, np.ones(cells.shape, dtype=np.bool_))
            self._recovery.samples += cells.size

    def _one_by_one(self, run: _Run, times: Ints, cells: Floats) -> None:
        for at, row in zip(times.tolist(), cells, strict=True):
            result = self._head.append(run.group, at, run.numbers, np.ascontiguousarray(row), ())
            self._recovery.samples += result.appended

    def rows(self, record: RowsRecord) -> None:
        self._end_run(record.gid)
        values = np.frombuffer(record.packed, dtype=np.float64)
        count = len(record.times)
        found = self._columns_of(record, len(values) // count, count) if len(values) % count == 0 else None
        if found is None:
            return
        group, numbers, known = found
        times, cells = record.times, values.reshape(count, -1)
        if known is not None:
            cells = cells[:, known]
        # Rows of a closed span are in its block, but for those that came after it.
        keep = slice(None)
        if not record.late and self._head.min_valid is not None:
            keep = slice(int(np.searchsorted(times, self._head.min_valid)), None)
        if len(times[keep]) and len(numbers):
            result = write_rows(self._head, group, times[keep], numbers, cells[keep], oldest=NEVER)
            self._recovery.rows += len(times[keep])
            self._recovery.samples += result.appended

    def _columns_of(
        self, record: RowRecord | RowsRecord, width: int, rows: int = 1
    ) -> tuple[Group, Ints, Bools | None] | None:
        """Group and column numbers of a record, and which of its cells are of known series (none: all)."""
        group = self._groups.get(record.gid)
        listed = self._lists.get(record.gid)
        if group is None or listed is None or listed[0] != record.layout:
            self._recovery.lost_samples += width * rows
            return None
        _, numbers, known = listed
        if width != (len(numbers) if known is None else len(known)):
            self._recovery.lost_samples += width * rows
            return None
        if known is not None:
            self._recovery.lost_samples += int((~known).sum()) * rows
        return group, numbers, known


def replay_directory(
    directory: Path,
    head: Head,
    group_of: Callable[[str], Group],
    erase: Callable[[Tombstone], object],
    recovery: Recovery,
) -> list[LogFile]:
    """Append all rows of the log to the head, cut torn tails, and return the files that hold rows.

    Raises:
        OSError: a file cannot be read or cut.
    """
    files: list[LogFile] = []
    for path in sorted(p for p in directory.glob("*.wal") if p.stem.isdigit()):
        file = _replay_file(path, _FileReplay(head, group_of, recovery), erase, recovery)
        if file.last is None:
            path.unlink()
        else:
            files.append(file)
    head.release()
    head.appended = head.refused = 0
    return files


def _replay_file(path: Path, replay: _FileReplay, erase: Callable[[Tombstone], object], recovery: Recovery) -> LogFile:
    data = path.read_bytes()
    file = LogFile(path, size=len(data))
    lost_before = recovery.lost_samples
    for record in read_log(data):
        if isinstance(record, RowRecord):
            replay.row(record)
            file.last = record.at if file.last is None else max(file.last, record.at)
        elif isinstance(record, RowsRecord):
            replay.rows(record)
            newest = int(record.times[-1])
            file.last = newest if file.last is None else max(file.last, newest)
            # The segments of this run have numbers of their own.
            if record.late:
                file.late = max(file.late, replay.late)
        elif isinstance(record, DeletionRecord):
            replay.end_runs()
            erase(record.tombstone)
            file.deletes = True
            file.last = record.newest if file.last is None else max(file.last, record.newest)
        elif isinstance(record, ColumnsRecord):
            replay.columns(record)
        elif isinstance(record, SeriesRecord):
            replay.series(record)
        elif record.torn:
            recovery.torn_bytes += record.end - record.start
            os.truncate(path, record.start)
            file.size = record.start
        else:
            _report(path, record, recovery)
    replay.end_runs()
    lost = recovery.lost_samples - lost_before
    if lost:
        message = f"{lost} samples belong to series whose names stood in damaged bytes"
        recovery.problems.append(Problem(str(path), 0, 0, message, "they are lost; check the disk"))
    return file


def _report(path: Path, damage: Damage, recovery: Recovery) -> None:
    size = damage.end - damage.start
    recovery.damaged_bytes += size
    message = f"{size} bytes from offset {damage.start} are damaged; the records around them were read"
    recovery.problems.append(
        Problem(str(path), 0, 0, message, "check the disk; the file goes when its block is written")
    )
