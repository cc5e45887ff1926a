"""A block in the making, written piece by piece so that no call takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypercare.model.samples import Ints
    from hypercare.tsdb.blockwriter import BlockWriter


class BlockWork:
    """Writes a block as far as it is let.

    Args:
        writer: of the block.
        work: writes to it, and yields how many cells it has just written.

    """

    def __init__(self, writer: BlockWriter, work: Iterator[int]) -> None:
        self._writer = writer
        self._work = work

    def step(self, budget: int) -> bool:
        """Write until a number of cells is reached; returns whether all are written.

        Raises:
            OSError: the disk is full or broken.
        """
        while budget > 0:
            cells = next(self._work, None)
            if cells is None:
                return True
            budget -= cells
        return False

    def finish(self) -> Path | None:
        """Put the file in its place; none where nothing is left to be written.

        Raises:
            OSError: the disk is full or broken.
        """
        if self._writer.empty:
            self._writer.abort()
            return None
        return self._writer.finish()

    @property
    def learned(self) -> list[tuple[str, str, Ints]]:
        """What the tables of the new block are."""
        return self._writer.learned

    def abort(self) -> None:
        """Give it up."""
        self._writer.abort()
