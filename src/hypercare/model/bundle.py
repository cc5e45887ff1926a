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
_SHALLOW: Final = 6
"""The same of small ones, which cost little memory."""
_FEW: Final = 1 << 13
"""Cells of the largest of these."""
_DEPTHS: Final = 4
"""So many of them for the same series."""


class Rows(Protocol):
    """Where rows come from: those that a reader has seen change no more."""

    @property
    def uid(self) -> int:
        """A number that nothing else ever has."""

    @property
    def times(self) -> Ints:
        """Of all rows."""

    @property
    def clock(self) -> Sequence[int]:
        """The same, of which single ones are read faster."""

    @property
    def values(self) -> Floats:
        """All rows, and all columns."""


Part: TypeAlias = "tuple[Rows, int, int]"
"""Rows of a group: from which one on, and up to before which."""


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
        memo: what was computed of the times and rows of these groups, for all their metrics; keys are the reader's.
        parts: the rows of each group.
        slots: the wanted columns of each group.
        places: how the wanted columns lie.

    """

    __slots__ = ("_cells", "_matrices", "labels", "memo", "parts", "places", "slots")

    def __init__(
        self,
        labels: tuple[tuple[Labels, ...], ...],
        parts: Sequence[Part],
        slots: Sequence[Slots],
        memo: dict[str, Any],
        places: Places,
    ) -> None:
        """Put one together.

        Args:
            labels: of each matrix.
            parts: the rows of each group, at least one.
            slots: the wanted columns of each group.
            memo: of the groups in this span.
            places: how the wanted columns lie.

        """
        self.labels = labels
        self.memo = memo
        self.parts = parts
        self.slots = slots
        self.places = places
        self._cells = -1
        self._matrices: list[SampleMatrix] | None = None

    @property
    def times(self) -> list[Ints]:
        """Of each matrix."""
        found: list[Ints] | None = self.memo.get("times")
        if found is None:
            found = self.memo["times"] = [rows.times[first:behind] for rows, first, behind in self.parts]
        return found

    @property
    def ends(self) -> tuple[Ints, Ints]:
        """The first and the last time of each matrix, ``[1, groups]``."""
        found: tuple[Ints, Ints] | None = self.memo.get("ends")
        if found is None:
            begin = [rows.clock[first] for rows, first, _ in self.parts]
            finish = [rows.clock[behind - 1] for rows, _, behind in self.parts]
            both = np.array([begin, finish], dtype=np.int64)
            found = self.memo["ends"] = both[:1], both[1:]
        return found

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each matrix."""
        found: tuple[int, ...] | None = self.memo.get("lengths")
        if found is None:
            found = self.memo["lengths"] = tuple([behind - first for _, first, behind in self.parts])
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
            pairs = zip(self.parts, self.slots, strict=True)
            each = [rows.values[behind - 1, slots] for (rows, _, behind), slots in pairs]
            return each[0] if len(each) == 1 else np.concatenate(each)
        widths, places = self.places.newest
        # Spans that end with the newest rows have that in common.
        memo = self.memo.get("now", self.memo)
        joined: Floats | None = memo.get("newest")
        if joined is None:
            whole = zip(self.parts, widths, strict=True)
            joined = np.concatenate([rows.values[behind - 1, :width] for (rows, _, behind), width in whole])
            memo["newest"] = joined
        return joined.take(places)

    def _values(self) -> list[Floats]:
        """Of each matrix."""
        pairs = zip(self.parts, self.slots, strict=True)
        return [rows.values[first:behind, slots] for (rows, first, behind), slots in pairs]

    def stacked(self) -> Floats:
        """All values side by side, ``[most rows, S]``; where a group lacks some, its first one stands for them."""
        depth, even = self.depth
        if even and depth >= _SHALLOW and len(self.parts) > 1:
            cells = self.cells
            if cells <= _FEW or (cells <= _CELLS and depth >= _DEEP):
                return self._slid(depth)
        parts = self._values()
        if len(parts) == 1:
            return parts[0]
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
        uids, firsts = self._marks
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
        if moved == 1 and self.places.newest is not None:
            # What all metrics of these groups share has it.
            values[-1] = self.newest()
        else:
            self._read(values, moved)
        if depth not in stacks and len(stacks) >= _DEPTHS:
            stacks.clear()
        stacks[depth] = Stack(uids, firsts, values)
        return values

    @property
    def _marks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of which buffers the rows are, and from which row on."""
        found: tuple[tuple[int, ...], tuple[int, ...]] | None = self.memo.get("marks")
        if found is None:
            uids = tuple([rows.uid for rows, _, _ in self.parts])
            found = self.memo["marks"] = uids, tuple([first for _, first, _ in self.parts])
        return found

    def _read(self, values: Floats, moved: int) -> None:
        """Read so many of the newest rows into the last of an array."""
        pairs = zip(self.parts, self.slots, strict=True)
        parts = [rows.values[behind - moved : behind, slots] for (rows, _, behind), slots in pairs]
        np.concatenate(parts, axis=1, out=values[len(values) - moved :])

    def matrices(self) -> list[SampleMatrix]:
        """One by one."""
        found = self._matrices
        if found is None:
            parts = zip(self.labels, self.times, self._values(), strict=True)
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
