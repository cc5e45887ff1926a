"""Histograms of OpenTelemetry as native histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.ingest.native import BadHistogramError, checked
from hypercare.model.histograms import CUSTOM_SCHEMA, MAX_SCHEMA, MIN_SCHEMA, NO_BUCKETS, Buckets, Histogram

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

_ZERO_THRESHOLD: Final = 1e-128
"""Width of the zero bucket where the producer tells none, as in Prometheus."""


def exponential(point: ExponentialHistogramDataPoint) -> Histogram:
    """An exponential histogram; one finer than schema 8 is made coarser.

    Raises:
        BadHistogramError: it is coarser than schema -4, or contradicts itself.

    """
    if point.scale < MIN_SCHEMA:
        msg = f"scale {point.scale} is coarser than {MIN_SCHEMA}"
        raise BadHistogramError(msg)
    down = max(point.scale - MAX_SCHEMA, 0)
    return checked(
        Histogram(
            schema=point.scale - down,
            zero_threshold=point.zero_threshold or _ZERO_THRESHOLD,
            zero_count=float(point.zero_count),
            count=float(point.count),
            sum=point.sum,
            positive=_side(point.positive.offset, point.positive.bucket_counts, down),
            negative=_side(point.negative.offset, point.negative.bucket_counts, down),
        ),
        integers=False,
    )


def _side(offset: int, given: object, down: int) -> Buckets:
    """Buckets of one side.

    OpenTelemetry's bucket i reaches from base**i (exclusive) to base**(i+1) (inclusive), Prometheus' one from
    base**(i-1) to base**i; each step down squares the base, so that two neighbours become one.
    """
    counts = np.array(given, np.float64)
    if not len(counts):
        return NO_BUCKETS
    indexes = ((np.arange(len(counts), dtype=np.int64) + offset) >> min(down, 62)) + 1
    first = int(indexes[0])
    merged = np.zeros(int(indexes[-1]) - first + 1)
    np.add.at(merged, indexes - first, counts)
    kept = np.flatnonzero(merged)
    return Buckets(kept + first, merged[kept])


def custom(point: HistogramDataPoint) -> Histogram:
    """A histogram with explicit bounds as a native one with custom buckets.

    Raises:
        BadHistogramError: it contradicts itself.

    """
    bounds = tuple(point.explicit_bounds)
    if bounds and bounds[-1] == float("inf"):
        bounds = bounds[:-1]
    counts = np.array(point.bucket_counts, np.float64)
    if len(counts) > len(bounds) + 1:
        counts = np.concatenate([counts[: len(bounds)], [counts[len(bounds) :].sum()]])
    kept = np.flatnonzero(counts)
    return checked(
        Histogram(
            schema=CUSTOM_SCHEMA,
            count=float(point.count),
            sum=point.sum,
            positive=Buckets(kept.astype(np.int64), counts[kept]) if len(kept) else NO_BUCKETS,
            custom_values=bounds,
        ),
        integers=False,
    )


def check_classic(point: HistogramDataPoint) -> None:
    """Refuse bounds and counts that do not fit together.

    Raises:
        BadHistogramError: what is wrong.

    """
    bounds, counts = len(point.explicit_bounds), len(point.bucket_counts)
    if counts and counts != bounds + 1:
        msg = f"{bounds} bounds need {bounds + 1} buckets, have {counts}"
        raise BadHistogramError(msg)
