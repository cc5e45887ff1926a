"""Columns in groups, and reductions over each group."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from hypercare.model.samples import Bools, Floats, Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Groups:
    """Which group each of S columns belongs to; groups are numbered by first appearance and none is empty.

    Attributes:
        index: int64[S].
        order: columns sorted by group; none where they already are.
        starts: where each group starts in that order.

    """

    index: Ints
    size: int
    order: Ints | None
    starts: Ints

    @classmethod
    def of(cls, keys: Iterable[Hashable]) -> Groups:
        """Group by equal keys."""
        numbers: dict[Hashable, int] = {}
        index = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
        order = np.argsort(index, kind="stable")
        starts = np.searchsorted(index[order], np.arange(len(numbers)))
        in_order = bool((np.diff(index) >= 0).all())
        return cls(index, len(numbers), None if in_order else order, starts)

    def members(self, group: int) -> Ints:
        """The columns of a group, ascending."""
        return np.flatnonzero(self.index == group)

    def arranged(self, values: Floats) -> Floats:
        """The columns in group order."""
        return values if self.order is None else np.take(values, self.order, axis=1)

    def fold(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """``ufunc`` over each group of columns: ``[K, S]`` to ``[K, G]``."""
        folded: Floats = ufunc.reduceat(self.arranged(values), self.starts, axis=1)
        return folded

    def count(self, mask: Bools | None, steps: int) -> Floats:
        """How many columns of each group are set, ``[K, G]``."""
        if mask is None:
            return np.broadcast_to(np.bincount(self.index, minlength=self.size).astype(np.float64), (steps, self.size))
        return self.fold(np.add, mask.astype(np.float64))
