"""Opening blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hypercare.model.labels import Labels
from hypercare.tsdb.block import Block, SegmentHead
from hypercare.tsdb.blockfile import FOOTER, READ, BlockError, BlockFile, place_of, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypercare.model.samples import Ints
    from hypercare.tsdb.blockfile import Place
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.segment import DecodedCache


class BlockLoader:
    """Opens block files; remembers label tables, which are mostly the same from block to block."""

    def __init__(
        self, group_of: Callable[[str], Group], cache: DecodedCache, report: Callable[[Path, str], None]
    ) -> None:
        self._group_of = group_of
        self._cache = cache
        self._report = report
        self._layouts: dict[tuple[str, str], Layout] = {}

    def open(self, path: Path) -> Block:
        """Read the index of a block.

        Raises:
            BlockError: the file is damaged where it matters.
            OSError: as the system says.
        """
        size = path.stat().st_size
        with path.open("rb", buffering=0) as raw:
            raw.seek(max(size - FOOTER.size, 0))
            footer = raw.read(FOOTER.size)
        if len(footer) < FOOTER.size or not footer.endswith(READ):
            msg = "the file does not end as a block does"
            raise BlockError(msg)
        offset, length, checksum, _ = FOOTER.unpack(footer)
        file = BlockFile(path, self._report)
        index = unpack(file.piece((offset, length, checksum)))
        try:
            block = Block(file, index, size, self._cache)
            if not path.name.startswith(f"{block.start:013d}-{block.end:013d}"):
                raise BlockError(f"the block is of the span from {block.start} to {block.end}, not of that of its name")
            tables = _Tables(file, index["tables"])
            for key, heads, *directory in index["groups"]:
                self._open_group(tables, block, str(key), heads, place_of(directory))
        except (ValueError, KeyError, TypeError, IndexError) as err:
            raise BlockError(str(err)) from err
        return block

    def _open_group(self, tables: _Tables, block: Block, key: str, heads: list[Any], directory: Place) -> None:
        group = self._group_of(key)
        found: list[SegmentHead] = []
        for first, last, rows, width, columns, piece, place, digest in heads:
            layout = self._layouts.get((key, digest))
            if layout is None:
                table = tables.table(piece, place)
                if table is None:
                    return
                numbers = [group.column(Labels(pairs)) for pairs in table]
                layout = group.layout(np.array(numbers, dtype=np.int64))
                self._layouts[key, digest] = layout
            if rows < 1 or columns < 1 or first > last:
                raise BlockError("the index says of a segment what cannot be")
            if layout.width != width:
                raise BlockError("a table of label sets has another length than the index says")
            found.append(SegmentHead(first, last, rows, columns, layout))
        block.adopt(group, tuple(found), directory)

    def learn(self, learned: Sequence[tuple[str, str, Ints]]) -> None:
        """Hear what the tables of a block are that was just written, so that they need not be read."""
        for key, digest, ids in learned:
            if (key, digest) not in self._layouts:
                self._layouts[key, digest] = self._group_of(key).layout(ids)

    def forget(self) -> None:
        """Forget label tables, whose column numbers may have been given up."""
        self._layouts.clear()


class _Tables:
    """The tables of label sets of a block, read as they are needed."""

    def __init__(self, file: BlockFile, places: list[Any]) -> None:
        self._file = file
        self._places = places
        self._read: dict[int, Any] = {}

    def table(self, piece: int, place: int) -> Any | None:
        """One table, or none where it cannot be read."""
        if piece not in self._read:
            packed = self._file.try_piece(place_of(self._places[piece]))
            self._read[piece] = None if packed is None else unpack(packed)
        tables = self._read[piece]
        return None if tables is None else tables[place]
