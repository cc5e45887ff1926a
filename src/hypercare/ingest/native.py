"""Native histograms of remote write, both versions (their message is the same)."""

from __future__ import annotations

import itertools
import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.ingest.wire import (
    VARINT,
    Field,
    double,
    doubles,
    expect,
    fields,
    signed,
    signed32,
    varints,
    zigzag,
)
from hypercare.model.histograms import CUSTOM_SCHEMA, MAX_SCHEMA, MIN_SCHEMA, NO_BUCKETS, Buckets, Histogram, ResetHint
from hypercare.model.samples import STALE_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.time import Ms

_HINTS: Final = (ResetHint.UNKNOWN, ResetHint.RESET, ResetHint.NOT_RESET, ResetHint.GAUGE)
_EXACT: Final = 1e-6
"""How far counts of float histograms may be apart from their buckets: they are sums of rounded numbers."""


class BadHistogramError(ValueError):
    """A histogram that contradicts itself."""


class Timed(NamedTuple):
    """A histogram sample; no histogram: a staleness marker."""

    at: Ms
    start: Ms
    histogram: Histogram | None


class _Side:
    """Spans and counts of one sign, as they come."""

    __slots__ = ("counts", "deltas", "spans")

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self.deltas: list[int] = []
        self.counts: list[float] = []

    def buckets(self, *, integers: bool) -> Buckets:
        """The buckets.

        Raises:
            BadHistogramError: spans and counts do not fit together.

        """
        size = sum(length for _, length in self.spans)
        have = len(self.deltas) if integers else len(self.counts)
        if size != have:
            msg = f"spans need {size} buckets, have {have} buckets"
            raise BadHistogramError(msg)
        if not size:
            return NO_BUCKETS
        if any(offset < 0 for offset, _ in self.spans[1:]):
            msg = "a span begins before the end of the one before it"
            raise BadHistogramError(msg)
        indexes: list[int] = []
        at = 0
        for offset, length in self.spans:
            at += offset
            indexes.extend(range(at, at + length))
            at += length
        if not -(1 << 31) <= indexes[0] <= indexes[-1] < 1 << 31:
            msg = "the index of a bucket is beyond 32 bits"
            raise BadHistogramError(msg)
        if integers:
            total, running = 0, []
            for delta in self.deltas:
                total += delta
                running.append(total)
            counts = np.array(running, np.float64)
        else:
            counts = np.array(self.counts, np.float64)
        if (counts < 0).any():
            msg = "a bucket has a negative count"
            raise BadHistogramError(msg)
        return Buckets(np.array(indexes, np.int64), counts)


def read_histogram(data: bytes, at: int, stop: int) -> Timed:
    """One ``Histogram`` message.

    Raises:
        WireError: the bytes are none.
        BadHistogramError: it contradicts itself.

    """
    sides = {"negative": _Side(), "positive": _Side()}
    numbers: dict[int, float] = {}
    whole: dict[int, int] = {}
    integers = True
    custom: list[float] = []
    for field in fields(data, at, stop):
        match field.number:
            case 1 | 6:
                expect(field, VARINT)
                numbers[1 if field.number == 1 else 6] = float(field.value)
                integers = integers if field.number == 6 else True
            case 2 | 7:
                numbers[field.number - 1] = double(data, field)
                integers = integers if field.number == 7 else False
            case 3 | 5:
                numbers[field.number] = double(data, field)
            case 4 | 14 | 15 | 17:
                expect(field, VARINT)
                whole[field.number] = field.value
            case 8 | 11:
                sides["negative" if field.number == 8 else "positive"].spans.append(_span(data, field))
            case 9 | 12:
                side = sides["negative" if field.number == 9 else "positive"]
                side.deltas.extend(zigzag(value) for value in varints(data, field))
            case 10 | 13:
                sides["negative" if field.number == 10 else "positive"].counts.extend(doubles(data, field))
            case 16:
                custom.extend(doubles(data, field))
            case _:
                continue
    stamp, start = signed(whole.get(15, 0)), signed(whole.get(17, 0))
    total = numbers.get(3, 0.0)
    if struct.unpack("<q", struct.pack("<d", total))[0] == STALE_BITS:
        return Timed(stamp, start, None)
    hint = signed32(whole.get(14, 0))
    return Timed(
        stamp,
        start,
        checked(
            Histogram(
                schema=signed32(zigzag(whole.get(4, 0) & 0xFFFFFFFF)),
                zero_threshold=numbers.get(5, 0.0),
                zero_count=numbers.get(6, 0.0),
                count=numbers.get(1, 0.0),
                sum=total,
                positive=sides["positive"].buckets(integers=integers),
                negative=sides["negative"].buckets(integers=integers),
                custom_values=tuple(custom),
                hint=_HINTS[hint] if 0 <= hint < len(_HINTS) else ResetHint.UNKNOWN,
            ),
            integers=integers,
        ),
    )


def _span(data: bytes, field: Field) -> tuple[int, int]:
    expect(field, 2)
    offset = length = 0
    for part in fields(data, field.start, field.stop):
        if part.number in {1, 2}:
            expect(part, VARINT)
            if part.number == 1:
                offset = signed32(zigzag(part.value & 0xFFFFFFFF))
            else:
                length = part.value & 0xFFFFFFFF
    return offset, length


def checked(found: Histogram, *, integers: bool) -> Histogram:
    """The histogram, if it does not contradict itself (Prometheus' rules).

    Args:
        found: what came.
        integers: its counts are whole numbers, which must add up exactly.

    Raises:
        BadHistogramError: what is wrong.

    """
    if found.schema == CUSTOM_SCHEMA:
        _check_custom(found)
    elif not MIN_SCHEMA <= found.schema <= MAX_SCHEMA:
        msg = f"schema {found.schema} is not between {MIN_SCHEMA} and {MAX_SCHEMA}"
        raise BadHistogramError(msg)
    elif found.custom_values:
        msg = "a histogram with exponential buckets has custom values"
        raise BadHistogramError(msg)
    inside = float(found.positive.counts.sum() + found.negative.counts.sum() + found.zero_count)
    if found.zero_count < 0 or found.count < 0:
        msg = "a count is negative"
        raise BadHistogramError(msg)
    slack = 0.0 if integers else _EXACT * max(abs(inside), abs(found.count))
    # Observations of NaN are counted, but are in no bucket.
    if inside - found.count > slack or (integers and not math.isnan(found.sum) and inside != found.count):
        msg = f"{inside:.17g} observations are in buckets, but the count is {found.count:.17g}"
        raise BadHistogramError(msg)
    return found


def _check_custom(found: Histogram) -> None:
    bounds = found.custom_values
    if any(math.isnan(bound) for bound in bounds) or not _ascending(bounds):
        msg = "the custom values are not in ascending order"
        raise BadHistogramError(msg)
    if bounds and math.isinf(bounds[-1]):
        msg = "the last custom value is infinite, which is understood without it"
        raise BadHistogramError(msg)
    if len(found.negative.indexes) or found.zero_count or found.zero_threshold:
        msg = "custom buckets have no negative side and no zero bucket"
        raise BadHistogramError(msg)
    indexes = found.positive.indexes
    if len(indexes) and not 0 <= int(indexes[0]) <= int(indexes[-1]) <= len(bounds):
        msg = f"there are {len(bounds)} custom values, but a bucket has the number {int(indexes[-1])}"
        raise BadHistogramError(msg)


def _ascending(bounds: Sequence[float]) -> bool:
    return all(low < high for low, high in itertools.pairwise(bounds))
