"""Reading what was appended, in its order, from a position that can be kept: what senders to other servers need.

The position is a place in the write-ahead log. A store without a directory has no log: there the newest rows are kept
in memory for whoever asked for them.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from hypercare.model.labels import Labels
from hypercare.tsdb.fields import START, is_field, owner_of, plans_of
from hypercare.tsdb.wal import (
    FILE_HEADER,
    FRAME,
    MARKER,
    ColumnsRecord,
    RowRecord,
    RowsRecord,
    SeriesRecord,
    frame_at,
)

if TYPE_CHECKING:
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.fields import FieldPlan
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.wal import LogFile, LogWriter

_CHUNK: Final = 1 << 20
_BUDGET: Final = 8 << 20
"""Bytes that one call looks at: it must not hold up the loop."""
_MEMORY_SAMPLES: Final = 2_000_000
HELD_BYTES: Final = 1 << 30
"""Bytes of log that are kept for readers that are behind, beyond what the store itself needs."""


class Position(NamedTuple):
    """A place in the log: the number of a file and a byte in it; orders as the log does."""

    file: int
    offset: int


class Columns:
    """What the columns of rows are; one object for all rows that have the same, so that readers can remember by it.

    Attributes:
        key: of the group.
        labels: of each column.
        floats: numbers of the columns that are series.
        starts: for each of those the column with its start timestamps, -1: none.
        plans: the histograms among the columns.

    """

    __slots__ = ("__weakref__", "floats", "key", "labels", "plans", "starts")

    def __init__(self, key: str, labels: tuple[Labels, ...]) -> None:
        self.key = key
        self.labels = labels
        fields = [at for at, each in enumerate(labels) if is_field(each)]
        whole = frozenset(fields)
        self.floats: Ints = np.array([at for at in range(len(labels)) if at not in whole], dtype=np.int64)
        owned = {owner_of(labels[at]): at for at in fields}
        self.starts: Ints = np.array([owned.get((labels[at], START), -1) for at in self.floats.tolist()], np.int64)
        self.plans: tuple[FieldPlan, ...] = ()
        if fields:
            # Plans number the columns they were given; theirs are all columns, of which the series are no fields.
            masked = [each if at in whole else _no_field(each) for at, each in enumerate(labels)]
            self.plans = tuple(plan for plan in plans_of(masked) if plan.has_histogram)


def _no_field(labels: Labels) -> Labels:
    """A stand-in for a series among fields."""
    return Labels((("\x00", "none"), *labels.pairs))


class Rows(NamedTuple):
    """Rows of one group, as they were appended.

    Attributes:
        times: int64[T], ascending.
        cells: float64[T, columns]; ``ABSENT`` where a row has no sample.

    """

    columns: Columns
    times: Ints
    cells: Floats


class Tail(Protocol):
    """A reader that moves forward."""

    @property
    def position(self) -> Position:
        """Behind what was read."""

    @property
    def unread(self) -> int:
        """Bytes that were appended since."""

    @property
    def lost(self) -> int:
        """How often rows were gone before they were read."""

    def keep_from(self, position: Position) -> None:
        """Have the log kept from here on, as far as its size allows: a reader may begin here after a restart."""

    def read(self, samples: int) -> list[Rows]:
        """The next rows, up to about this many samples; none: nothing there yet, or more looking is needed."""

    def close(self) -> None:
        """Let the log go."""


class LogTail:
    """Reads the files of the log; used in the thread that writes them."""

    def __init__(self, log: LogWriter, at: Position | None) -> None:
        self._log = log
        self._fd: int | None = None
        self._data = b""
        self._keys: dict[int, str] = {}
        self._series: dict[int, dict[int, Labels]] = {}
        self._lists: dict[int, tuple[int, Columns | None]] = {}
        self.lost = 0
        self.kept = self._begin(at)
        # What stands before is read once more for what its numbers mean, and not given out.
        self._given = self.kept.offset
        self._at = Position(self.kept.file, 0)
        log.readers.add(self)

    def _begin(self, at: Position | None) -> Position:
        files = self._log.files
        if at is None:
            return Position(_number(files[-1]), files[-1].size) if files else Position(0, 0)
        newest = _number(files[-1]) if files else 0
        # The numbers began anew: the files they meant are gone.
        return at if at.file <= newest else Position(0, 0)

    @property
    def position(self) -> Position:
        """Behind what was given out."""
        return Position(self._at.file, max(self._at.offset, self._given))

    @property
    def unread(self) -> int:
        """Bytes that were appended since."""
        here = self._at
        total = 0
        for file in reversed(self._log.files):
            number = _number(file)
            if number < here.file:
                break
            total += file.size - (max(here.offset, self._given) if number == here.file else 0)
        return max(total, 0)

    def keep_from(self, position: Position) -> None:
        """Have the log kept from here on."""
        self.kept = position

    def needs(self, file: LogFile) -> bool:
        """Whether a file must stay: until all files together are larger than ``HELD_BYTES``."""
        return self.kept.file <= _number(file) and self._log.size <= HELD_BYTES

    def close(self) -> None:
        """Let the log go."""
        self._shut()
        self.kept = Position(1 << 62, 0)

    def _shut(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self, samples: int) -> list[Rows]:
        """The next rows.

        Raises:
            OSError: the log cannot be read.

        """
        found: list[Rows] = []
        budget = _BUDGET
        while samples > 0 and budget > 0:
            size = self._open()
            if size is None:
                break
            if self._at.offset >= size:
                if not self._next_file():
                    break
                continue
            filled = self._fill(size)
            samples, moved = self._take(found, samples, size)
            budget -= filled + moved
            if not filled and not moved:
                # The file is shorter than it was: nothing more is in it.
                self._at = Position(self._at.file, size)
                self._data = b""
        return found

    def _open(self) -> int | None:
        """Have the file of the position open; returns how long it is, none: there is no file yet."""
        files = self._log.files
        if not files:
            return None
        here = next((file for file in files if _number(file) == self._at.file), None)
        if here is None:
            later = next((file for file in files if _number(file) > self._at.file), None)
            if later is None:
                return None
            if self._fd is not None:
                # Deleted while it was open: what it holds can still be read.
                return os.fstat(self._fd).st_size
            # An empty position means that nothing was there before; else rows are gone.
            self.lost += self.position != (0, 0)
            self._go_to(later)
            here = later
        if self._fd is None:
            self._fd = os.open(here.path, os.O_RDONLY | os.O_CLOEXEC)
        return here.size

    def _next_file(self) -> bool:
        """Go on with the next file, if this one is closed."""
        later = next((file for file in self._log.files if _number(file) > self._at.file), None)
        if later is None:
            return False
        self._go_to(later)
        return True

    def _go_to(self, file: LogFile) -> None:
        self._shut()
        self._at = Position(_number(file), 0)
        self._given = 0
        self._data = b""
        self._keys, self._series, self._lists = {}, {}, {}

    def _fill(self, size: int) -> int:
        """Read on; returns how many bytes were read."""
        assert self._fd is not None  # noqa: S101 - opened by the caller
        at = self._at.offset + len(self._data)
        want = min(size - at, _CHUNK)
        if want <= 0:
            return 0
        data = os.pread(self._fd, want, at)
        self._data += data
        return len(data)

    def _take(self, found: list[Rows], samples: int, size: int) -> tuple[int, int]:
        """Take whole records out of what was read; returns how many samples are still wanted, and bytes moved."""
        file, begin = self._at
        data, at = self._data, 0
        view = memoryview(data)
        if begin == 0 and data.startswith(FILE_HEADER):
            at = len(FILE_HEADER)
        while samples > 0 and at < len(data):
            record = frame_at(view, at)
            if record is None:
                if begin + len(data) < size and self._is_cut(data, at):
                    break
                following = data.find(MARKER, at + 1)
                at = following if following >= 0 else len(data)
                continue
            end = record[1]
            rows = self._record(record[0], given=begin + end <= self._given)
            if rows is not None:
                found.append(rows)
                samples -= rows.cells.size
            at = end
        self._data = data[at:]
        self._at = Position(file, begin + at)
        return samples, at

    @staticmethod
    def _is_cut(data: bytes, at: int) -> bool:
        """Whether a record may go on beyond what was read."""
        if len(data) - at < FRAME.size:
            return True
        marker, length, _ = FRAME.unpack_from(data, at)
        return bool(marker == MARKER and at + FRAME.size + length > len(data))

    def _record(self, record: object, *, given: bool) -> Rows | None:
        if isinstance(record, RowRecord | RowsRecord):
            if given:
                return None
            layout, columns = self._lists.get(record.gid, (-1, None))
            if layout != record.layout or columns is None:
                return None
            # A copy: whoever keeps a row must not keep all that was read with it.
            cells = np.frombuffer(bytes(record.packed), dtype=np.float64)
            times = np.array([record.at], np.int64) if isinstance(record, RowRecord) else record.times.copy()
            if cells.size != len(times) * len(columns.labels):
                return None
            return Rows(columns, times, cells.reshape(len(times), -1))
        if isinstance(record, SeriesRecord):
            self._keys[record.gid] = record.key
            known = self._series.setdefault(record.gid, {})
            known.update((number, Labels(pairs)) for number, pairs in record.series)
        elif isinstance(record, ColumnsRecord):
            known = self._series.get(record.gid, {})
            columns = None
            if all(number in known for number in record.columns):
                columns = Columns(self._keys.get(record.gid, ""), tuple(known[number] for number in record.columns))
            self._lists[record.gid] = (record.layout, columns)
        return None


def _number(file: LogFile) -> int:
    return int(file.path.stem)


class MemoryLog:
    """The newest rows of a store that has no log; what is older than the limit is forgotten."""

    def __init__(self) -> None:
        self.rows_kept: deque[Rows] = deque()
        self.first = 0
        self._size = 0
        self._known: dict[tuple[int, bytes, int], Columns] = {}

    def row(self, group: Group, at: Ms, columns: Ints, packed: bytes) -> None:
        """Take a row in."""
        cells = np.frombuffer(packed, dtype=np.float64).reshape(1, -1)
        self._add(Rows(self._columns(group, columns), np.array([at], np.int64), cells))

    def rows(self, group: Group, times: Ints, columns: Ints, cells: Floats, late: int) -> None:
        """Take several rows in."""
        del late
        self._add(Rows(self._columns(group, columns), times.copy(), np.array(cells)))

    def _columns(self, group: Group, columns: Ints) -> Columns:
        key = (group.gid, columns.tobytes(), group.generation)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 10_000:
                self._known.clear()
            labels = tuple(group.series[number] for number in columns.tolist())
            found = self._known[key] = Columns(group.key, labels)
        return found

    def _add(self, rows: Rows) -> None:
        self.rows_kept.append(rows)
        self._size += rows.cells.size
        while self._size > _MEMORY_SAMPLES:
            self._size -= self.rows_kept.popleft().cells.size
            self.first += 1


class MemoryTail:
    """Reads rows that are kept in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.lost = 0
        self.position = Position(0, log.first + len(log.rows_kept))

    @property
    def unread(self) -> int:
        """Bytes that were appended since, at least eight a row."""
        log = self._log
        at = max(self.position.offset - log.first, 0)
        return 8 * sum(log.rows_kept[i].cells.size for i in range(at, len(log.rows_kept)))

    def read(self, samples: int) -> list[Rows]:
        """The next rows."""
        log = self._log
        at = self.position.offset - log.first
        if at < 0:
            self.lost += 1
            at = 0
        found: list[Rows] = []
        while samples > 0 and at < len(log.rows_kept):
            found.append(log.rows_kept[at])
            samples -= found[-1].cells.size
            at += 1
        self.position = Position(0, log.first + at)
        return found

    def keep_from(self, position: Position) -> None:
        """Nothing can be kept."""

    def close(self) -> None:
        """Nothing is held."""
