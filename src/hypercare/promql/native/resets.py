"""Whether a counter histogram started again between two samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import Buckets, Histogram, ResetHint
from hypercare.promql.native.arithmetic import (
    common_bounds,
    outside_zero,
    reduced_side,
    to_bounds,
    together,
    with_hint,
    zero_at,
)
from hypercare.promql.native.bounds import is_custom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def was_reset(current: Histogram, previous: Histogram) -> bool:
    """Whether a counter fell from one sample to the next: any count, or a resolution or width that only grows so.

    The producer's hint decides where there is one. The sum of observations may fall and does not count.
    """
    if current.hint is ResetHint.RESET:
        return True
    if current.hint is ResetHint.NOT_RESET:
        return False
    if current.count < previous.count:
        return True
    if is_custom(current):
        if not is_custom(previous):
            return True
        bounds = common_bounds(current.custom_values, previous.custom_values)
        return _fell(to_bounds(current, bounds).positive, to_bounds(previous, bounds).positive)
    if current.schema > previous.schema or current.zero_threshold < previous.zero_threshold:
        return True
    zero, width = zero_at(previous, current.zero_threshold)
    if width != current.zero_threshold or current.zero_count < zero:
        return True
    steps = previous.schema - current.schema
    return any(
        _fell(outside_zero(now, current), outside_zero(reduced_side(before, steps), current))
        for now, before in ((current.positive, previous.positive), (current.negative, previous.negative))
    )


def _fell(current: Buckets, previous: Buckets) -> bool:
    _, now, before = together(current, previous)
    return bool(np.any(now < before))


def started_again(before: int, at: int, start: int, now: int) -> bool:
    """Whether the start timestamp of a sample says that its counter began after the previous sample.

    Args:
        before: start timestamp of the previous sample, ms; 0 where unknown.
        at: its time.
        start: start timestamp of this sample.
        now: its time.

    """
    if start == 0 or start >= now or start < at:
        return False
    if start > at:
        return True
    # Right at the previous sample: a delta if that one had a start of its own before it, else a cumulative counter
    # whose real start is not known (OpenTelemetry's data model).
    return before != 0 and before < at


def hinted(samples: Iterable[Histogram | None]) -> Iterator[Histogram | None]:
    """Counter histograms with the hints that a store which keeps them in chunks gives; none stands for another kind.

    The first one says nothing, and neither does one after a fall, for a new chunk begins there; later ones that there
    was no reset. A hint of the producer that there was one is kept.
    """
    previous: Histogram | None = None
    for sample in samples:
        if sample is None or sample.hint is ResetHint.GAUGE or sample.hint is ResetHint.RESET:
            yield sample
        elif previous is None or previous.hint is ResetHint.GAUGE or not _same_layout(sample, previous):
            yield with_hint(sample, ResetHint.UNKNOWN)
        else:
            fell = was_reset(with_hint(sample, ResetHint.UNKNOWN), previous)
            yield with_hint(sample, ResetHint.UNKNOWN if fell else ResetHint.NOT_RESET)
        previous = sample


def _same_layout(left: Histogram, right: Histogram) -> bool:
    return (left.schema, left.zero_threshold, left.custom_values) == (
        right.schema,
        right.zero_threshold,
        right.custom_values,
    )
