"""The write-ahead log: what was appended, in files of checksummed records.

A file is ``HCWAL 1``, a newline, and records: marker, length of the body, CRC-32 of the body, body. Each file says
anew which groups and series its numbers mean, so that older files can be deleted. Bodies (little-endian):

* series: group number, JSON ``[key, [[column, [[name, value], …]], …]]``;
* columns: group number, number of the list, column numbers (uint32): what the rows after it consist of;
* row: group number, number of the list, time (int64), values (float64);
* rows: group number, number of the list, number of the late segment (int64, 0: not late), how many rows (uint32),
  times, values row after row;
* deletion: JSON ``[newest sample time at that moment, tombstone]``.

A row names its list of columns by number, so that a lost list makes rows unreadable rather than wrong.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from weakref import WeakSet
from zlib import crc32

import numpy as np

from hypercare.tsdb.files import sync_directory
from hypercare.tsdb.tombstones import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.tombstones import Tombstone

FILE_HEADER: Final = b"HCWAL 1\n"
MARKER: Final = b"\xc7HWr"
FRAME: Final = struct.Struct("<4sII")
_SERIES_HEAD: Final = struct.Struct("<BI")
_COLUMNS_HEAD: Final = struct.Struct("<BII")
_ROW_HEAD: Final = struct.Struct("<BIIq")
_SERIES: Final = 1
_COLUMNS: Final = 2
_ROW: Final = 3
_ROWS_HEAD: Final = struct.Struct("<BIIqI")
_ROWS: Final = 4
_DELETION: Final = 5
_BUFFER_LIMIT: Final = 64 << 20
_NEVER: Final = 1 << 62


@dataclasses.dataclass(slots=True)
class LogFile:
    """One file of the log.

    Attributes:
        last: time of its newest row, ms; none where it has no row.
        late: the greatest number of a late segment that its rows belong to.
        deletes: whether it says of rows, also of those of older files, that they are deleted.

    """

    path: Path
    last: Ms | None = None
    size: int = 0
    late: int = 0
    deletes: bool = False


class LogReader(Protocol):
    """Somebody who reads the log after it was written."""

    def needs(self, file: LogFile) -> bool:
        """Whether a file must stay."""
        ...


@dataclasses.dataclass(slots=True)
class _Batch:
    """Records that are not written yet, all for one file."""

    pieces: list[bytes] = dataclasses.field(default_factory=list)
    last: Ms | None = None
    late: int = 0
    deletes: bool = False

    def note(self, at: Ms) -> None:
        """Hear of the time of a row."""
        if self.last is None or at > self.last:
            self.last = at


class LogWriter:
    """Collects records and writes them to the newest file on ``flush``.

    Attributes:
        files: all files, oldest first.
        dropped_bytes: what could not be written and had to be given up.

    """

    def __init__(self, directory: Path, files: list[LogFile], *, segment_bytes: int, fsync: bool) -> None:
        self.files = files
        self.dropped_bytes = 0
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        # Of the file that new records are for; ``_fd`` is of the one that is written to.
        self._number = max((int(f.path.stem) for f in files), default=0) + 1
        self._fd: int | None = None
        self._batch = _Batch()
        # What still belongs to the file before, after rows of a new span have come.
        self._ended: _Batch | None = None
        self._edge: Ms = _NEVER
        self._span: Ms = 0
        self._unsynced = False
        # Asked before a file is deleted.
        self.readers: WeakSet[LogReader] = WeakSet()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.files)

    def row(self, group: Group, at: Ms, columns: Ints, packed: bytes) -> None:
        """Record a row."""
        if at >= self._edge:
            self._turn(at)
        if columns is not group.wal_columns or group.wal_file != self._number:
            self._introduce(group, columns)
        head = _ROW_HEAD.pack(_ROW, group.gid, group.wal_layout, at)
        frame = FRAME.pack(MARKER, len(head) + len(packed), crc32(packed, crc32(head)))
        batch = self._batch
        batch.pieces += (frame, head, packed)
        if batch.last is None or at > batch.last:
            batch.last = at

    def rows(self, group: Group, times: Ints, columns: Ints, cells: Floats, late: int) -> None:
        """Record several rows."""
        newest = int(times[-1])
        if newest >= self._edge:
            self._turn(newest)
        if columns is not group.wal_columns or group.wal_file != self._number:
            self._introduce(group, columns)
        head = _ROWS_HEAD.pack(_ROWS, group.gid, group.wal_layout, late, len(times))
        self._record(b"".join((head, times.astype("<i8").tobytes(), np.ascontiguousarray(cells).tobytes())))
        self._batch.note(newest)
        self._batch.late = max(self._batch.late, late)

    def deletion(self, tombstone: Tombstone, newest: Ms) -> None:
        """Record that samples in memory were deleted, none of them newer than a time."""
        self._record(bytes((_DELETION,)) + json.dumps([newest, to_json(tombstone)]).encode())
        self._batch.deletes = True
        self._batch.note(newest)

    def _introduce(self, group: Group, columns: Ints) -> None:
        """Record what the numbers of the next row mean, as far as this file does not say so yet."""
        if group.wal_file != self._number:
            group.wal_file = self._number
            group.wal_known = np.empty(0, dtype=np.int64)
            group.wal_columns = None
        fresh = columns[~np.isin(columns, group.wal_known)]
        if len(fresh):
            group.wal_known = np.concatenate([group.wal_known, fresh])
            series = [[number, group.series[number].pairs] for number in fresh.tolist()]
            self._record(_SERIES_HEAD.pack(_SERIES, group.gid) + json.dumps([group.key, series]).encode())
        if group.wal_columns is None or not np.array_equal(columns, group.wal_columns):
            group.wal_layout = (group.wal_layout + 1) & 0xFFFFFFFF
            head = _COLUMNS_HEAD.pack(_COLUMNS, group.gid, group.wal_layout)
            self._record(head + columns.astype("<u4").tobytes())
        group.wal_columns = columns

    def _record(self, body: bytes) -> None:
        self._batch.pieces += (FRAME.pack(MARKER, len(body), crc32(body)), body)

    def _turn(self, at: Ms) -> None:
        """Begin a new file with a row of the next span, so that the file before goes when its block is written.

        A row of a span after the next one is of a wrong clock: it stays with the others.
        """
        if at >= self._edge + self._span:
            return
        self._edge += self._span
        # Rows of two spans in one flush: those of the first ones share a file.
        if self._ended is None and (self._batch.pieces or self._fd is not None):
            self._ended, self._batch = self._batch, _Batch()
            self._number += 1

    def keep_apart(self, now: Ms, span: Ms) -> None:
        """Have each span of time in files of its own, from the one on that is now; call after each flush."""
        edge = (now // span + 1) * span
        if self._edge != _NEVER and self._edge < edge:
            self.rotate()
        if self._edge == _NEVER or self._edge < edge:
            self._span, self._edge = span, edge

    def flush(self, *, sync: bool = True) -> None:
        """Write what was collected and wait for the disk.

        Args:
            sync: wait for the disk; without it a crash of the process loses nothing, one of the machine may.

        Raises:
            OSError: it could not be written; it stays collected for the next call, up to a limit.
        """
        if self._ended is not None:
            self._give(self._ended, sync=True)
            self._ended = None
            self._close()
        if self._batch.pieces or (self._unsynced and sync):
            self._give(self._batch, sync=sync)
            self._batch = _Batch()
            if sync and self.files[-1].size >= self._segment_bytes:
                self.rotate()

    def _give(self, batch: _Batch, *, sync: bool) -> None:
        """Write a batch to the file that it is for."""
        data = b"".join(batch.pieces)
        batch.pieces = [data] if data else []
        try:
            self._write(batch, data, sync=sync)
        except OSError:
            waiting = 0 if batch is self._batch else sum(map(len, self._batch.pieces))
            if len(data) + waiting > _BUFFER_LIMIT:
                self.dropped_bytes += len(data)
                if batch is self._ended:
                    self._ended = None
                    self._close()
                else:
                    self._batch = _Batch()
                    self.rotate()
            raise

    def _write(self, batch: _Batch, data: bytes, *, sync: bool) -> None:
        fd = self._fd if self._fd is not None else self._begin(self._number - (batch is self._ended))
        file = self.files[-1]
        if not file.size:
            data = FILE_HEADER + data
        try:
            done = 0
            while done < len(data):
                done += os.write(fd, memoryview(data)[done:])
        except OSError:
            # Half a record must not stand before the next one.
            os.ftruncate(fd, file.size)
            os.lseek(fd, file.size, os.SEEK_SET)
            raise
        file.size += len(data)
        if batch.last is not None:
            file.last = batch.last if file.last is None else max(file.last, batch.last)
            file.late = max(file.late, batch.late)
            file.deletes = file.deletes or batch.deletes
        # They stand in the file, whatever becomes of the disk.
        batch.pieces.clear()
        self._unsynced = True
        if not sync:
            return
        if self._fsync:
            os.fsync(fd)
        self._unsynced = False

    def _begin(self, number: int) -> int:
        path = self._directory / f"{number:08d}.wal"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            sync_directory(self._directory)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self.files.append(LogFile(path))
        return fd

    def rotate(self) -> None:
        """Let the next flush begin a new file. Rows collected so far must have been flushed."""
        self._close()
        self._number += 1

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def delete_before(self, until: Ms, late: int) -> None:
        """Delete closed files whose rows are all older, and of late segments before a number: they are in blocks.

        Raises:
            OSError: a file could not be deleted.
        """
        current = self.files[-1] if self._fd is not None else None
        kept = False
        for file in list(self.files):
            stored = (file.last is None or file.last < until) and file.late < late
            # While older rows are there, what deletes them must be, too.
            needed = (kept and file.deletes) or any(reader.needs(file) for reader in self.readers)
            if stored and file is not current and not needed:
                file.path.unlink(missing_ok=True)
                self.files.remove(file)
            else:
                kept = True

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            OSError: it could not be written.
        """
        try:
            self.flush()
        finally:
            self._close()


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesRecord:
    """Introduces columns of a group."""

    gid: int
    key: str
    series: tuple[tuple[int, tuple[tuple[str, str], ...]], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnsRecord:
    """The columns of the rows to come."""

    gid: int
    layout: int
    columns: tuple[int, ...]


class RowRecord(NamedTuple):
    """One row; ``packed`` looks into the file's bytes."""

    gid: int
    layout: int
    at: Ms
    packed: memoryview


@dataclasses.dataclass(frozen=True, slots=True)
class RowsRecord:
    """Several rows."""

    gid: int
    layout: int
    late: int
    times: Ints
    packed: memoryview


@dataclasses.dataclass(frozen=True, slots=True)
class DeletionRecord:
    """Samples that were deleted from memory; ``newest``: none of them was newer."""

    newest: Ms
    tombstone: Tombstone


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are not records.

    Attributes:
        torn: nothing readable follows, as after a crash in the middle of a write.

    """

    start: int
    end: int
    torn: bool


Record = SeriesRecord | ColumnsRecord | RowRecord | RowsRecord | DeletionRecord


def read_log(data: bytes) -> Iterator[Record | Damage]:
    """The records of a file, and the stretches between them that are none."""
    at = len(FILE_HEADER) if data.startswith(FILE_HEADER) else 0
    view = memoryview(data)
    while at < len(data):
        found = frame_at(view, at)
        if found is not None:
            yield found[0]
            at = found[1]
            continue
        following = data.find(MARKER, at + 1)
        while following >= 0 and frame_at(view, following) is None:
            following = data.find(MARKER, following + 1)
        if following < 0:
            yield Damage(at, len(data), torn=True)
            return
        yield Damage(at, following, torn=False)
        at = following


def frame_at(data: memoryview, at: int) -> tuple[Record, int] | None:
    """The record that begins here and where it ends; none: there is no whole one."""
    start = at + FRAME.size
    if start > len(data):
        return None
    marker, length, checksum = FRAME.unpack_from(data, at)
    end = start + length
    if marker != MARKER or end > len(data):
        return None
    body = data[start:end]
    if crc32(body) != checksum:
        return None
    try:
        return _parse(body), end
    except (ValueError, TypeError, LookupError, RecursionError, struct.error):
        return None


def _parse(body: memoryview) -> Record:
    kind = body[0]
    if kind == _ROW:
        _, gid, layout, at = _ROW_HEAD.unpack_from(body)
        return RowRecord(gid, layout, at, _cells(body, _ROW_HEAD.size))
    if kind == _ROWS:
        _, gid, layout, late, count = _ROWS_HEAD.unpack_from(body)
        behind = _ROWS_HEAD.size + 8 * count
        times = np.frombuffer(body[_ROWS_HEAD.size : behind], dtype=np.int64)
        if len(times) != count or not count or bool((np.diff(times) <= 0).any()):
            msg = "rows without their times"
            raise ValueError(msg)
        return RowsRecord(gid, layout, late, times, _cells(body, behind))
    if kind == _DELETION:
        newest, tombstone = json.loads(bytes(body[1:]))
        return DeletionRecord(int(newest), from_json(tombstone))
    if kind == _COLUMNS:
        _, gid, layout = _COLUMNS_HEAD.unpack_from(body)
        return ColumnsRecord(gid, layout, tuple(np.frombuffer(body[_COLUMNS_HEAD.size :], dtype="<u4").tolist()))
    if kind == _SERIES:
        _, gid = _SERIES_HEAD.unpack_from(body)
        key, series = json.loads(bytes(body[_SERIES_HEAD.size :]))
        named = tuple((int(n), tuple((a, b) for a, b in pairs)) for n, pairs in series)
        if not isinstance(key, str) or not all(isinstance(text, str) for _, p in named for pair in p for text in pair):
            msg = "names that are no texts"
            raise ValueError(msg)
        return SeriesRecord(gid, key, named)
    msg = f"unknown kind of record: {kind}"
    raise ValueError(msg)


def _cells(body: memoryview, start: int) -> memoryview:
    if (len(body) - start) % 8:
        msg = "half a value"
        raise ValueError(msg)
    return body[start:]
