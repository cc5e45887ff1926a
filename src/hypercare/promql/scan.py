"""Range queries over what the store reads in portions.

Each portion is read, computed on, and either put into the result or added to the groups of an aggregation, before the
next one is looked at: what is worked on stays in the processor's cache, and the values of a day never are in memory
all at once. Portions are shared among threads; how they are cut and the order in which their parts are added do not
depend on the number of threads, so that results do not either.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from hypercare.promql.errors import StoppedError
from hypercare.promql.groups import side_by_side
from hypercare.promql.partial import Part, PartialSums, Share
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
_LARGE: Final = 100_000
"""Cells of a portion from which on it pays: on smaller ones threads wait for the interpreter more than they compute."""


class Serial:
    """No threads but the caller's."""

    def map(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """See ``Workers``."""
        return [do(item) for item in items]


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

        workers = self.workers if cells >= max(_WORTH, _LARGE * len(portions)) else Serial()
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
        partial = PartialSums(op, groups, self.steps)
        alive = np.zeros(len(self.sets), dtype=np.bool_)

        def reduce(parts: list[Part]) -> list[Share]:
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
    begins = ends - width

    def compute(block: Block, dense: bool) -> list[Part]:  # noqa: FBT001  # given by position to a plain function
        parts = []
        for columns, times, values, _ in blocks_without_gaps(block, dense=dense):
            frame = Frame(times, times.searchsorted(begins, side="right"), times.searchsorted(ends, side="right"))
            size = _SLICE if not function.stacks else max(1, min(_SLICE, _CELLS // (frame.depth * len(ends))))
            for at in range(0, len(columns), size):
                result, present = call(Strided(frame, values[:, at : at + size]), args)
                parts.append(Part(side_by_side(columns[at : at + size]), result, present))
        return parts

    return compute


def instant_compute(ends: Ints, lookback: Ms) -> Compute:
    """The newest sample of each series as of each step."""
    begins = ends - lookback

    def compute(block: Block, dense: bool) -> list[Part]:  # noqa: FBT001  # given by position to a plain function
        rows = block.times.searchsorted(ends, side="right") - 1
        oldest = block.times.searchsorted(begins, side="right")
        if not dense:
            values, _, present = newest_before(block.values, rows, oldest)
            return [Part(side_by_side(block.columns), values, present)]
        near = rows >= oldest
        present = None if every(near) else near[:, None]
        return [Part(side_by_side(block.columns), take(block.values, as_rows(np.maximum(rows, 0))), present)]

    return compute


def blocks_without_gaps(block: Block, *, dense: bool) -> Sequence[Block]:
    """The samples of series that miss the same rows together."""
    if dense:
        return [block]
    missing = missing_cells(block.values)
    return split(block.columns, block.times, block.values, missing)
