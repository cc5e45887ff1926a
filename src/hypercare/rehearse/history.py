"""Samples of the past, brought into memory once: what rules need, from when to when there is any."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from hypercare.model.errors import InputError, Problem
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import SampleMatrix, is_absent, is_stale
from hypercare.model.time import HOUR
from hypercare.rehearse.store import Given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.rehearse.needs import Need

_UP: Final = Matcher("__name__", MatchOp.EQUAL, "up")
MAX_SAMPLES: Final = 150_000_000
"""More than this is refused before it fills the memory: 1.2 GB."""


class SourceError(Exception):
    """History cannot be had: the words for the user."""


class History(Protocol):
    """Where samples of the past come from."""

    def fetch(self, need: Need, start: Ms, end: Ms) -> tuple[Sequence[SampleMatrix], Sequence[HistogramSeries]]:
        """Samples of the matching series with ``start < t <= end``, staleness markers among them.

        Raises:
            SourceError: the source is away or refuses.
        """
        ...

    def alive(self, start: Ms, end: Ms) -> tuple[Ms, Ms] | None:
        """From when to when anything was scraped between two instants, to about an hour; none: nothing was.

        Raises:
            SourceError: the source is away or refuses.
        """
        ...


class StoreHistory:
    """History in a store of ours."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def fetch(self, need: Need, start: Ms, end: Ms) -> tuple[Sequence[SampleMatrix], Sequence[HistogramSeries]]:
        """See ``History``."""
        select = self._source.select(need.matchers, start, end)
        return select, self._source.select_histograms(need.matchers, start, end)

    def alive(self, start: Ms, end: Ms) -> tuple[Ms, Ms] | None:
        """See ``History``."""
        edges = range(start - 1, end, HOUR)
        first = next((found[0] for low in edges if (found := self._scraped(low, min(low + HOUR, end)))), None)
        if first is None:
            return None
        last = next(found[1] for low in reversed(edges) if (found := self._scraped(low, min(low + HOUR, end))))
        return first, last

    def _scraped(self, low: Ms, high: Ms) -> tuple[Ms, Ms] | None:
        """The first and last scrape with ``low < t <= high``."""
        found = self._source.select((_UP,), low, high)
        if not found:
            return None
        return min(int(m.times[0]) for m in found), max(int(m.times[-1]) for m in found)


@dataclasses.dataclass(frozen=True, slots=True)
class Coverage:
    """What there is of a selector within the span that rules look at.

    Attributes:
        selector: as text.
        series: how many.
        samples: how many, staleness markers apart.
        first, last: instants of the first and the last sample; none where there is no sample.

    """

    selector: str
    series: int = 0
    samples: int = 0
    first: Ms | None = None
    last: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """All that rules need of the past.

    Attributes:
        alive: from when to when the source has anything at all; none: it has nothing.

    """

    given: Given
    coverage: tuple[Coverage, ...]
    alive: tuple[Ms, Ms] | None = None

    @property
    def samples(self) -> int:
        """How many samples are in memory."""
        return sum(matrix.values.size for matrix in self.given.matrices)


def bring(
    history: History,
    wanted: Sequence[Need],
    start: Ms,
    end: Ms,
    *,
    written: Callable[[Labels], bool] = lambda _: False,
    progress: Callable[[str], None] = lambda _: None,
) -> Past:
    """Fetch what evaluations between two instants read.

    Args:
        history: where from.
        wanted: what; a series that several selectors find is kept once.
        start: the first evaluation.
        end: the last.
        written: series that the rules write themselves; what another run of them wrote is left out.
        progress: is told what is fetched.

    Raises:
        SourceError: the source is away or refuses.
        InputError: more samples than fit into memory.

    """
    pieces: dict[Labels, list[tuple[Ints, np.ndarray]]] = {}
    histograms: dict[Labels, HistogramSeries] = {}
    coverage: list[Coverage] = []
    total = 0
    for need in sorted(wanted, key=lambda n: -n.back):
        low, high = _span(need, start, end)
        progress(need.text)
        matrices, more = history.fetch(need, low, high)
        matrices = [m for m in (_without(m, written) for m in matrices) if m is not None]
        more = [series for series in more if not written(series.labels)]
        coverage.append(_coverage(need, matrices, more))
        histograms.update((series.labels, series) for series in more if _longer(series, histograms))
        for matrix in matrices:
            total += matrix.values.size
            if total > MAX_SAMPLES:
                text = f"the rules read more than {MAX_SAMPLES:,} samples of this time"
                raise InputError([Problem("", 0, 0, text, "choose a shorter time, or fewer rules")])
        _keep(pieces, matrices)
    coverage.sort(key=lambda c: c.selector)
    edges = [*(history.alive(start, end) or ()), *(t for c in coverage for t in (c.first, c.last) if t is not None)]
    alive = (max(start, min(edges)), min(end, max(edges))) if edges else None
    return Past(Given(_matrices(pieces), histograms.values()), tuple(coverage), alive)


def _span(need: Need, start: Ms, end: Ms) -> tuple[Ms, Ms]:
    if need.at is not None:
        return need.at - need.back - 1, min(need.at, end)
    return start - need.back - 1, end


def _longer(series: HistogramSeries, known: dict[Labels, HistogramSeries]) -> bool:
    before = known.get(series.labels)
    return before is None or len(series.times) > len(before.times)


def _without(matrix: SampleMatrix, written: Callable[[Labels], bool]) -> SampleMatrix | None:
    kept = [i for i, labels in enumerate(matrix.labels) if not written(labels)]
    if len(kept) == len(matrix.labels):
        return matrix
    if not kept:
        return None
    return SampleMatrix(tuple(matrix.labels[i] for i in kept), matrix.times, matrix.values[:, kept], matrix.dense)


def _coverage(need: Need, matrices: Iterable[SampleMatrix], more: Sequence[HistogramSeries]) -> Coverage:
    rows: Bools
    names = {series.labels: None for series in more}
    count = sum(len(series.times) for series in more)
    edges = [int(t) for series in more for t in (series.times[0], series.times[-1])]
    for matrix in matrices:
        if matrix.dense:
            rows, cells = np.ones(len(matrix.times), dtype=np.bool_), matrix.values.size
        else:
            real = ~(is_absent(matrix.values) | is_stale(matrix.values))
            rows, cells = np.asarray(real.any(axis=1)), int(real.sum())
        names.update(dict.fromkeys(matrix.labels))
        count += cells
        times = matrix.times[rows]
        edges += [int(times[0]), int(times[-1])] if len(times) else []
    return Coverage(need.text, len(names), count, min(edges, default=None), max(edges, default=None))


def _keep(pieces: dict[Labels, list[tuple[Ints, np.ndarray]]], matrices: Iterable[SampleMatrix]) -> None:
    """Add columns of series; of a series that is there already, only what lies outside of what is there."""
    fresh: dict[Labels, list[tuple[Ints, np.ndarray]]] = {}
    for matrix in matrices:
        for column, labels in enumerate(matrix.labels):
            values = matrix.values[:, column]
            times = matrix.times
            if not matrix.dense:
                here = ~is_absent(np.ascontiguousarray(values))
                if not here.all():
                    times, values = times[here], values[here]
            if len(times):
                fresh.setdefault(labels, []).append((times, values))
    for labels, parts in fresh.items():
        known = pieces.get(labels)
        if known is None:
            pieces[labels] = parts
            continue
        low = min(int(times[0]) for times, _ in known)
        high = max(int(times[-1]) for times, _ in known)
        for times, values in parts:
            outside = (times < low) | (times > high)
            if outside.any():
                known.append((times[outside], values[outside]))


def _matrices(pieces: dict[Labels, list[tuple[Ints, np.ndarray]]]) -> list[SampleMatrix]:
    """Series that share all their times as one matrix, as those of one scrape are stored."""
    together: dict[bytes, tuple[Ints, list[Labels], list[np.ndarray]]] = {}
    for labels, parts in pieces.items():
        times, values = _joined(parts)
        key = times.tobytes()
        entry = together.get(key)
        if entry is None:
            together[key] = (times, [labels], [values])
        else:
            entry[1].append(labels)
            entry[2].append(values)
    found: list[SampleMatrix] = []
    for times, names, columns in together.values():
        values = np.ascontiguousarray(np.stack(columns, axis=1))
        found.append(SampleMatrix(tuple(names), times, values, not bool(is_stale(values).any())))
    return found


def _joined(parts: list[tuple[Ints, np.ndarray]]) -> tuple[Ints, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([t for t, _ in parts])
    values = np.concatenate([v for _, v in parts])
    sequence = np.argsort(times, kind="stable")
    times, values = times[sequence], values[sequence]
    # The same instant twice: two pieces overlap; the later one holds.
    last = np.append(times[1:] != times[:-1], True)
    return times[last], values[last]
