"""Remote write 1.0: ``prometheus.WriteRequest``.

Fields of the messages, as published in Prometheus' ``prompb/types.proto`` and ``remote.proto``: WriteRequest
{timeseries 1, metadata 3}; TimeSeries {labels 1, samples 2, exemplars 3, histograms 4}; Label {name 1, value 2};
Sample {value 1, timestamp 2}; MetricMetadata {type 1, metric_family_name 2, help 4, unit 5}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.ingest.assembly import Assembly
from hypercare.ingest.decoded import Problems
from hypercare.ingest.native import BadHistogramError, read_histogram
from hypercare.ingest.series_labels import BadLabelsError, make_labels
from hypercare.ingest.single import read_singles
from hypercare.ingest.wire import (
    BYTES,
    VARINT,
    Field,
    WireError,
    double,
    expect,
    fields,
    signed,
    signed32,
    text,
    varint,
)
from hypercare.model.ingest import MetricMetadata

if TYPE_CHECKING:
    from hypercare.ingest.decoded import Decoded
    from hypercare.ingest.series_labels import V1Cache
    from hypercare.model.labels import Labels

TYPES: Final = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")
_SERIES_TAG: Final = 0x0A
_LABEL_TAG: Final = 0x0A
_SAMPLE_TAG: Final = 0x12
_SAMPLE_TAIL: Final = 16
_ZERO_TAIL: Final = 7


def decode_v1(data: bytes, cache: V1Cache, source: str) -> Decoded:
    """The samples of a WriteRequest.

    Args:
        data: the message, decompressed.
        cache: label sets by their bytes.
        source: of the batch.

    Raises:
        WireError: the bytes are no such message.

    """
    assembly = Assembly(source)
    problems = Problems()
    found: list[Labels] = []
    stops: list[int] = []
    valued: list[bool] = []
    at, end = 0, len(data)
    valued_of, zero_of = cache.valued.young.get, cache.zeros.young.get
    try:
        while at < end:
            if data[at] != _SERIES_TAG:
                at = _other(data, at, end, assembly)
                continue
            size = data[at + 1]
            begin = at + 2
            if size > 0x7F:
                size, begin = varint(data, at + 1)
            at = begin + size
            # A series is known by its bytes up to the first that differs from scrape to scrape.
            labels = valued_of(data[begin : at - _SAMPLE_TAIL])
            has_value = labels is not None
            if labels is None:
                labels = zero_of(data[begin : at - _ZERO_TAIL])
            if labels is not None and at <= end and size > _SAMPLE_TAIL:
                found.append(labels)
                stops.append(at)
                valued.append(has_value)
                continue
            if at > end:
                msg = f"byte {begin}: a series reaches beyond the message"
                raise WireError(msg)
            _series(data, begin, at, cache, assembly, problems)
    except IndexError:
        msg = f"byte {at}: the message ends within a field"
        raise WireError(msg) from None
    if found:
        _take_singles(data, found, stops, valued, assembly)
    return assembly.decoded(problems)


def _take_singles(data: bytes, found: list[Labels], stops: list[int], valued: list[bool], assembly: Assembly) -> None:
    places = np.array(stops, np.intp)
    try:
        times, values = read_singles(np.frombuffer(data, np.uint8), places, np.array(valued))
    except ValueError:
        # The labels are known and the sample has its usual length, but other fields, or a time long ago.
        for labels, stop, has_value in zip(found, stops, valued, strict=True):
            start = stop - (_SAMPLE_TAIL if has_value else _ZERO_TAIL)
            assembly.add(labels, [_sample(data, start, stop)])
        return
    assembly.add_singles(found, times, values)


def _sample(data: bytes, at: int, stop: int) -> tuple[int, float, int]:
    """Time, value and start (0: not told) of a Sample."""
    value, stamp = 0.0, 0
    for field in fields(data, at, stop):
        if field.number == 1:
            value = double(data, field)
        elif field.number == 2:
            expect(field, VARINT)
            stamp = signed(field.value)
    return stamp, value, 0


def _pair(data: bytes, at: int, stop: int, cache: V1Cache) -> tuple[str, str]:
    key = data[at:stop]
    found = cache.pairs.get(key)
    if found is None:
        found = _label(data, at, stop)
        cache.learn_pair(key, found)
    return found


def _new_series(data: bytes, at: int, stop: int, cache: V1Cache) -> tuple[Labels, int] | None:
    """Labels, and where the sample begins, of a new series of the usual form: labels, one sample; none: another form.

    Raises:
        WireError: not a message.
        BadLabelsError: it cannot be that of a series.

    """
    pairs: list[tuple[str, str]] = []
    last = at
    while last < stop and data[last] == _LABEL_TAG:
        size, begin = data[last + 1], last + 2
        if size > 0x7F:
            size, begin = varint(data, last + 1)
        last = begin + size
        if last > stop:
            return None
        pairs.append(_pair(data, begin, last, cache))
    length = stop - last - 2
    if length not in {_SAMPLE_TAIL, _ZERO_TAIL} or data[last] != _SAMPLE_TAG or data[last + 1] != length:
        return None
    key = data[at:last]
    labels = cache.sets.get(key)
    if labels is None:
        labels = make_labels(pairs)
        cache.sets.learn(key, labels)
    known = cache.valued if length == _SAMPLE_TAIL else cache.zeros
    known.learn(data[at : stop - length], labels)
    return labels, stop - length


def _label(data: bytes, at: int, stop: int) -> tuple[str, str]:
    name = value = ""
    for field in fields(data, at, stop):
        if field.number == 1:
            name = text(data, field)
        elif field.number == 2:
            value = text(data, field)
    return name, value


def _series(data: bytes, at: int, stop: int, cache: V1Cache, assembly: Assembly, problems: Problems) -> None:
    """A series that is not known, or has not exactly one sample."""
    try:
        usual = _new_series(data, at, stop, cache)
    except BadLabelsError as error:
        problems.add(str(error))
        return
    if usual is not None:
        assembly.add(usual[0], [_sample(data, usual[1], stop)])
        return
    parts: dict[int, list[Field]] = {1: [], 2: [], 3: [], 4: []}
    for field in fields(data, at, stop):
        if field.number in parts:
            expect(field, BYTES)
            parts[field.number].append(field)
    samples = [_sample(data, field.start, field.stop) for field in parts[2]]
    # Where labels stand first, as senders write them, their bytes are the key.
    last = parts[1][-1].stop if parts[1] else at
    plain = all(field.start > last for number in (2, 3, 4) for field in parts[number])
    key = data[at:last] if plain else b""
    labels = cache.sets.get(key) if key else None
    assembly.exemplars += len(parts[3])
    if labels is None:
        pairs = [_pair(data, field.start, field.stop, cache) for field in parts[1]]
        try:
            labels = make_labels(pairs)
        except BadLabelsError as error:
            problems.add(str(error), len(samples) + len(parts[4]))
            return
        if key:
            cache.sets.learn(key, labels)
    assembly.add(labels, samples)
    for field in parts[4]:
        try:
            assembly.add_histogram(labels, read_histogram(data, field.start, field.stop))
        except BadHistogramError as error:
            problems.add(f"{error}, in {labels!s:.200}")


def _other(data: bytes, at: int, end: int, assembly: Assembly) -> int:
    """A field of the request that is no series; returns where it ends."""
    field = next(fields(data, at, end))
    if field.number == 1:
        expect(field, BYTES)
    if field.number == 3:
        expect(field, BYTES)
        assembly.metadata.append(_metadata(data, field.start, field.stop))
    return field.stop


def _metadata(data: bytes, at: int, stop: int) -> MetricMetadata:
    kind, words = 0, {2: "", 4: "", 5: ""}
    for field in fields(data, at, stop):
        if field.number == 1:
            expect(field, VARINT)
            kind = signed32(field.value)
        elif field.number in words:
            words[field.number] = text(data, field)
    return MetricMetadata(words[2], TYPES[kind] if 0 <= kind < len(TYPES) else "unknown", words[4], words[5])
