"""The description of a page: how each column is kept (:mod:`hypercare.tsdb.codec`)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from cramjam import zstd

from hypercare.tsdb.numbers import held_by_floats, is_scale

if TYPE_CHECKING:
    import numpy.typing as npt

    from hypercare.model.samples import Ints

LENGTH: Final = struct.Struct("<I")
_CELL_BYTES: Final = 12
"""More than a run of empty cells takes in the description."""
_FIXED_BYTES: Final = 1 << 22
"""More than all columns take there."""
NO_CHUNK: Final = 255
"""In place of a chunk: the column is constant, and its base is the bits of the value."""


class Plan(NamedTuple):
    """How each column of a page is kept.

    Attributes:
        chunk: the chunk that it is in, or ``NO_CHUNK``.
        scale: what its integers are of the floats.
        order: of the differences that are kept.
        twin: the column whose differences they are; most often its own.
        on: the column that it leans on, where ``factor`` is not 0.
        base: what is added to the integers.
        slope: the first difference, where the differences are of the second order.
        unit: what the integers are multiples of, from the base on.
        factor: how many times the moves of the other column are added to its own.

    """

    chunk: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.uint8]
    order: npt.NDArray[np.uint8]
    twin: npt.NDArray[np.uint16]
    on: npt.NDArray[np.uint16]
    base: Ints
    slope: Ints
    unit: Ints
    factor: Ints


class Runs(NamedTuple):
    """Cells without a sample or with a staleness marker, as runs."""

    column: npt.NDArray[np.uint16]
    start: npt.NDArray[np.uint32]
    length: npt.NDArray[np.uint32]
    stale: npt.NDArray[np.uint8]


def description(length: bytes, packed: bytes, cells: int) -> bytes:
    """The description of a page; from version 2 on it is told how long it is, so that no bytes can be more than fits.

    Raises:
        ValueError: it is of another length, or longer than so many cells need.
    """
    if not length:
        return bytes(zstd.decompress(packed))
    (size,) = LENGTH.unpack(length)
    if size > _CELL_BYTES * cells + _FIXED_BYTES:
        raise ValueError("not a page of columns: its description is too long")
    text = bytearray(size)
    if zstd.decompress_into(packed, text) != size:
        raise ValueError("not a page of columns: its description has another length than it says")
    return bytes(text)


def read_plan(reader: Reader, version: int, width: int) -> Plan:
    """How each column is kept.

    Raises:
        ValueError: it is not said as it should.
    """
    chunk, scale, order = (reader.take("u1", width) for _ in range(3))
    own = np.arange(width)
    away = reader.take("<u2", width) if version > 1 else np.zeros(width, dtype=np.uint16)
    twin = (own + away).astype(np.uint16)
    on = (own + reader.take("<u2", width)).astype(np.uint16) if version > 2 else own.astype(np.uint16)
    several = version + 1
    numbers = reader.take("u1", width * 8 * several).reshape(8, -1).T.copy().view("<i8")[:, 0]
    base, slope = numbers[:width], numbers[width : 2 * width]
    unit = numbers[2 * width : 3 * width] if version > 1 else np.ones(width, dtype=np.int64)
    factor = numbers[3 * width :] if version > 2 else np.zeros(width, dtype=np.int64)
    if (twin >= width).any() or (twin[twin] != twin).any() or (chunk[twin] != chunk).any():
        raise ValueError("not a page of columns: a column shares the numbers of one that has none")
    if not is_scale(scale).all() or (order > 2).any():
        raise ValueError("not a page of columns that this version can read")
    leaning = np.flatnonzero(factor)
    if len(leaning):
        _check_leaning(on, leaning, factor, chunk, scale, unit)
    return Plan(chunk, scale, order, twin, on, base, slope, unit, factor)


def _check_leaning(
    on: npt.NDArray[np.uint16],
    leaning: Ints,
    factor: Ints,
    chunk: npt.NDArray[np.uint8],
    scale: npt.NDArray[np.uint8],
    unit: Ints,
) -> None:
    """See that what columns lean on stands by itself.

    Raises:
        ValueError: it does not.
    """
    others = on[leaning]
    if (others >= len(on)).any() or factor[others].any() or (chunk[others] == NO_CHUNK).any():
        raise ValueError("not a page of columns: a column leans on one that does not stand")
    if not held_by_floats(scale[leaning]).all() or not held_by_floats(scale[others]).all() or not unit[others].all():
        raise ValueError("not a page of columns: a column leans on one that is of no use to it")


class Reader:
    """Takes arrays off a text, one after the other."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def take(self, kind: str, count: int) -> npt.NDArray[Any]:
        """So many numbers of a kind.

        Raises:
            ValueError: there are not so many.
        """
        dtype = np.dtype(kind)
        end = self._at + dtype.itemsize * count
        if end > len(self._text):
            raise ValueError("not a page of columns: its description is too short")
        found = np.frombuffer(self._text[self._at : end], dtype=dtype)
        self._at = end
        return found
