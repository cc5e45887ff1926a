"""Compressed rows of a group, decompressed on demand: pages of columns, and of these the chunks that are asked for."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from pcodec import ChunkConfig, standalone

from hypercare.model.samples import ABSENT
from hypercare.tsdb.chunks import decompress_numbers
from hypercare.tsdb.codec import Page, encode, page_columns
from hypercare.tsdb.raw import holes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.codec import Known
    from hypercare.tsdb.layout import Layout, Slots

_LEVEL: Final = 8
_MOST_ROWS: Final = 1 << 25
_PAGE_COST: Final = 64
"""Bytes of memory that a column of an opened page takes beside its data."""
_uids = itertools.count()


def compress_times(times: Ints) -> bytes:
    """Compress row times."""
    packed: bytes = standalone.simple_compress(np.ascontiguousarray(times), ChunkConfig(compression_level=_LEVEL))
    return packed


def decompress_times(packed: bytes, rows: int) -> Ints:
    """The ``rows`` times that :func:`compress_times` took.

    Raises:
        ValueError: the bytes are not of such numbers.
    """
    if not 0 < rows <= _MOST_ROWS:
        raise ValueError("more rows than a block can have")
    times: Ints = decompress_numbers(packed, np.empty(rows, dtype=np.int64))
    times.flags.writeable = False
    return times


class DecodedCache:
    """Recently opened pages and decompressed arrays, up to a limit of bytes; used from every thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = 0
        self._held: OrderedDict[tuple[int, ...], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def get(self, key: tuple[int, ...]) -> Any | None:
        """What is kept under a key."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: tuple[int, ...], value: Any, size: int) -> None:
        """Keep something, in place of what was kept under this key; what was not used for longest makes room."""
        with self._lock:
            old = self._held.pop(key, None)
            if old is not None:
                self._size -= old[1]
            self._held[key] = (value, size)
            self._size += size
            while self._size > self.limit and len(self._held) > 1:
                _, (_, dropped) = self._held.popitem(last=False)
                self._size -= dropped


class PageSource(Protocol):
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

    def page(self, number: int) -> bytes | None:
        """The bytes of a page, or none where they cannot be read."""
        ...

    def reject(self, number: int, reason: str) -> None:
        """Hear that a page's bytes were not what they should be."""
        ...


class MemoryPages:
    """Compressed bytes in memory."""

    __slots__ = ("_pages", "_times")

    stored = 0

    def __init__(self, times: Ints, pages: Sequence[bytes]) -> None:
        self._times = times
        self._pages = tuple(pages)

    def times(self) -> Ints:
        """The row times."""
        return self._times

    def page(self, number: int) -> bytes:
        """The bytes of a page."""
        return self._pages[number]

    def reject(self, number: int, reason: str) -> None:
        """Cannot happen to bytes that never left the process.

        Raises:
            RuntimeError: always.
        """
        msg = f"page {number} in memory is broken: {reason}"
        raise RuntimeError(msg)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(map(len, self._pages)) + int(self._times.nbytes)


class Dead(NamedTuple):
    """Cells that are deleted.

    Attributes:
        columns: whether each column is concerned.
        first: the first such row.
        behind: the row after the last.

    """

    columns: Bools
    first: int
    behind: int


class Segment:
    """Sealed rows.

    Attributes:
        layout: the series of the columns.
        rows: how many rows.
        first: time of the first row.
        last: time of the last row.
        holes: for each column whether any cell is stale or absent; none: no column has one.
        late: 0, or a number that grows: the rows may lie among those of other segments.
        page_columns: columns of a page.
        places: where each column stands in the pages; none: where it stands in the layout.
        dead: cells that are deleted, and read as absent.
        uid: a number that no other segment ever has.

    """

    __slots__ = (
        "_broken",
        "_cache",
        "_source",
        "dead",
        "first",
        "holes",
        "last",
        "late",
        "layout",
        "page_columns",
        "places",
        "rows",
        "uid",
    )

    def __init__(
        self,
        layout: Layout,
        span: tuple[Ms, Ms],
        rows: int,
        holes: Bools | None,
        source: PageSource,
        cache: DecodedCache,
        late: int = 0,
        *,
        columns: int = 0,
        places: Ints | None = None,
    ) -> None:
        self.layout = layout
        self.late = late
        self.first, self.last = span
        self.rows = rows
        self.page_columns = columns or page_columns(rows)
        self.places = places
        self.holes = holes
        self.dead: tuple[Dead, ...] = ()
        # Pages that could not be read; their cells were given as absent.
        self._broken: frozenset[int] = frozenset()
        self._source = source
        self._cache = cache
        self.uid = next(_uids)

    @property
    def source(self) -> PageSource:
        """Where the compressed bytes are."""
        return self._source

    def times(self) -> Ints:
        """The row times; empty where they cannot be read any more."""
        if isinstance(self._source, MemoryPages):
            return self._source.times()
        key = (self.uid, -1, -1)
        held: Ints | None = self._cache.get(key)
        if held is None:
            held = self._source.times()
            if held is None:
                return np.empty(0, dtype=np.int64)
            self._cache.put(key, held, held.nbytes)
        return held

    def kill(self, dead: Dead) -> None:
        """Take cells for deleted. Only before others see the segment."""
        self.dead = (*self.dead, dead)
        holes = np.zeros(self.layout.width, dtype=np.bool_) if self.holes is None else self.holes
        self.holes = holes | dead.columns

    @property
    def gone(self) -> Bools:
        """Which columns are deleted from the first row to the last."""
        gone = np.zeros(self.layout.width, dtype=np.bool_)
        for each in self.dead:
            if each.first == 0 and each.behind == self.rows:
                gone |= each.columns
        return gone

    def unread(self, slots: Slots) -> Bools | None:
        """Which of these columns a reader was given as absent because they cannot be read; none: none is."""
        if not self._broken:
            return None
        return np.isin(self._places_of(slots) // self.page_columns, sorted(self._broken))

    def _places_of(self, slots: Slots) -> Ints:
        """Where some columns stand in the pages."""
        if self.places is not None:
            return self.places[slots]
        return np.arange(slots.start, slots.stop) if isinstance(slots, slice) else slots

    def dense(self, slots: Slots) -> bool:
        """Whether no cell of these columns is stale or absent."""
        return self.holes is None or not self.holes[slots].any()

    def read(self, slots: Slots, start: int, end: int) -> Floats:
        """The cells of some columns in the rows from ``start`` to before ``end``."""
        columns = self._places_of(slots)
        numbers = columns // self.page_columns
        if self.places is None and not self.dead and len(numbers) and numbers[0] == numbers[-1]:
            # The columns of one metric mostly are one chunk.
            return self._read_page(int(numbers[0]), columns % self.page_columns, start, end).T
        out = np.empty((len(columns), end - start))
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            if self.places is not None:
                here = here[np.argsort(columns[here])]
            out[here] = self._read_page(number, columns[here] % self.page_columns, start, end)
        for dead in self.dead:
            first, behind = max(dead.first - start, 0), min(dead.behind, end) - start
            if first < behind:
                out[dead.columns[slots], first:behind] = ABSENT
        return out.T

    def columns(self, slots: Slots) -> Floats:
        """All rows of some columns, remembered for readers that ask again with the very same ``slots``."""
        key = (self.uid, -2, id(slots))
        held: tuple[Slots, Floats] | None = self._cache.get(key)
        if held is not None and held[0] is slots:
            return held[1]
        values = self.read(slots, 0, self.rows)
        self._cache.put(key, (slots, values), values.nbytes)
        return values

    @property
    def cache_limit(self) -> int:
        """How many bytes of decompressed values are kept for readers."""
        return self._cache.limit

    def matrix(self) -> Floats:
        """All cells, past the cache."""
        return self.read(slice(0, self.layout.width), 0, self.rows)

    def _read_page(self, number: int, columns: Ints, start: int, end: int) -> Floats:
        """Some columns of a page, in ascending order: float64[columns, rows]."""
        page = self._page(number)
        out = np.empty((len(columns), end - start))
        if page is None:
            self._broken |= {number}
            out[:] = ABSENT
            return out
        known: Known = {}
        for chunk, places in page.chunks_of(columns):
            if chunk < 0:
                out[places] = page.constants(columns[places])[:, start:end]
                continue
            wanted = np.searchsorted(page.members[chunk], columns[places])
            only = None if len(wanted) == len(page.members[chunk]) else wanted
            cells = self._chunk(page, number, chunk, only, known)
            if cells is None:
                self._broken |= {number}
                out[places] = ABSENT
            elif len(places) == len(columns):
                return cells[:, start:end]
            else:
                out[places] = cells[:, start:end]
        return out

    def _page(self, number: int) -> Page | None:
        # Compressed, it is a tenth of what comes out of it: worth its place even to those who look at everything.
        key = (self.uid, number, -1)
        held: Page | None = self._cache.get(key)
        if held is not None:
            return held
        packed = self._source.page(number)
        if packed is None:
            return None
        try:
            page = Page(packed)
        except ValueError as err:
            self._source.reject(number, str(err))
            return None
        if page.rows != self.rows or page.width != min(
            self.page_columns, self.layout.width - number * self.page_columns
        ):
            self._source.reject(number, "another shape than the index says")
            return None
        self._cache.put(key, page, len(packed) + _PAGE_COST * page.width)
        return page

    def _chunk(self, page: Page, number: int, chunk: int, only: Ints | None, known: Known) -> Floats | None:
        """The columns of a chunk, or those that are wanted of them; none where they cannot be read."""
        try:
            return page.decode(chunk, only, known)
        except ValueError as err:
            self._source.reject(number, str(err))
            return None


def pack_pages(values: Floats) -> list[bytes]:
    """Compress a matrix page by page."""
    width = page_columns(len(values))
    return [encode(values[:, at : at + width]) for at in range(0, values.shape[1], width)]


def column_holes(values: Floats) -> Bools | None:
    """For each column whether any cell is stale or absent; none where no column has one."""
    columns: Bools = np.any(holes_of(values), axis=0)
    return columns if columns.any() else None


def seal(layout: Layout, times: Ints, values: Floats, cache: DecodedCache, late: int = 0) -> Segment:
    """Compress rows into a segment in memory."""
    own = times.copy()
    source = MemoryPages(own, pack_pages(values))
    return Segment(layout, (int(own[0]), int(own[-1])), len(own), column_holes(values), source, cache, late)
