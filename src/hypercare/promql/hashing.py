"""XXH64 of label sets, as Prometheus computes it: ``limit_ratio`` then picks the same series here and there.

Algorithm: the xxHash specification (XXH64, seed 0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypercare.model.labels import Labels

_MASK: Final = (1 << 64) - 1
_P1: Final = 0x9E3779B185EBCA87
_P2: Final = 0xC2B2AE3D27D4EB4F
_P3: Final = 0x165667B19E3779F9
_P4: Final = 0x85EBCA77C2B2AE63
_P5: Final = 0x27D4EB2F165667C5


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes) -> int:
    """The 64-bit hash of some bytes."""
    length, at = len(data), 0
    if length >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= length:
            for i in range(4):
                lanes[i] = _round(lanes[i], int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
            at += 32
        value = sum(_turned(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        value = _P5
    value = (value + length) & _MASK
    while at + 8 <= length:
        value ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        value = (_turned(value, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= length:
        value ^= int.from_bytes(data[at : at + 4], "little") * _P1 & _MASK
        value = (_turned(value, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        value = _turned(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    value = (value ^ (value >> 33)) * _P2 & _MASK
    value = (value ^ (value >> 29)) * _P3 & _MASK
    return value ^ (value >> 32)


def label_bytes(labels: Labels) -> bytes:
    """The label pairs in Prometheus' own form: each name and value after its length (a byte, or 255 and three)."""
    parts: list[bytes] = []
    for pair in labels:
        for text in pair:
            encoded = text.encode("utf-8", "surrogateescape")
            size = len(encoded)
            parts.append(bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little"))
            parts.append(encoded)
    return b"".join(parts)


def share(labels: Labels) -> float:
    """Where a label set stands between 0 and 1."""
    return float(xxh64(label_bytes(labels))) / float(_MASK)
