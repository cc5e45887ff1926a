"""Reading everything in a block, to tell what of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypercare.model.samples import is_absent

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms
    from hypercare.tsdb.block import Block
    from hypercare.tsdb.segment import Segment


class GroupCheck(NamedTuple):
    """What a block holds of one target or other group.

    Attributes:
        key: the group's name.
        series: columns, those of native histograms counted one by one.
        samples: that can be read.
        lost: that cannot, at most (a series may have had no sample in some rows).
        size: bytes of its times and values.

    """

    key: str
    series: int
    samples: int
    lost: int
    size: int


class BlockCheck(NamedTuple):
    """What a block holds.

    Attributes:
        name: of the file.
        size: bytes.
        first: time of the oldest row, ms.
        last: time of the newest row, ms.

    """

    name: str
    size: int
    first: Ms
    last: Ms
    groups: tuple[GroupCheck, ...]

    @property
    def series(self) -> int:
        """Columns of all groups."""
        return sum(group.series for group in self.groups)

    @property
    def samples(self) -> int:
        """Samples that can be read."""
        return sum(group.samples for group in self.groups)

    @property
    def lost(self) -> int:
        """Samples that cannot, at most."""
        return sum(group.lost for group in self.groups)


def verify_block(block: Block, name_of: Callable[[int], str]) -> BlockCheck:
    """Read every piece of a block; damage also goes where the store reports it.

    Args:
        block: an open block.
        name_of: the name of a group by its number.

    """
    groups = tuple(_verify_group(block, gid, name_of(gid)) for gid in block.groups)
    return BlockCheck(block.path.name, block.size, block.first, block.last, groups)


def _verify_group(block: Block, gid: int, key: str) -> GroupCheck:
    samples = lost = size = readable = 0
    for segment in block.segments(gid):
        found, gone = _verify_segment(block, segment)
        samples += found
        lost += gone
        size += segment.source.stored
        readable += segment.rows * segment.layout.width
    # Segments of a directory that cannot be read are not even listed.
    lost += block.cells(gid) - readable
    series = len({number for layout in block.layouts(gid) for number in layout.ids.tolist()})
    return GroupCheck(key, series, samples, lost, size)


def _verify_segment(block: Block, segment: Segment) -> tuple[int, int]:
    """Samples that are there, and cells that cannot be read."""
    before = block.failures
    rows = len(segment.times())
    there = ~is_absent(segment.matrix())
    if not rows:
        return 0, segment.rows * segment.layout.width
    counts = there.sum(axis=0)
    # Columns that cannot be read have no samples; others have none only where they are deleted.
    empty = int(np.count_nonzero((counts == 0) & ~segment.gone)) if block.failures > before else 0
    return int(counts.sum()), empty * segment.rows
