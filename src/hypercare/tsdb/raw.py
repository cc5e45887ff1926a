"""The uncompressed newest rows of a group: an append-only matrix that readers look into without copying.

Rows below a reader's row count never change, so that a reader in another thread needs no lock: the writer puts a
row behind the count first and publishes the new count after.
"""

from __future__ import annotations

import itertools
from array import array
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.samples import ABSENT, ABSENT_BITS, STALE_BITS

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.tsdb.layout import Layout, Slots

_uids = itertools.count()


def holes_of(values: Floats) -> Bools:
    """Which cells are stale or absent."""
    bits = values.view(np.int64)
    holes: Bools = (bits == STALE_BITS) | (bits == ABSENT_BITS)
    return holes


class RawRows:
    """Rows with room for more.

    Attributes:
        clock: the times as an ``array`` (its items are read by ``bisect`` several times faster than numpy's).
        times: the same memory as a numpy array.
        values: float64[capacity, columns allocated].
        layout: the series of the columns; only the writer replaces it, and only by a longer one.
        holes: for each column the last row with a stale or absent cell, -1 where there is none.
        last_hole: the greatest of ``holes``.
        marked: the row marked last, and ``holes`` before that; where it is known.
        count: rows written; of use to the writer only, readers have their own.
        uid: a number that no other buffer ever has.

    """

    __slots__ = ("capacity", "clock", "count", "holes", "last_hole", "layout", "marked", "times", "uid", "values")

    def __init__(self, layout: Layout, capacity: int, slack: int = 0) -> None:
        self.capacity = capacity
        self.clock = array("q", bytes(8 * capacity))
        self.times: Ints = np.frombuffer(self.clock, dtype=np.int64)
        self.values: Floats = np.empty((capacity, layout.width + slack))
        self.holes: Ints = np.full(layout.width + slack, -1, dtype=np.int64)
        self.last_hole = -1
        self.marked: tuple[int, Ints] | None = None
        self.layout = layout
        self.count = 0
        self.uid = next(_uids)

    @classmethod
    def empty(cls, layout: Layout, capacity: int) -> RawRows:
        """No rows yet: behind all rows that are stored elsewhere."""
        found = cls(layout, capacity)
        found.clock[0] = 2**62
        return found

    def fill(self, times: Ints, values: Floats) -> None:
        """Take rows over into an empty buffer."""
        rows, width = values.shape
        self.times[:rows] = times
        self.values[:rows, :width] = values
        self.values[:rows, width:] = ABSENT
        self.holes[width:] = rows - 1
        self.count = rows
        holes = holes_of(values)
        if holes.any():
            numbers = np.where(holes, np.arange(rows)[:, None], -1)
            self.holes[:width] = numbers.max(axis=0)
            self.last_hole = int(self.holes[:width].max())

    def widen(self, layout: Layout) -> RawRows:
        """Give more series a column: in place where there is room, else in a wider copy, which is returned.

        Readers that hold the shorter layout do not look at the new columns.
        """
        target = self
        if layout.width > self.values.shape[1]:
            target = RawRows(self.layout, self.capacity, layout.width - self.layout.width + layout.width // 4 + 4)
            target.fill(self.times[: self.count], self.values[: self.count, : self.layout.width])
        target.values[: target.count, target.layout.width : layout.width] = ABSENT
        target.holes[target.layout.width : layout.width] = target.count - 1
        if layout.width > target.layout.width:
            target.last_hole = target.count - 1
            target.marked = None
        target.layout = layout
        return target

    def copy(self, capacity: int) -> RawRows:
        """The same rows in memory of their own."""
        other = RawRows(self.layout, capacity, self.values.shape[1] - self.layout.width)
        other.times[: self.count] = self.times[: self.count]
        other.values[: self.count] = self.values[: self.count]
        other.holes[:] = self.holes
        other.last_hole, other.marked = self.last_hole, self.marked
        other.count = self.count
        return other

    def mark(self, row: int, slots: Slots) -> None:
        """Note that cells of a row are stale or absent."""
        if self.marked is None or self.marked[0] != row:
            self.marked = row, self.holes.copy()
        self.holes[slots] = row
        self.last_hole = row

    def mark_all(self, row: int, rows: int, slots: Slots) -> None:
        """Note that cells of some rows from one on are absent."""
        self.mark(row + rows - 1, slots)
        if rows > 1:
            # The row before the last has such cells, too.
            self.marked = None

    def refill(self, row: int, slots: Ints, gone: Bools) -> None:
        """Note that cells of the newest row that were absent are so no more, and which of them are markers."""
        if self.marked is not None and self.marked[0] == row:
            self.holes[slots] = self.marked[1][slots]
            self.holes[slots[gone]] = row
            self.last_hole = int(self.holes[: self.layout.width].max())
        else:
            self.count_holes(slots)

    def count_holes(self, slots: Ints) -> None:
        """Look for the holes of some columns anew, after cells of any rows have changed."""
        self.marked = None
        holes = holes_of(self.values[: self.count, slots])
        self.holes[slots] = np.where(holes, np.arange(self.count)[:, None], -1).max(axis=0)
        self.last_hole = int(self.holes[: self.layout.width].max())

    def dense(self, slots: Slots, first_row: int) -> bool:
        """Whether no cell of these columns from a row on is stale or absent (false where in doubt)."""
        return self.last_hole < first_row or bool(self.holes[slots].max(initial=-1) < first_row)
