"""Blocks: sealed rows of all groups in one file per span of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.tsdb.segment import Segment


class Block:
    """Rows of a span, by group."""

    def __init__(self, span: tuple[Ms, Ms], segments: dict[int, tuple[Segment, ...]]) -> None:
        self.first, self.last = span
        self._segments = segments

    def segments(self, gid: int) -> tuple[Segment, ...]:
        """The rows of a group, oldest first."""
        return self._segments.get(gid, ())
