"""Columns in groups, and reductions over each group."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
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

    @property
    def columns(self) -> list[slice | Ints]:
        """The columns of each group, ascending; a slice where they stand side by side."""
        order = np.arange(len(self.index)) if self.order is None else self.order
        edges = [*self.starts.tolist(), len(order)]
        return [side_by_side(order[first:behind]) for first, behind in pairwise(edges)]

    def members(self, group: int) -> Ints:
        """The columns of a group, ascending."""
        behind = int(self.starts[group + 1]) if group + 1 < self.size else len(self.index)
        first = int(self.starts[group])
        return np.arange(first, behind) if self.order is None else self.order[first:behind]

    def arranged(self, values: Floats) -> Floats:
        """The columns in group order."""
        return values if self.order is None else np.take(values, self.order, axis=1)

    def fold(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """``ufunc`` over each group of columns: ``[K, S]`` to ``[K, G]``."""
        if len(values) > 1 and values.flags.f_contiguous:
            # Series after series in memory: whole series are added up, not cells of a step.
            out = np.empty((self.size, len(values)), dtype=ufunc.reduce(values[:1, :1], axis=1).dtype)
            for group, members in enumerate(self.columns):
                ufunc.reduce(values.T[members], axis=0, out=out[group])
            return out.T
        folded: Floats = ufunc.reduceat(self.arranged(values), self.starts, axis=1)
        return folded

    def count(self, mask: Bools | None, steps: int) -> Floats:
        """How many columns of each group are set, ``[K, G]``."""
        if mask is None:
            return np.broadcast_to(np.bincount(self.index, minlength=self.size).astype(np.float64), (steps, self.size))
        return self.fold(np.add, mask.astype(np.float64))


def side_by_side(columns: Ints) -> slice | Ints:
    """Columns, as a slice where they ascend without a gap."""
    first, last = int(columns[0]), int(columns[-1])
    if last - first == len(columns) - 1 and (len(columns) < 3 or bool((columns[1:] > columns[:-1]).all())):
        return slice(first, last + 1)
    return columns
