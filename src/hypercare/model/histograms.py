"""Native histograms: a whole distribution as one sample, in exponential or custom buckets.

They are values of their own kind beside the float matrices, so that a query over floats pays nothing for them.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints

CUSTOM_SCHEMA: Final = -53
"""The schema of histograms whose bounds are listed (``custom_values``) instead of computed."""
MIN_SCHEMA: Final = -4
MAX_SCHEMA: Final = 8


class ResetHint(enum.Enum):
    """What the producer said about a counter reset right before this sample."""

    UNKNOWN = "unknown"
    RESET = "reset"
    NOT_RESET = "not_reset"
    GAUGE = "gauge"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """The populated buckets of one side.

    Attributes:
        indexes: int64[B], ascending, none twice. Exponential: bucket i reaches from base**(i-1) (exclusive) to base**i
            (inclusive) with base = 2**(2**-schema). Custom: bucket i reaches up to ``custom_values[i]``, the one past
            the last to +Inf.
        counts: float64[B], absolute counts, not differences.

    """

    indexes: Ints
    counts: Floats


NO_BUCKETS: Final = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One native histogram with float counts (integer ones are read as floats).

    Attributes:
        schema: -4 to 8, or ``CUSTOM_SCHEMA``.
        zero_threshold: width of the zero bucket, which counts values in [-zero_threshold, zero_threshold].
        custom_values: upper bounds of custom buckets, ascending, without +Inf.

    """

    schema: int = 0
    zero_threshold: float = 0.0
    zero_count: float = 0.0
    count: float = 0.0
    sum: float = 0.0
    positive: Buckets = NO_BUCKETS
    negative: Buckets = NO_BUCKETS
    custom_values: tuple[float, ...] = ()
    hint: ResetHint = ResetHint.UNKNOWN


class HistogramSeries(NamedTuple):
    """The native histograms of one series over a span of time.

    A staleness marker ends a series of histograms as it does one of floats: it is a ``STALE`` float sample of the
    same labels, in a ``SampleMatrix``.

    Attributes:
        labels: ``__name__`` included.
        times: int64[T], ascending, ms since the epoch.
        values: the T histograms.
        starts: int64[T], start timestamps, 0 where unknown; None: none of them is known.

    """

    labels: Labels
    times: Ints
    values: tuple[Histogram, ...]
    starts: Ints | None = None
