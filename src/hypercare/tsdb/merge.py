"""Merging of blocks: overlapping ones, and those of a longer span when it is over.

The new file is complete before the old ones go; it names them, so that a crash in between leaves nothing twice.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.samples import ABSENT, is_absent
from hypercare.model.time import DAY
from hypercare.tsdb.blockwriter import BlockWriter, SealedRows
from hypercare.tsdb.chunks import Effort
from hypercare.tsdb.work import BlockWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.block import Block
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.segment import Segment

_STEPS: Final = (3, 4)
"""How many times longer the next spans are; the last ones three times again. Blocks of two hours become days."""
_FILL: Final = 0.5
"""Share of cells with a sample from which on rows with different columns become one matrix."""


def plan_merge(blocks: Sequence[Block], span: Ms, limit: Ms) -> list[Block]:
    """The blocks to merge next; empty where there are none.

    Args:
        blocks: all, oldest first.
        span: of the shortest blocks.
        limit: blocks do not become longer than this.
    """
    for at, block in enumerate(blocks[:-1]):
        together = [block]
        for other in blocks[at + 1 :]:
            if other.start < max(each.end for each in together):
                together.append(other)
        if len(together) > 1:
            return together
    steps = itertools.chain(_STEPS, itertools.repeat(_STEPS[0]))
    length = span * next(steps)
    newest = max((block.end for block in blocks), default=0)
    while length <= limit:
        windows: dict[int, list[Block]] = {}
        for block in blocks:
            window = block.start // length
            if block.end - block.start < length and block.end <= (window + 1) * length <= newest:
                windows.setdefault(window, []).append(block)
        for found in windows.values():
            if len(found) > 1:
                return found
        length *= next(steps)
    return []


class Merging(BlockWork):
    """A block in the making out of others.

    Args:
        directory: of the blocks.
        blocks: to merge.
        number: of the new one.
        limit: blocks do not become longer than this.

    Attributes:
        blocks: that it will replace.

    """

    def __init__(self, directory: Path, blocks: Sequence[Block], number: int, limit: Ms) -> None:
        self.blocks = tuple(blocks)
        self._failures = self._count_failures()
        names = [block.path.name for block in blocks]
        # A file that they replaced stays while readers hold it; after a crash nobody else would know that it is over.
        names += [name for block in blocks for name in block.replaces if (directory / name).exists()]
        start, end = min(block.start for block in blocks), max(block.end for block in blocks)
        # What is merged again soon is not worth every effort.
        effort = Effort.THOROUGH if end - start >= min(DAY, limit // _STEPS[1]) else Effort.FAIR
        super().__init__(BlockWriter(directory, start, end, number, names, effort), self._run())

    @property
    def harmed(self) -> bool:
        """Whether a part of a block could not be read: it must not go with the old file."""
        return self._count_failures() != self._failures

    def _run(self) -> Iterator[int]:
        groups: dict[int, Group] = {group.gid: group for block in self.blocks for group in block.members}
        for gid, group in groups.items():
            pieces = merged_rows(group, [part for block in self.blocks for part in block.segments(gid)])
            if pieces:
                yield from self._writer.add(group.key, pieces)

    def _count_failures(self) -> int:
        return sum(block.failures for block in self.blocks)


def merged_rows(group: Group, segments: list[Segment]) -> list[SealedRows]:
    """The rows of segments as few matrices, without what is deleted."""
    clusters: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda each: each.first):
        if clusters and (_reaches(clusters[-1], segment) or _fits(clusters[-1], segment)):
            clusters[-1].append(segment)
        else:
            clusters.append([segment])
    found = [_join(group, cluster) for cluster in clusters]
    return [rows for rows in found if rows is not None]


def _reaches(cluster: list[Segment], segment: Segment) -> bool:
    return segment.first <= max(each.last for each in cluster)


def _fits(cluster: list[Segment], segment: Segment) -> bool:
    joined = [*cluster, segment]
    if all(each.layout is segment.layout for each in cluster):
        return True
    union = len(np.unique(np.concatenate([each.layout.ids for each in joined])))
    cells = sum(each.rows * each.layout.width for each in joined)
    return cells >= _FILL * union * sum(each.rows for each in joined)


def _join(group: Group, cluster: list[Segment]) -> SealedRows | None:
    ids: dict[int, None] = {}
    for segment in cluster:
        ids.update(dict.fromkeys(segment.layout.ids[~segment.gone].tolist()))
    clocks = [segment.times() for segment in cluster]
    # A part that cannot be read has no times.
    readable = [(segment, times) for segment, times in zip(cluster, clocks, strict=True) if len(times)]
    if not ids or not readable:
        return None
    times = np.unique(np.concatenate([times for _, times in readable]))
    numbers = np.array(list(ids), dtype=np.int64)
    sources = [_source(segment, numbers, np.searchsorted(times, clock)) for segment, clock in readable]

    def cells(columns: Ints) -> Floats:
        out = np.full((len(columns), len(times)), ABSENT)
        for read in sources:
            read(out, columns)
        return out.T

    return SealedRows([group.series[number] for number in ids], numbers, times, cells)


def _source(segment: Segment, numbers: Ints, rows: Ints) -> Callable[[Floats, Ints], None]:
    """A function that puts the cells of a segment among those of some columns."""
    order = np.argsort(segment.layout.ids, kind="stable")
    place = np.searchsorted(segment.layout.ids[order], numbers)
    slots = order[np.minimum(place, len(order) - 1)]
    here = segment.layout.ids[slots] == numbers

    def put(out: Floats, among: Ints) -> None:
        columns = np.flatnonzero(here[among])
        if not len(columns):
            return
        wanted = slots[among[columns]]
        ascending = np.argsort(wanted)
        found = segment.read(wanted[ascending], 0, segment.rows).T
        where = np.ix_(columns[ascending], rows)
        there = out[where]
        out[where] = np.where(is_absent(there), found, there)

    return put
