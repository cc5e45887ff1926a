"""From the store to arrays: series found, gaps and staleness markers told apart from values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.bundle import Bundle
from hypercare.model.samples import ABSENT_BITS, STALE_BITS, Bools, Floats, Ints, SampleMatrix, Strip
from hypercare.promql.values import Block, LabelSets, every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

_INTERNED: Final = 4096
_HELD: Final = 2_000_000


class Interner:
    """One ``LabelSets`` for the same label tuples, however often they are selected.

    The store promises that a matrix keeps its ``labels`` object while its series stay the same; so identity is
    enough, and holding the tuples keeps their identities from being used again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[tuple[tuple[Labels, ...], ...], LabelSets]] = {}
        self._held = 0

    def sets(self, matrices: Sequence[SampleMatrix] | Sequence[Strip]) -> LabelSets:
        """The series of all the matrices, in order."""
        if isinstance(matrices, Bundle):
            # One object stands for all of them.
            whole = (id(matrices.labels),)
            found = self._known.get(whole)
            if found is None:
                tuples = matrices.labels
                found = self._known[whole] = (tuples, self._of(tuple(map(id, tuples)), tuples))
            return found[1]
        return self._of(tuple([id(matrix.labels) for matrix in matrices]), [matrix.labels for matrix in matrices])

    def _of(self, key: tuple[int, ...], labels: Sequence[tuple[Labels, ...]]) -> LabelSets:
        found = self._known.get(key)
        if found is not None:
            return found[1]
        tuples = tuple(labels)
        sets = LabelSets(tuple(labels for part in tuples for labels in part))
        # Several threads may query at once: plain dict operations only, and forgetting everything when full.
        self._held += len(sets)
        if len(self._known) >= _INTERNED or self._held > _HELD:
            self._known.clear()
            self._held = len(sets)
        self._known[key] = (tuples, sets)
        return sets


class Selection(NamedTuple):
    """What a selector found: matrices and their series in the same order."""

    matrices: Sequence[SampleMatrix]
    sets: LabelSets

    @property
    def samples(self) -> int:
        """Cells fetched."""
        if isinstance(self.matrices, Bundle):
            return self.matrices.cells
        return sum(matrix.values.size for matrix in self.matrices)


def missing_cells(values: Floats) -> Bools:
    """Which cells are stale or absent."""
    bits = _bits(values)
    missing: Bools = (bits == ABSENT_BITS) | (bits == STALE_BITS)
    return missing


def _bits(values: Floats) -> Ints:
    if values.strides[0] == values.itemsize:
        return values.T.view(np.int64).T
    return np.ascontiguousarray(values).view(np.int64)


# ── instant vectors ──


def last_values(selection: Selection) -> tuple[Floats, Bools | None]:
    """The newest value of every series within the rows selected: ``[S]``, and where there is one."""
    matrices = selection.matrices
    if isinstance(matrices, Bundle):
        return matrices.newest(), None
    if len(matrices) == 1:
        values = np.ascontiguousarray(matrices[0].values[-1])
    else:
        values = np.concatenate([matrix.values[-1] for matrix in matrices])
    # Both patterns have an exponent of all ones: finite values need no closer look.
    if every(np.isfinite(values)):
        return values, None
    bits = values.view(np.int64)
    absent = bits == ABSENT_BITS
    if absent.any():
        values = values.copy()
        at = 0
        for matrix in matrices:
            width = len(matrix.labels)
            part = absent[at : at + width]
            if part.any():
                values[at : at + width][part] = _before(matrix.values[:, part])
            at += width
        bits = values.view(np.int64)
    missing = (bits == STALE_BITS) | (bits == ABSENT_BITS)
    return values, (~missing if missing.any() else None)


def _before(values: Floats) -> Floats:
    """The newest cell that is not absent, staleness markers included; absent where there is none."""
    known = _bits(values) != ABSENT_BITS
    row = len(values) - 1 - np.argmax(known[::-1], axis=0)
    found: Floats = values[row, np.arange(values.shape[1])]
    return found


def values_at(matrix: SampleMatrix, times: Ints, lookback: Ms) -> tuple[Floats, Ints, Bools | None]:
    """Values ``[K, S]`` as of each time, the rows they come from, and where there is one (none: everywhere)."""
    rows = np.searchsorted(matrix.times, times, side="right") - 1
    oldest = np.searchsorted(matrix.times, times - lookback, side="right")
    near = rows >= oldest
    rows = np.maximum(rows, 0)
    columns = matrix.values.shape[1]
    if matrix.dense:
        present = None if near.all() else np.broadcast_to(near[:, None], (len(times), columns))
        return matrix.values[rows], np.broadcast_to(rows[:, None], (len(times), columns)), present
    return newest_before(matrix.values, np.where(near, rows, -1), oldest)


def newest_before(values: Floats, rows: Ints, oldest: Ints) -> tuple[Floats, Ints, Bools | None]:
    """Of values with gaps: the newest at or before each row that is not older than another one.

    Values ``[K, S]``, the rows they come from, and where there is one (none: everywhere).
    """
    steps = np.arange(len(values))[:, None]
    index = np.where(_bits(values) == ABSENT_BITS, -1, steps)
    known = np.maximum.accumulate(index, axis=0)[rows]
    found = np.take_along_axis(values, np.maximum(known, 0), axis=0)
    mask = (rows >= oldest)[:, None] & (known >= oldest[:, None]) & (_bits(found) != STALE_BITS)
    return found, np.maximum(known, 0), None if mask.all() else mask


# ── range vectors ──


def blocks_of(selection: Selection) -> tuple[tuple[Block, ...], bool]:
    """The samples as blocks without gaps, and whether these hold all series in order."""
    sets, matrices = selection.sets, selection.matrices
    blocks: list[Block] = []
    places: list[Ints] = sets.memo(("places", len(matrices)), lambda: _places(matrices))
    if _gapless(matrices):
        whole = zip(places, matrices, strict=True)
        return tuple([Block(columns, matrix.times, matrix.values, matrix.starts) for columns, matrix in whole]), True
    for matrix, columns in zip(matrices, places, strict=True):
        if matrix.dense:
            blocks.append(Block(columns, matrix.times, matrix.values, matrix.starts))
        else:
            blocks.extend(split(columns, matrix.times, matrix.values, missing_cells(matrix.values), matrix.starts))
    return tuple(blocks), False


def _gapless(matrices: Sequence[SampleMatrix]) -> bool:
    """Whether no cell is stale or absent; one look at all the matrices that do not promise it."""
    unsure = [matrix.values.ravel() for matrix in matrices if not matrix.dense]
    if not unsure:
        return True
    cells = np.concatenate(unsure)
    return every(np.isfinite(cells)) or not missing_cells(cells).any()


def _places(matrices: Sequence[SampleMatrix]) -> list[Ints]:
    places, at = [], 0
    for matrix in matrices:
        places.append(np.arange(at, at + len(matrix.labels)))
        at += len(matrix.labels)
    return places


def split(columns: Ints, times: Ints, values: Floats, missing: Bools, starts: Ints | None = None) -> list[Block]:
    """Series that miss the same rows go together into one block; series without any value go nowhere."""
    if not missing.any():
        return [Block(columns, times, values, starts)]
    packed = np.packbits(missing, axis=0)
    groups: dict[bytes, list[int]] = {}
    for i in range(missing.shape[1]):
        groups.setdefault(packed[:, i].tobytes(), []).append(i)
    blocks: list[Block] = []
    for members in groups.values():
        rows = np.flatnonzero(~missing[:, members[0]])
        if len(rows):
            chosen = np.array(members)
            cells = np.ix_(rows, chosen)
            began = None if starts is None else starts[cells]
            blocks.append(Block(columns[chosen], times[rows], values[cells], began))
    return blocks


def merged(selection: Selection) -> Selection:
    """The same with equal label sets of different matrices put together, newer matrices winning equal times."""
    if selection.sets.unique():
        return selection
    order: dict[Labels, list[tuple[SampleMatrix, int]]] = {}
    for matrix in selection.matrices:
        for i, labels in enumerate(matrix.labels):
            order.setdefault(labels, []).append((matrix, i))
    kept: list[SampleMatrix] = []
    for matrix in selection.matrices:
        single = [i for i, labels in enumerate(matrix.labels) if len(order[labels]) == 1]
        if single:
            labels_kept = tuple(matrix.labels[i] for i in single)
            starts = None if matrix.starts is None else matrix.starts[:, single]
            kept.append(SampleMatrix(labels_kept, matrix.times, matrix.values[:, single], matrix.dense, starts))
    kept.extend(_joined(labels, parts) for labels, parts in order.items() if len(parts) > 1)
    return Selection(kept, selection.sets.memo("merged", lambda: LabelSets(tuple(ls for m in kept for ls in m.labels))))


def _joined(labels: Labels, parts: list[tuple[SampleMatrix, int]]) -> SampleMatrix:
    bits: dict[int, int] = {}
    for matrix, column in parts:
        series = np.ascontiguousarray(matrix.values[:, column])
        for time, cell in zip(matrix.times.tolist(), series.view(np.int64).tolist(), strict=True):
            # A staleness marker or a gap of one target must not hide the other target's value.
            if cell != ABSENT_BITS and (cell != STALE_BITS or time not in bits):
                bits[time] = cell
    times = np.array(sorted(bits), dtype=np.int64)
    values = np.array([bits[t] for t in times.tolist()], dtype=np.int64).view(np.float64)[:, None]
    return SampleMatrix((labels,), times, values, dense=False)
