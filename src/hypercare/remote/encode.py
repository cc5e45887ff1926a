"""Writing the messages of remote write; their fields are listed in ``ingest/remote_v1.py`` and ``remote_v2.py``.

A sample costs the bytes of its value between two pieces made before: the labels of its series, and the time of its row.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Final

from hypercare.model.histograms import ResetHint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.histograms import Buckets, Histogram
    from hypercare.model.ingest import MetricMetadata
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

_DOUBLE: Final = struct.Struct("<d")
_HINTS: Final = {ResetHint.UNKNOWN: 0, ResetHint.RESET: 1, ResetHint.NOT_RESET: 2, ResetHint.GAUGE: 3}
_TYPES: Final = {
    name: number
    for number, name in enumerate(
        ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")
    )
}


def varint(value: int) -> bytes:
    """A number as protobuf writes it; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A sint32 or sint64."""
    return varint((value << 1) ^ (value >> 63))


def blob(tag: int, data: bytes) -> bytes:
    """A field with bytes; ``tag`` is that of fields 1 to 15."""
    size = len(data)
    return (bytes((tag, size)) if size < 0x80 else bytes((tag,)) + varint(size)) + data


def _text(tag: int, text: str) -> bytes:
    return blob(tag, text.encode("utf-8", "replace")) if text else b""


def labels_v1(labels: Labels) -> bytes:
    """The labels of a TimeSeries of version 1."""
    return b"".join(blob(0x0A, _text(0x0A, name) + _text(0x12, value)) for name, value in labels.pairs)


def sample_time(at: Ms) -> bytes:
    """The time of a Sample, as it stands behind the value."""
    return b"\x10" + varint(at)


def sample_head(labels: bytes, time_size: int) -> bytes:
    """What stands before the value of a series with one sample, in version 1.

    Args:
        labels: from :func:`labels_v1`.
        time_size: length of :func:`sample_time`.

    """
    size = 9 + time_size
    return b"\x0a" + varint(len(labels) + 2 + size) + labels + bytes((0x12, size, 0x09))


def histogram(found: Histogram, at: Ms, start: Ms = 0) -> bytes:
    """A Histogram message, with float counts; the same in both versions but for the start."""
    parts = [
        b"\x11" + _DOUBLE.pack(found.count),
        b"\x19" + _DOUBLE.pack(found.sum),
        b"\x20" + zigzag(found.schema),
        b"\x29" + _DOUBLE.pack(found.zero_threshold),
        b"\x39" + _DOUBLE.pack(found.zero_count),
        *_side(0x42, 0x52, found.negative),
        *_side(0x5A, 0x6A, found.positive),
    ]
    if found.hint is not ResetHint.UNKNOWN:
        parts.append(bytes((0x70, _HINTS[found.hint])))
    parts.append(b"\x78" + varint(at))
    if found.custom_values:
        packed = struct.pack(f"<{len(found.custom_values)}d", *found.custom_values)
        parts.append(b"\x82\x01" + varint(len(packed)) + packed)
    if start:
        parts.append(b"\x88\x01" + varint(start))
    return b"".join(parts)


def _side(span_tag: int, counts_tag: int, buckets: Buckets) -> list[bytes]:
    """Spans and counts of one side."""
    if not len(buckets.indexes):
        return []
    spans: list[tuple[int, int]] = []
    behind = 0
    for index in buckets.indexes.tolist():
        if spans and index == behind:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((index - behind, 1))
        behind = index + 1
    found = [blob(span_tag, b"\x08" + zigzag(offset) + b"\x10" + varint(length)) for offset, length in spans]
    found.append(blob(counts_tag, buckets.counts.astype("<f8").tobytes()))
    return found


def series_v1(labels: bytes, histograms: Iterable[bytes]) -> bytes:
    """A TimeSeries of version 1 with histograms."""
    return blob(0x0A, labels + b"".join(blob(0x22, one) for one in histograms))


def metadata_v1(items: Sequence[MetricMetadata]) -> bytes:
    """A WriteRequest of version 1 with nothing but metadata."""
    return b"".join(
        blob(
            0x1A,
            b"\x08" + varint(_TYPES.get(item.type, 0))
            + _text(0x12, item.name) + _text(0x22, item.help) + _text(0x2A, item.unit),
        )
        for item in items
    )  # fmt: skip


class _Symbols(dict[str, int]):
    """Words by their numbers; one that is asked for the first time gets the next."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class _Varints(dict[int, bytes]):
    """Numbers as protobuf writes them, remembered."""

    def __missing__(self, value: int) -> bytes:
        found = self[value] = varint(value)
        return found


_VARINTS: Final = _Varints()


class RequestV2:
    """A Request of version 2 in the making."""

    def __init__(self) -> None:
        self._symbols = _Symbols({"": 0})
        self._series: list[bytes] = []

    def add(
        self,
        labels: Labels,
        value: bytes,
        time: bytes,
        start: Ms = 0,
        *,
        one: bytes = b"",
        metadata: MetricMetadata | None = None,
    ) -> None:
        """Add a series with one sample, or one histogram.

        Args:
            labels: of the series.
            value: eight bytes of a float.
            time: from :func:`sample_time`.
            start: when its counter began; 0: unknown.
            one: from :func:`histogram`, instead of the float.
            metadata: of its metric.

        """
        words = chain.from_iterable(labels.pairs)
        refs = b"".join(map(_VARINTS.__getitem__, map(self._symbols.__getitem__, words)))
        began = b"\x18" + varint(start) if start else b""
        body = blob(0x1A, one) if one else blob(0x12, b"\x09" + value + time + began)
        about = b""
        if metadata is not None:
            about = b"\x08" + varint(_TYPES.get(metadata.type, 0))
            about += b"\x18" + varint(self._symbols[metadata.help]) + b"\x20" + varint(self._symbols[metadata.unit])
            about = blob(0x2A, about)
        created = b"\x30" + varint(start) if start and not one else b""
        self._series.append(blob(0x2A, blob(0x0A, refs) + body + about + created))

    def message(self) -> bytes:
        """The whole."""
        symbols = [blob(0x22, word.encode("utf-8", "replace")) for word in self._symbols]
        return b"".join((*symbols, *self._series))
