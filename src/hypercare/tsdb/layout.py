"""Layouts: which series of a group stand in which column of a matrix."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.samples import Ints

Slots: TypeAlias = "slice | Ints"
"""Columns of a matrix: a slice where they stand side by side (no copy), else their numbers in ascending order."""


_uids = itertools.count()


class Layout:
    """An immutable order of series; compared by identity, so that plans can be cached on it.

    Attributes:
        ids: the group's series numbers in the order of the matrix columns.
        width: how many columns.
        series: of how many series; fewer than columns where there are histograms.
        uid: a number that no other layout ever has.

    """

    __slots__ = ("_order", "_sorted", "ids", "series", "uid", "width")

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids: Ints = np.array(ids if isinstance(ids, np.ndarray) else list(ids), dtype=np.int64)
        self.ids.flags.writeable = False
        self.uid = next(_uids)
        self.width = len(self.ids)
        self.series = self.width
        self._order: Ints | None = None
        self._sorted: Ints | None = None

    def places_of(self, series: Ints) -> Ints:
        """The position of each of the given series; -1 where it does not stand in the layout."""
        if not self.width:
            return np.full(len(series), -1, dtype=np.int64)
        ids = self._sorted
        if ids is None:
            ascending = self.width < 2 or bool((self.ids[1:] > self.ids[:-1]).all())
            self._order = None if ascending else np.argsort(self.ids, kind="stable")
            ids = self._sorted = self.ids if self._order is None else self.ids[self._order]
        at = np.minimum(np.searchsorted(ids, series), self.width - 1)
        found = np.where(ids[at] == series, at if self._order is None else self._order[at], -1)
        return found.astype(np.int64, copy=False)

    def slots_of(self, series: Ints) -> Ints:
        """Positions of those of the given series that stand in the layout, in layout order."""
        return np.flatnonzero(np.isin(self.ids, series))


def as_slots(positions: Ints) -> Slots:
    """Positions in ascending order, as a slice where they have no gap."""
    if not len(positions):
        return slice(0, 0)
    first, last = int(positions[0]), int(positions[-1])
    if last - first + 1 == len(positions):
        return slice(first, last + 1)
    return positions
