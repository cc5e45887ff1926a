"""The store: what the rest of the house sees of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from hypercare.model.samples import is_absent
from hypercare.tsdb.deletion import delete_cells, with_fields
from hypercare.tsdb.disk import Disk
from hypercare.tsdb.fields import START
from hypercare.tsdb.group import Group
from hypercare.tsdb.head import Head
from hypercare.tsdb.index import Index
from hypercare.tsdb.options import AppendResult, Options
from hypercare.tsdb.replay import Recovery
from hypercare.tsdb.segment import DecodedCache
from hypercare.tsdb.snapshot import Size, Snapshot, Totals
from hypercare.tsdb.tail import LogTail, MemoryLog, MemoryTail
from hypercare.tsdb.tombstones import Tombstone
from hypercare.tsdb.verify import verify_block
from hypercare.tsdb.write import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from hypercare.model.errors import Problem
    from hypercare.model.histograms import Histogram
    from hypercare.model.ingest import WriteBatch, WriteResult
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.tail import Position, Tail
    from hypercare.tsdb.verify import BlockCheck


class Tsdb:
    """Metrics of one process: one thread writes, any thread reads snapshots. Made by :meth:`open`."""

    def __init__(self, directory: Path | None, options: Options) -> None:
        self._options = options
        self._cache = DecodedCache(options.cache_bytes)
        self._index = Index()
        # Groups with series are held by the index, new ones by whoever asked for them.
        self._groups: WeakValueDictionary[str, Group] = WeakValueDictionary()
        self._next_gid = 0
        self._snapshot: Snapshot | None = None
        # Whether series without samples were kept because they are new.
        self._spared = False
        self._head = Head(options, self._cache, None, options.block_span if directory is not None else 0)
        self._head.reader = self._read
        self._writer = Writer(self._head, self.group, self._index.groups)
        self._disk: Disk | None = None
        if directory is not None:
            self._disk = Disk(directory, options, self._head, self.group, self._cache, self._erase)
            self._head.journal = self._disk.log

    @classmethod
    def open(cls, directory: Path | None, options: Options | None = None) -> Self:
        """Open the store in a directory, or an empty one in memory alone (no log, no blocks).

        Damage found is in :attr:`problems`; the store works on with what is whole.

        Raises:
            InputError: another process uses the directory.
            OSError: the directory cannot be read or written.
        """
        return cls(directory, options or Options())

    @property
    def problems(self) -> list[Problem]:
        """Damage and failed writes since the store was opened, oldest first."""
        return [] if self._disk is None else list(self._disk.problems)

    def verify(self) -> list[BlockCheck]:
        """Read everything in every block, oldest first; damage found goes to :attr:`problems` too."""
        keys = {group.gid: group.key for group in self._index.groups()}
        blocks = () if self._disk is None else self._disk.blocks
        return [verify_block(block, lambda gid: keys.get(gid, "")) for block in blocks]

    @property
    def recovery(self) -> Recovery:
        """What opening brought back from the log."""
        return Recovery() if self._disk is None else self._disk.recovery

    def hold(self) -> None:
        """Keep all block files open, so that they can be read whoever deletes them from now on.

        Raises:
            OSError: one cannot be opened, as it is gone already.
        """
        for block in () if self._disk is None else self._disk.blocks:
            block.hold()

    def group(self, key: str) -> Group:
        """The group of this name; a new one where there is none yet."""
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = Group(key, self._next_gid, self._index.add, self._index.add_field)
            self._next_gid += 1
        return found

    def append(
        self,
        group: Group,
        at: Ms,
        columns: Ints | Sequence[int],
        values: Floats | Sequence[float],
        *,
        stale: Sequence[int] = (),
        histograms: Sequence[tuple[int, Histogram]] = (),
        starts: Sequence[tuple[int, Ms]] = (),
    ) -> AppendResult:
        """Append one row to a group.

        A sample that is not newer than the newest of its series is refused, but within the out-of-order window.

        The fast path is taken when ``columns`` is the very array (int64) of the group's last row; an array that
        was passed becomes read-only.

        Args:
            group: from :meth:`group`.
            at: the time of the row.
            columns: column numbers, each at most once; series that are not named have no sample in this row.
            values: their values, float64; ``STALE`` and ``ABSENT`` keep their meaning.
            stale: more columns, which get a staleness marker.
            histograms: columns of series whose sample in this row is a native histogram, and not a value.
            starts: columns of series of which it is known when their counting began, and that time, ms.

        Raises:
            LookupError: a column number is unknown or was retired (see ``Group.generation``).
            ValueError: columns and values differ in length, or a column is named twice.
        """
        if not histograms and not starts:
            return self._head.append(group, at, columns, values, stale)
        numbers = np.asarray(columns, dtype=np.int64)
        joined = [numbers]
        cells = [np.asarray(values, dtype=np.float64)]
        for column, histogram in histograms:
            fields, found = group.histogram(column, histogram)
            joined.append(fields)
            cells.append(found)
        if starts:
            joined.append(np.array([group.field(column, START) for column, _ in starts], dtype=np.int64))
            cells.append(np.array([start for _, start in starts], dtype=np.float64))
        result = self._head.append(group, at, np.concatenate(joined), np.concatenate(cells), stale)
        if result.appended != sum(map(len, joined)) + len(stale):
            return result
        present = len(numbers) - int(is_absent(cells[0]).sum()) + len(stale)
        return result._replace(appended=present, histograms=len(histograms))

    def accept_out_of_order(self, window: Ms) -> None:
        """Change the out-of-order window (``Options.out_of_order_window``)."""
        self._head.window = window

    def write(self, batch: WriteBatch, now: Ms) -> WriteResult:
        """Take in series that arrived one by one: remote write, OTLP, a push, an import.

        Series of a batch's source that come with the same times are kept as the columns of one matrix, in every
        request the same ones. The times of one series need not be ascending. Samples are refused as
        ``WriteResult`` says; what is refused keeps nothing else of the batch out.

        Args:
            batch: the series; metadata is not looked at.
            now: for what is beyond retention.
        """
        return self._writer.write(batch, self._head.oldest(), now - self._options.retention)

    def write_out(self) -> bool:
        """Have what was taken in survive the end of this process, though not yet that of the machine (see ``flush``).

        Senders do not repeat what was acknowledged. Returns whether it succeeded.
        """
        return self._disk is None or self._disk.write_out()

    def _read(self, group: Group, columns: Ints, start: Ms, end: Ms) -> tuple[Ints, Floats]:
        """What is stored of some columns of a group in a span, for the writer."""
        blocks, until = (self._disk.blocks, self._disk.sealed_until) if self._disk is not None else ((), 0)
        view = Snapshot(self._index, self._head.states, blocks, until, Totals(0, 0, 0), cache=self._cache)
        return view.columns(group, columns, start, end)

    def tail(self, at: Position | None = None) -> Tail:
        """Read what is appended, in its order; only in the thread that writes.

        Args:
            at: where to begin, from an earlier reader; none: behind what is there.

        """
        if self._disk is not None:
            return LogTail(self._disk.log, at)
        if not isinstance(self._head.journal, MemoryLog):
            self._head.journal = MemoryLog()
        return MemoryTail(self._head.journal)

    def snapshot(self) -> Snapshot:
        """The store as it is now; may be called and read in any thread."""
        head, disk = self._head, self._disk
        found = self._snapshot
        if found is None or head.changed:
            with head.lock:
                blocks = () if disk is None else disk.blocks
                until = 0 if disk is None else disk.sealed_until
                totals = Totals(head.appended, head.refused, 0 if disk is None else disk.size)
                before = None if found is None else found.bindings
                found = Snapshot(
                    self._index,
                    head.view(),
                    blocks,
                    until,
                    totals,
                    cache=self._cache,
                    version=0 if disk is None else disk.version,
                    before=before,
                )
                self._snapshot = found
        return found

    @property
    def size(self) -> Size:
        """How much there is now; may be called from any thread."""
        head = self._head
        series = sum([state[2].series for state in list(head.states.values())])
        return Size(series, head.appended, head.refused)

    def flush(self, now: Ms) -> bool:
        """Write what was appended to the log and wait for the disk.

        A failure goes to :attr:`problems` and is tried again at the next call; returns whether it succeeded.
        """
        return self._disk is None or self._disk.flush(now)

    def maintain(self, now: Ms) -> bool:
        """Move rows of past spans into blocks, merge blocks, delete what is beyond retention: a bounded amount a call.

        Returns whether there is more to do at once.
        """
        head, disk = self._head, self._disk
        head.tune()
        more = head.settle(self._options.seal_budget)
        if disk is None:
            before = [group.parts for group in head.active.values()]
            for group in list(head.active.values()):
                head.trim(group, now - self._options.retention, exact=False)
            changed = before != [group.parts for group in head.active.values()]
        else:
            changed = disk.expire(now)
            changed = disk.seal(now) or changed
            if not disk.sealing:
                changed = disk.merge() or changed
            if changed:
                head.changed = True
        if changed or self._spared:
            self._retire()
        return disk is not None and (disk.busy or changed or more)

    def delete(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> int:
        """Delete the samples that the matching series have from ``start`` to ``end``, both included.

        Memory forgets them at once; beside each block that has some a file says that they are deleted, so that
        they are in no answer any more, and their room is given back when the block is merged or cleaned. Samples
        that come later are not concerned, whatever their times.

        Returns:
            How many series were looked at; some may have had no sample in the span.

        Raises:
            OSError: it could not be recorded for all blocks; try again.
        """
        newest = max((group.last or 0 for group in self._index.groups()), default=0)
        blocks = () if self._disk is None else self._disk.blocks
        newest = max([newest, *(block.last for block in blocks)])
        tombstone = Tombstone(matchers, start, min(end, newest))
        if self._disk is not None:
            self._disk.abort()
        count = self._erase(tombstone)
        if self._disk is not None and count:
            self._disk.log.deletion(tombstone, newest)
            found = {match.gid: match for match in self._index.find(matchers).matches}
            self._disk.bury(
                tombstone,
                lambda block: any(
                    len(layout.slots_of(with_fields(match.group, match.ids)))
                    for gid, match in found.items()
                    for layout in block.layouts(gid)
                ),
            )
        self._head.changed = True
        return count

    def _erase(self, tombstone: Tombstone) -> int:
        """Delete samples in memory; returns of how many series."""
        count = 0
        for match in self._index.find(tombstone.matchers).matches:
            columns = with_fields(match.group, match.ids)
            delete_cells(self._head, match.group, columns, tombstone.start, tombstone.end)
            count += len(match.ids)
        return count

    def clean_tombstones(self) -> int:
        """Have blocks written anew without what is deleted of them, by the next calls of :meth:`maintain`.

        Returns:
            How many blocks that is.
        """
        return 0 if self._disk is None else self._disk.clean()

    def snapshot_to(self, directory: Path) -> None:
        """Copy the store as it is now into a new directory that another store can be opened in.

        Blocks are hard links, which take no room; the log is copied.

        Raises:
            ValueError: the store has no directory.
            OSError: as the system says; the new directory must not exist and be on the same file system.
        """
        if self._disk is None:
            raise ValueError("a store in memory has no files")
        self._disk.link_to(directory)

    def finish(self, now: Ms) -> None:
        """Do all that :meth:`maintain` would do in its next calls; for imports and tools, it may take long."""
        while self.maintain(now):
            pass

    def _retire(self) -> None:
        """Forget series of which nothing is stored any more."""
        blocks = () if self._disk is None else self._disk.blocks
        self._spared = False
        for group in self._index.groups():
            stored = dict.fromkeys(part.layout for part in group.parts)
            if group.raw is not None:
                stored[group.raw.layout] = None
            for block in blocks:
                stored.update(dict.fromkeys(block.layouts(group.gid)))
            gone, spared = group.unused(tuple(stored))
            self._spared = self._spared or spared
            if gone:
                series = [number for number in gone if number not in group.owners]
                self._index.remove(group, series, [group.series[number].name for number in series])
                labels = [group.series[number] for number in series]
                group.retire(gone)
                self._writer.forget(group, labels)
                if self._disk is not None:
                    self._disk.forget_columns()

    def close(self) -> None:
        """Write what is left to the log and let the directory go; nothing may be called after."""
        if self._disk is not None:
            self._disk.close()
