"""The head: the newest rows of all groups, in memory. One writer."""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from hypercare.model.samples import ABSENT, is_absent, is_stale
from hypercare.tsdb.layout import as_slots
from hypercare.tsdb.options import AppendResult
from hypercare.tsdb.raw import RawRows, holes_of
from hypercare.tsdb.rows import write_rows
from hypercare.tsdb.segment import seal
from hypercare.tsdb.shapes import row_arrays, used_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.cuts import State
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.options import Options
    from hypercare.tsdb.segment import DecodedCache, Segment
    from hypercare.tsdb.shapes import Columns, Journal, Values

Reader: TypeAlias = "Callable[[Group, Ints, Ms, Ms], tuple[Ints, Floats]]"

_PLACES: Final = 16
"""Lists of columns remembered of a group; rules that read each other's results write a row in a few portions."""
_LEAST_ROWS: Final = 24
"""Rows that a buffer has room for, however many series there are."""
_FIRST_ROWS: Final = 16
"""Rows that a new buffer has room for; it grows."""
_SPARED_ROWS: Final = 4
"""Rows that stay uncompressed when the columns of series that are gone are left out."""
_MOST_SEALED: Final = 2
"""How many times ``Options.seal_rows`` are compressed at once at most."""
_WIDE: Final = 64
"""Columns up to which that is not worth it."""
_BULK: Final = 4
"""Rows from which on it pays to take them in together."""
_FLOAT64: Final = np.dtype(np.float64)
_NAN_BYTE: Final = 0x7F
"""Highest byte of every marker (and of infinity, positive NaNs and values beyond 1e303)."""


class Head:
    """Rows in memory.

    Attributes:
        states: what readers see of each group, by its number; values are replaced, never changed.
        active: the groups that have rows in memory, by their number.
        lock: held while a view is taken, and by what must not fall into the middle of one.
        epoch: how many times readers took a view.
        changed: whether anything came since the last view.
        min_valid: rows before this time are refused, because their block is closed or being written; ms.
        appended: samples taken in.
        refused: samples refused.
        late: how many segments there were of rows that came after newer ones were sealed.
        reader: gives what is stored of some columns of a group after one time and up to another.

    """

    def __init__(self, options: Options, cache: DecodedCache, journal: Journal | None, align: Ms) -> None:
        self.states: dict[int, State] = {}
        self.active: dict[int, Group] = {}
        self.epoch = 0
        self.changed = True
        self.lock = threading.Lock()
        self.min_valid: Ms | None = None
        self.appended = 0
        self.refused = 0
        self.journal = journal
        self.late = 0
        self.reader: Reader = _nothing
        self.window = options.out_of_order_window
        self.align = align
        self.cache = cache
        self._options = options
        self._held = False
        self._seal_rows = max(options.seal_rows, 1)
        self._capacity = self._seal_rows + max(options.keep_rows, 1)

    def tune(self) -> None:
        """Choose how many rows stay uncompressed, by how many series there are."""
        options = self._options
        columns = sum(group.raw.values.shape[1] for group in self.active.values() if group.raw is not None)
        wanted = max(options.seal_rows, 1) + max(options.keep_rows, 1)
        rows = min(wanted, max(options.raw_bytes // (8 * max(columns, 1)), _LEAST_ROWS))
        if rows == self._capacity:
            return
        self._capacity = rows
        # Buffers that are larger shrink when they are sealed next.
        self._seal_rows = max(options.seal_rows, 1) if rows == wanted else max(rows * 3 // 4, 1)

    def hold(self, columns: int) -> None:
        """While the log is read: keep as many rows of so many columns uncompressed as ``Options.raw_bytes`` allows.

        The start waits for the log, and not for codecs: what is too much is compressed by the appends that follow, or
        by ``settle``.
        """
        self._held = True
        options = self._options
        wanted = max(options.seal_rows, 1) + max(options.keep_rows, 1)
        self._capacity = max(wanted, options.raw_bytes // (8 * max(columns, 1)))

    def release(self) -> None:
        """After the log was read: compress rows as usual."""
        self._seal_rows = max(self._options.seal_rows, 1)
        self._capacity = self._seal_rows + max(self._options.keep_rows, 1)

    def settle(self, budget: int) -> bool:
        """Compress about so many samples of what ``hold`` left uncompressed; returns whether there is more."""
        if not self._held:
            return False
        for group in self.active.values():
            raw = group.raw
            while raw is not None and raw.count > self._limit(group):
                before = raw.count
                self._seal(group, raw)
                raw = group.raw
                budget -= 0 if raw is None else (before - raw.count) * raw.layout.width
                if budget <= 0:
                    return True
        self._held = False
        return False

    def view(self) -> dict[int, State]:
        """A copy of ``states`` for readers; the caller holds ``lock``."""
        self.changed = False
        states = self.states.copy()
        self.epoch += 1
        return states

    def append(self, group: Group, at: Ms, columns: Columns, values: Values, stale: Sequence[int]) -> AppendResult:
        """Take one row in; see ``Tsdb.append``."""
        raw = group.raw
        if (
            columns is not group.columns_seen
            or raw is None
            or stale
            or (count := raw.count) == raw.capacity
            or at <= raw.clock[count - 1]
            or not isinstance(values, np.ndarray)
            or values.dtype is not _FLOAT64
            or values.shape != columns.shape
        ):
            return self._append_any(group, at, columns, values, stale)
        packed = values.tobytes()
        # One look at a byte of each cell is far cheaper than comparing the cells themselves.
        if _NAN_BYTE in packed[7::8] and holes_of(values).any():
            return self._append_any(group, at, columns, values, stale)
        if group.missing is not None:
            raw.values[count] = ABSENT
            raw.mark(count, group.missing)
        raw.values[count, group.target] = values
        raw.clock[count] = at
        raw.count = count = count + 1
        group.row_epoch = self.epoch
        self.states[group.gid] = (raw, count, raw.layout, group.parts, {})
        self.changed = True
        self.appended += len(values)
        if self.journal is not None:
            self.journal.row(group, at, columns, packed)
        return group.result

    def _append_any(self, group: Group, at: Ms, columns: Columns, values: Values, stale: Sequence[int]) -> AppendResult:
        numbers, cells = row_arrays(columns, values, stale)
        if not len(numbers):
            return AppendResult(0)
        last = group.last
        early = self.min_valid is not None and at < self.min_valid
        if early or (last is not None and at <= last):
            raw = group.raw
            if not early and last == at and raw is not None and raw.count and not group.owners:
                return self._merge(group, raw, at, numbers, cells)
            return self._append_late(group, at, numbers, cells)
        if group.raw is not None and group.raw.count >= group.raw.capacity:
            self._make_room(group, group.raw)
        raw = self.place(group, numbers)
        count = raw.count
        if group.missing is not None:
            raw.values[count] = ABSENT
            raw.mark(count, group.missing)
        raw.values[count, group.target] = cells
        stale_cells = is_stale(cells)
        if stale_cells.any():
            raw.mark(count, raw.layout.places_of(numbers[stale_cells]))
        raw.clock[count] = at
        raw.count = count + 1
        self.publish(group, raw)
        self.appended += len(numbers)
        if self.journal is not None:
            self.journal.row(group, at, numbers, cells.tobytes())
        return group.result

    def _append_late(self, group: Group, at: Ms, numbers: Ints, cells: Floats) -> AppendResult:
        self.check(group, numbers)
        times = np.array([at], dtype=np.int64)
        found = write_rows(self, group, times, numbers, cells[None, :], oldest=self.oldest())
        return AppendResult(found.appended, found.too_old, found.duplicates, found.conflicts, found.histograms)

    def oldest(self) -> Ms | None:
        """The time from which on samples may be out of order; none: no such samples are accepted."""
        if not self.window:
            return None
        newest = max((group.last or 0 for group in self.active.values()), default=0)
        return max(newest, self.min_valid or 0) - self.window

    @staticmethod
    def check(group: Group, numbers: Ints) -> None:
        """Refuse columns that are unknown or named twice.

        Raises:
            LookupError: a column number is unknown.
            ValueError: a column is named twice.
        """
        listed = numbers.tolist()
        if len(set(listed)) != len(listed):
            msg = f"a row of group {group.key!r} names a column twice"
            raise ValueError(msg)
        for number in listed:
            if number not in group.series:
                msg = f"group {group.key!r} has no column {number}; its generation is {group.generation}"
                raise LookupError(msg)

    def extend(self, group: Group, times: Ints, columns: Ints, cells: Floats, present: Bools) -> None:
        """Append rows that are all newer than those of the group.

        Raises:
            LookupError: a column number is unknown.
            ValueError: a column is named twice.
        """
        if len(times) < _BULK or holes_of(cells).any():
            columns = np.ascontiguousarray(columns)
            for at, row, here in zip(times.tolist(), cells, present, strict=True):
                if here.all():
                    self.append(group, at, columns, np.ascontiguousarray(row), ())
                else:
                    self.append(group, at, columns[here], row[here], ())
            return
        done = 0
        while done < len(times):
            if group.raw is not None and group.raw.count >= group.raw.capacity:
                self._make_room(group, group.raw, len(times) - done)
            raw = self.place(group, columns)
            count = raw.count
            take = min(len(times) - done, raw.capacity - count)
            if group.missing is not None:
                raw.values[count : count + take] = ABSENT
                raw.mark_all(count, take, group.missing)
            raw.values[count : count + take, group.target] = cells[done : done + take]
            raw.times[count : count + take] = times[done : done + take]
            raw.count = count + take
            self.publish(group, raw)
            done += take
        self.appended += cells.size
        self.record(group, times, columns, cells, late=False)

    def record(self, group: Group, times: Ints, columns: Ints, cells: Floats, *, late: bool) -> None:
        """Write rows to the log; ``late``: they are to become the next late segment."""
        if self.journal is not None:
            self.journal.rows(group, times, columns, cells, self.late + 1 if late else 0)

    def replace_parts(self, group: Group, old: Sequence[Segment], new: Segment) -> None:
        """Put a late segment among the others of a group, in place of some."""
        gone = {part.late for part in old}
        parts = [part for part in group.parts if not part.late or part.late not in gone]
        group.parts = tuple(sorted([*parts, new], key=lambda part: part.first))
        if group.raw is None:
            self.active[group.gid] = group
            group.set_raw(RawRows.empty(group.layout(np.empty(0, dtype=np.int64)), _FIRST_ROWS))
        if group.raw is not None:
            self.publish(group, group.raw)

    def publish(self, group: Group, raw: RawRows) -> None:
        """Show readers to come the rows of a group."""
        group.row_epoch = self.epoch
        self.states[group.gid] = (raw, raw.count, raw.layout, group.parts, {})
        self.changed = True

    def place(self, group: Group, columns: Ints) -> RawRows:
        """Find where the columns of a row go, and make room for new ones.

        Raises:
            LookupError: a column number is unknown.
            ValueError: a column is named twice.
        """
        raw = group.raw
        if raw is not None and group.columns_seen is not None and np.array_equal(columns, group.columns_seen):
            group.columns_seen = columns
            columns.flags.writeable = False
            return raw
        key = columns.tobytes()
        known = group.places.get(key)
        if raw is not None and known is not None:
            group.target, group.missing, group.result = known
            group.columns_seen = columns
            columns.flags.writeable = False
            return raw
        if len(np.unique(columns)) != len(columns):
            msg = f"a row of group {group.key!r} names a column twice"
            raise ValueError(msg)
        slots = columns if raw is None else raw.layout.places_of(columns)
        if raw is None or (slots < 0).any():
            if raw is not None:
                raw = self._drop_columns(group, raw, int((slots < 0).sum()))
                slots = raw.layout.places_of(columns)
            raw = self._add_columns(group, raw, columns if raw is None else columns[slots < 0])
            slots = raw.layout.places_of(columns)
        ascending = len(slots) < 2 or bool((np.diff(slots) > 0).all())
        group.target = as_slots(slots) if ascending else slots
        width = raw.layout.width
        group.missing = np.setdiff1d(np.arange(width), slots) if len(slots) < width else None
        group.result = AppendResult(len(slots))
        if len(group.places) >= _PLACES:
            group.places.clear()
        group.places[key] = (group.target, group.missing, group.result)
        group.columns_seen = columns
        # The array is the key to the fast path: a change in place would go unnoticed.
        columns.flags.writeable = False
        return raw

    def _add_columns(self, group: Group, raw: RawRows | None, fresh: Ints) -> RawRows:
        for number in fresh.tolist():
            if number not in group.series:
                msg = f"group {group.key!r} has no column {number}; its generation is {group.generation}"
                raise LookupError(msg)
        if raw is None:
            self.active[group.gid] = group
            wider = RawRows(group.layout(fresh), min(_FIRST_ROWS, self._limit(group)))
        else:
            ids = np.concatenate([raw.layout.ids, fresh])
            group.drop_layout(raw.layout)
            wider = raw.widen(group.layout(ids))
        group.forget_columns()
        group.raw = wider
        return wider

    def _merge(self, group: Group, raw: RawRows, at: Ms, columns: Ints, cells: Floats) -> AppendResult:
        """Add cells to the newest row."""
        raw = self.place(group, columns)
        row = raw.count - 1
        target = group.target
        slots = np.arange(target.start, target.stop) if isinstance(target, slice) else target
        there = raw.values[row, slots]
        free = is_absent(there)
        same = there.view(np.int64) == cells.view(np.int64)
        result = AppendResult(
            appended=int(free.sum()), duplicates=int(same.sum()), conflicts=len(columns) - int((free | same).sum())
        )
        self.refused += result.conflicts
        if not result.appended:
            return result
        fresh = slots[free]
        with self.lock:
            if group.row_epoch != self.epoch:
                # A reader holds this row: leave it as it is and go on with a copy.
                raw = raw.copy(raw.capacity)
                group.set_raw(raw)
                group.raw_epoch = self.epoch
            found = cells[free]
            raw.values[row, fresh] = found
            raw.refill(row, fresh, holes_of(found))
            self.publish(group, raw)
        self.appended += result.appended
        if self.journal is not None:
            self.journal.row(group, at, columns[free], cells[free].tobytes())
        return result

    @staticmethod
    def note_holes(raw: RawRows, slots: Ints) -> None:
        """Count the holes of columns anew, after cells of some rows have changed."""
        raw.count_holes(slots)

    def _make_room(self, group: Group, raw: RawRows, rows: int = 1) -> None:
        """Have room for at least one more row: in a larger buffer, or by compressing the oldest rows."""
        limit = self._limit(group)
        if raw.capacity < limit:
            group.set_raw(raw.copy(min(max(2 * raw.capacity, raw.count + rows), limit)))
            group.raw_epoch = self.epoch
        else:
            self._seal(group, raw)

    def _room(self, group: Group, rows: int) -> int:
        """Capacity of a buffer that begins with some rows."""
        return max(rows + 1, min(max(2 * rows, _FIRST_ROWS), self._limit(group)))

    def _limit(self, group: Group) -> int:
        """Rows of a group that stay uncompressed at most; not all are to be sealed at the same moment."""
        # Groups that begin apart stay apart.
        apart = 0 if group.parts else group.gid * 37 % max(self._seal_rows // 2, 1)
        return max(self._capacity - apart, 2)

    def _seal(self, group: Group, raw: RawRows) -> None:
        """Compress the oldest rows and go on with the others in a new buffer."""
        count = raw.count
        # Windows of rules are read where they lie: what they look at stays, also when a group is sealed sooner.
        cut = max(count - (self._capacity - self._seal_rows), 1)
        # After a start there may be many: they go a part at a time, so that no row waits for long.
        cut = min(cut, _MOST_SEALED * max(self._options.seal_rows, 1))
        self._seal_rows_of(group, raw, self._within_span(raw, min(cut, count - 1)))

    def _within_span(self, raw: RawRows, cut: int) -> int:
        """How many of the oldest rows are of the span of a block that the first one is in."""
        if not self.align:
            return cut
        return bisect_left(raw.clock, (raw.clock[0] // self.align + 1) * self.align, 0, cut)

    def _drop_columns(self, group: Group, raw: RawRows, fresh: int) -> RawRows:
        """Before a buffer is copied into a wider one: leave out series that are gone, if these are many.

        Series that come and go by the thousand would else make the matrix wider and wider until it is sealed.
        """
        width, count = raw.layout.width, raw.count
        if width + fresh <= raw.values.shape[1] or count < 2 * _SPARED_ROWS or width < _WIDE:
            return raw
        newest = raw.values[count - _SPARED_ROWS : count, :width]
        alive = int((~holes_of(newest)).any(axis=0).sum())
        if 2 * alive > width:
            return raw
        cut = self._within_span(raw, count - _SPARED_ROWS)
        self._seal_rows_of(group, raw, cut)
        return group.raw or raw

    def seal_before(self, group: Group, until: Ms) -> None:
        """Compress the rows before a time, which must be of one span."""
        raw = group.raw
        if raw is not None and (cut := bisect_left(raw.clock, until, 0, raw.count)):
            group.floor = group.last
            self._seal_rows_of(group, raw, cut)

    def _seal_rows_of(self, group: Group, raw: RawRows, cut: int) -> None:
        width, count = raw.layout.width, raw.count
        layout, values = used_columns(group, raw.layout, raw.values[:cut, :width])
        if layout.width:
            sealed = seal(layout, raw.times[:cut], values, self.cache)
            group.parts = tuple(sorted([*group.parts, sealed], key=lambda part: part.first))
        layout, values = used_columns(group, raw.layout, raw.values[cut:count, :width])
        if cut < count:
            rest = RawRows(layout, self._room(group, count - cut))
            rest.fill(raw.times[cut:count], values)
        else:
            rest = RawRows.empty(group.layout(np.empty(0, dtype=np.int64)), _FIRST_ROWS)
        group.set_raw(rest)
        self.states[group.gid] = (rest, rest.count, rest.layout, group.parts, {})
        self.changed = True

    def trim(self, group: Group, until: Ms, *, exact: bool, taken: frozenset[int] = frozenset()) -> None:
        """Drop rows before ``until``; uncompressed ones singly if ``exact``, else only when all of them are older.

        Late segments are dropped where they were ``taken``, or where not ``exact``.
        """
        raw = group.raw
        if raw is None:
            return
        parts = tuple(p for p in group.parts if p.last >= until or (exact and p.late and p.late not in taken))
        cut = bisect_left(raw.clock, until, 0, raw.count)
        if cut == raw.count:
            group.floor = group.last
            group.parts = parts
            self.changed = True
            if parts:
                empty = RawRows.empty(group.layout(np.empty(0, dtype=np.int64)), _FIRST_ROWS)
                group.set_raw(empty)
                self.states[group.gid] = (empty, 0, empty.layout, parts, {})
                return
            group.set_raw(None)
            del self.states[group.gid]
            del self.active[group.gid]
            return
        if exact and cut:
            layout, values = used_columns(group, raw.layout, raw.values[cut : raw.count, : raw.layout.width])
            rest = RawRows(layout, self._room(group, raw.count - cut))
            rest.fill(raw.times[cut : raw.count], values)
            group.set_raw(rest)
        elif len(parts) == len(group.parts):
            return
        group.parts = parts
        kept = group.raw
        if kept is not None:
            self.states[group.gid] = (kept, kept.count, kept.layout, parts, {})
            self.changed = True


def _nothing(group: Group, columns: Ints, start: Ms, end: Ms) -> tuple[Ints, Floats]:
    """What is stored where nothing is."""
    del group, start, end
    return np.empty(0, dtype=np.int64), np.empty((0, len(columns)))
