"""The store: what the rest of the house sees of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from hypercare.tsdb.disk import Disk
from hypercare.tsdb.group import Group
from hypercare.tsdb.head import Head
from hypercare.tsdb.index import Index
from hypercare.tsdb.options import AppendResult, Options
from hypercare.tsdb.replay import Recovery
from hypercare.tsdb.segment import DecodedCache
from hypercare.tsdb.snapshot import Snapshot, Totals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from hypercare.model.errors import Problem
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms


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
        self._disk: Disk | None = None
        if directory is not None:
            self._disk = Disk(directory, options, self._head, self.group, self._cache)
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

    @property
    def recovery(self) -> Recovery:
        """What opening brought back from the log."""
        return Recovery() if self._disk is None else self._disk.recovery

    def group(self, key: str) -> Group:
        """The group of this name; a new one where there is none yet."""
        found = self._groups.get(key)
        if found is None:
            found = self._groups[key] = Group(key, self._next_gid, self._index.add)
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
    ) -> AppendResult:
        """Append one row to a group.

        The fast path is taken when ``columns`` is the very array (int64) of the group's last row; an array that
        was passed becomes read-only.

        Args:
            group: from :meth:`group`.
            at: the time of the row.
            columns: column numbers, each at most once; series that are not named have no sample in this row.
            values: their values, float64; ``STALE`` and ``ABSENT`` keep their meaning.
            stale: more columns, which get a staleness marker.

        Raises:
            LookupError: a column number is unknown or was retired (see ``Group.generation``).
            ValueError: columns and values differ in length, or a column is named twice.
        """
        return self._head.append(group, at, columns, values, stale)

    def snapshot(self) -> Snapshot:
        """The store as it is now; may be called and read in any thread."""
        head, disk = self._head, self._disk
        found = self._snapshot
        if found is None or head.changed:
            with head.lock:
                blocks = () if disk is None else disk.blocks
                until = 0 if disk is None else disk.sealed_until
                totals = Totals(head.appended, head.refused, 0 if disk is None else disk.size)
                earlier = None if found is None else found.sheaves
                found = Snapshot(self._index, head.view(), blocks, until, totals, earlier=earlier)
                self._snapshot = found
        return found

    def flush(self, now: Ms) -> bool:
        """Write what was appended to the log and wait for the disk.

        A failure goes to :attr:`problems` and is tried again at the next call; returns whether it succeeded.
        """
        return self._disk is None or self._disk.flush(now)

    def maintain(self, now: Ms) -> None:
        """Move rows of past spans into blocks, a bounded amount a call, and delete what is beyond retention."""
        head, disk = self._head, self._disk
        if disk is None:
            before = [group.parts for group in head.active.values()]
            for group in list(head.active.values()):
                head.trim(group, now - self._options.retention, exact=False)
            changed = before != [group.parts for group in head.active.values()]
        else:
            sealed = disk.seal(now)
            changed = disk.expire(now) or sealed
            if changed:
                head.changed = True
        if changed or self._spared:
            self._retire()

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
                self._index.remove(group, gone, [group.series[number].name for number in gone])
                group.retire(gone)
                if self._disk is not None:
                    self._disk.forget_columns()

    def close(self) -> None:
        """Write what is left to the log and let the directory go; nothing may be called after."""
        if self._disk is not None:
            self._disk.close()
