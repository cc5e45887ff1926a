"""Compressed rows of a group, decompressed on demand by slices of columns."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from pcodec import ChunkConfig, standalone

from hypercare.model.samples import ABSENT
from hypercare.tsdb.raw import holes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.layout import Layout, Slots

CHUNK_COLUMNS: Final = 32
"""Columns compressed together: few enough that one metric's query decodes little, enough for a good ratio."""

_LEVEL: Final = 4
_uids = itertools.count()


def compress(values: Floats | Ints) -> bytes:
    """Compress numbers of any shape, column after column; bit patterns of NaNs survive."""
    flat = np.ascontiguousarray(values.ravel("F"))
    packed: bytes = standalone.simple_compress(flat, ChunkConfig(compression_level=_LEVEL))
    return packed


def decompress_matrix(packed: bytes, rows: int) -> Floats:
    """The matrix of ``rows`` rows that :func:`compress` took.

    Raises:
        ValueError: the bytes are not of such a matrix.
    """
    flat = _decompress(packed)
    if flat.dtype != np.float64 or rows == 0 or len(flat) % rows:
        msg = "compressed values have another shape than their index says"
        raise ValueError(msg)
    matrix: Floats = flat.reshape(-1, rows).T
    matrix.flags.writeable = False
    return matrix


def decompress_ints(packed: bytes, rows: int) -> Ints:
    """The ``rows`` integers that :func:`compress` took.

    Raises:
        ValueError: the bytes are not of such numbers.
    """
    flat = _decompress(packed)
    if flat.dtype != np.int64 or len(flat) != rows:
        msg = "compressed times have another shape than their index says"
        raise ValueError(msg)
    flat.flags.writeable = False
    return flat


def _decompress(packed: bytes) -> npt.NDArray[Any]:
    try:
        flat = standalone.simple_decompress(packed)
    except (RuntimeError, TypeError) as err:
        raise ValueError(str(err)) from err
    return np.empty(0) if flat is None else flat


class DecodedCache:
    """Recently decompressed arrays, up to a limit of bytes; used from every thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = 0
        self._held: OrderedDict[tuple[int, int], npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def get(self, key: tuple[int, int]) -> npt.NDArray[Any] | None:
        """The array kept under a key."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], value: npt.NDArray[Any]) -> None:
        """Keep an array; the ones not used for longest make room."""
        with self._lock:
            if key in self._held:
                return
            self._held[key] = value
            self._size += value.nbytes
            while self._size > self.limit and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._size -= dropped.nbytes


class ChunkSource(Protocol):
    """Where the compressed bytes of a segment come from: memory or a block file."""

    @property
    def size(self) -> int:
        """Bytes of memory held."""
        ...

    @property
    def stored(self) -> int:
        """Bytes of a file held."""
        ...

    def times(self) -> Ints | None:
        """The row times, or none where they cannot be read."""
        ...

    def chunk(self, number: int) -> bytes | None:
        """The compressed bytes of a slice of columns, or none where they cannot be read."""
        ...

    def reject(self, number: int, reason: str) -> None:
        """Hear that a chunk's bytes were not what they should be."""
        ...


class MemoryChunks:
    """Compressed bytes in memory."""

    __slots__ = ("_chunks", "_times")

    stored = 0

    def __init__(self, times: Ints, chunks: Sequence[bytes]) -> None:
        self._times = times
        self._chunks = tuple(chunks)

    def times(self) -> Ints:
        """The row times."""
        return self._times

    def chunk(self, number: int) -> bytes:
        """The bytes of one slice of columns."""
        return self._chunks[number]

    def reject(self, number: int, reason: str) -> None:
        """Cannot happen to bytes that never left the process.

        Raises:
            RuntimeError: always.
        """
        msg = f"chunk {number} in memory is broken: {reason}"
        raise RuntimeError(msg)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(map(len, self._chunks)) + int(self._times.nbytes)


class Segment:
    """Sealed rows.

    Attributes:
        layout: the series of the columns.
        rows: how many rows.
        first: time of the first row.
        last: time of the last row.
        holes: for each column whether any cell is stale or absent; none: no column has one.
        late: 0, or a number that grows: the rows may lie among those of other segments.

    """

    __slots__ = ("_cache", "_source", "_uid", "first", "holes", "last", "late", "layout", "rows")

    def __init__(
        self,
        layout: Layout,
        span: tuple[Ms, Ms],
        rows: int,
        holes: Bools | None,
        source: ChunkSource,
        cache: DecodedCache,
        late: int = 0,
    ) -> None:
        self.layout = layout
        self.late = late
        self.first, self.last = span
        self.rows = rows
        self.holes = holes
        self._source = source
        self._cache = cache
        self._uid = next(_uids)

    @property
    def source(self) -> ChunkSource:
        """Where the compressed bytes are."""
        return self._source

    def times(self) -> Ints:
        """The row times; empty where they cannot be read any more."""
        if isinstance(self._source, MemoryChunks):
            return self._source.times()
        key = (self._uid, -1)
        held = self._cache.get(key)
        if held is None:
            held = self._source.times()
            if held is None:
                return np.empty(0, dtype=np.int64)
            self._cache.put(key, held)
        return held

    def dense(self, slots: Slots) -> bool:
        """Whether no cell of these columns is stale or absent."""
        return self.holes is None or not self.holes[slots].any()

    def read(self, slots: Slots, start: int, end: int) -> Floats:
        """The cells of some columns in the rows from ``start`` to before ``end``."""
        if isinstance(slots, slice):
            return self._read_slice(slots.start, slots.stop, start, end)
        out = np.empty((end - start, len(slots)), order="F")
        numbers = slots // CHUNK_COLUMNS
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            out[:, here] = self._chunk(number)[start:end, slots[here] - number * CHUNK_COLUMNS]
        return out

    def matrix(self) -> Floats:
        """All cells, past the cache."""
        return np.concatenate(
            [self._decode(number) for number in range(-(-self.layout.width // CHUNK_COLUMNS))], axis=1
        )

    def _read_slice(self, left: int, right: int, start: int, end: int) -> Floats:
        pieces: list[Floats] = []
        for number in range(left // CHUNK_COLUMNS, (right - 1) // CHUNK_COLUMNS + 1):
            base = number * CHUNK_COLUMNS
            pieces.append(self._chunk(number)[start:end, max(left - base, 0) : right - base])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _chunk(self, number: int) -> Floats:
        return self.chunk(number, keep=True)

    def chunk(self, number: int, *, keep: bool) -> Floats:
        """All rows of one slice of columns; kept for other readers, or not, as by one that looks at more than fits."""
        key = (self._uid, number)
        held = self._cache.get(key)
        if held is not None:
            return held
        matrix = self._decode(number)
        if keep:
            self._cache.put(key, matrix)
        return matrix

    @property
    def cache_limit(self) -> int:
        """How many bytes of decompressed values are kept for readers."""
        return self._cache.limit

    def _decode(self, number: int) -> Floats:
        width = min(CHUNK_COLUMNS, self.layout.width - number * CHUNK_COLUMNS)
        packed = self._source.chunk(number)
        if packed is not None:
            try:
                matrix = decompress_matrix(packed, self.rows)
            except ValueError as err:
                self._source.reject(number, str(err))
            else:
                if matrix.shape[1] == width:
                    return matrix
                self._source.reject(number, "another number of columns than the index says")
        return np.full((self.rows, width), ABSENT)


def pack_chunks(values: Floats) -> list[bytes]:
    """Compress a matrix by slices of columns."""
    return [compress(values[:, at : at + CHUNK_COLUMNS]) for at in range(0, values.shape[1], CHUNK_COLUMNS)]


def column_holes(values: Floats) -> Bools | None:
    """For each column whether any cell is stale or absent; none where no column has one."""
    columns: Bools = np.any(holes_of(values), axis=0)
    return columns if columns.any() else None


def seal(layout: Layout, times: Ints, values: Floats, cache: DecodedCache, late: int = 0) -> Segment:
    """Compress rows into a segment in memory."""
    own = times.copy()
    source = MemoryChunks(own, pack_chunks(values))
    return Segment(layout, (int(own[0]), int(own[-1])), len(own), column_holes(values), source, cache, late)
