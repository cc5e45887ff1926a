"""Series of one group over a span, read a few columns at a time.

A range query over a day looks at more values than fit any cache. A strip says what there is and reads it in portions,
so that each portion is decompressed, computed on and forgotten while it is still in the processor's cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.samples import ABSENT
from hypercare.tsdb.layout import as_slots
from hypercare.tsdb.raw import RawRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.tsdb.layout import Slots
    from hypercare.tsdb.segment import Segment

_PORTION: Final = 1 << 18
"""Cells read at once: what fits the processor's own cache."""
_LEAST: Final = 32
"""Columns read at once at least."""


class Piece(NamedTuple):
    """Rows ``start`` to before ``end`` of sealed or raw rows.

    Attributes:
        source: the column of each series of the strip; -1: not there.

    """

    rows: RawRows | Segment
    times: Ints
    start: int
    end: int
    source: Ints


class Strip:
    """See the module.

    Attributes:
        labels: of the series.
        times: int64[T].
        dense: true promises that no cell is stale or absent.
        keep: whether what was decompressed is to be kept for other readers.

    """

    __slots__ = ("_pieces", "dense", "keep", "labels", "times")

    def __init__(self, labels: tuple[Labels, ...], pieces: Sequence[Piece], *, dense: bool) -> None:
        self.labels = labels
        self.dense = dense
        self.keep = True
        self._pieces = pieces
        times = [piece.times[piece.start : piece.end] for piece in pieces]
        self.times: Ints = times[0] if len(times) == 1 else np.concatenate(times)

    def portions(self) -> list[tuple[int, int]]:
        """Columns to be read at once, as first and behind: of neighbouring compressed chunks."""
        width = len(self.labels)
        most = max(_LEAST, _PORTION // max(1, len(self.times)))
        # The newest sealed rows tell where pages begin.
        sealed = [(p.source, p.rows.page_columns) for p in self._pieces if not isinstance(p.rows, RawRows)]
        if not sealed or width <= most:
            return [(at, min(at + most, width)) for at in range(0, width, most)]
        source, columns = sealed[-1]
        most = max(most, columns)
        edges = [0, *(np.flatnonzero(np.diff(source // columns)) + 1).tolist(), width]
        found: list[tuple[int, int]] = []
        for first, behind in pairwise(edges):
            if found and behind - found[-1][0] <= most:
                found[-1] = (found[-1][0], behind)
            else:
                found.extend((at, min(at + most, behind)) for at in range(first, behind, most))
        return found

    def read(self, first: int, behind: int) -> Floats:
        """Values ``[T, behind - first]``, column after column in memory."""
        out = np.empty((len(self.times), behind - first), order="F")
        at = 0
        known: Ints | None = None
        move = _Move(slice(0, 0), np.empty(0, dtype=np.int64))
        for piece in self._pieces:
            rows = out[at : at + piece.end - piece.start]
            at += piece.end - piece.start
            if piece.source is not known:
                known = piece.source
                move = _move(known[first:behind])
            if len(move.slots) < behind - first:
                rows[:] = ABSENT
            if len(move.slots):
                rows[:, move.target] = self._cells(piece, move)
        return out

    def _cells(self, piece: Piece, move: _Move) -> Floats:
        slots = as_slots(move.slots)
        if isinstance(piece.rows, RawRows):
            return piece.rows.values[piece.start : piece.end, slots]
        return piece.rows.read(slots, piece.start, piece.end, keep=self.keep)

    def cache_limit(self) -> int | None:
        """How many bytes of decompressed values are kept for readers; none where nothing is compressed."""
        return next((p.rows.cache_limit for p in self._pieces if not isinstance(p.rows, RawRows)), None)

    def decoded(self) -> int:
        """About how many bytes come out of decompression when all is read."""
        pages: dict[tuple[int, int], int] = {}
        total = 0
        for piece in self._pieces:
            if not isinstance(piece.rows, RawRows):
                columns = piece.rows.page_columns
                key = (id(piece.source), columns)
                if key not in pages:
                    pages[key] = len(np.unique(piece.source[piece.source >= 0] // columns))
                # What is kept is whole chunks, in which a metric's columns stand among others.
                total += 8 * piece.rows.rows * min(pages[key] * columns, piece.rows.layout.width)
        return total


class _Move(NamedTuple):
    """Columns (``slots``, ascending), and where they go."""

    target: Slots
    slots: Ints


def _move(source: Ints) -> _Move:
    """The columns of a portion; missing ones left out."""
    places = np.flatnonzero(source >= 0)
    order = np.argsort(source[places], kind="stable")
    places = places[order]
    ascending = bool((places[1:] > places[:-1]).all())
    return _Move(as_slots(places) if ascending else places, source[places])


def share_cache(strips: Sequence[Strip]) -> None:
    """Keep what is decompressed only where all of it leaves room for others."""
    limit = next((limit for strip in strips if (limit := strip.cache_limit()) is not None), 0)
    if sum(strip.decoded() for strip in strips) > limit * 3 // 4:
        for strip in strips:
            strip.keep = False
