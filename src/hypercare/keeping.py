"""What people have done to the store of metrics, as a part of the kernel's loop: deletions and snapshots."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.kernel import CommandError
from hypercare.model.time import to_datetime

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.kernel import Context, Kernel
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.ports import Ids
    from hypercare.tsdb import Tsdb


@dataclasses.dataclass(frozen=True, slots=True)
class DeleteSeries:
    """Command: delete the samples of the series that any selector matches, from ``start`` to ``end``."""

    selectors: tuple[tuple[Matcher, ...], ...]
    start: Ms
    end: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class CleanTombstones:
    """Command: give back the room of what is deleted."""


@dataclasses.dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Command: copy the store as it is; the result is the name of the copy."""


class Keeper:
    """Carries the commands out.

    Args:
        tsdb: the store.
        ids: for the names of snapshots.
        snapshots: the directory that they are made in; none where the store is in memory.

    """

    def __init__(self, tsdb: Tsdb, ids: Ids, snapshots: Path | None) -> None:
        self._tsdb = tsdb
        self._ids = ids
        self._snapshots = snapshots

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(DeleteSeries, self._delete)
        kernel.on_message(CleanTombstones, self._clean)
        kernel.on_message(TakeSnapshot, self._snapshot)

    def _delete(self, ctx: Context, command: DeleteSeries) -> None:
        for matchers in command.selectors:
            try:
                self._tsdb.delete(matchers, command.start, command.end)
            except OSError as error:
                msg = f"the deletion could not be recorded for all blocks: {error}"
                raise CommandError(msg, 500) from error
        # What was deleted by somebody's word does not come back after a crash.
        if not self._tsdb.flush(ctx.now):
            raise CommandError("the write-ahead log cannot be written; see the log of hypercare", 503)

    def _clean(self, _ctx: Context, _command: CleanTombstones) -> None:
        self._tsdb.clean_tombstones()

    def _snapshot(self, ctx: Context, _command: TakeSnapshot) -> str:
        if self._snapshots is None:
            raise CommandError("a store in memory has no files to make a snapshot of", 503)
        name = f"{to_datetime(ctx.now):%Y%m%dT%H%M%SZ}-{self._ids.new()[:16]}"
        try:
            # What was appended since the last flush belongs to it.
            self._tsdb.flush(ctx.now)
            self._tsdb.snapshot_to(self._snapshots / name)
        except OSError as error:
            msg = f"the snapshot could not be made: {error}"
            raise CommandError(msg, 500) from error
        return name
