"""The durable side of a store: its directory, log, blocks, and their deletion."""

from __future__ import annotations

import os
from bisect import bisect_left
from itertools import repeat
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.errors import Problem
from hypercare.tsdb.block import Block, BlockError, BlockLoader, BlockWriter, SealedRows
from hypercare.tsdb.files import lock_directory
from hypercare.tsdb.head import used_columns
from hypercare.tsdb.replay import Recovery, replay_directory
from hypercare.tsdb.rows import join_pieces, overlap
from hypercare.tsdb.wal import LogWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.options import Options
    from hypercare.tsdb.segment import DecodedCache

_PROBLEM_LIMIT: Final = 1000


class Sealing:
    """A block in the making, a few groups at a time.

    Attributes:
        start: of its span.
        end: of its span.
        taken: numbers of the late segments that it holds.

    """

    def __init__(self, directory: Path, start: Ms, end: Ms, groups: list[Group]) -> None:
        self.start = start
        self.end = end
        self.taken: set[int] = set()
        self._writer = BlockWriter(directory, start, end)
        self._waiting = groups[::-1]

    def step(self, budget: int) -> bool:
        """Write groups until a number of samples is reached; returns whether all are written.

        Raises:
            OSError: the disk is full or broken.
        """
        while self._waiting and budget > 0:
            group = self._waiting.pop()
            self.taken.update(part.late for part in group.parts if part.late and self.start <= part.first < self.end)
            pieces = rows_within(group, self.start, self.end)
            if pieces:
                self._writer.add(group.key, pieces)
            budget -= sum(piece.values.size for piece in pieces) + 1
        return not self._waiting

    def finish(self) -> Path:
        """Put the file in its place.

        Raises:
            OSError: the disk is full or broken.
        """
        return self._writer.finish()

    def abort(self) -> None:
        """Give it up."""
        self._writer.abort()


def rows_within(group: Group, start: Ms, end: Ms) -> list[SealedRows]:
    """A group's rows in memory of a span; neighbours with equal columns joined, overlapping ones merged."""
    found: list[tuple[Layout, list[Ints], list[Floats]]] = []

    def add(layout: Layout, times: Ints, values: Floats) -> None:
        if found and found[-1][0] is layout:
            found[-1][1].append(times)
            found[-1][2].append(values)
        elif layout.width:
            found.append((layout, [times], [values]))

    parts = [part for part in group.parts if part.first >= start and part.last < end]
    for part in parts:
        add(part.layout, part.times(), part.matrix())
    raw = group.raw
    overlapping = overlap(parts)
    if raw is not None:
        first = bisect_left(raw.clock, start, 0, raw.count)
        cut = bisect_left(raw.clock, end, first, raw.count)
        if first < cut:
            layout, values = used_columns(group, raw.layout, raw.values[first:cut, : raw.layout.width])
            add(layout, raw.times[first:cut], values)
            overlapping = overlapping or any(part.last >= raw.clock[first] for part in parts)
    pieces = [(layout.ids, np.concatenate(times), np.concatenate(values)) for layout, times, values in found]
    if overlapping:
        pieces = [join_pieces([each for one in found for each in zip(repeat(one[0].ids), one[1], one[2])])]
    return [SealedRows([group.series[n] for n in ids.tolist()], times, values) for ids, times, values in pieces]


class Disk:
    """Directory of a store.

    Attributes:
        blocks: open blocks, oldest first.
        recovery: what opening found in the log.
        problems: all damage and failures so far.

    """

    def __init__(
        self, directory: Path, options: Options, head: Head, group_of: Callable[[str], Group], cache: DecodedCache
    ) -> None:
        self._options = options
        self._head = head
        self._log_directory = directory / "wal"
        self._block_directory = directory / "blocks"
        self._log_directory.mkdir(parents=True, exist_ok=True)
        self._block_directory.mkdir(exist_ok=True)
        self._lock = lock_directory(directory)
        self.problems: list[Problem] = []
        self.recovery = Recovery()
        self._loader = BlockLoader(group_of, cache, self.report)
        self._sealing: Sealing | None = None
        # Since when there are rows that came late to spans whose blocks are written.
        self._late_since: Ms | None = None
        try:
            self._set_blocks(())
            self._set_blocks(self._open_blocks())
            self.sealed_until: Ms = max((block.end for block in self.blocks), default=0)
            head.min_valid = self.sealed_until or None
            files = replay_directory(self._log_directory, head, group_of, self.recovery)
        except BaseException:
            os.close(self._lock)
            raise
        self.problems.extend(self.recovery.problems)
        self.log = LogWriter(self._log_directory, files, segment_bytes=options.wal_segment_bytes, fsync=options.fsync)
        self._log_span: int | None = None

    @property
    def sealing(self) -> bool:
        """Whether a block is being written."""
        return self._sealing is not None

    @property
    def size(self) -> int:
        """Bytes of log and blocks."""
        return self.log.size + self._block_bytes

    def _set_blocks(self, blocks: tuple[Block, ...]) -> None:
        self.blocks: tuple[Block, ...] = blocks
        self._block_bytes = sum(block.size for block in blocks)

    def report(self, path: Path, message: str) -> None:
        """Note a problem; the same one is noted once."""
        problem = Problem(str(path), 0, 0, message, "")
        if problem not in self.problems and len(self.problems) < _PROBLEM_LIMIT:
            self.problems.append(problem)

    def _open_blocks(self) -> tuple[Block, ...]:
        for leftover in self._block_directory.glob("*.tmp"):
            leftover.unlink()
        found: list[Block] = []
        for path in sorted(self._block_directory.glob("*.block")):
            try:
                block = self._loader.open(path)
            except (BlockError, OSError) as err:
                self.report(path, f"the block cannot be read and is left out: {err}")
                continue
            found.append(block)
        return tuple(found)

    def flush(self, now: Ms) -> bool:
        """Write the log; a failure is reported and tried again at the next call. Returns whether it succeeded."""
        try:
            self.log.flush()
        except OSError as err:
            self.report(self._log_directory, f"the write-ahead log cannot be written: {err}")
            return False
        # One file a span, so that it can go when the block of the span is written.
        span = now // self._options.block_span
        if self._log_span is not None and self._log_span != span:
            self.log.rotate()
        self._log_span = span
        return True

    def seal(self, now: Ms) -> bool:
        """Go on writing the oldest span that is over into a block; returns whether one was completed."""
        try:
            if self._sealing is None:
                self._sealing = self._begin(now)
            if self._sealing is None or not self._sealing.step(self._options.seal_budget):
                return False
            sealing, self._sealing = self._sealing, None
            self._publish(sealing)
        except (OSError, BlockError) as err:
            self.report(self._block_directory, f"a block cannot be written: {err}")
            if self._sealing is not None:
                self._sealing.abort()
                self._sealing = None
            return False
        return True

    def _begin(self, now: Ms) -> Sealing | None:
        """The next block to be written, if one is due: first what came late to spans before it."""
        head, span = self._head, self._options.block_span
        closed = head.min_valid
        oldest: list[Ms] = []
        late: list[Ms] = []
        for group in head.active.values():
            if group.raw is not None and group.raw.count:
                oldest.append(group.raw.clock[0])
            for part in group.parts:
                (late if closed is not None and part.first < closed else oldest).append(part.first)
        start = min(oldest) // span * span if oldest else None
        # Half a span of grace, as late rows are refused once their block is begun.
        due = start is not None and now >= start + span + span // 2
        if not late:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        if late and self._late_since is not None and (due or now >= self._late_since + span // 2):
            start = min(late) // span * span
        elif not due or start is None:
            return None
        head.min_valid = max(start + span, closed or 0)
        return Sealing(self._block_directory, start, start + span, list(head.active.values()))

    def _publish(self, sealing: Sealing) -> None:
        try:
            block = self._loader.open(sealing.finish())
        except OSError:
            sealing.abort()
            raise
        taken = frozenset(sealing.taken)
        # No reader may see the rows twice, or not at all.
        with self._head.lock:
            self._set_blocks(tuple(sorted((*self.blocks, block), key=lambda each: (each.start, each.path.name))))
            self.sealed_until = max(self.sealed_until, sealing.end)
            for group in list(self._head.active.values()):
                self._head.trim(group, sealing.end, exact=True, taken=taken)
        waiting = [part.late for group in self._head.active.values() for part in group.parts if part.late]
        self.log.delete_before(self.sealed_until, min(waiting, default=self._head.late + 1))

    def expire(self, now: Ms) -> bool:
        """Delete blocks beyond retention; returns whether any went."""
        limit = self._options.retention_bytes
        kept = list(self.blocks)
        while kept and (kept[0].last < now - self._options.retention or (limit and self.size_of(kept) > limit)):
            try:
                kept[0].path.unlink(missing_ok=True)
            except OSError as err:
                self.report(kept[0].path, f"cannot be deleted: {err}")
                break
            del kept[0]
        gone = len(kept) < len(self.blocks)
        self._set_blocks(tuple(kept))
        return gone

    def size_of(self, blocks: list[Block]) -> int:
        """Bytes that count against ``retention_bytes``."""
        return self.log.size + sum(block.size for block in blocks)

    def forget_columns(self) -> None:
        """Hear that column numbers were given up."""
        self._loader.forget()

    def close(self) -> None:
        """Write what is left and let the directory go."""
        if self._sealing is not None:
            self._sealing.abort()
            self._sealing = None
        try:
            self.log.close()
        except OSError as err:
            self.report(self._log_directory, f"the write-ahead log cannot be written: {err}")
        os.close(self._lock)
