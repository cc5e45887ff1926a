"""Chunks: unsigned numbers of several columns under the compressor that suits them.

Planes are the bytes of equal weight side by side: the high ones, mostly alike, under zstd with each other. Numbers that
spread wide go to pcodec, which knows how numbers are distributed where zstd only knows bytes.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from cramjam import DecompressionError, zstd
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from hypercare.tsdb.numbers import sample_rows, width_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from hypercare.model.samples import Floats, Ints

    Numbers = npt.NDArray[np.uint64]

PLANES, PCO, PCO_FLOATS, PLANES_APART, PCO_APART, LAYERS = range(6)
"""Forms: all planes as one; all columns as one; floats column by column; planes or numbers column by column; layers.

Column by column the codes fit each column, and a reader decodes no other; all as one is better where columns are short.
Layers are planes of which each has a code of its own, and of which the lowest may have fewer bits than eight: noise and
what is above it meet at any bit.
"""
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_TRIED: Final = 8192
"""Rows by which shifts and orders of differences are chosen."""
_LAYERED: Final = 1
"""The level of zstd at which they are."""


class Effort(enum.IntEnum):
    """How much time compression may take."""

    QUICK = 3
    """Rows on their way out of memory."""
    FAIR = 7
    """Blocks that will be merged again within a day."""
    THOROUGH = 19
    """Blocks that will be kept for long."""


def pack(numbers: Numbers, floats: Floats | None, effort: Effort) -> tuple[int, bytes]:
    """Compress numbers [rows, columns]: the shortest form of them, with their width in bytes, and which it is.

    Args:
        numbers: the numbers.
        floats: float64[rows, columns] that may be kept in their place.
        effort: how hard to try.
    """
    rows, columns = numbers.shape
    width = width_of(int(numbers.max()))
    tries: list[tuple[int, bytes]] = [(PLANES | width << 4, _planes(numbers, width, effort))]
    if width > 1 and rows * columns >= 512:
        tries.append((PCO | 8 << 4, _pco(numbers.ravel("F"), 6)))
    if floats is not None and rows >= 32:
        tries.append((PCO_FLOATS | 8 << 4, _join([_pco_floats(column) for column in floats.T.copy()])))
    return min(tries, key=lambda each: len(each[1]))


class Apart(NamedTuple):
    """Columns compressed one by one.

    Attributes:
        kind: their form and width.
        columns: which columns.
        pieces: what became of each.

    """

    kind: int
    columns: Ints
    pieces: list[bytes]

    def chunk(self) -> tuple[int, bytes]:
        """All of them as a chunk."""
        return self.kind, _join(self.pieces)


def pack_apart(numbers: Numbers, kinds: npt.NDArray[np.uint8], effort: Effort) -> list[Apart]:
    """Compress the columns of numbers [rows, columns] one by one; those of one form, width and kind stand together."""
    found: dict[tuple[int, int], tuple[list[int], list[bytes]]] = {}
    for column in range(numbers.shape[1]):
        own = np.ascontiguousarray(numbers[:, column])
        width = width_of(int(own.max()))
        if effort is Effort.THOROUGH:
            shift = _best_shift(own[sample_rows(len(own), _TRIED)], int(own.max()))[1]
            kind, piece = LAYERS | width << 4, _layers(own, shift, effort)
        else:
            kind, piece = PLANES_APART | width << 4, _planes(own, width, effort)
        if width > 1:
            other = _pco(own, 8)
            if len(other) < len(piece):
                kind, piece = PCO_APART | 8 << 4, other
        places, pieces = found.setdefault((kind, int(kinds[column])), ([], []))
        places.append(column)
        pieces.append(piece)
    return [
        Apart(kind, np.array(places, dtype=np.int64), pieces) for (kind, _), (places, pieces) in sorted(found.items())
    ]


def layers_cost(numbers: Numbers) -> Floats:
    """About how many bytes some rows of each column of numbers [rows, columns] become one by one."""
    few = np.asfortranarray(numbers[sample_rows(len(numbers), _TRIED)])
    found = [_best_shift(column, most)[0] for column, most in zip(few.T, numbers.max(axis=0).tolist(), strict=True)]
    return np.array(found, dtype=np.float64)


def _best_shift(numbers: Numbers, most: int) -> tuple[int, int]:
    """About how many bytes numbers become as layers, and how many bits the lowest layer has less than eight for that.

    Args:
        numbers: some of them.
        most: the greatest of all.
    """
    bits = most.bit_length()
    shifts = range(min(8, 65 - bits)) if bits > 8 else (0,)
    return min((sum(len(layer) for layer in _layers_of(numbers, shift, _LAYERED)), shift) for shift in shifts)


def _layers_of(numbers: Numbers, shift: int, level: int) -> list[bytes]:
    """The bytes of equal weight of shifted numbers under zstd; as they are where that is no shorter; none for zeros."""
    greatest = int(numbers.max()) << shift
    planes = (numbers << np.uint64(shift)).view(np.uint8).reshape(-1, 8).T[: (greatest.bit_length() + 7) // 8]
    start = _frame_start(len(numbers))
    found: list[bytes] = []
    for plane in planes:
        text = plane.tobytes()
        packed = bytes(zstd.compress(text, level)) if plane.any() else start
        fits = len(packed) < len(start) + len(text) and packed.startswith(start)
        found.append(packed[len(start) :] if fits else text)
    return found


def _layers(numbers: Numbers, shift: int, effort: Effort) -> bytes:
    """Shift and number of layers, their sizes, the layers."""
    layers = _layers_of(numbers, shift, int(effort))
    sizes = np.array([len(layer) for layer in layers], dtype=_size_of_sizes(len(numbers)))
    return bytes([shift << 4 | len(layers)]) + sizes.tobytes() + b"".join(layers)


def _size_of_sizes(rows: int) -> str:
    """The type of the sizes of layers: none is longer than there are rows."""
    return "<u2" if rows < 1 << 16 else "<u4"


def _frame_start(size: int) -> bytes:
    """How zstd begins what it makes of so many bytes (RFC 8878, 3.1.1): not kept, as it says nothing new."""
    if size < 1 << 8:
        return _ZSTD + b"\x20" + size.to_bytes(1, "little")
    if size < (1 << 16) + (1 << 8):
        return _ZSTD + b"\x60" + (size - (1 << 8)).to_bytes(2, "little")
    return _ZSTD


def _planes(numbers: Numbers, width: int, effort: Effort) -> bytes:
    """The bytes of equal weight side by side, under zstd."""
    flat = numbers.ravel("F").astype(f"<u{width}")
    planes = np.ascontiguousarray(flat.view(np.uint8).reshape(-1, width).T)
    return bytes(zstd.compress(planes.tobytes(), int(effort)))


def _pco(numbers: Numbers, level: int) -> bytes:
    plain = ChunkConfig(compression_level=level, delta_spec=DeltaSpec.no_op(), mode_spec=ModeSpec.classic())
    packed: bytes = standalone.simple_compress(np.ascontiguousarray(numbers), plain)
    return packed


def _pco_floats(column: Floats) -> bytes:
    packed: bytes = standalone.simple_compress(column, ChunkConfig(compression_level=6))
    return packed


def _join(pieces: list[bytes]) -> bytes:
    return np.array([len(piece) for piece in pieces], dtype="<u4").tobytes() + b"".join(pieces)


def _split(data: bytes, count: int) -> list[bytes]:
    """The pieces that were joined.

    Raises:
        ValueError: there are not so many.
    """
    sizes = np.frombuffer(data[: 4 * count], dtype="<u4").astype(np.int64)
    ends = 4 * count + np.cumsum(sizes)
    if len(sizes) != count or (count and int(ends[-1]) != len(data)):
        raise ValueError("a chunk has other pieces than its page says")
    return [data[end - size : end] for size, end in zip(sizes.tolist(), ends.tolist(), strict=True)]


def unpack(data: bytes, kind: int, shape: tuple[int, int], only: Ints | None) -> npt.NDArray[Any]:
    """The unsigned numbers of a chunk, or of some of its columns: [columns, rows]; of floats the floats.

    Args:
        data: the chunk.
        kind: its form, and from the fifth bit on the width of its numbers.
        shape: columns and rows of the whole chunk.
        only: which columns; none: all.

    Raises:
        ValueError: the bytes are not of so many numbers in such a form.
    """
    form, width = kind & 15, kind >> 4
    columns, rows = shape
    if form in {PLANES, PLANES_APART} and width not in {1, 2, 4, 8}:
        raise ValueError("a chunk of numbers of a width that there is not")
    if form == PLANES:
        planes = np.empty(width * columns * rows, dtype=np.uint8)
        _decompress(data, planes)
        parts = planes.reshape(width, columns, rows)
        return _woven(parts if only is None else parts[:, only])
    if form == PCO:
        every = decompress_numbers(data, np.empty(columns * rows, dtype=np.uint64)).reshape(columns, rows)
        return every if only is None else every[only]
    pieces = _split(data, columns)
    wanted = range(columns) if only is None else only.tolist()
    if form == PLANES_APART:
        each = np.empty((len(wanted), width, rows), dtype=np.uint8)
        for place, column in enumerate(wanted):
            _decompress(pieces[column], each[place].reshape(-1))
        return _woven(each.swapaxes(0, 1))
    if form == LAYERS:
        if width not in {1, 2, 4, 8}:
            raise ValueError("a chunk of numbers of a width that there is not")
        numbers = np.empty((len(wanted), rows), dtype=f"<u{width}")
        start = _frame_start(rows)
        for place, column in enumerate(wanted):
            _from_layers(pieces[column], start, numbers[place])
        return numbers
    if form not in {PCO_FLOATS, PCO_APART}:
        raise ValueError("a chunk of a form that this version cannot read")
    out = np.empty((len(wanted), rows), dtype=np.float64 if form == PCO_FLOATS else np.uint64)
    for place, column in enumerate(wanted):
        decompress_numbers(pieces[column], out[place])
    return out


def _from_layers(piece: bytes, start: bytes, out: npt.NDArray[Any]) -> None:
    """Fill numbers with what is given in layers, ``start`` being how zstd begins.

    Raises:
        ValueError: the layers are not of such numbers.
    """
    rows, width = len(out), out.itemsize
    head = piece[0] if piece else 0
    shift, count = head >> 4, head & 15
    # Shifted numbers may have a byte more.
    wide = width if count <= width else 2 * width
    kind = _size_of_sizes(rows)
    begin = 1 + int(kind[-1]) * count
    if count > min(width + (shift > 0), 8) or shift > 7 or begin > len(piece):
        raise ValueError("a chunk has layers that do not fit its numbers")
    sizes = np.frombuffer(piece[1:begin], dtype=kind).tolist()
    if begin + sum(sizes) != len(piece):
        raise ValueError("a chunk has other layers than it says")
    numbers = out if wide == width else np.empty(rows, dtype=f"<u{wide}")
    if count < wide:
        numbers[:] = 0
    planes = numbers.view(np.uint8).reshape(rows, wide).T
    for place, size in enumerate(sizes):
        data = piece[begin : begin + size]
        begin += size
        if size == rows:
            planes[place] = np.frombuffer(data, dtype=np.uint8)
        elif not size:
            planes[place] = 0
        else:
            layer = planes[place] if wide == 1 else np.empty(rows, dtype=np.uint8)
            _decompress(start + data, layer)
            if wide > 1:
                planes[place] = layer
    if shift:
        np.right_shift(numbers, numbers.dtype.type(shift), out=numbers)
    if wide != width:
        out[:] = numbers


def _woven(planes: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Numbers [columns, rows] of planes [width, columns, rows]."""
    width, columns, rows = planes.shape
    if width == 1:
        return np.ascontiguousarray(planes[0])
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1)).reshape(-1).view(f"<u{width}").reshape(columns, rows)


def _decompress(data: bytes, out: npt.NDArray[np.uint8]) -> None:
    """Fill bytes with what zstd took.

    Raises:
        ValueError: it took another number of bytes.
    """
    try:
        count = zstd.decompress_into(data, out.data)
    except DecompressionError as err:
        raise ValueError(str(err)) from err
    if count != len(out):
        raise ValueError("a chunk has another size than its page says")


def decompress_numbers(data: bytes, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Decompress numbers under pcodec into an array of their type and count, which is returned.

    Raises:
        ValueError: the bytes are not of so many such numbers.
    """
    try:
        progress = standalone.simple_decompress_into(data, out)
    except (RuntimeError, TypeError) as err:
        raise ValueError(str(err)) from err
    if progress.n_processed != len(out) or not progress.finished:
        raise ValueError("compressed numbers are not as many as their index says")
    return out


def fits_floats(kind: int) -> bool:
    """Whether what comes out of a chunk are the floats themselves."""
    return kind & 15 == PCO_FLOATS
