"""The durable side of a store: its directory, log, blocks, and their deletion."""

from __future__ import annotations

import os
import shutil
from bisect import bisect_left
from itertools import repeat
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.errors import Problem
from hypercare.model.time import DAY
from hypercare.tsdb.blockfile import BlockError
from hypercare.tsdb.blockloader import BlockLoader
from hypercare.tsdb.blockwriter import BlockWriter, SealedRows, number_of
from hypercare.tsdb.files import lock_directory
from hypercare.tsdb.layout import as_slots
from hypercare.tsdb.merge import Merging, plan_merge
from hypercare.tsdb.replay import Recovery, replay_directory
from hypercare.tsdb.rows import join_pieces, overlap
from hypercare.tsdb.shapes import used_columns
from hypercare.tsdb.tombstones import read_tombstones, tombstones_path, write_tombstones
from hypercare.tsdb.wal import LogWriter
from hypercare.tsdb.work import BlockWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.block import Block
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.head import Head
    from hypercare.tsdb.layout import Layout
    from hypercare.tsdb.options import Options
    from hypercare.tsdb.segment import DecodedCache
    from hypercare.tsdb.tombstones import Tombstone

_PROBLEM_LIMIT: Final = 1000
_MERGE_COST: Final = 2
"""How much longer a sample takes to be merged, which is to be kept for long, than to be sealed."""


class Sealing(BlockWork):
    """A block in the making out of rows in memory, a few groups at a time.

    Attributes:
        start: of its span.
        end: of its span.
        taken: numbers of the late segments that it holds.

    """

    def __init__(self, directory: Path, start: Ms, end: Ms, number: int, groups: list[Group]) -> None:
        self.start = start
        self.end = end
        self.taken: set[int] = set()
        super().__init__(BlockWriter(directory, start, end, number), self._run(groups))

    def _run(self, groups: list[Group]) -> Iterator[int]:
        for group in groups:
            self.taken.update(part.late for part in group.parts if part.late and self.start <= part.first < self.end)
            pieces = rows_within(group, self.start, self.end)
            if pieces:
                yield from self._writer.add(group.key, pieces)
            yield 1


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
    return [
        SealedRows([group.series[n] for n in ids.tolist()], ids, times, _columns_of(values))
        for ids, times, values in pieces
    ]


def _columns_of(values: Floats) -> Callable[[Ints], Floats]:
    return lambda columns: values[:, as_slots(columns)]


def delete_block(path: Path) -> None:
    """Delete a block file and what is beside it.

    Raises:
        OSError: as the system says.
    """
    path.unlink(missing_ok=True)
    tombstones_path(path).unlink(missing_ok=True)


class Disk:
    """Directory of a store.

    Attributes:
        blocks: open blocks, oldest first; replaced as a whole, under the head's lock.
        version: how many times they were.
        recovery: what opening found in the log.
        problems: all damage and failures so far.

    """

    def __init__(
        self,
        directory: Path,
        options: Options,
        head: Head,
        group_of: Callable[[str], Group],
        cache: DecodedCache,
        erase: Callable[[Tombstone], object],
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
        self._merging: Merging | None = None
        # Of the newest block file.
        self._number = 0
        self.version = 0
        # Blocks with damage, which stay as they are; blocks to be written anew without what is deleted.
        self._unmergeable: set[str] = set()
        self._unclean: set[str] = set()
        # Since when there are rows that came late to spans whose blocks are written.
        self._late_since: Ms | None = None
        try:
            self._set_blocks(())
            self._set_blocks(self._open_blocks())
            self.sealed_until: Ms = max((block.end for block in self.blocks), default=0)
            head.min_valid = self.sealed_until or None
            files = replay_directory(self._log_directory, head, group_of, erase, self.recovery)
        except BaseException:
            os.close(self._lock)
            raise
        self.problems.extend(self.recovery.problems)
        self.log = LogWriter(self._log_directory, files, segment_bytes=options.wal_segment_bytes, fsync=options.fsync)

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
        self.version += 1
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
            try:
                block = block.with_tombstones(read_tombstones(path))
            except (ValueError, OSError) as err:
                self.report(tombstones_path(path), str(err))
            found.append(block)
        replaced = {name for block in found for name in block.replaces}
        self._number = max((number_of(block.path.name) for block in found), default=0)
        for block in found:
            # A crash came between the new file and the deletion of the old ones.
            if block.path.name in replaced:
                delete_block(block.path)
        for path in self._block_directory.glob("*.tombstones"):
            if not path.with_suffix(".block").exists():
                path.unlink()
        return tuple(block for block in found if block.path.name not in replaced)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def write_out(self) -> bool:
        """Give the log to the system without waiting for the disk; a failure is reported and tried again later."""
        try:
            self.log.flush(sync=False)
        except OSError as err:
            self.report(self._log_directory, f"the write-ahead log cannot be written: {err}")
            return False
        return True

    def flush(self, now: Ms) -> bool:
        """Write the log; a failure is reported and tried again at the next call. Returns whether it succeeded."""
        try:
            self.log.flush()
        except OSError as err:
            self.report(self._log_directory, f"the write-ahead log cannot be written: {err}")
            return False
        # So that a file can go when the block of its span is written.
        self.log.keep_apart(now, self._options.block_span)
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
                (late if part.late and closed is not None and part.first < closed else oldest).append(part.first)
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
        return Sealing(self._block_directory, start, start + span, self._next_number(), list(head.active.values()))

    def _publish(self, sealing: Sealing) -> None:
        try:
            path = sealing.finish()
            self._loader.learn(sealing.learned)
            added = () if path is None else (self._loader.open(path),)
        except OSError:
            sealing.abort()
            raise
        taken = frozenset(sealing.taken)
        # No reader may see the rows twice, or not at all.
        with self._head.lock:
            self._set_blocks(tuple(sorted((*self.blocks, *added), key=lambda each: (each.start, each.path.name))))
            self.sealed_until = max(self.sealed_until, sealing.end)
            for group in list(self._head.active.values()):
                self._head.trim(group, sealing.end, exact=True, taken=taken)
        waiting = [part.late for group in self._head.active.values() for part in group.parts if part.late]
        self.log.delete_before(self.sealed_until, min(waiting, default=self._head.late + 1))

    def merge(self) -> bool:
        """Go on merging blocks; returns whether a merge was completed."""
        try:
            if self._merging is None:
                self._merging = self._begin_merge()
            if self._merging is None or not self._merging.step(self._options.seal_budget // _MERGE_COST):
                return False
            merging, self._merging = self._merging, None
            return self._replace(merging)
        except (OSError, BlockError) as err:
            self.report(self._block_directory, f"a block cannot be written: {err}")
            self.abort(sealing=False)
            return False

    def _begin_merge(self) -> Merging | None:
        usable = [block for block in self.blocks if block.path.name not in self._unmergeable]
        unclean = [block for block in usable if block.path.name in self._unclean]
        limit = self._options.merge_span or min(31 * DAY, self._options.retention // 10)
        chosen = unclean[:1] or plan_merge(usable, self._options.block_span, limit)
        return Merging(self._block_directory, chosen, self._next_number(), limit) if chosen else None

    def _replace(self, merging: Merging) -> bool:
        """Put the new block in the place of the old ones."""
        if merging.harmed:
            # What cannot be read now may be readable another time, or by other means.
            merging.abort()
            self._unmergeable.update(block.path.name for block in merging.blocks)
            return False
        try:
            path = merging.finish()
            self._loader.learn(merging.learned)
            added = [] if path is None else [self._loader.open(path)]
        except OSError:
            merging.abort()
            raise
        gone = frozenset(block.path for block in merging.blocks)
        with self._head.lock:
            kept = [block for block in self.blocks if block.path not in gone]
            self._set_blocks(tuple(sorted([*kept, *added], key=lambda each: (each.start, each.path.name))))
        for block in merging.blocks:
            self._unclean.discard(block.path.name)
            block.unlink_when_unused()
        return True

    def abort(self, *, sealing: bool = True) -> None:
        """Give up what is being written; it is begun anew later."""
        if self._merging is not None:
            self._merging.abort()
            self._merging = None
        if sealing and self._sealing is not None:
            self._sealing.abort()
            self._sealing = None

    @property
    def busy(self) -> bool:
        """Whether there is work that could go on at once."""
        return self._sealing is not None or self._merging is not None

    def bury(self, tombstone: Tombstone, concerned: Callable[[Block], bool]) -> None:
        """Delete samples of all blocks.

        Raises:
            OSError: a tombstone cannot be written; those of older blocks are.
        """
        changed: list[Block] = []
        try:
            for block in self.blocks:
                if block.first <= tombstone.end and block.last >= tombstone.start and concerned(block):
                    tombstones = (*block.tombstones, tombstone)
                    write_tombstones(block.path, tombstones)
                    changed.append(block.with_tombstones(tombstones))
        finally:
            by_path = {block.path: block for block in changed}
            with self._head.lock:
                self._set_blocks(tuple(by_path.get(block.path, block) for block in self.blocks))

    def clean(self) -> int:
        """Have blocks with tombstones written anew by the next calls of ``merge``; returns how many there are."""
        self._unclean = {block.path.name for block in self.blocks if block.tombstones}
        return len(self._unclean)

    def link_to(self, directory: Path) -> None:
        """Put hard links of all blocks, and a copy of the log, into a new directory.

        Raises:
            OSError: as the system says; another file system cannot have hard links.
        """
        (directory / "blocks").mkdir(parents=True)
        (directory / "wal").mkdir()
        for block in self.blocks:
            os.link(block.path, directory / "blocks" / block.path.name)
            if block.tombstones:
                beside = tombstones_path(block.path)
                os.link(beside, directory / "blocks" / beside.name)
        self.log.flush()
        # Log files grow and are cut: links would change with them.
        for file in self.log.files:
            shutil.copyfile(file.path, directory / "wal" / file.path.name)

    def expire(self, now: Ms) -> bool:
        """Delete blocks beyond retention; returns whether any went."""
        limit = self._options.retention_bytes
        kept = list(self.blocks)
        while kept:
            oldest = min(kept, key=lambda block: block.last)
            if oldest.last >= now - self._options.retention and not (limit and self.size_of(kept) > limit):
                break
            if self._merging is not None and oldest in self._merging.blocks:
                self.abort(sealing=False)
            try:
                delete_block(oldest.path)
            except OSError as err:
                self.report(oldest.path, f"cannot be deleted: {err}")
                break
            kept.remove(oldest)
        gone = len(kept) < len(self.blocks)
        if gone:
            with self._head.lock:
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
        self.abort()
        try:
            self.log.close()
        except OSError as err:
            self.report(self._log_directory, f"the write-ahead log cannot be written: {err}")
        os.close(self._lock)
