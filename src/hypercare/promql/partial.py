"""Aggregation over series that come portion by portion.

What a group gets from a portion is a ``Share``; shares are joined in the order of the series, whoever computed them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.promql.groups import side_by_side
from hypercare.promql.values import every

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.groups import Groups

STREAMED: Final = frozenset({"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"})
"""Aggregations that can be put together from shares."""
_FOLDS: Final[dict[str, tuple[np.ufunc, float]]] = {
    "sum": (np.add, 0.0),
    "avg": (np.add, 0.0),
    "min": (np.fmin, np.nan),
    "max": (np.fmax, np.nan),
}
_SPREADS: Final = frozenset({"stddev", "stdvar"})
_DOUBTFUL: Final = 1e-7


class Part(NamedTuple):
    """Values of some series at all steps.

    Attributes:
        columns: their places among all series.
        values: ``[K, n]``.
        present: broadcasts to it; none: everywhere.

    """

    columns: slice | Ints
    values: Floats
    present: Bools | None


class Share(NamedTuple):
    """What one group gets from one part, ``[K]`` each.

    Attributes:
        values: folded values; of spreads their mean.
        number: how many values.
        size: of sums with negative values the sum of the absolute ones; of spreads the sum of squared differences
            from the mean.

    """

    group: int
    values: Floats
    number: Floats | int
    size: Floats | None


class PartialSums:
    """Aggregates parts, and joins what they came to."""

    def __init__(self, op: str, groups: Groups, steps: int) -> None:
        self._op = op
        self._groups = groups
        self._steps = steps
        self._fold = _FOLDS.get(op)

    def of(self, part: Part) -> list[Share]:
        """What each group gets from a part."""
        index = self._groups.index[part.columns]
        present = None
        if part.present is not None and not every(part.present):
            present = np.broadcast_to(part.present, part.values.shape)
        if self._op in _SPREADS:
            return [_spread(group, part.values, present, columns) for group, columns in _members(index)]
        values, size = part.values, None
        if self._fold is not None:
            if present is not None:
                values = np.where(present, values, self._fold[1])
            if self._fold[0] is np.add and not values.min(initial=0.0) >= 0:
                size = np.abs(values)
        found = []
        for group, columns in _members(index):
            number = _number(present, columns, values.shape[1])
            sizes = None if size is None else self._folded(size, columns)
            found.append(Share(group, self._folded(values, columns), number, sizes))
        return found

    def _folded(self, values: Floats, columns: slice | Ints) -> Floats:
        if self._fold is None:
            return np.empty(0)
        folded: Floats = self._fold[0].reduce(values.T[columns], axis=0)
        return folded

    def joined(self, shares: list[Share]) -> tuple[Floats, Bools | None] | None:
        """Values ``[K, G]`` and where there is one, or none where digits were lost that are wanted."""
        if self._op in _SPREADS:
            return self._spreads(shares)
        shape = (self._groups.size, self._steps)
        number = np.zeros(shape)
        values = np.full(shape, 0.0 if self._fold is None else self._fold[1])
        sizes = np.zeros(shape) if any(share.size is not None for share in shares) else None
        for group, folded, count, size in shares:
            number[group] += count
            if self._fold is not None:
                self._fold[0](values[group], folded, out=values[group])
            if sizes is not None:
                sizes[group] += folded if size is None else size
        if sizes is not None and (~(np.abs(values) >= _DOUBTFUL * sizes) & np.isfinite(sizes) & (sizes > 0)).any():
            return None
        there = number > 0
        if self._op == "count":
            values = number
        elif self._op == "group":
            values = np.ones(shape)
        elif self._op == "avg":
            values /= number
            if np.isinf(values).any():
                return None
        return values.T, (None if every(there) else there.T)

    def _spreads(self, shares: list[Share]) -> tuple[Floats, Bools | None]:
        """Means and squares of parts put together (Chan, Golub and LeVeque, 1979)."""
        shape = (self._groups.size, self._steps)
        number, mean, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for group, own_mean, count, own_squares in shares:
            if own_squares is None:
                raise TypeError(own_squares)
            before = number[group].copy()
            number[group] += count
            ratio = np.divide(count, number[group], out=np.zeros(self._steps), where=number[group] > 0)
            apart = np.where(ratio > 0, own_mean - mean[group], 0.0)
            squares[group] += np.where(ratio > 0, own_squares, 0.0)
            squares[group] += np.where(before > 0, apart * apart * before * ratio, 0.0)
            mean[group] += apart * ratio
        there = number > 0
        values = squares / np.where(there, number, 1.0)
        if self._op == "stddev":
            values = np.sqrt(values)
        return values.T, (None if every(there) else there.T)


def _number(present: Bools | None, columns: slice | Ints, width: int) -> Floats | int:
    if present is None:
        return len(range(*columns.indices(width))) if isinstance(columns, slice) else len(columns)
    number: Floats = present.T[columns].sum(axis=0, dtype=np.float64)
    return number


def _spread(group: int, values: Floats, present: Bools | None, columns: slice | Ints) -> Share:
    """Mean and sum of squared differences of a group, relative to one of its values: equal ones have none."""
    cells = values.T[columns]
    number = _number(present, columns, values.shape[1])
    if present is None:
        base = cells[0]
        mean = base + (cells - base).sum(axis=0) / number
        off = cells - mean
        off *= off
        return Share(group, mean, number, off.sum(axis=0))
    here = present.T[columns]
    base = np.fmax.reduce(np.where(here, cells, np.nan), axis=0)
    mean = base + np.where(here, cells - base, 0.0).sum(axis=0) / number
    off = np.where(here, cells - mean, 0.0)
    off *= off
    return Share(group, mean, number, off.sum(axis=0))


def _members(index: Ints) -> list[tuple[int, slice | Ints]]:
    """The groups in a part and their columns, by the number of the group."""
    if not len(index):
        return []
    if int(index[0]) == int(index[-1]) and every(index == index[0]):
        return [(int(index[0]), slice(0, len(index)))]
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    edges = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(index)]
    return [(int(ordered[first]), side_by_side(order[first:behind])) for first, behind in pairwise(edges)]
