"""The store: what the rest of the house sees of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.tsdb.group import Group
from hypercare.tsdb.head import Head
from hypercare.tsdb.index import Index
from hypercare.tsdb.options import AppendResult, Options
from hypercare.tsdb.segment import DecodedCache
from hypercare.tsdb.snapshot import Snapshot, Totals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.block import Block


class Tsdb:
    """Metrics of one process: one thread writes, any thread reads snapshots."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._cache = DecodedCache(options.cache_bytes)
        self._index = Index()
        self._groups: dict[str, Group] = {}
        self._next_gid = 0
        self._blocks: tuple[Block, ...] = ()
        self._sealed_until: Ms = 0
        self._snapshot: Snapshot | None = None
        self._head = Head(options, self._cache, None, 0)

    @classmethod
    def open(cls, directory: Path | None, options: Options | None = None) -> Self:  # noqa: ARG003
        """Open the store in a directory, or an empty one in memory alone."""
        return cls(options or Options())

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
        """The store as it is now, for readers in any thread."""
        head = self._head
        if head.changed or self._snapshot is None:
            totals = Totals(head.appended, head.refused, 0)
            self._snapshot = Snapshot(self._index, head.view(), self._blocks, self._sealed_until, totals)
        return self._snapshot

    def flush(self, now: Ms) -> None:
        """Write what was appended to the log."""

    def maintain(self, now: Ms) -> None:
        """Enforce retention."""
        for group in self._groups.values():
            self._head.trim(group, now - self._options.retention, exact=False)
        self._retire()

    def _retire(self) -> None:
        """Forget series and groups of which nothing is stored any more."""
        for group in list(self._groups.values()):
            stored = dict.fromkeys(part.layout for part in group.parts)
            if group.raw is not None:
                stored[group.raw.layout] = None
            for block in self._blocks:
                stored.update((segment.layout, None) for segment in block.segments(group.gid))
            gone = group.unused(tuple(stored))
            if gone:
                self._index.remove(group, gone, [group.series[number].name for number in gone])
                group.retire(gone)

    def close(self) -> None:
        """Flush and let go of the files."""
