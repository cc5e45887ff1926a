"""What costs most in a store: series, labels, churn, bytes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.samples import is_absent, is_stale
from hypercare.model.time import HOUR
from hypercare.tsdb.stats import Cardinality, Table, count_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.tsdb import BlockCheck, Snapshot, Tsdb

_STRETCH: Final = 2 * HOUR


@dataclasses.dataclass(frozen=True, slots=True)
class GroupSize:
    """A target's (or another group's) share of the blocks.

    Attributes:
        series: the most that one block has.
        size: bytes of times and values.

    """

    key: str
    series: int
    samples: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Analysis:
    """What a store holds.

    Attributes:
        first: time of the oldest sample, ms; none in an empty store.
        samples: float samples, logs included; staleness markers are none.
        stale: staleness markers.
        block_bytes: of all block files, labels and index included.
        log_bytes: of the log.
        blocks: oldest first.
        groups: greatest first.
        churn_by_pair: for each label pair, how many series' worth of the span its series were not there, times 1000.

    """

    first: Ms | None
    last: Ms | None
    series: int
    samples: int
    stale: int
    block_bytes: int
    log_bytes: int
    blocks: tuple[BlockCheck, ...]
    groups: tuple[GroupSize, ...]
    cardinality: Cardinality
    churn_by_pair: Table
    churn_by_name: Table

    @property
    def bytes_per_sample(self) -> float | None:
        """Of the blocks; none where there is no block with a sample."""
        samples = sum(block.samples for block in self.blocks)
        return self.block_bytes / samples if samples else None


def analyze(db: Tsdb, limit: int = 20) -> Analysis:
    """Read a whole store, two hours at a time.

    Args:
        db: an open store.
        limit: rows of each table.

    """
    snapshot = db.snapshot()
    stats = snapshot.stats(1)
    blocks = tuple(db.verify())
    lives = _Lives()
    if stats.min_time is not None and stats.max_time is not None:
        lives.read(snapshot, stats.min_time, stats.max_time)
    block_bytes = sum(block.size for block in blocks)
    pairs, names = lives.churn()
    return Analysis(
        first=lives.first,
        last=lives.last,
        series=len(lives.spans),
        samples=lives.samples,
        stale=lives.stale,
        block_bytes=block_bytes,
        log_bytes=max(stats.bytes_on_disk - block_bytes, 0),
        blocks=blocks,
        groups=_group_sizes(blocks)[:limit],
        cardinality=count_series(lives.spans, limit),
        churn_by_pair=_top(pairs, limit),
        churn_by_name=_top(names, limit),
    )


class _Lives:
    """From when to when each series was there."""

    def __init__(self) -> None:
        self.spans: dict[Labels, tuple[Ms, Ms]] = {}
        self.samples = 0
        self.stale = 0
        self.first: Ms | None = None
        self.last: Ms | None = None

    def read(self, snapshot: Snapshot, first: Ms, last: Ms) -> None:
        """Look at all samples."""
        for at in range(first - 1, last, _STRETCH):
            until = min(at + _STRETCH, last)
            for matrix in snapshot.select((), at, until):
                stale = is_stale(np.ascontiguousarray(matrix.values))
                there = ~is_absent(np.ascontiguousarray(matrix.values)) & ~stale
                self.stale += int(stale.sum())
                self.samples += int(there.sum())
                begins = matrix.times[there.argmax(axis=0)].tolist()
                ends = matrix.times[len(there) - 1 - there[::-1].argmax(axis=0)].tolist()
                some = np.count_nonzero(there, axis=0).tolist()
                for labels, begin, end, here in zip(matrix.labels, begins, ends, some, strict=True):
                    if here:
                        known = self.spans.get(labels, (begin, end))
                        self.spans[labels] = (min(known[0], begin), max(known[1], end))
        if self.spans:
            self.first = min(begin for begin, _ in self.spans.values())
            self.last = max(end for _, end in self.spans.values())

    def churn(self) -> tuple[Counter[str], Counter[str]]:
        """By ``name=value`` and by label name: thousandths of the whole span that series were not there."""
        pairs: Counter[str] = Counter()
        names: Counter[str] = Counter()
        whole = max((self.last or 0) - (self.first or 0), 1)
        for labels, (begin, end) in self.spans.items():
            missing = 1000 * (whole - (end - begin)) // whole
            if missing:
                for name, value in labels.pairs:
                    pairs[f"{name}={value}"] += missing
                    names[name] += missing
        return pairs, names


def _group_sizes(blocks: Iterable[BlockCheck]) -> tuple[GroupSize, ...]:
    found: dict[str, GroupSize] = {}
    for block in blocks:
        for group in block.groups:
            known = found.get(group.key, GroupSize(group.key, 0, 0, 0))
            found[group.key] = GroupSize(
                group.key,
                max(known.series, group.series),
                known.samples + group.samples,
                known.size + group.size,
            )
    return tuple(sorted(found.values(), key=lambda each: (-each.size, each.key)))


def _top(counts: Counter[str], limit: int) -> Table:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
