"""Sums, differences, multiples and equality of histograms.

Rules of Prometheus: the result has the lower resolution and the wider zero bucket of the two; custom bounds that
differ are reduced to those that both have.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypercare.model.histograms import NO_BUCKETS, Buckets, Histogram, ResetHint
from hypercare.promql.native.bounds import exponential_bound, is_custom, sides

if TYPE_CHECKING:
    from hypercare.model.samples import Floats, Ints


class IncompatibleError(Exception):
    """One histogram has exponential, the other custom buckets."""


class Outcome(NamedTuple):
    """A sum or difference.

    Attributes:
        collision: one side said that a reset was right before it, the other that there was none.
        reconciled: custom bounds had to be reduced to the common ones.

    """

    histogram: Histogram
    collision: bool
    reconciled: bool


def with_hint(histogram: Histogram, hint: ResetHint) -> Histogram:
    """The same with another hint."""
    return histogram if histogram.hint is hint else dataclasses.replace(histogram, hint=hint)


def _mapped(histogram: Histogram, factor: float, ufunc: np.ufunc) -> Histogram:
    hint = ResetHint.GAUGE if factor < 0 else histogram.hint
    with np.errstate(all="ignore"):
        zero, count, total = ufunc(np.array([histogram.zero_count, histogram.count, histogram.sum]), factor).tolist()
        positive = Buckets(histogram.positive.indexes, ufunc(histogram.positive.counts, factor))
        negative = Buckets(histogram.negative.indexes, ufunc(histogram.negative.counts, factor))
    return dataclasses.replace(
        histogram, zero_count=zero, count=count, sum=total, positive=positive, negative=negative, hint=hint
    )


def scaled(histogram: Histogram, factor: float) -> Histogram:
    """Everything counted times a factor; a negative one makes a gauge of it."""
    return _mapped(histogram, factor, np.multiply)


def divided(histogram: Histogram, by: float) -> Histogram:
    """Everything counted divided; by zero no bucket is left."""
    out = _mapped(histogram, by, np.divide)
    return dataclasses.replace(out, positive=NO_BUCKETS, negative=NO_BUCKETS) if by == 0 else out


def compact(histogram: Histogram) -> Histogram:
    """Without empty buckets."""
    positive, negative = _populated(histogram.positive), _populated(histogram.negative)
    if positive is histogram.positive and negative is histogram.negative:
        return histogram
    return dataclasses.replace(histogram, positive=positive, negative=negative)


def _populated(side: Buckets) -> Buckets:
    if np.count_nonzero(side.counts) == len(side.counts):
        return side
    kept = side.counts != 0
    return Buckets(side.indexes[kept], side.counts[kept])


def equal(left: Histogram, right: Histogram) -> bool:
    """Whether two histograms are exactly the same, hints aside; NaN equals NaN."""
    numbers = [(h.zero_threshold, h.zero_count, h.count, h.sum) for h in (left, right)]
    return (
        left.schema == right.schema
        and left.custom_values == right.custom_values
        and np.array_equal(numbers[0], numbers[1], equal_nan=True)
        and all(
            np.array_equal(ours.indexes, theirs.indexes) and np.array_equal(ours.counts, theirs.counts, equal_nan=True)
            for ours, theirs in ((left.positive, right.positive), (left.negative, right.negative))
        )
    )


def overflows(histogram: Histogram) -> bool:
    """Whether any number of it is infinite."""
    numbers = [histogram.zero_count, histogram.count, histogram.sum]
    return any(np.isinf(part).any() for part in (numbers, histogram.positive.counts, histogram.negative.counts))


# ── one layout for two ──


def reduced_side(side: Buckets, steps: int) -> Buckets:
    """Buckets of one side at a resolution ``steps`` schemas lower."""
    if not steps or not len(side.indexes):
        return side
    target = np.right_shift(side.indexes - 1, steps) + 1
    indexes, starts = np.unique(target, return_index=True)
    return Buckets(indexes, np.add.reduceat(side.counts, starts))


def to_schema(histogram: Histogram, schema: int) -> Histogram:
    """A copy of lower resolution."""
    steps = histogram.schema - schema
    if not steps:
        return histogram
    return dataclasses.replace(
        histogram,
        schema=schema,
        positive=reduced_side(histogram.positive, steps),
        negative=reduced_side(histogram.negative, steps),
    )


def zero_at(histogram: Histogram, threshold: float) -> tuple[float, float]:
    """What the zero bucket would count if it were wider, and how wide it gets: no populated bucket is cut in two."""
    if threshold == histogram.zero_threshold:
        return histogram.zero_count, threshold
    positive, negative = sides(histogram)
    while True:
        count = histogram.zero_count
        wider = threshold
        for (near, far), side in ((positive, histogram.positive), (negative, histogram.negative)):
            inside = int(np.searchsorted(near, wider, side="left"))
            count += float(side.counts[:inside].sum())
            if inside and far[inside - 1] > wider and side.counts[inside - 1] != 0:
                wider = float(far[inside - 1])
        if wider == threshold:
            return count, threshold
        threshold = wider


def _widened(histogram: Histogram, threshold: float) -> Histogram:
    """With a zero bucket that reaches to the threshold at least."""
    count, width = zero_at(histogram, threshold)
    (near, _), (negative_near, _) = sides(histogram)
    parts = []
    for side, begin in ((histogram.positive, near), (histogram.negative, negative_near)):
        kept = (begin >= width) & (side.counts != 0)
        parts.append(Buckets(side.indexes[kept], side.counts[kept]))
    return dataclasses.replace(histogram, zero_threshold=width, zero_count=count, positive=parts[0], negative=parts[1])


def same_zero(left: Histogram, right: Histogram) -> tuple[Histogram, Histogram]:
    """Both with one width of the zero bucket."""
    while left.zero_threshold != right.zero_threshold:
        if left.zero_threshold > right.zero_threshold:
            right = _widened(right, left.zero_threshold)
        else:
            left = _widened(left, right.zero_threshold)
    return left, right


def common_bounds(left: tuple[float, ...], right: tuple[float, ...]) -> tuple[float, ...]:
    """The custom bounds that both have."""
    theirs = frozenset(right)
    return tuple(bound for bound in left if bound in theirs)


def to_bounds(histogram: Histogram, bounds: tuple[float, ...]) -> Histogram:
    """A histogram with custom buckets put into fewer of them; ``bounds`` are some of its own."""
    if bounds == histogram.custom_values:
        return histogram
    own = np.array((*histogram.custom_values, np.inf))
    into = np.searchsorted(np.array(bounds, dtype=np.float64), own, side="left")
    side = histogram.positive
    target = into[np.clip(side.indexes, 0, len(own) - 1)]
    indexes, starts = np.unique(target, return_index=True)
    counts = np.add.reduceat(side.counts, starts) if len(starts) else side.counts
    return dataclasses.replace(histogram, custom_values=bounds, positive=Buckets(indexes, counts))


def aligned(left: Histogram, right: Histogram) -> tuple[Histogram, Histogram, bool]:
    """Both with the same schema, bounds and width of the zero bucket, and whether bounds were reconciled.

    Raises:
        IncompatibleError: exponential and custom.
    """
    if is_custom(left) != is_custom(right):
        raise IncompatibleError
    if is_custom(left):
        if left.custom_values == right.custom_values:
            return left, right, False
        bounds = common_bounds(left.custom_values, right.custom_values)
        return to_bounds(left, bounds), to_bounds(right, bounds), True
    left, right = same_zero(left, right)
    schema = min(left.schema, right.schema)
    return to_schema(left, schema), to_schema(right, schema), False


def together(left: Buckets, right: Buckets) -> tuple[Ints, Floats, Floats]:
    """The indexes that either side has, and the counts of both there."""
    if len(left.indexes) == len(right.indexes) and np.array_equal(left.indexes, right.indexes):
        return left.indexes, left.counts, right.counts
    indexes = np.union1d(left.indexes, right.indexes)
    ours, theirs = np.zeros(len(indexes)), np.zeros(len(indexes))
    ours[np.searchsorted(indexes, left.indexes)] = left.counts
    theirs[np.searchsorted(indexes, right.indexes)] = right.counts
    return indexes, ours, theirs


def outside_zero(side: Buckets, histogram: Histogram) -> Buckets:
    """Buckets of one side but for those within the zero bucket."""
    if is_custom(histogram) or not histogram.zero_threshold or not len(side.indexes):
        return side
    kept = exponential_bound(side.indexes, histogram.schema) > histogram.zero_threshold
    return side if kept.all() else Buckets(side.indexes[kept], side.counts[kept])


def joint_hint(left: ResetHint, right: ResetHint) -> tuple[ResetHint, bool]:
    """The hint of a sum, and whether the two contradict each other."""
    if left is right:
        return left, False
    if ResetHint.GAUGE in {left, right}:
        return ResetHint.GAUGE, False
    return ResetHint.UNKNOWN, ResetHint.UNKNOWN not in {left, right}


def _combined(left: Histogram, right: Histogram, ufunc: np.ufunc) -> Outcome:
    hint, collision = joint_hint(left.hint, right.hint)
    ours, theirs, reconciled = aligned(left, right)
    parts: list[Buckets] = []
    # No bucket is within the zero bucket of its own histogram; a wider one may hold some.
    wider = right.zero_threshold != theirs.zero_threshold
    with np.errstate(all="ignore"):
        for mine, other in ((ours.positive, theirs.positive), (ours.negative, theirs.negative)):
            indexes, a, b = together(mine, outside_zero(other, theirs) if wider else other)
            parts.append(Buckets(indexes, ufunc(a, b)))
        zero, count, total = ufunc(
            np.array([ours.zero_count, ours.count, ours.sum]), np.array([theirs.zero_count, theirs.count, theirs.sum])
        ).tolist()
    result = dataclasses.replace(
        ours, zero_count=zero, count=count, sum=total, positive=parts[0], negative=parts[1], hint=hint
    )
    return Outcome(result, collision, reconciled)


def added(left: Histogram, right: Histogram) -> Outcome:
    """The sum.

    Raises:
        IncompatibleError: exponential and custom.
    """
    return _combined(left, right, np.add)


def subtracted(left: Histogram, right: Histogram) -> Outcome:
    """The difference; the hint is as of a sum, whoever shows the result makes it a gauge.

    Raises:
        IncompatibleError: exponential and custom.
    """
    return _combined(left, right, np.subtract)
