"""Groups: the series that are written together, one row at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.tsdb.fields import START, cells_of, field_labels, is_field, owner_of, roles_of, shape_of
from hypercare.tsdb.layout import Layout
from hypercare.tsdb.options import AppendResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.histograms import Histogram
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
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
        "__weakref__", "_fresh", "_layouts", "_next", "_numbers", "_on_field", "_on_series", "_shapes", "columns_seen",
        "fields", "floor", "generation", "gid", "key", "missing", "owners", "parts", "places", "raw", "raw_epoch",
        "result", "row_epoch", "series", "target", "wal_columns", "wal_file", "wal_known", "wal_layout",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        gid: int,
        on_series: Callable[[Group, int, Labels], None],
        on_field: Callable[[Group, int, str], None],
    ) -> None:
        self.key = key
        self.gid = gid
        self.generation = 0
        self.series: dict[int, Labels] = {}
        self._numbers: dict[Labels, int] = {}
        self._next = 0
        self._on_series = on_series
        self._on_field = on_field
        self._fresh: set[int] = set()
        self._layouts: dict[bytes, Layout] = {}
        # Series → what is kept of it beside floats → column; and back to the series.
        self.fields: dict[int, dict[str, int]] = {}
        self.owners: dict[int, int] = {}
        self._shapes: dict[tuple[int, bytes, bytes, tuple[float, ...]], Ints] = {}
        self.raw: RawRows | None = None
        self.parts: tuple[Segment, ...] = ()
        # Time of the newest row that memory no longer holds.
        self.floor: Ms | None = None
        # How many snapshots there were when the last row came.
        self.row_epoch = -1
        # How many there were when ``raw`` became an object that no reader had seen.
        self.raw_epoch = -1
        # What the last row's columns came to, so that the same array again costs nothing.
        self.columns_seen: Ints | None = None
        # What lists of columns came to since the layout last changed.
        self.places: dict[bytes, tuple[Slots, Ints | None, AppendResult]] = {}
        self.target: Slots = slice(0, 0)
        self.missing: Ints | None = None
        self.result = AppendResult(0)
        # What the current log file already knows of this group.
        self.wal_file = -1
        self.wal_known: Ints = np.empty(0, dtype=np.int64)
        self.wal_columns: Ints | None = None
        self.wal_layout = 0

    def column(self, labels: Labels) -> int:
        """The column number of a series; a new one where the label set is not known yet."""
        found = self._numbers.get(labels)
        if found is not None:
            return found
        owner = self.column(owner_of(labels)[0]) if is_field(labels) else -1
        number = self._next
        self._next += 1
        self._numbers[labels] = number
        self.series[number] = labels
        self._fresh.add(number)
        if owner < 0:
            self._on_series(self, number, labels)
        else:
            self.fields.setdefault(owner, {})[owner_of(labels)[1]] = number
            self.owners[number] = owner
            self._on_field(self, owner, owner_of(labels)[1])
        return number

    def field(self, owner: int, role: str) -> int:
        """The column of something that is kept of a series beside its floats.

        Raises:
            LookupError: there is no such series.
        """
        found = self.fields.get(owner, {}).get(role)
        if found is not None:
            return found
        labels = self.series.get(owner)
        if labels is None or owner in self.owners:
            msg = f"group {self.key!r} has no column {owner}; its generation is {self.generation}"
            raise LookupError(msg)
        return self.column(field_labels(labels, role))

    def is_part(self, number: int) -> bool:
        """Whether a column is a part of a histogram."""
        owner = self.owners.get(number)
        return owner is not None and self.fields[owner].get(START) != number

    def histogram(self, owner: int, value: Histogram) -> tuple[Ints, Floats]:
        """A histogram of a series as columns and cells.

        Raises:
            LookupError: there is no such series.
        """
        key = (owner, *shape_of(value))
        numbers = self._shapes.get(key)
        if numbers is None:
            if len(self._shapes) > 64 + 4 * len(self.fields):
                self._shapes.clear()
            numbers = np.array([self.field(owner, role) for role in roles_of(value)], dtype=np.int64)
            self._shapes[key] = numbers
        return numbers, cells_of(value)

    @property
    def last(self) -> Ms | None:
        """Time of the newest row, ms."""
        raw = self.raw
        return raw.clock[raw.count - 1] if raw is not None and raw.count else self.floor

    def layout(self, ids: Ints) -> Layout:
        """The one layout object of these series in this order."""
        key = np.ascontiguousarray(ids, dtype=np.int64).tobytes()
        found = self._layouts.get(key)
        if found is None:
            found = self._layouts[key] = Layout(ids)
            if self.owners:
                found.series = len({self.owners.get(number, number) for number in found.ids.tolist()})
        return found

    def drop_layout(self, layout: Layout) -> None:
        """Forget a layout that the newest rows have no more, unless sealed rows in memory have it."""
        if not any(part.layout is layout for part in self.parts):
            self._layouts.pop(layout.ids.tobytes(), None)

    def set_raw(self, raw: RawRows | None) -> None:
        """Replace the rows in memory by others, of which the columns may lie elsewhere."""
        if raw is None or self.raw is None or raw.layout is not self.raw.layout:
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
        fresh.update([self.owners[number] for number in fresh if number in self.owners])
        if len(stored) == 1 and stored[0].width == len(self.series):
            return [], False
        alive = set[int]().union(*(layout.ids.tolist() for layout in stored))
        alive.update([self.owners[number] for number in alive if number in self.owners])
        unused = [number for number in self.series if number not in alive]
        gone = [number for number in unused if number not in fresh]
        return gone, len(gone) < len(unused)

    def retire(self, numbers: list[int]) -> None:
        """Give up column numbers."""
        gone = frozenset(numbers)
        for number in numbers:
            del self._numbers[self.series[number]]
            owner = self.owners.pop(number, None)
            if owner is not None and owner in self.fields:
                self.fields[owner] = {r: n for r, n in self.fields[owner].items() if n != number}
            self.fields.pop(number, None)
        self._shapes.clear()
        # A new dict: readers that still look at the retired ones keep the old one.
        self.series = {number: labels for number, labels in self.series.items() if number not in gone}
        self.generation += 1
        self.forget_columns()
