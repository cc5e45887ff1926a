"""Protocol buffers on the wire: reading fields of a message without classes of messages.

The format: https://protobuf.dev/programming-guides/encoding/. Groups (long out of use) are refused.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_DOUBLE: Final = struct.Struct("<d")
_U64: Final = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are not a message; the text says where."""


class Field(NamedTuple):
    """One field as it stands in a message.

    Attributes:
        number: of the field.
        kind: the wire type.
        value: of a varint, unsigned; else 0.
        start: where the content begins.
        stop: where it ends.

    """

    number: int
    kind: int
    value: int
    start: int
    stop: int


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits, and where it ends.

    Raises:
        WireError: it does not end.

    """
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _U64, at
            shift += 7
            if shift > 63:
                msg = f"byte {at}: a number of more than ten bytes"
                raise WireError(msg)
    except IndexError:
        msg = f"byte {at}: the message ends within a number"
        raise WireError(msg) from None


def fields(data: bytes, at: int, stop: int) -> Iterator[Field]:
    """The fields of the message that lies in ``data[at:stop]``, in their order.

    Raises:
        WireError: it is none.

    """
    while at < stop:
        tag, begin = varint(data, at)
        number, kind = tag >> 3, tag & 7
        value = 0
        if kind == BYTES:
            length, begin = varint(data, begin)
            end = begin + length
        elif kind == VARINT:
            value, end = varint(data, begin)
        elif kind == FIXED64:
            end = begin + 8
        elif kind == FIXED32:
            end = begin + 4
        else:
            msg = f"byte {at}: wire type {kind} is not in use"
            raise WireError(msg)
        if not 0 < number < 1 << 29:
            msg = f"byte {at}: {number} is no number of a field"
            raise WireError(msg)
        if end > stop:
            msg = f"byte {at}: field {number} reaches beyond its message"
            raise WireError(msg)
        yield Field(number, kind, value, begin, end)
        at = end


def expect(field: Field, kind: int) -> None:
    """Refuse a known field of another kind.

    Raises:
        WireError: it is of another kind.

    """
    if field.kind != kind:
        msg = f"byte {field.start}: field {field.number} has wire type {field.kind}, expected {kind}"
        raise WireError(msg)


def text(data: bytes, field: Field) -> str:
    """A string.

    Raises:
        WireError: it is none, or not in UTF-8.

    """
    expect(field, BYTES)
    try:
        return data[field.start : field.stop].decode()
    except UnicodeDecodeError:
        msg = f"byte {field.start}: field {field.number} is not in UTF-8"
        raise WireError(msg) from None


def double(data: bytes, field: Field) -> float:
    """A floating-point number.

    Raises:
        WireError: it is none.

    """
    expect(field, FIXED64)
    value: float = _DOUBLE.unpack_from(data, field.start)[0]
    return value


def signed(value: int) -> int:
    """An int64 that stands as an unsigned number."""
    return value - (1 << 64) if value >> 63 else value


def signed32(value: int) -> int:
    """An int32 or an enumeration: the lower 32 bits, as protobuf reads them."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def zigzag(value: int) -> int:
    """A sint32 or sint64."""
    return (value >> 1) ^ -(value & 1)


def varints(data: bytes, field: Field) -> list[int]:
    """A repeated number, packed or one of those that stand singly.

    Raises:
        WireError: it is none.

    """
    if field.kind == VARINT:
        return [field.value]
    expect(field, BYTES)
    found: list[int] = []
    at = field.start
    while at < field.stop:
        value, at = varint(data, at)
        found.append(value)
    if at > field.stop:
        msg = f"byte {field.start}: the numbers of field {field.number} reach beyond it"
        raise WireError(msg)
    return found


def doubles(data: bytes, field: Field) -> tuple[float, ...]:
    """A repeated floating-point number, packed or one of those that stand singly.

    Raises:
        WireError: it is none.

    """
    if field.kind == FIXED64:
        return (double(data, field),)
    expect(field, BYTES)
    size = field.stop - field.start
    if size % 8:
        msg = f"byte {field.start}: field {field.number} is cut off within a number"
        raise WireError(msg)
    return struct.unpack_from(f"<{size // 8}d", data, field.start)
