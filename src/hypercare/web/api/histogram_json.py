"""Native histograms as Prometheus' JSON: count, sum and the populated buckets with their bounds."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Final

from hypercare.model.histograms import CUSTOM_SCHEMA
from hypercare.web.api.numbers import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.histograms import Histogram

# The first number of a bucket: which of its bounds belong to it.
_UPPER, _LOWER, _BOTH = 0, 1, 3
_GREATEST: Final = sys.float_info.max


def bound(index: int, histogram: Histogram) -> float:
    """The upper bound of a positive bucket, which is the lower one of the next."""
    if histogram.schema == CUSTOM_SCHEMA:
        listed = histogram.custom_values
        return -math.inf if index < 0 else listed[index] if index < len(listed) else math.inf
    exponent = index * 2.0**-histogram.schema
    if exponent < 1024:
        # Split, so that powers of two come out exact and tiny ones do not underflow on the way.
        whole = math.floor(exponent)
        return math.ldexp(2.0 ** (exponent - whole), whole)
    # The last bucket before infinity ends at the greatest number there is.
    return _GREATEST if exponent == 1024 else math.inf


def _buckets(histogram: Histogram) -> Iterator[tuple[int, float, float, float]]:
    """Rule, lower and upper bound, and count of each populated bucket, ascending."""
    side = histogram.negative
    for index, count in zip(side.indexes.tolist()[::-1], side.counts.tolist()[::-1], strict=True):
        # What the zero bucket holds begins where the next one ends.
        yield _LOWER, -bound(index, histogram), -max(bound(index - 1, histogram), histogram.zero_threshold), count
    if histogram.zero_count:
        yield _BOTH, -histogram.zero_threshold, histogram.zero_threshold, histogram.zero_count
    side = histogram.positive
    custom = histogram.schema == CUSTOM_SCHEMA
    for index, count in zip(side.indexes.tolist(), side.counts.tolist(), strict=True):
        rule = _BOTH if custom and index == 0 else _UPPER
        lower = bound(index - 1, histogram)
        yield rule, lower if custom else max(lower, histogram.zero_threshold), bound(index, histogram), count


def histogram_json(histogram: Histogram) -> bytes:
    """``{"count":"…","sum":"…","buckets":[[rule,"lower","upper","count"],…]}``; no buckets, no key."""
    found = ",".join(
        f'[{rule},"{number(lower)}","{number(upper)}","{number(count)}"]'
        for rule, lower, upper, count in _buckets(histogram)
        if count
    )
    buckets = f',"buckets":[{found}]' if found else ""
    return f'{{"count":"{number(histogram.count)}","sum":"{number(histogram.sum)}"{buckets}}}'.encode()
