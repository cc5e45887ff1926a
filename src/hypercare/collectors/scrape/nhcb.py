"""Classic histograms of the text formats put together into native ones with custom buckets.

Series of one classic histogram come on many lines. Each of them gets a number of its own beyond all columns of the
store, so that the cache of lines works for them as for any other; once a body is read, the parts are put together.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.collectors.exposition import DROPPED, Parsed, from_classic
from hypercare.model.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.exposition import NativeLimits
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms

VIRTUAL: Final = 1 << 40
"""First number of a part."""
_COUNT: Final = "_count"
_SUM: Final = "_sum"
_BUCKET: Final = "_bucket"


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """One series of a classic histogram.

    Attributes:
        owner: column of the native histogram.
        kind: which of its series.
        bound: of a bucket.
        classic: its own column where it is also stored as it is, or ``DROPPED``.

    """

    owner: int
    kind: str
    bound: float
    classic: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Recipe:
    """Where in a row the parts of one histogram stand; -1: nowhere."""

    owner: int
    bounds: tuple[float, ...]
    buckets: Ints
    count: int
    sum: int

    def make(self, values: Floats) -> Histogram | None:
        """The histogram of a row; none where its counts contradict each other, or there is no count."""
        cumulative = values[self.buckets].tolist()
        if self.count >= 0:
            count = float(values[self.count])
        elif self.bounds and self.bounds[-1] == float("inf"):
            count = cumulative[-1]
        else:
            return None
        return from_classic(self.bounds, cumulative, count, float(values[self.sum]) if self.sum >= 0 else 0.0)


class ClassicParts:
    """The classic histograms of one target.

    Args:
        resolve: column of a series, or ``DROPPED``.
        classic_too: store the parts as they are as well.
        limits: of native histograms.

    """

    def __init__(self, resolve: Callable[[Labels], int], limits: NativeLimits, *, classic_too: bool) -> None:
        self._resolve = resolve
        self._limits = limits
        self._classic_too = classic_too
        self._parts: list[_Part] = []
        self._seen: Ints | None = None
        self._take = self._columns = np.zeros(0, np.int64)
        self._recipes: tuple[_Recipe, ...] = ()
        self._live: frozenset[int] = frozenset()
        self._unmarked: frozenset[int] = frozenset()
        self._virtual: Ints = np.zeros(0, np.int64)

    def forget(self) -> None:
        """Resolve every part anew."""
        self._parts.clear()
        self._seen = None

    def part(self, labels: Labels, family: str) -> int | None:
        """The number of a series of a histogram family; none where it is no part of a histogram."""
        suffix = labels.name.removeprefix(family)
        bound = 0.0
        if suffix == _BUCKET:
            try:
                bound = float(labels.get("le") or "")
            except ValueError:
                return None
        elif suffix not in {_COUNT, _SUM}:
            return None
        pairs = [(n, v) for n, v in labels if n != METRIC_NAME and (n != "le" or suffix != _BUCKET)]
        owner = self._resolve(Labels([(METRIC_NAME, family), *pairs]))
        classic = self._resolve(labels) if self._classic_too else DROPPED
        if owner == DROPPED:
            return classic
        self._parts.append(_Part(owner, suffix, bound, classic))
        return VIRTUAL + len(self._parts) - 1

    def join(self, parsed: Parsed) -> Parsed:
        """What was read, with histograms instead of their parts."""
        if parsed.columns is not self._seen:
            self._plan(parsed.columns)
        made = [(recipe.owner, recipe.make(parsed.values)) for recipe in self._recipes]
        histograms = tuple((owner, self._limits.apply(found)) for owner, found in made if found is not None)
        timed, timed_histograms, parts = self._timed(parsed)
        virtual = parsed.columns[parsed.columns >= VIRTUAL]
        live = frozenset(owner for owner, _ in histograms)
        new_parts = len(np.setdiff1d(virtual, self._virtual))
        fewer = 0 if self._classic_too else len(virtual) + parts
        added = parsed.added - (0 if self._classic_too else new_parts) + len(live - self._live)
        gone = [*self._classic(parsed.vanished), *sorted(self._unmarked - live)]
        self._live = self._unmarked = live
        self._virtual = virtual
        more = len(histograms) + len(timed_histograms) - fewer
        return Parsed(
            self._columns, parsed.values[self._take], timed, parsed.scraped + more, parsed.kept + more, max(added, 0),
            np.array(gone, np.int64), histograms, timed_histograms,
        )  # fmt: skip

    def failed(self, stale: Ints) -> Ints:
        """Columns that need a staleness marker after a failed scrape."""
        gone, self._unmarked = self._unmarked, frozenset()
        return np.array([*self._classic(stale), *sorted(gone)], np.int64)

    def _classic(self, columns: Ints) -> list[int]:
        """Columns of the store: those of parts that are stored as they are among them."""
        found = []
        for column in columns.tolist():
            own = self._parts[column - VIRTUAL].classic if column >= VIRTUAL else column
            if own != DROPPED:
                found.append(own)
        return found

    def _plan(self, columns: Ints) -> None:
        """Learn where in rows of these columns what stands."""
        self._seen = columns
        take, kept = [], []
        owners: dict[int, dict[tuple[str, float], int]] = {}
        for i, column in enumerate(columns.tolist()):
            own = column
            if column >= VIRTUAL:
                part = self._parts[column - VIRTUAL]
                owners.setdefault(part.owner, {}).setdefault((part.kind, part.bound), i)
                own = part.classic
            if own != DROPPED:
                take.append(i)
                kept.append(own)
        self._take, self._columns = np.array(take, np.int64), np.array(kept, np.int64)
        self._recipes = tuple(_recipe(owner, parts) for owner, parts in owners.items())

    def _timed(
        self, parsed: Parsed
    ) -> tuple[tuple[tuple[Ms, int, float], ...], tuple[tuple[Ms, int, Histogram], ...], int]:
        """Samples with timestamps, their histograms, and how many parts these had."""
        plain: list[tuple[Ms, int, float]] = []
        owners: dict[tuple[Ms, int], dict[tuple[str, float], float]] = {}
        parts = 0
        for stamp, column, value in parsed.timed:
            own = column
            if column >= VIRTUAL:
                part = self._parts[column - VIRTUAL]
                owners.setdefault((stamp, part.owner), {}).setdefault((part.kind, part.bound), value)
                own = part.classic
                parts += 1
            if own != DROPPED:
                plain.append((stamp, own, value))
        found = []
        for (stamp, owner), values in owners.items():
            places = {key: i for i, key in enumerate(values)}
            made = _recipe(owner, places).make(np.array(list(values.values()), np.float64))
            if made is not None:
                found.append((stamp, owner, self._limits.apply(made)))
        return tuple(plain), tuple(found), parts


def _recipe(owner: int, places: dict[tuple[str, float], int]) -> _Recipe:
    buckets = sorted((bound, i) for (kind, bound), i in places.items() if kind == _BUCKET)
    return _Recipe(
        owner,
        tuple(bound for bound, _ in buckets),
        np.array([i for _, i in buckets], np.int64),
        places.get((_COUNT, 0.0), -1),
        places.get((_SUM, 0.0), -1),
    )
