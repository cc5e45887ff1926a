"""Sums and means of many histograms, with what rounding takes away kept beside (Neumaier's compensation)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import Buckets, Histogram, ResetHint
from hypercare.promql.native.arithmetic import (
    added,
    aligned,
    compact,
    divided,
    joint_hint,
    outside_zero,
    overflows,
    scaled,
    to_bounds,
    to_schema,
    with_hint,
)
from hypercare.promql.native.bounds import is_custom, sides
from hypercare.promql.windows import exact_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.samples import Floats, Ints


@dataclasses.dataclass(slots=True)
class Running:
    """A sum under way.

    Attributes:
        total: the sum so far.
        lost: what rounding took away from each of its numbers; none before the first addition.
        reconciled: custom bounds had to be reduced to common ones.

    """

    total: Histogram
    lost: Histogram | None = None
    reconciled: bool = False

    def add(self, other: Histogram) -> None:
        """Add one.

        Raises:
            IncompatibleError: exponential and custom.
        """
        hint, _ = joint_hint(self.total.hint, other.hint)
        ours, theirs, reconciled = aligned(self.total, other)
        lost = _like(self.lost, ours)
        with np.errstate(all="ignore"):
            sums, losses = [], []
            for name in ("positive", "negative"):
                mine, missing = getattr(ours, name), getattr(lost, name)
                side, residue = _added(mine, outside_zero(getattr(theirs, name), theirs), missing)
                sums.append(side)
                losses.append(residue)
            numbers, rest = _neumaier(_numbers(ours), _numbers(theirs), _numbers(lost))
        self.total = _made(ours, numbers, sums, hint)
        self.lost = _made(ours, rest, losses, hint)
        self.reconciled = self.reconciled or reconciled

    def result(self) -> Histogram:
        """The sum."""
        return self.total if self.lost is None else added(self.total, with_hint(self.lost, self.total.hint)).histogram

    def copy(self) -> Running:
        """Another one that goes on from here."""
        return Running(self.total, self.lost, self.reconciled)

    def times(self, factor: float) -> None:
        """Multiply all of it by a positive factor."""
        self.total = scaled(self.total, factor)
        self.lost = None if self.lost is None else scaled(self.lost, factor)


def _numbers(histogram: Histogram) -> Floats:
    return np.array([histogram.zero_count, histogram.count, histogram.sum])


def _made(layout: Histogram, numbers: Floats, parts: list[Buckets], hint: ResetHint) -> Histogram:
    zero, count, total = numbers.tolist()
    return dataclasses.replace(
        layout, zero_count=zero, count=count, sum=total, positive=parts[0], negative=parts[1], hint=hint
    )


def _like(lost: Histogram | None, layout: Histogram) -> Histogram:
    """Compensations in the layout that the sum has got."""
    if lost is None:
        nothing = Buckets(layout.positive.indexes, np.zeros(len(layout.positive.indexes)))
        negative = Buckets(layout.negative.indexes, np.zeros(len(layout.negative.indexes)))
        return dataclasses.replace(layout, zero_count=0.0, count=0.0, sum=0.0, positive=nothing, negative=negative)
    if is_custom(lost):
        return to_bounds(lost, layout.custom_values)
    if lost.zero_threshold != layout.zero_threshold:
        zero = lost.zero_count
        parts = []
        for (near, _), side in zip(sides(lost), (lost.positive, lost.negative), strict=True):
            kept = near >= layout.zero_threshold
            zero += float(side.counts[~kept].sum())
            parts.append(Buckets(side.indexes[kept], side.counts[kept]))
        lost = dataclasses.replace(
            lost, zero_threshold=layout.zero_threshold, zero_count=zero, positive=parts[0], negative=parts[1]
        )
    return to_schema(lost, layout.schema)


def _neumaier(left: Floats, right: Floats, lost: Floats) -> tuple[Floats, Floats]:
    total = left + right
    residue = np.where(np.abs(left) >= np.abs(right), (left - total) + right, (right - total) + left)
    return total, np.where(np.isinf(total), 0.0, lost + residue)


def _onto(side: Buckets, indexes: Ints) -> Floats:
    if len(side.indexes) == len(indexes):
        return side.counts
    out = np.zeros(len(indexes))
    out[np.searchsorted(indexes, side.indexes)] = side.counts
    return out


def _added(left: Buckets, right: Buckets, lost: Buckets) -> tuple[Buckets, Buckets]:
    indexes = left.indexes
    for other in (right, lost):
        if len(other.indexes) != len(indexes) or not np.array_equal(other.indexes, indexes):
            indexes = np.union1d(indexes, other.indexes)
    counts, residue = _neumaier(_onto(left, indexes), _onto(right, indexes), _onto(lost, indexes))
    return Buckets(indexes, counts), Buckets(indexes, residue)


@dataclasses.dataclass(frozen=True, slots=True)
class Combined:
    """A sum or mean, and what is to be remarked: contradicting hints, reconciled bounds."""

    histogram: Histogram
    collision: bool
    reconciled: bool


def _collision(histograms: Sequence[Histogram]) -> bool:
    return any(each.hint is ResetHint.RESET for each in histograms) and any(
        each.hint is ResetHint.NOT_RESET for each in histograms
    )


def _alike(histograms: Sequence[Histogram]) -> bool:
    """Whether all have the same schema, bounds and zero bucket, so that they can be added as arrays."""
    first = histograms[0]
    return all(
        each.schema == first.schema
        and each.zero_threshold == first.zero_threshold
        and each.custom_values == first.custom_values
        for each in histograms
    )


def _stacked(sides: Sequence[Buckets]) -> tuple[Ints, Floats]:
    """The indexes that any of them has, and all counts there, ``[H, B]``."""
    first = sides[0].indexes
    if all(side.indexes is first or np.array_equal(side.indexes, first) for side in sides):
        return first, np.stack([side.counts for side in sides])
    indexes = np.unique(np.concatenate([side.indexes for side in sides]))
    counts = np.zeros((len(sides), len(indexes)))
    for row, side in zip(counts, sides, strict=True):
        row[np.searchsorted(indexes, side.indexes)] = side.counts
    return indexes, counts


def _sum_of_alike(histograms: Sequence[Histogram]) -> Histogram:
    numbers = np.array([(each.zero_count, each.count, each.sum) for each in histograms])
    hint = histograms[0].hint
    for each in histograms:
        hint, _ = joint_hint(hint, each.hint)
    parts: list[Buckets] = []
    with np.errstate(all="ignore"):
        for sides_of in ([each.positive for each in histograms], [each.negative for each in histograms]):
            indexes, counts = _stacked(sides_of)
            parts.append(Buckets(indexes, exact_sum(counts)))
        return _made(histograms[0], exact_sum(numbers), parts, hint)


def sum_of(histograms: Sequence[Histogram]) -> Combined:
    """The sum of at least one.

    Raises:
        IncompatibleError: exponential and custom.
    """
    if _alike(histograms):
        return Combined(compact(_sum_of_alike(histograms)), _collision(histograms), reconciled=False)
    running = Running(histograms[0])
    for each in histograms[1:]:
        running.add(each)
    return Combined(compact(running.result()), _collision(histograms), running.reconciled)


def mean_of(histograms: Sequence[Histogram]) -> Combined:
    """The mean of at least one; where the sum is too large to be held it is the mean that is carried along.

    Raises:
        IncompatibleError: exponential and custom.
    """
    if _alike(histograms):
        total = _sum_of_alike(histograms)
        if not overflows(total):
            mean = divided(total, len(histograms))
            return Combined(compact(mean), _collision(histograms), reconciled=False)
    running = Running(histograms[0])
    direct = True
    for number, each in enumerate(histograms[1:], 2):
        if direct:
            ahead = running.copy()
            ahead.add(each)
            if not overflows(ahead.total):
                running = ahead
                continue
            direct = False
            running.times(1 / (number - 1))
        running.times((number - 1) / number)
        running.add(divided(each, number))
    result = divided(running.result(), len(histograms)) if direct else running.result()
    return Combined(compact(result), _collision(histograms), running.reconciled)
