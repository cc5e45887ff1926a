"""Series of many groups in one answer: each group's matrix, or all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul, sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, overload

import numpy as np

from hypercare.model.samples import SampleMatrix

if TYPE_CHECKING:
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints

Slots: TypeAlias = "slice | Ints"
_NEWEST: Final = 32_768
"""Columns of the newest rows that are put side by side for all metrics of a tick; of more the wanted ones are taken."""


_DEEP: Final = 32
"""Rows from which on windows that go on from tick to tick are kept side by side."""
_CELLS: Final = 1 << 16
"""Cells of the largest of them."""
_DEPTHS: Final = 4
"""So many of them for the same series."""


class Rows(Protocol):
    """Where rows come from: those that a reader has seen change no more."""

    @property
    def uid(self) -> int:
        """A number that nothing else ever has."""


class Stack(NamedTuple):
    """Rows side by side: of which buffers, from which row on."""

    uids: tuple[int, ...]
    firsts: tuple[int, ...]
    values: Floats


class Places(NamedTuple):
    """How the series of some groups lie; the same as long as the series are.

    Attributes:
        total: how many series there are.
        owners: the number of the group of each series; none: each group has one.
        newest: how many columns of each group count, and where the wanted ones stand when these are put side by side;
            none: they are taken one by one.
        stacks: deep windows of these series as they were read last, by their depth.

    """

    total: int
    owners: Ints | None
    newest: tuple[Sequence[int], Ints] | None
    stacks: dict[int, Stack]


class Bundle(Sequence[SampleMatrix]):
    """Matrices without a stale or absent cell, as ``SampleSource.select`` gives them; each is made only if asked for.

    Attributes:
        labels: of each matrix; the very same tuple as long as the series are the same.
        times: of each matrix.
        memo: what was computed of the times and rows of these groups, for all their metrics; keys are the reader's.

    """

    __slots__ = ("_cells", "_marks", "_matrices", "_rows", "_slots", "labels", "memo", "places", "times")

    def __init__(
        self,
        labels: tuple[tuple[Labels, ...], ...],
        times: Sequence[Ints],
        rows: Sequence[Floats],
        slots: Sequence[Slots],
        memo: dict[str, Any],
        places: Places,
        marks: Sequence[tuple[Rows, int]] = (),
    ) -> None:
        """Put one together.

        Args:
            labels: of each matrix.
            times: of each matrix.
            rows: of each group, all columns.
            slots: the wanted columns of each group.
            memo: of the groups in this span.
            places: how the wanted columns lie.
            marks: where the rows of each group come from, and the number of the first one there; empty: not known.

        """
        self.labels = labels
        self.times = times
        self.memo = memo
        self._rows = rows
        self._slots = slots
        self.places = places
        self._cells = -1
        self._marks = marks
        self._matrices: list[SampleMatrix] | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each matrix."""
        found: tuple[int, ...] | None = self.memo.get("lengths")
        if found is None:
            found = self.memo["lengths"] = tuple(map(len, self.times))
        return found

    @property
    def depth(self) -> tuple[int, bool]:
        """Rows of the longest matrix, and whether all have so many."""
        found: tuple[int, bool] | None = self.memo.get("depth")
        if found is None:
            lengths = self.lengths
            most = max(lengths)
            found = self.memo["depth"] = most, min(lengths) == most
        return found

    @property
    def cells(self) -> int:
        """Samples in all of it."""
        cells = self._cells
        if cells < 0:
            depth, even = self.depth
            cells = depth * self.places.total if even else sum(map(mul, self.lengths, map(len, self.labels)))
            self._cells = cells
        return cells

    def newest(self) -> Floats:
        """The newest value of each series, ``[S]``."""
        if self.places.newest is None:
            if len(self._rows) == 1:
                return self._rows[0][-1, self._slots[0]]
            return np.concatenate([rows[-1, slots] for rows, slots in zip(self._rows, self._slots, strict=True)])
        widths, places = self.places.newest
        joined: Floats | None = self.memo.get("newest")
        if joined is None:
            pairs = zip(self._rows, widths, strict=True)
            joined = self.memo["newest"] = np.concatenate([rows[-1, :width] for rows, width in pairs])
        found: Floats = joined[places]
        return found

    def stacked(self) -> Floats:
        """All values side by side, ``[most rows, S]``; where a group lacks some, its first one stands for them."""
        if self._marks and self.depth[1] and self.depth[0] >= _DEEP and self.cells <= _CELLS:
            return self._slid(self.depth[0])
        pairs = zip(self._rows, self._slots, strict=True)
        parts = [rows[:, slots] for rows, slots in pairs]
        if len(parts) == 1:
            return parts[0]
        depth, even = self.depth
        if even:
            return np.concatenate(parts, axis=1)
        out = np.empty((depth, self.places.total))
        at = 0
        for part, length, labels in zip(parts, self.lengths, self.labels, strict=True):
            behind = at + len(labels)
            out[depth - length :, at:behind] = part
            out[: depth - length, at:behind] = part[0]
            at = behind
        return out

    def _slid(self, depth: int) -> Floats:
        """The values of a deep window: most of its rows were read at the last tick, and lie together since.

        Columns of a matrix row by row are far apart: to read them all anew costs more than what is done with them.
        """
        uids = tuple([rows.uid for rows, _ in self._marks])
        firsts = tuple([first for _, first in self._marks])
        stacks = self.places.stacks
        known = stacks.get(depth)
        moved = firsts[0] - known.firsts[0] if known is not None and known.uids == uids else -1
        if known is not None and 0 <= moved < depth and all(map(moved.__eq__, map(sub, firsts, known.firsts))):
            if not moved:
                return known.values
            values = np.empty_like(known.values)
            values[: depth - moved] = known.values[moved:]
        else:
            moved, values = depth, np.empty((depth, self.places.total))
        parts = [rows[depth - moved :, slots] for rows, slots in zip(self._rows, self._slots, strict=True)]
        np.concatenate(parts, axis=1, out=values[depth - moved :])
        if depth not in stacks and len(stacks) >= _DEPTHS:
            stacks.clear()
        stacks[depth] = Stack(uids, firsts, values)
        return values

    def matrices(self) -> list[SampleMatrix]:
        """One by one."""
        found = self._matrices
        if found is None:
            values = [rows[:, slots] for rows, slots in zip(self._rows, self._slots, strict=True)]
            parts = zip(self.labels, self.times, values, strict=True)
            found = self._matrices = [SampleMatrix(*part, dense=True) for part in parts]
        return found

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> SampleMatrix: ...
    @overload
    def __getitem__(self, index: slice) -> list[SampleMatrix]: ...
    def __getitem__(self, index: int | slice) -> SampleMatrix | list[SampleMatrix]:
        return self.matrices()[index]


def places_of(labels: Sequence[tuple[Labels, ...]], widths: Sequence[int], slots: Sequence[Slots]) -> Places:
    """How columns of groups lie: their label sets, the columns of the whole groups, and which of these are wanted."""
    counts = list(map(len, labels))
    owners = None if set(counts) == {1} else np.repeat(np.arange(len(counts)), counts)
    if len(slots) < 2 or sum(widths) > _NEWEST:
        return Places(sum(counts), owners, None, {})
    ends = np.cumsum([0, *widths]).tolist()
    parts = [np.arange(width)[wanted] + at for width, wanted, at in zip(widths, slots, ends, strict=False)]
    return Places(sum(counts), owners, (widths, np.concatenate(parts)), {})
