"""Many series with one sample each, the commonest batch: routed and cut into rows with a few array operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.ingest import FloatColumns
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.tsdb.group import Group

_REMEMBERED: Final = 1_000_000


class Row(NamedTuple):
    """Cells of one row of a group.

    Attributes:
        times: int64[1].
        columns: ascending, none twice.
        cells: float64[1, columns].

    """

    group: Group
    times: Ints
    columns: Ints
    cells: Floats


class Routes:
    """Where the series of one source go, by the identity of their label sets: senders use one object for a series."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        # Held, so that no identity is given to another object.
        self._labels: list[Labels] = []
        self._groups: dict[int, Group] = {}
        self._gids: list[int] = []
        self._columns: list[int] = []
        self._arrays: tuple[Ints, Ints] | None = None

    def unknown(self, labels: Sequence[Labels]) -> list[Labels]:
        """Those that are not routed yet."""
        if len(self._labels) >= _REMEMBERED:
            # Series come and go; those that are still there are learned again.
            self._slots, self._groups, self._arrays = {}, {}, None
            self._labels, self._gids, self._columns = [], [], []
        slots = self._slots
        return [each for each in labels if id(each) not in slots]

    def learn(self, labels: Labels, group: Group, column: int) -> None:
        """Note where a series goes."""
        self._slots[id(labels)] = len(self._labels)
        self._labels.append(labels)
        self._groups[group.gid] = group
        self._gids.append(group.gid)
        self._columns.append(column)
        self._arrays = None

    def rows(self, batch: FloatColumns) -> Iterator[Row] | None:
        """The rows that a batch of known series comes to, oldest first; none: a series has two samples of one time.

        Series that are not known are left out.
        """
        slots = np.array([*map(self._slots.get, map(id, batch.labels), [-1] * len(batch.labels))], np.int64)
        times, values = np.asarray(batch.times), np.asarray(batch.values)
        if (slots < 0).any():
            known = slots >= 0
            slots, times, values = slots[known], times[known], values[known]
        if self._arrays is None:
            self._arrays = (np.array(self._gids, np.int64), np.array(self._columns, np.int64))
        gids, columns = self._arrays[0][slots], self._arrays[1][slots]
        order = np.lexsort((columns, gids, times))
        gids, columns, times, values = gids[order], columns[order], times[order], values[order]
        new_row = (np.diff(times) != 0) | (np.diff(gids) != 0)
        if (~new_row & (np.diff(columns) == 0)).any():
            return None
        return self._cut(np.flatnonzero(new_row) + 1, gids, columns, times, values)

    def _cut(self, edges: Ints, gids: Ints, columns: Ints, times: Ints, values: Floats) -> Iterator[Row]:
        begin = 0
        for end in [*edges.tolist(), len(times)]:
            if end > begin:
                part = slice(begin, end)
                group = self._groups[int(gids[begin])]
                yield Row(group, times[begin : begin + 1].copy(), columns[part].copy(), values[part][None, :])
            begin = end
