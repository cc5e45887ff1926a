"""Blocks: sealed rows of all groups in one file per span of time.

A file is ``HCBLOCK4``, pieces, index, footer. Pieces are pages of columns, times, tables of label sets and one
directory per group; each is found by offset, length and CRC-32. The index (JSON under zstd) is read when the store
opens; tables where one is not known from another block; directories when a query first needs the group; pages when
it needs the columns.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hypercare.model.matchers import matches_all
from hypercare.tsdb.blockfile import BlockError, FilePages, place_of, unpack
from hypercare.tsdb.fields import is_field, owner_of
from hypercare.tsdb.segment import Dead, Segment
from hypercare.tsdb.tombstones import tombstones_path

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.model.samples import Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.blockfile import BlockFile, Place
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.segment import DecodedCache
    from hypercare.tsdb.tombstones import Tombstone


class SegmentHead(NamedTuple):
    """What the index says of one segment."""

    first: Ms
    last: Ms
    rows: int
    page_columns: int
    layout: Layout


def _pages_of(file: BlockFile, head: SegmentHead, times: Any, pages: Any) -> FilePages:
    """The pages of a segment, as a directory has them.

    Raises:
        BlockError: it has them not as it should.
    """
    if len(pages) != -(-head.layout.width // head.page_columns):
        raise BlockError("another number of pages than the index says")
    return FilePages(file, head.rows, place_of(times), [place_of(page) for page in pages])


def _places(steps: Any, width: int) -> Ints:
    """Where each column stands in the pages, of the steps from one to the next as they stand there.

    Raises:
        BlockError: they do not lead to every column once.
    """
    if not isinstance(steps, list) or len(steps) != width or any(type(step) is not int for step in steps):
        raise BlockError("the order of columns is not one of as many as there are")
    order = list(itertools.accumulate(steps))
    if sorted(order) != list(range(width)):
        raise BlockError("the order of columns does not name each once")
    places = np.empty(width, dtype=np.int64)
    places[order] = np.arange(width)
    return places


class Block:
    """An open block.

    Attributes:
        start: start of its span, ms.
        end: end of its span (exclusive), ms.
        first: time of its oldest row.
        last: time of its newest row.
        size: bytes on disk.
        replaces: names of the files whose rows it took over.
        tombstones: what is deleted of it.

    """

    def __init__(self, file: BlockFile, index: dict[str, Any], size: int, cache: DecodedCache) -> None:
        self._file = file
        self._cache = cache
        self.start, self.end = (int(t) for t in index["span"])
        self.first, self.last = int(index["first"]), int(index["last"])
        self.replaces = tuple(str(name) for name in index["replaces"])
        self.size = size
        self.tombstones: tuple[Tombstone, ...] = ()
        self._groups: dict[int, Group] = {}
        self._heads: dict[int, tuple[tuple[SegmentHead, ...], Place]] = {}
        self._segments: dict[int, tuple[Segment, ...]] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def members(self) -> list[Group]:
        """The groups that have rows in it."""
        return list(self._groups.values())

    @property
    def failures(self) -> int:
        """How many times a part of it could not be read."""
        return self._file.failures

    def hold(self) -> None:
        """Keep the file open, so that all of it can be read whoever deletes it.

        Raises:
            OSError: it cannot be opened.
        """
        self._file.hold()

    def adopt(self, group: Group, heads: tuple[SegmentHead, ...], directory: Place) -> None:
        """Learn where a group's rows are."""
        self._groups[group.gid] = group
        self._heads[group.gid] = (heads, directory)

    def with_tombstones(self, tombstones: tuple[Tombstone, ...]) -> Block:
        """The same block with other cells deleted; who holds this one goes on as before."""
        other = copy.copy(self)
        other.tombstones = tombstones
        other._segments = {}  # noqa: SLF001  (a copy of ourselves)
        return other

    def layouts(self, gid: int) -> list[Layout]:
        """The layouts of a group's rows."""
        found = self._heads.get(gid)
        return [] if found is None else [head.layout for head in found[0]]

    @property
    def groups(self) -> list[int]:
        """The numbers of the groups that have rows in it."""
        return sorted(self._heads)

    def cells(self, gid: int) -> int:
        """Rows times columns of a group."""
        return sum(head.rows * head.layout.width for head in self._heads[gid][0])

    def segments(self, gid: int) -> tuple[Segment, ...]:
        """The rows of a group, oldest first."""
        found = self._segments.get(gid)
        if found is None:
            # Two threads may do this at once; both come to the same and one of them stays.
            found = self._segments.setdefault(gid, self._load(gid)) if gid in self._heads else ()
        return found

    def unlink_when_unused(self) -> None:
        """Delete the file as soon as no reader holds the block any more."""
        weakref.finalize(self._file, _unlink, self.path)

    def _load(self, gid: int) -> tuple[Segment, ...]:
        heads, place = self._heads[gid]
        text = self._file.try_piece(place)
        if text is None:
            return ()
        segments: list[Segment] = []
        try:
            directory = unpack(text)
            for head, (times, pages, listed, *steps) in zip(heads, directory, strict=True):
                holes = None
                if listed:
                    holes = np.zeros(head.layout.width, dtype=np.bool_)
                    holes[listed] = True
                source = _pages_of(self._file, head, times, pages)
                span, columns = (head.first, head.last), head.page_columns
                places = _places(steps[0], head.layout.width) if steps and steps[0] != [] else None
                segment = Segment(
                    head.layout, span, head.rows, holes, source, self._cache, columns=columns, places=places
                )
                self._bury(self._groups[gid], segment)
                segments.append(segment)
        except (ValueError, TypeError, IndexError) as err:
            self._file.report(self.path, f"the directory of a group cannot be read: {err}")
        return tuple(segments)

    def _bury(self, group: Group, segment: Segment) -> None:
        """Apply the tombstones to a segment."""
        for tombstone in self.tombstones:
            if tombstone.end < segment.first or tombstone.start > segment.last:
                continue
            columns = np.array([_concerned(tombstone, group, n) for n in segment.layout.ids.tolist()], dtype=np.bool_)
            if columns.any():
                times = segment.times()
                first, behind = np.searchsorted(times, (tombstone.start, tombstone.end + 1)).tolist()
                if first < behind:
                    segment.kill(Dead(columns, first, behind))


def _concerned(tombstone: Tombstone, group: Group, number: int) -> bool:
    labels = group.series.get(number)
    if labels is None:
        return False
    return matches_all(tombstone.matchers, owner_of(labels)[0] if is_field(labels) else labels)


def _unlink(path: Path) -> None:
    # Nothing can be told at this point; what stays is deleted when the store opens, as its successor names it.
    # The tombstones go last: without them what was deleted would be back if only they were gone.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        tombstones_path(path).unlink(missing_ok=True)
