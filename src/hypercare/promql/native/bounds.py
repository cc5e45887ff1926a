"""Where the buckets of a histogram begin and end.

Bucket i of an exponential schema s reaches from base**(i-1) to base**i, base = 2**(2**-s); the buckets of negative
observations mirror those of positive ones. Source: Prometheus' native histogram specification.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.histograms import CUSTOM_SCHEMA, Histogram

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints

_LARGEST: Final = float(np.finfo(np.float64).max)
_TOP: Final = 1024
"""The power of two that a float cannot hold; the last bucket ends at the largest float instead."""


def is_custom(histogram: Histogram) -> bool:
    """Whether the bounds are listed instead of computed."""
    return histogram.schema == CUSTOM_SCHEMA


def exponential_bound(indexes: Ints, schema: int) -> Floats:
    """The upper bounds of exponential buckets, ``[B]``, of the positive side."""
    if schema <= 0:
        powers = np.left_shift(indexes, -schema)
        whole, rest = powers, np.zeros(len(indexes))
    else:
        whole = np.right_shift(indexes, schema)
        rest = (indexes - np.left_shift(whole, schema)) / float(1 << schema)
    # Powers of two are exact; only what lies between them is computed.
    with np.errstate(over="ignore", under="ignore"):
        bounds: Floats = np.ldexp(np.exp2(rest), np.clip(whole, -2000, 2000).astype(np.int32))
    return np.where((whole == _TOP) & (rest == 0), _LARGEST, bounds)


def _custom_bound(indexes: Ints, custom_values: tuple[float, ...]) -> Floats:
    known = np.array((-np.inf, *custom_values, np.inf))
    bounds: Floats = known[np.clip(indexes + 1, 0, len(known) - 1)]
    return bounds


def sides(histogram: Histogram) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Distances from zero of the near and far ends of positive and negative buckets; custom: lower, upper."""
    if is_custom(histogram):
        indexes, custom = histogram.positive.indexes, histogram.custom_values
        none = np.empty(0)
        return (_custom_bound(indexes - 1, custom), _custom_bound(indexes, custom)), (none, none)
    found = [
        (exponential_bound(side.indexes - 1, histogram.schema), exponential_bound(side.indexes, histogram.schema))
        for side in (histogram.positive, histogram.negative)
    ]
    return found[0], found[1]


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """All buckets in ascending order, the zero bucket among them; each ``[B]``.

    Attributes:
        zero: place of the zero bucket, -1 where it is empty.
        lower_closed, upper_closed: whether a bound belongs to its bucket.

    """

    lower: Floats
    upper: Floats
    counts: Floats
    lower_closed: Bools
    upper_closed: Bools
    zero: int


def spread(histogram: Histogram) -> Spread:
    """The buckets side by side; those that overlap the zero bucket end where it begins."""
    (near, far), (negative_near, negative_far) = sides(histogram)
    counts = histogram.positive.counts
    if is_custom(histogram):
        first = histogram.positive.indexes == 0
        return Spread(near, far, counts, first, np.ones(len(counts), dtype=np.bool_), -1)
    width = histogram.zero_threshold
    lower, upper, count = [-negative_far[::-1]], [-negative_near[::-1]], [histogram.negative.counts[::-1]]
    lower_closed, upper_closed = [lower[0] < 0], [upper[0] > 0]
    upper[0] = np.minimum(upper[0], -width)
    zero = -1
    if histogram.zero_count > 0:
        zero = len(count[0])
        lower.append(np.array([-width]))
        upper.append(np.array([width]))
        count.append(np.array([histogram.zero_count]))
        lower_closed.append(np.ones(1, dtype=np.bool_))
        upper_closed.append(np.ones(1, dtype=np.bool_))
    lower_closed.append(near < 0)
    upper_closed.append(far > 0)
    lower.append(np.maximum(near, width))
    upper.append(far)
    count.append(counts)
    return Spread(
        np.concatenate(lower),
        np.concatenate(upper),
        np.concatenate(count),
        np.concatenate(lower_closed),
        np.concatenate(upper_closed),
        zero,
    )


def api_buckets(histogram: Histogram) -> list[tuple[int, float, float, float]]:
    """The buckets that are not empty as Prometheus' API lists them: boundary rule, lower, upper, count; ascending.

    The rule is 0 where only the upper bound belongs to the bucket, 1 only the lower, 2 neither, 3 both.
    """
    buckets = spread(histogram)
    rules = np.where(
        buckets.lower_closed, np.where(buckets.upper_closed, 3, 1), np.where(buckets.upper_closed, 0, 2)
    ).tolist()
    rows = zip(rules, buckets.lower.tolist(), buckets.upper.tolist(), buckets.counts.tolist(), strict=True)
    return [row for row in rows if row[3] != 0]
