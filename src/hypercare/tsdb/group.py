"""Groups: the series that are written together, one row at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.tsdb.layout import Layout
from hypercare.tsdb.options import AppendResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.layout import Slots
    from hypercare.tsdb.raw import RawRows
    from hypercare.tsdb.segment import Segment


class Group:
    """All series of one target or one rule group: they share the times of their rows.

    A column number stays the same label set for as long as samples of it are stored, across restarts of the
    scrape but not of the process. ``generation`` changes when numbers have become invalid: whoever keeps
    numbers compares it before an append and asks again for all of them when it differs.

    Attributes:
        key: the name under which the group was asked for.
        generation: changes when column numbers were given up.

    """

    __slots__ = (
        "__weakref__", "_fresh", "_layouts", "_next", "_numbers", "_on_series", "columns_seen", "floor", "generation",
        "gid", "key", "missing", "parts", "places", "raw", "result", "row_epoch", "series", "slot_of", "target",
        "wal_columns", "wal_file", "wal_known", "wal_layout",
    )  # fmt: skip

    def __init__(self, key: str, gid: int, on_series: Callable[[Group, int, Labels], None]) -> None:
        self.key = key
        self.gid = gid
        self.generation = 0
        self.series: dict[int, Labels] = {}
        self._numbers: dict[Labels, int] = {}
        self._next = 0
        self._on_series = on_series
        self._fresh: set[int] = set()
        self._layouts: dict[bytes, Layout] = {}
        self.raw: RawRows | None = None
        self.parts: tuple[Segment, ...] = ()
        # Time of the newest row that memory no longer holds.
        self.floor: Ms | None = None
        # How many snapshots there were when the last row came.
        self.row_epoch = -1
        # Column number → column of ``raw``.
        self.slot_of: dict[int, int] = {}
        # What the last row's columns came to, so that the same array again costs nothing.
        self.columns_seen: Ints | None = None
        # What lists of columns came to since the layout last changed.
        self.places: dict[bytes, tuple[Slots, Ints | None, AppendResult]] = {}
        self.target: Slots = slice(0, 0)
        self.missing: Ints | None = None
        self.result = AppendResult(0)
        # What the current log file already knows of this group.
        self.wal_file = -1
        self.wal_known: set[int] = set()
        self.wal_columns: Ints | None = None
        self.wal_layout = 0

    def column(self, labels: Labels) -> int:
        """The column number of a series; a new one where the label set is not known yet."""
        found = self._numbers.get(labels)
        if found is not None:
            return found
        number = self._next
        self._next += 1
        self._numbers[labels] = number
        self.series[number] = labels
        self._fresh.add(number)
        self._on_series(self, number, labels)
        return number

    @property
    def last(self) -> Ms | None:
        """Time of the newest row, ms."""
        return self.raw.clock[self.raw.count - 1] if self.raw is not None else self.floor

    def layout(self, ids: Ints) -> Layout:
        """The one layout object of these series in this order."""
        key = np.ascontiguousarray(ids, dtype=np.int64).tobytes()
        found = self._layouts.get(key)
        if found is None:
            found = self._layouts[key] = Layout(ids)
        return found

    def set_raw(self, raw: RawRows | None) -> None:
        """Replace the rows in memory by others, of which the columns may lie elsewhere."""
        if raw is None or self.raw is None or raw.layout is not self.raw.layout:
            self.slot_of = {} if raw is None else {n: slot for slot, n in enumerate(raw.layout.ids.tolist())}
            self.forget_columns()
        self.raw = raw

    def forget_columns(self) -> None:
        """Forget how the last row's columns lay: the layout has changed."""
        self.columns_seen = None
        self.places.clear()

    def unused(self, stored: tuple[Layout, ...]) -> tuple[list[int], bool]:
        """Numbers of series of which nothing is stored, and whether others were spared.

        Numbers handed out since the last call are spared: their first row may be about to come.
        """
        keep = {id(layout) for layout in stored}
        self._layouts = {key: layout for key, layout in self._layouts.items() if id(layout) in keep}
        fresh, self._fresh = self._fresh, set()
        if len(stored) == 1 and stored[0].width == len(self.series):
            return [], False
        alive = set[int]().union(*(layout.ids.tolist() for layout in stored))
        unused = [number for number in self.series if number not in alive]
        gone = [number for number in unused if number not in fresh]
        return gone, len(gone) < len(unused)

    def retire(self, numbers: list[int]) -> None:
        """Give up column numbers."""
        gone = frozenset(numbers)
        for number in numbers:
            del self._numbers[self.series[number]]
        # A new dict: readers that still look at the retired ones keep the old one.
        self.series = {number: labels for number, labels in self.series.items() if number not in gone}
        self.generation += 1
        self.forget_columns()
        self.wal_known -= gone
