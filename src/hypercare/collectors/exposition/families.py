"""Families in protobuf data: what is told of each, and where its metrics are; these are not looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.collectors.exposition.lines import ExpositionError

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES: Final = ("counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram")
"""Names of the types, by their numbers."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number of variable length that begins at a byte, and where it ends.

    Raises:
        ExpositionError: it does not end.
    """
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            msg = f"byte {at}: a number without an end in protobuf data"
            raise ExpositionError(msg)
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


class Family:
    """One family.

    Attributes:
        name, help, unit: as told; empty where they are not.
        type: a place in ``TYPES``.
        place: where it begins and ends in the data.
        metrics: where each of its metrics begins and ends.

    """

    __slots__ = ("help", "metrics", "name", "place", "type", "unit")

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self.place = at, stop
        self.name = self.help = self.unit = ""
        self.type = 0
        self.metrics: list[tuple[int, int]] = []
        while at < stop:
            tag = data[at]
            if tag == 0x22 and data[at + 1 : at + 2] < b"\x80":
                # A metric of less than 128 bytes: most of them.
                begin = at + 2
                at = begin + data[at + 1] if at + 1 < stop else stop + 1
                self.metrics.append((begin, at))
            else:
                at = self._other(data, at)
            if at > stop:
                msg = f"byte {at}: a family of protobuf data is cut off"
                raise ExpositionError(msg)
        if not self.name or not 0 <= self.type < len(TYPES):
            msg = f"byte {stop}: a family without a name, or of the unknown type {self.type}"
            raise ExpositionError(msg)

    def _other(self, data: bytes, at: int) -> int:
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
            self.type = value if tag >> 3 == 3 else self.type
            return at
        if kind in {1, 5}:
            return at + (8 if kind == 1 else 4)
        if kind != 2:
            msg = f"byte {at}: no field of protobuf data"
            raise ExpositionError(msg)
        size, at = varint(data, at)
        match tag >> 3:
            case 1:
                self.name = _text(data[at : at + size])
            case 2:
                self.help = _text(data[at : at + size])
            case 4:
                self.metrics.append((at, at + size))
            case 5:
                self.unit = _text(data[at : at + size])
        return at + size


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        msg = f"not valid UTF-8: {data[:100]!r}"
        raise ExpositionError(msg) from None


def families(body: bytes) -> Iterator[Family]:
    """The families of a body.

    Raises:
        ExpositionError: the bytes are not in the format.

    """
    at = 0
    while at < len(body):
        size, at = varint(body, at)
        if at + size > len(body):
            msg = f"byte {at}: the protobuf data is cut off: {size} bytes announced, {len(body) - at} left"
            raise ExpositionError(msg)
        yield Family(body, at, at + size)
        at += size
