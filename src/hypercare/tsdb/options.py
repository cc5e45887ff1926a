"""What a store can be told, and what it answers to an append."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from hypercare.model.time import DAY, HOUR, Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """Settings of a store.

    Attributes:
        retention: samples older than this are deleted, a whole block at a time; ms.
        retention_bytes: upper limit of the block files together, bytes; 0: none.
        block_span: time covered by one block file; block edges are multiples of it; ms.
        seal_rows: rows of a group that are compressed together in memory.
        keep_rows: rows of a group that always stay uncompressed, for the windows that rules look at: an hour and the
            five minutes before it, scraped every 30 s.
        raw_bytes: about how much memory uncompressed rows may take; with very many series fewer rows stay so.
        cache_bytes: upper limit of decompressed values kept for readers.
        seal_budget: samples that one call of ``maintain`` writes to a block at most, so that no call takes long.
        merge_span: blocks are merged until they cover at most this much, ms; 0: a tenth of retention, at most 31 d.
        wal_segment_bytes: size at which a new log file is begun.
        out_of_order_window: how much older than the newest sample of the store a sample may be that is older than
            the newest of its series; 0: such samples are refused; ms.
        fsync: whether ``flush`` waits until the disk has the data. Without it a crash of the machine (not of
            the process) can lose more.

    """

    retention: Ms = 15 * DAY
    retention_bytes: int = 0
    block_span: Ms = 2 * HOUR
    seal_rows: int = 120
    keep_rows: int = 132
    raw_bytes: int = 64 << 20
    cache_bytes: int = 128 << 20
    seal_budget: int = 250_000
    merge_span: Ms = 0
    wal_segment_bytes: int = 128 << 20
    out_of_order_window: Ms = 0
    fsync: bool = True


class AppendResult(NamedTuple):
    """What became of the samples of one row.

    Attributes:
        appended: stored.
        out_of_order: refused: older than the newest row of the group, or of a time whose block is closed.
        duplicates: already there with the same time and value; nothing to do.
        conflicts: refused: already there with the same time and another value.
        histograms: stored. What was refused of them is counted with the floats, one for each histogram.

    """

    appended: int
    out_of_order: int = 0
    duplicates: int = 0
    conflicts: int = 0
    histograms: int = 0
