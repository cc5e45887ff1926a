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
        pieces: where the rows are, in the order of time.

    """

    __slots__ = ("dense", "labels", "pieces", "times")

    def __init__(self, labels: tuple[Labels, ...], pieces: Sequence[Piece], *, dense: bool) -> None:
        self.labels = labels
        self.dense = dense
        self.pieces = pieces
        times = [piece.times[piece.start : piece.end] for piece in pieces]
        self.times: Ints = times[0] if len(times) == 1 else np.concatenate(times)

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return 8 * len(self.times) * len(self.labels)

    def portions(self) -> list[tuple[int, int]]:
        """Columns to be read at once, as first and behind: of neighbouring compressed chunks."""
        width = len(self.labels)
        most = columns_at_once(len(self.times))
        # The newest sealed rows tell where pages begin.
        sealed = [(p.source, p.rows.page_columns) for p in self.pieces if not isinstance(p.rows, RawRows)]
        if not sealed or width <= most:
            return even_portions(width, most)
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
        read_pieces(self.pieces, first, behind, out)
        return out


def columns_at_once(rows: int) -> int:
    """How many columns of so many rows are best read at once."""
    return max(_LEAST, _PORTION // max(1, rows))


def even_portions(width: int, most: int) -> list[tuple[int, int]]:
    """Columns in portions of one size, as first and behind."""
    return [(at, min(at + most, width)) for at in range(0, width, most)]


def read_pieces(pieces: Sequence[Piece], first: int, behind: int, out: Floats) -> None:
    """Put the values of some columns into a matrix ``[rows of all pieces, behind - first]``."""
    at = 0
    known: Ints | None = None
    move = _Move(slice(0, 0), np.empty(0, dtype=np.int64))
    for piece in pieces:
        rows = out[at : at + piece.end - piece.start]
        at += piece.end - piece.start
        if piece.source is not known:
            known = piece.source
            move = _move(known[first:behind])
        if len(move.slots) < behind - first:
            rows[:] = ABSENT
        if len(move.slots):
            rows[:, move.target] = _cells(piece, move)


def _cells(piece: Piece, move: _Move) -> Floats:
    slots = as_slots(move.slots)
    if isinstance(piece.rows, RawRows):
        return piece.rows.values[piece.start : piece.end, slots]
    return piece.rows.read(slots, piece.start, piece.end)


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
