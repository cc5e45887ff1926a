"""Range queries over what the store reads in portions.

Each portion is read, computed on, and either put into the result or added to the groups of an aggregation, before the
next one is looked at: what is worked on stays in the processor's cache, and the values of a day never are in memory
all at once. Portions are shared among threads; how they are cut and the order in which their parts are added do not
depend on the number of threads, so that results do not either.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from hypercare.promql.errors import StoppedError
from hypercare.promql.select import missing_cells, newest_before, split
from hypercare.promql.sliding import Frame, Strided, as_rows, take
from hypercare.promql.values import Block, every

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.samples import Bools, Floats, Ints, Strip
    from hypercare.model.time import Ms
    from hypercare.ports import Workers
    from hypercare.promql.functions.registry import Function, RangeArgs
    from hypercare.promql.groups import Groups
    from hypercare.promql.values import LabelSets

T = TypeVar("T")
R = TypeVar("R")

_SLICE: Final = 64
"""Series computed at once; measured best between 32 and 128."""
_CELLS: Final = 4_000_000
"""Samples held at once by functions that look at whole windows."""
_WORTH: Final = 400_000
"""Cells from which on a second thread pays."""


class Serial:
    """No threads but the caller's."""

    def map(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """See ``Workers``."""
        return [do(item) for item in items]


class Part(NamedTuple):
    """Values of some series at all steps.

    Attributes:
        columns: their places among all series of the scan.
        values: ``[K, n]``.
        present: broadcasts to it; none: everywhere.

    """

    columns: slice | Ints
    values: Floats
    present: Bools | None


Compute: TypeAlias = "Callable[[Block, bool], list[Part]]"
"""From samples (and whether none of them is missing) to values at the steps."""


class _Portion(NamedTuple):
    strip: Strip
    first: int
    behind: int
    place: int


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """Series, and how to compute their values at the steps of a grid.

    Attributes:
        sets: the series of all strips in order.
        steps: of the grid.
        stopped: whether nobody waits for the result any more.

    """

    strips: Sequence[Strip]
    sets: LabelSets
    steps: int
    compute: Compute
    workers: Workers
    stopped: Callable[[], bool]

    def _each(self, do: Callable[[list[Part]], R]) -> list[R]:
        """``do`` of the parts of each portion, in the order of the series."""
        portions: list[_Portion] = []
        place = cells = 0
        for strip in self.strips:
            portions += [_Portion(strip, first, behind, place + first) for first, behind in strip.portions()]
            place += len(strip.labels)
            cells += len(strip.labels) * len(strip.times)

        def work(portion: _Portion) -> R:
            strip, first, behind, at = portion
            if self.stopped():
                raise StoppedError
            with np.errstate(all="ignore"):
                block = Block(np.arange(at, at + behind - first), strip.times, strip.read(first, behind))
                return do(self.compute(block, strip.dense))

        workers = self.workers if cells >= _WORTH else Serial()
        return workers.map(work, portions)

    def vector(self) -> tuple[Floats, Bools | None]:
        """The values of all series ``[K, S]``, series after series in memory, and where there is one."""
        shape = (self.steps, len(self.sets))
        values = np.empty(shape, order="F")
        there = np.zeros(shape, dtype=np.bool_, order="F")

        def put(parts: list[Part]) -> int:
            full = 0
            for columns, found, present in parts:
                values[:, columns] = found
                if present is None or every(present):
                    full += found.shape[1]
                    there[:, columns] = True
                else:
                    there[:, columns] = present
            return full

        return values, (None if sum(self._each(put)) == len(self.sets) else there)

    def reduced(self, op: str, groups: Groups) -> tuple[Floats, Bools | None, Bools] | None:
        """An aggregation: values ``[K, G]``, where there is one, and which series had any value; none: not this way.

        Sums in which large numbers cancel need all of them at once; they are left to others.
        """
        partial = _Partial(op, groups, self.steps)
        alive = np.zeros(len(self.sets), dtype=np.bool_)

        def reduce(parts: list[Part]) -> list[_Sum]:
            for columns, values, present in parts:
                some = present is None or every(present)
                alive[columns] = True if some else np.broadcast_to(np.asarray(present), values.shape).any(axis=0)
            return [each for part in parts for each in partial.of(part)]

        sums = [each for found in self._each(reduce) for each in found]
        result = partial.joined(sums)
        return None if result is None else (*result, alive)


# ── from samples to values ──


def range_compute(function: Function, args: RangeArgs, ends: Ints, width: Ms) -> Compute:
    """What a function over ranges makes of samples."""
    call = function.over_range
    if call is None:
        raise TypeError(function.name)

    def compute(block: Block, dense: bool) -> list[Part]:  # noqa: FBT001  # given by position to a plain function
        parts = []
        for columns, times, values, _ in blocks_without_gaps(block, dense=dense):
            low = np.searchsorted(times, ends - width, side="right")
            frame = Frame(times, low, np.searchsorted(times, ends, side="right"))
            size = _SLICE if not function.stacks else max(1, min(_SLICE, _CELLS // (frame.depth * len(ends))))
            for at in range(0, len(columns), size):
                result, present = call(Strided(frame, values[:, at : at + size]), args)
                parts.append(Part(_places(columns[at : at + size]), result, present))
        return parts

    return compute


def instant_compute(ends: Ints, lookback: Ms) -> Compute:
    """The newest sample of each series as of each step."""

    def compute(block: Block, dense: bool) -> list[Part]:  # noqa: FBT001  # given by position to a plain function
        rows = np.searchsorted(block.times, ends, side="right") - 1
        oldest = np.searchsorted(block.times, ends - lookback, side="right")
        if not dense:
            values, _, present = newest_before(block.values, rows, oldest)
            return [Part(_places(block.columns), values, present)]
        near = rows >= oldest
        present = None if every(near) else near[:, None]
        return [Part(_places(block.columns), take(block.values, as_rows(np.maximum(rows, 0))), present)]

    return compute


def blocks_without_gaps(block: Block, *, dense: bool) -> Sequence[Block]:
    """The samples of series that miss the same rows together."""
    if dense:
        return [block]
    missing = missing_cells(block.values)
    return split(block.columns, block.times, block.values, missing)


def _places(columns: Ints) -> slice | Ints:
    first, last = int(columns[0]), int(columns[-1])
    if last - first == len(columns) - 1 and (len(columns) < 3 or bool((columns[1:] > columns[:-1]).all())):
        return slice(first, last + 1)
    return columns


# ── aggregation, portion by portion ──


class _Sum(NamedTuple):
    """What one group gets from one part: values and counts ``[K]``, and the size of what was added."""

    group: int
    values: Floats
    number: Floats | int
    size: Floats | None


STREAMED: Final = frozenset({"sum", "avg", "count", "min", "max", "group"})
"""Aggregations that can be put together from parts."""
_FOLDS: Final[dict[str, tuple[np.ufunc, float]]] = {
    "sum": (np.add, 0.0),
    "avg": (np.add, 0.0),
    "min": (np.fmin, np.nan),
    "max": (np.fmax, np.nan),
}
_DOUBTFUL: Final = 1e-7


class _Partial:
    """Aggregates parts, and joins what they came to."""

    def __init__(self, op: str, groups: Groups, steps: int) -> None:
        self._op = op
        self._groups = groups
        self._steps = steps
        self._fold = _FOLDS.get(op)

    def of(self, part: Part) -> list[_Sum]:
        """What each group gets from a part."""
        index = self._groups.index[part.columns]
        present = None
        if part.present is not None and not every(part.present):
            present = np.broadcast_to(part.present, part.values.shape)
        values = part.values
        size = None
        if self._fold is not None:
            if present is not None:
                values = np.where(present, values, self._fold[1])
            if self._fold[0] is np.add and not values.min(initial=0.0) >= 0:
                size = np.abs(values)
        found = []
        for group, columns in _members(index):
            folded = self._folded(values, columns)
            count = self._count(present, columns, values.shape[1])
            found.append(_Sum(group, folded, count, None if size is None else self._folded(size, columns)))
        return found

    def _folded(self, values: Floats, columns: slice | Ints) -> Floats:
        if self._fold is None:
            return np.empty(0)
        folded: Floats = self._fold[0].reduce(values.T[columns], axis=0)
        return folded

    @staticmethod
    def _count(present: Bools | None, columns: slice | Ints, width: int) -> Floats | int:
        if present is None:
            return len(range(*columns.indices(width))) if isinstance(columns, slice) else len(columns)
        count: Floats = present.T[columns].sum(axis=0, dtype=np.float64)
        return count

    def joined(self, sums: list[_Sum]) -> tuple[Floats, Bools | None] | None:
        """Values ``[K, G]`` and where there is one, or none where digits were lost that are wanted."""
        shape = (self._groups.size, self._steps)
        count = np.zeros(shape)
        values = np.full(shape, 0.0 if self._fold is None else self._fold[1])
        sizes = np.zeros(shape) if any(each.size is not None for each in sums) else None
        for group, folded, number, size in sums:
            count[group] += number
            if self._fold is not None:
                self._fold[0](values[group], folded, out=values[group])
            if sizes is not None:
                sizes[group] += folded if size is None else size
        if sizes is not None and (~(np.abs(values) >= _DOUBTFUL * sizes) & np.isfinite(sizes) & (sizes > 0)).any():
            return None
        there = count > 0
        if self._op == "count":
            values = count
        elif self._op == "group":
            values = np.ones(shape)
        elif self._op == "avg":
            values /= count
            if np.isinf(values).any():
                return None
        return values.T, (None if every(there) else there.T)


def _members(index: Ints) -> list[tuple[int, slice | Ints]]:
    """The groups in a part and their columns, by the number of the group."""
    if not len(index):
        return []
    if int(index[0]) == int(index[-1]) and every(index == index[0]):
        return [(int(index[0]), slice(0, len(index)))]
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    edges = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(index)]
    return [(int(ordered[first]), _places(order[first:behind])) for first, behind in itertools.pairwise(edges)]
