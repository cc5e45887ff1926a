"""Rows of the series of a selector, decompressed and side by side, kept for the next range query.

A dashboard asks for the same series again and again, each time over a span that ends a little later. What it asked for
last time is kept as one array per group, behind which new rows are added; the next query only looks at it. What was
not used for longest is forgotten (``DecodedCache``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.tsdb.raw import RawRows
from hypercare.tsdb.strips import Piece, columns_at_once, even_portions, read_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.cuts import State

_SPARE: Final = 64
"""Rows that there is room for behind the newest."""


class Origin(NamedTuple):
    """What rows are put together from; while it stays the same, rows once read hold, and only raw rows come.

    Attributes:
        blocks: number of the store's list of blocks, which changes with the list.
        parts: the sealed rows in memory.
        raw: the buffer of raw rows; -1: none.
        layout: its columns.

    """

    blocks: int
    parts: tuple[int, ...] = ()
    raw: int = -1
    layout: int = -1

    @classmethod
    def of(cls, blocks: int, state: State | None) -> Origin:
        """What the rows of a group are put together from now."""
        if state is None:
            return cls(blocks)
        raw, _, layout, parts, _ = state
        return cls(blocks, tuple([part.uid for part in parts]), raw.uid, layout.uid)


class Kept:
    """The rows of one group within a span, for the series of one list of matchers.

    Args:
        labels: of the series.
        pieces: where the rows are, in the order of time.
        origin: what the rows of the group are put together from.
        span: rows at or before its first time, or after its second (none: the newest row), may be missing; ms.
        dense: whether no cell of the sealed rows is stale or absent.
        plain: whether all rows have the same columns: then what is asked for may be less than what is here.

    """

    __slots__ = (
        "_dense", "_ends", "_filled", "_first_raw", "_lock", "_pieces", "_plain", "_sealed", "_source", "_span",
        "_timed", "_times", "_values", "labels", "origin",
    )  # fmt: skip

    def __init__(
        self,
        labels: tuple[Labels, ...],
        pieces: Sequence[Piece],
        origin: Origin,
        span: tuple[Ms, Ms | None],
        *,
        dense: bool,
        plain: bool,
    ) -> None:
        self.labels = labels
        self.origin = origin
        self._dense = dense
        self._span = span
        self._plain = plain
        oldest, newest = pieces[0], pieces[-1]
        # A query that does not look at both may know of fewer series.
        self._ends = (int(oldest.times[oldest.end - 1]), int(newest.times[newest.start]))
        raw = newest if isinstance(newest.rows, RawRows) else None
        self._first_raw = 0 if raw is None else raw.start
        self._source = None if raw is None else raw.source
        rows = sum(piece.end - piece.start for piece in pieces)
        self._sealed = rows if raw is None else rows - (raw.end - raw.start)
        self._times: Ints = np.empty(rows + _SPARE, dtype=np.int64)
        np.concatenate([piece.times[piece.start : piece.end] for piece in pieces], out=self._times[:rows])
        self._values: Floats | None = None
        self._pieces: Sequence[Piece] = pieces
        self._timed = self._filled = rows
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return 8 * len(self._times) * (len(self.labels) + 1)

    def covers(self, origin: Origin, start: Ms, end: Ms) -> bool:
        """Whether all rows of a span are here, and none of series that have no rows in it."""
        since, until = self._span
        if start < since or (until is not None and end > until) or origin != self.origin:
            return False
        return self._plain or (start < self._ends[0] and end >= self._ends[1])

    def strip(self, state: State | None, bounds: Ints) -> KeptStrip | None:
        """The rows behind the first of two times up to the second; none where there is no such row.

        Args:
            state: of the group as the reader knows it.
            bounds: the two times.

        """
        rows, dense, raw = self._sealed, self._dense, None
        if state is not None and self._source is not None:
            raw = state[0]
            rows += state[1] - self._first_raw
            dense = dense and (raw.last_hole < self._first_raw or raw.dense(self._source, self._first_raw))
            if rows > self._timed:
                self._add_times(raw, rows)
        times = self._times[:rows]
        first, behind = times.searchsorted(bounds, side="right").tolist()
        return KeptStrip(self, (raw, rows), times[first:behind], first, dense=dense) if first < behind else None

    def _add_times(self, raw: RawRows, rows: int) -> None:
        with self._lock:
            done = self._timed
            if rows > len(self._times):
                self._times = np.concatenate([self._times[:done], np.empty(rows - done + _SPARE, dtype=np.int64)])
            if rows > done:
                begin = self._raw_row(done)
                self._times[done:rows] = raw.times[begin : begin + rows - done]
                self._timed = rows

    def cells(self, raw: RawRows | None, rows: int) -> Floats:
        """Values ``[series, at least so many rows]``; what is not there yet is read."""
        with self._lock:
            values, done = self._values, self._filled
            if values is None:
                values = self._values = np.empty((len(self.labels), max(rows, len(self._times))))
                read_pieces(self._pieces, 0, len(self.labels), values.T[:done])
                # They hold memory and files.
                self._pieces = ()
            if rows > values.shape[1]:
                larger = np.empty((len(self.labels), rows + _SPARE))
                larger[:, :done] = values[:, :done]
                values = self._values = larger
            if rows > done and raw is not None and self._source is not None:
                fresh = Piece(raw, raw.times, self._raw_row(done), self._raw_row(rows), self._source)
                read_pieces([fresh], 0, len(self.labels), values.T[done:rows])
                self._filled = rows
            return values

    def _raw_row(self, row: int) -> int:
        """The number among the raw rows of one of ours."""
        return self._first_raw + row - self._sealed


class KeptStrip:
    """Some of the rows that are kept; see ``Strip``."""

    __slots__ = ("_first", "_kept", "_known", "dense", "labels", "times")

    def __init__(self, kept: Kept, known: tuple[RawRows | None, int], times: Ints, first: int, *, dense: bool) -> None:
        self.labels = kept.labels
        self.times = times
        self.dense = dense
        self._kept = kept
        self._known = known
        self._first = first

    def portions(self) -> list[tuple[int, int]]:
        """Columns to be read at once, as first and behind."""
        return even_portions(len(self.labels), columns_at_once(len(self.times)))

    def read(self, first: int, behind: int) -> Floats:
        """Values ``[T, behind - first]``, column after column in memory; not to be written to."""
        cells = self._kept.cells(*self._known)[first:behind, self._first : self._first + len(self.times)].T
        cells.flags.writeable = False
        return cells
