"""Native histograms as targets expose them, and how they are kept within a job's limits."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.collectors.exposition.lines import ExpositionError
from hypercare.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    NO_BUCKETS,
    Buckets,
    Histogram,
    ResetHint,
)
from hypercare.promql.native.arithmetic import to_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

_FINEST: Final = 52
"""Highest schema that has a meaning for float64; those above 8 are read at the resolution of 8."""
_INDEXES: Final = 1 << 31


def is_native(message: Any) -> bool:
    """Whether a ``Histogram`` message has a native part, be it an empty one."""
    return bool(
        message.zero_threshold > 0
        or message.zero_count > 0
        or message.zero_count_float > 0
        or message.positive_span
        or message.negative_span
    )


def read_native(message: Any, *, gauge: bool) -> Histogram:
    """The native part of a ``Histogram`` message.

    Raises:
        ExpositionError: it contradicts itself.

    """
    floats = bool(message.sample_count_float > 0 or message.zero_count_float > 0)
    schema = message.schema
    if not MIN_SCHEMA <= schema <= _FINEST:
        msg = f"a native histogram has the schema {schema}, which is not between {MIN_SCHEMA} and {_FINEST}"
        raise ExpositionError(msg)
    found = Histogram(
        schema=schema,
        zero_threshold=message.zero_threshold,
        zero_count=message.zero_count_float if floats else float(message.zero_count),
        count=message.sample_count_float if floats else float(message.sample_count),
        sum=message.sample_sum,
        positive=_side(message.positive_span, message.positive_delta, message.positive_count, floats=floats),
        negative=_side(message.negative_span, message.negative_delta, message.negative_count, floats=floats),
        hint=ResetHint.GAUGE if gauge else ResetHint.UNKNOWN,
    )
    inside = float(found.positive.counts.sum() + found.negative.counts.sum() + found.zero_count)
    # Observations of NaN are counted, but are in no bucket; sums of rounded numbers differ a little.
    slack = 1e-6 * max(abs(inside), abs(found.count)) if floats else 0.0
    if inside - found.count > slack or (not floats and not math.isnan(found.sum) and inside != found.count):
        msg = f"a native histogram has {inside:.17g} observations in buckets, but the count {found.count:.17g}"
        raise ExpositionError(msg)
    return to_schema(found, min(schema, MAX_SCHEMA))


def _side(spans: Any, deltas: Any, counts: Any, *, floats: bool) -> Buckets:
    given = counts if floats else deltas
    size = sum(span.length for span in spans)
    if size != len(given):
        msg = f"the spans of a native histogram need {size} buckets, {len(given)} are given"
        raise ExpositionError(msg)
    if not size:
        return NO_BUCKETS
    if any(span.offset < 0 for span in itertools.islice(spans, 1, None)):
        msg = "a span of a native histogram begins before the end of the one before it"
        raise ExpositionError(msg)
    parts, at = [], 0
    for span in spans:
        at += span.offset
        parts.append(np.arange(at, at + span.length, dtype=np.int64))
        at += span.length
        if not -_INDEXES <= at < _INDEXES:
            msg = "the number of a bucket of a native histogram is beyond 32 bits"
            raise ExpositionError(msg)
    # The sums are taken in whole numbers, which floats could not hold exactly.
    absolute = np.array(given, np.float64) if floats else np.cumsum(np.array(given, np.int64)).astype(np.float64)
    if (absolute < 0).any():
        msg = "a bucket of a native histogram has a negative count"
        raise ExpositionError(msg)
    return Buckets(np.concatenate(parts), absolute)


@dataclasses.dataclass(frozen=True, slots=True)
class NativeLimits:
    """How fine the native histograms of a job may be.

    Attributes:
        buckets: ``native_histogram_bucket_limit``; 0: any number.
        min_factor: ``native_histogram_min_bucket_factor``: least ratio of neighbouring bounds; 0: any.

    """

    buckets: int = 0
    min_factor: float = 0.0

    def apply(self, found: Histogram) -> Histogram:
        """The histogram, at the resolution that the limits allow.

        Raises:
            ExpositionError: it has too many buckets at any resolution.

        """
        if found.schema == CUSTOM_SCHEMA:
            if self.buckets and len(found.positive.indexes) > self.buckets:
                raise self._too_many(found)
            return found
        if self.min_factor > 1:
            found = to_schema(found, min(found.schema, _schema_of(self.min_factor)))
        while self.buckets and _count(found) > self.buckets:
            if found.schema <= MIN_SCHEMA:
                raise self._too_many(found)
            found = to_schema(found, found.schema - 1)
        return found

    def _too_many(self, found: Histogram) -> ExpositionError:
        msg = f"native_histogram_bucket_limit exceeded: {_count(found)} buckets, limit {self.buckets}"
        return ExpositionError(msg)


def _count(found: Histogram) -> int:
    return len(found.positive.indexes) + len(found.negative.indexes)


def _schema_of(factor: float) -> int:
    """The finest schema whose buckets grow by at least a factor: 2**(2**-schema) >= factor."""
    return max(MIN_SCHEMA, min(MAX_SCHEMA, math.floor(-math.log2(math.log2(factor)))))


def from_classic(bounds: Sequence[float], cumulative: Sequence[float], count: float, total: float) -> Histogram | None:
    """A classic histogram as a native one with custom buckets.

    Args:
        bounds: upper bounds, ascending, the last one maybe infinite.
        cumulative: counts up to each of them.
        count: of all observations.
        total: the sum of what was observed.

    Returns:
        None where counts fall from bucket to bucket, or exceed the count.

    """
    finite = [bound for bound in bounds if not math.isinf(bound)]
    counts = np.diff(np.array([*cumulative[: len(finite)], count], np.float64), prepend=0.0)
    if not (counts >= 0).all():
        return None
    filled = np.flatnonzero(counts)
    return Histogram(
        schema=CUSTOM_SCHEMA,
        count=count,
        sum=total,
        positive=Buckets(filled.astype(np.int64), counts[filled]),
        custom_values=tuple(finite),
    )
