"""The operators ``</`` and ``>/``: a histogram without the observations above or below a value.

Where the value lies inside a bucket the bucket is split as for quantiles. The sum is estimated anew from the middles
of what is kept of each bucket, unless nothing is removed. Source: Prometheus' documentation of the trim operators and
the cases in its native_histograms.test.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import NO_BUCKETS, Buckets, Histogram
from hypercare.promql.native.arithmetic import compact
from hypercare.promql.native.bounds import is_custom, sides

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Floats


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    """Counts kept, ``[B]``, and the estimated sum of these observations."""

    counts: Floats
    total: float


def trimmed(histogram: Histogram, at: float, *, keep_below: bool) -> Histogram:
    """The observations at or below a value, or with ``keep_below`` false those above it."""
    if math.isnan(at):
        # No observation is on either side of NaN.
        return dataclasses.replace(
            histogram, zero_count=0.0, count=0.0, sum=0.0, positive=NO_BUCKETS, negative=NO_BUCKETS
        )
    (near, far), (negative_near, negative_far) = sides(histogram)
    split = _custom if is_custom(histogram) else _exponential
    positive = _side(histogram.positive, near, far, at, split, keep_below=keep_below)
    negative = _side(histogram.negative, -negative_far, -negative_near, at, split, keep_below=keep_below)
    zero = _zero(histogram, at, keep_below=keep_below)
    if (
        zero.counts[0] == histogram.zero_count
        and np.array_equal(positive.counts, histogram.positive.counts)
        and np.array_equal(negative.counts, histogram.negative.counts)
    ):
        return histogram
    count = float(positive.counts.sum() + negative.counts.sum() + zero.counts[0])
    return compact(
        dataclasses.replace(
            histogram,
            zero_count=float(zero.counts[0]),
            count=count,
            sum=positive.total + negative.total + zero.total if count != 0 else 0.0,
            positive=Buckets(histogram.positive.indexes, positive.counts),
            negative=Buckets(histogram.negative.indexes, negative.counts),
        )
    )


def _side(
    side: Buckets,
    lower: Floats,
    upper: Floats,
    at: float,
    split: Callable[..., tuple[float, float]],
    *,
    keep_below: bool,
) -> _Kept:
    kept = np.zeros(len(side.counts))
    total = 0.0
    for i in np.flatnonzero(side.counts).tolist():
        share, middle = split(float(lower[i]), float(upper[i]), at, keep_below=keep_below)
        kept[i] = side.counts[i] * share
        if share:
            total += float(kept[i]) * middle
    return _Kept(kept, total)


def _part(low: float, high: float, at: float, *, keep_below: bool) -> tuple[float, float] | None:
    """The stretch of a bucket that is kept; none where there is nothing of it."""
    if keep_below:
        return None if low >= at else (low, min(high, at))
    return None if high <= at else (max(low, at), high)


def _exponential(low: float, high: float, at: float, *, keep_below: bool) -> tuple[float, float]:
    """The share kept of an exponential bucket, and the middle of that on a logarithmic scale."""
    part = _part(low, high, at, keep_below=keep_below)
    if part is None:
        return 0.0, 0.0
    middle = math.copysign(math.sqrt(part[0] * part[1]), low + high)
    if part == (low, high):
        return 1.0, middle
    width = math.log2(high / low)
    return math.log2(part[1] / part[0]) / width, middle


def _even(low: float, high: float, at: float, *, keep_below: bool) -> tuple[float, float]:
    """The share kept of a bucket with evenly spread observations, and its middle."""
    part = _part(low, high, at, keep_below=keep_below)
    if part is None:
        return 0.0, 0.0
    return (part[1] - part[0]) / (high - low) if part != (low, high) else 1.0, (part[0] + part[1]) / 2


def _custom(low: float, high: float, at: float, *, keep_below: bool) -> tuple[float, float]:
    """The same of a custom bucket; where one has no end, its observations are taken to be at the other.

    A bucket that goes down without end but ends above zero is taken to begin at zero. Of one without an end on the side
    that is cut off nothing is kept.
    """
    if math.isinf(low) and math.isinf(high):
        whole = at == high if keep_below else at == low
        return (1.0, 0.0) if whole else (0.0, 0.0)
    if math.isinf(low) and high > 0:
        if not keep_below and low < at < 0:
            return 0.0, 0.0  # it has something below, and nothing tells how much
        low = 0.0
    if math.isinf(low):
        if keep_below:
            return (0.0, 0.0) if at == low else (1.0, min(high, at))
        return (1.0, high) if at == low else (0.0, 0.0)
    if math.isinf(high):
        if keep_below:
            return (1.0, low) if at == high else (0.0, 0.0)
        return (0.0, 0.0) if at == high else (1.0, max(low, at))
    return _even(low, high, at, keep_below=keep_below)


def _zero(histogram: Histogram, at: float, *, keep_below: bool) -> _Kept:
    """What is kept of the zero bucket; with observations on one side of it only it is taken to end at zero."""
    counted = histogram.zero_count
    if counted <= 0:
        return _Kept(np.array([counted]), 0.0)
    low, high = -histogram.zero_threshold, histogram.zero_threshold
    above, below = bool(np.any(histogram.positive.counts)), bool(np.any(histogram.negative.counts))
    if above and not below:
        low = 0.0
    elif below and not above:
        high = 0.0
    if low == high:
        kept = at >= low if keep_below else at <= low
        return _Kept(np.array([counted if kept else 0.0]), 0.0)
    share, middle = _even(low, high, at, keep_below=keep_below)
    return _Kept(np.array([counted * share]), counted * share * middle)
