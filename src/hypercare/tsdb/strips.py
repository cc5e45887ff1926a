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
from hypercare.tsdb.segment import CHUNK_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.tsdb.layout import Slots
    from hypercare.tsdb.segment import Segment

_PORTION: Final = 1 << 18
"""Cells read at once: what fits the processor's own cache."""


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
        most = max(CHUNK_COLUMNS, _PORTION // max(1, len(self.times)))
        # The newest sealed rows tell where chunks begin.
        source = next((p.source for p in reversed(self._pieces) if not isinstance(p.rows, RawRows)), None)
        if source is None or width <= most:
            return [(at, min(at + most, width)) for at in range(0, width, most)]
        edges = [0, *(np.flatnonzero(np.diff(source // CHUNK_COLUMNS)) + 1).tolist(), width]
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
        moves: list[_Move] = []
        for piece in self._pieces:
            rows = out[at : at + piece.end - piece.start]
            at += piece.end - piece.start
            if piece.source is not known:
                known = piece.source
                moves = _moves(known[first:behind])
            if sum(len(move.slots) for move in moves) < behind - first:
                rows[:] = ABSENT
            for move in moves:
                rows[:, move.target] = self._cells(piece, move)
        return out

    def _cells(self, piece: Piece, move: _Move) -> Floats:
        if isinstance(piece.rows, RawRows):
            return piece.rows.values[piece.start : piece.end, as_slots(move.slots)]
        chunk = piece.rows.chunk(move.number, keep=self.keep)
        return chunk[piece.start : piece.end, as_slots(move.slots - move.number * CHUNK_COLUMNS)]

    def cache_limit(self) -> int | None:
        """How many bytes of decompressed values are kept for readers; none where nothing is compressed."""
        return next((p.rows.cache_limit for p in self._pieces if not isinstance(p.rows, RawRows)), None)

    def decoded(self) -> int:
        """About how many bytes come out of decompression when all is read."""
        return sum(
            8 * piece.rows.rows * len(piece.source) for piece in self._pieces if not isinstance(piece.rows, RawRows)
        )


class _Move(NamedTuple):
    """Columns of one chunk (``slots``, ascending), and where they go."""

    number: int
    target: Slots
    slots: Ints


def _moves(source: Ints) -> list[_Move]:
    """The columns of a portion by chunk; missing ones left out."""
    places = np.flatnonzero(source >= 0)
    slots = source[places]
    order = np.argsort(slots, kind="stable")
    places, slots = places[order], slots[order]
    numbers = slots // CHUNK_COLUMNS
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(slots)]
    found = []
    for first, behind in pairwise(edges):
        if first < behind:
            target = places[first:behind]
            ascending = bool((target[1:] > target[:-1]).all())
            found.append(_Move(int(numbers[first]), as_slots(target) if ascending else target, slots[first:behind]))
    return found


def share_cache(strips: Sequence[Strip]) -> None:
    """Keep what is decompressed only where all of it leaves room for others."""
    limit = next((limit for strip in strips if (limit := strip.cache_limit()) is not None), 0)
    if sum(strip.decoded() for strip in strips) > limit // 2:
        for strip in strips:
            strip.keep = False
