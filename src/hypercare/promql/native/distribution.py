"""Quantiles, fractions and variance of the observations in a histogram.

Within an exponential bucket observations are taken to be spread evenly on a logarithmic scale, within custom buckets
and the zero bucket evenly. Source: Prometheus' documentation of histogram_quantile and histogram_fraction.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.native.bounds import is_custom, spread

if TYPE_CHECKING:
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Floats


class Remark(enum.Enum):
    """What observations that are NaN do to a result."""

    NONE = ""
    NAN = "result is NaN"
    SKEWED = "result is skewed higher"


def quantile(q: float, histogram: Histogram) -> tuple[float, Remark]:
    """The q-quantile; -Inf and +Inf for q below 0 and above 1, NaN where there is no observation."""
    if math.isnan(q) or not 0 <= q <= 1:
        return (math.nan if math.isnan(q) else -math.inf if q < 0 else math.inf), Remark.NONE
    if histogram.count == 0:
        return math.nan, Remark.NONE
    buckets = spread(histogram)
    populated = np.flatnonzero(buckets.counts)
    # Observations that are NaN are counted but lie in no bucket; they sort above all others.
    some_nan = math.isnan(histogram.sum)
    upwards = some_nan or q < 0.5
    order = populated if upwards else populated[::-1]
    rank = (q if upwards else 1 - q) * histogram.count
    running = np.cumsum(buckets.counts[order])
    reached = running >= rank
    if not len(order) or not reached[-1]:
        if some_nan:
            return math.nan, Remark.NAN
        if not len(order):
            return 0.0, Remark.NONE
    place = int(np.argmax(reached)) if reached[-1] else len(order) - 1
    bucket = int(order[place])
    count, held = min(float(running[place]), histogram.count), float(buckets.counts[bucket])
    remark = Remark.SKEWED if some_nan else Remark.NONE
    lower, upper = float(buckets.lower[bucket]), float(buckets.upper[bucket])
    if is_custom(histogram):
        if math.isinf(lower):
            if upper <= 0:
                return upper, remark
            lower = 0.0
        elif math.isinf(upper):
            return lower, remark
    elif bucket == buckets.zero:
        lower, upper = _natural_zero(histogram, lower, upper)
    if count < rank:
        return upper, remark
    share = (rank - (count - held) if upwards else count - rank) / held
    return _inside(histogram, lower, upper, share), remark


def _natural_zero(histogram: Histogram, lower: float, upper: float) -> tuple[float, float]:
    """The zero bucket ends at zero where all other observations are on the other side of it."""
    if not len(histogram.negative.indexes) and len(histogram.positive.indexes):
        return 0.0, upper
    if not len(histogram.positive.indexes) and len(histogram.negative.indexes):
        return lower, 0.0
    return lower, upper


def _inside(histogram: Histogram, lower: float, upper: float, share: float) -> float:
    if is_custom(histogram) or lower <= 0 <= upper:
        return lower + (upper - lower) * share
    low, high = math.log2(abs(lower)), math.log2(abs(upper))
    if lower > 0:
        return float(np.exp2(low + (high - low) * share))
    return -float(np.exp2(high + (low - high) * (1 - share)))


def fraction(lower: float, upper: float, histogram: Histogram) -> float:
    """The share of the observations between two bounds; those that are NaN are in no share."""
    if histogram.count == 0 or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    buckets = spread(histogram)
    lows, highs = buckets.lower.copy(), buckets.upper.copy()
    if buckets.zero >= 0:
        lows[buckets.zero], highs[buckets.zero] = _natural_zero(
            histogram, float(lows[buckets.zero]), float(highs[buckets.zero])
        )
    if is_custom(histogram) and len(lows) and math.isinf(lows[0]) and highs[0] > 0:
        lows[0] = 0.0  # as for quantiles: nothing is said to be below zero
    before = np.concatenate([[0.0], np.cumsum(buckets.counts)])
    ranks = [_rank(edge, histogram, lows, highs, before) for edge in (lower, upper)]
    return (ranks[1] - ranks[0]) / histogram.count


def _rank(edge: float, histogram: Histogram, lows: Floats, highs: Floats, before: Floats) -> float:
    """How many observations are below a value."""
    known = float(before[-1]) if math.isnan(histogram.sum) else histogram.count
    # The first bucket that does not end at or below the value.
    bucket = int(np.searchsorted(highs, edge, side="right"))
    if bucket >= len(highs):
        return min(known, histogram.count)
    low, high = float(lows[bucket]), float(highs[bucket])
    held = float(before[bucket + 1] - before[bucket])
    if low >= edge:
        return min(float(before[bucket]), histogram.count)
    if math.isinf(low):
        return min(float(before[bucket + 1]), histogram.count)  # nothing is said of its inside: all of it is below
    if math.isinf(high):
        return float(before[bucket])
    if is_custom(histogram) or low <= 0 <= high:
        share = (edge - low) / (high - low)
    else:
        a, b, v = math.log2(abs(low)), math.log2(abs(high)), math.log2(abs(edge))
        share = (v - a) / (b - a) if edge > 0 else 1 - (v - b) / (a - b)
    return min(float(before[bucket]) + held * share, histogram.count)


def variance(histogram: Histogram) -> float:
    """The estimated variance: every observation is taken to be in the middle of its bucket."""
    with np.errstate(all="ignore"):
        mean = np.float64(histogram.sum) / np.float64(histogram.count)
        buckets = spread(histogram)
        populated = buckets.counts != 0
        lower, upper, counts = buckets.lower[populated], buckets.upper[populated], buckets.counts[populated]
        if is_custom(histogram):
            middle = (lower + upper) / 2.0
        else:
            middle = np.sqrt(lower * upper)
            middle = np.where(upper < 0, -middle, middle)
            middle = np.where((lower <= 0) & (upper >= 0), 0.0, middle)
        off = middle - mean
        return (
            float(math.fsum((counts * off * off).tolist()) / np.float64(histogram.count))
            if _plain(counts * off * off)
            else float((counts * off * off).sum() / np.float64(histogram.count))
        )


def _plain(values: Floats) -> bool:
    return bool(np.isfinite(values).all())
