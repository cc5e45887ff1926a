"""Data to rehearse on: given samples that are there from the beginning, and an empty store on top for what rules write.

Nobody sees the future: at an instant only samples up to it are there, so that negative offsets find what they would
have found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.samples import SampleMatrix
from hypercare.tsdb import Tsdb
from hypercare.tsdb.options import AppendResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.histograms import Histogram, HistogramSeries
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Floats, Ints, SampleSource
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group

_REMEMBERED: Final = 4096


class Given:
    """Matrices in memory, found quickly by the same matchers again; a ``SampleSource``."""

    def __init__(self, matrices: Iterable[SampleMatrix], histograms: Iterable[HistogramSeries] = ()) -> None:
        self._matrices = tuple(m for m in matrices if m.labels and len(m.times))
        self._histograms = tuple(h for h in histograms if len(h.times))
        self._known: dict[tuple[Matcher, ...], tuple[SampleMatrix, ...]] = {}

    @property
    def matrices(self) -> tuple[SampleMatrix, ...]:
        """All of it but the histograms."""
        return self._matrices

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[SampleMatrix]:
        """See ``SampleSource``."""
        known = self._known.get(matchers)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[matchers] = tuple(m for m in (_columns(m, matchers) for m in self._matrices) if m)
        found: list[SampleMatrix] = []
        for matrix in known:
            first, behind = np.searchsorted(matrix.times, (start, end), side="right").tolist()
            if first < behind:
                rows = slice(first, behind)
                found.append(SampleMatrix(matrix.labels, matrix.times[rows], matrix.values[rows], matrix.dense))
        return found

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[HistogramSeries]:
        """See ``SampleSource``."""
        found: list[HistogramSeries] = []
        for series in self._histograms:
            if all(m.matches(series.labels) for m in matchers):
                first, behind = np.searchsorted(series.times, (start, end), side="right").tolist()
                if first < behind:
                    starts = None if series.starts is None else series.starts[first:behind]
                    values = series.values[first:behind]
                    found.append(series._replace(times=series.times[first:behind], values=values, starts=starts))
        return found


def _columns(matrix: SampleMatrix, matchers: tuple[Matcher, ...]) -> SampleMatrix | None:
    columns = [i for i, labels in enumerate(matrix.labels) if all(m.matches(labels) for m in matchers)]
    if len(columns) == len(matrix.labels):
        return matrix
    if not columns:
        return None
    labels = tuple(matrix.labels[i] for i in columns)
    return SampleMatrix(labels, matrix.times, np.ascontiguousarray(matrix.values[:, columns]), matrix.dense)


class Until:
    """Several sources as one, up to an instant; a ``SampleSource``."""

    def __init__(self, sources: Sequence[SampleSource], until: Ms) -> None:
        self._sources = tuple(sources)
        self._until = until

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[SampleMatrix]:
        """See ``SampleSource``."""
        end = min(end, self._until)
        return [matrix for source in self._sources for matrix in source.select(matchers, start, end)]

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[HistogramSeries]:
        """See ``SampleSource``."""
        end = min(end, self._until)
        return [series for source in self._sources for series in source.select_histograms(matchers, start, end)]


class Part:
    """A stage as one of several writers sees it: groups of equal name are groups of their own; a ``RuleData``."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._name = name

    def snapshot(self) -> Until:
        """See ``Stage``."""
        return self._stage.snapshot()

    def group(self, key: str) -> Group:
        """A group of written series."""
        return self._stage.group(f"{self._name}/{key}")

    def append(
        self,
        group: Group,
        at: Ms,
        columns: Ints | Sequence[int],
        values: Floats | Sequence[float],
        *,
        stale: Sequence[int] = (),
        histograms: Sequence[tuple[int, Histogram]] = (),
    ) -> AppendResult:
        """See ``Stage``."""
        return self._stage.append(group, at, columns, values, stale=stale, histograms=histograms)


class Silent(Part):
    """A writer whose series nobody reads: they are forgotten at once."""

    def append(
        self,
        group: Group,
        at: Ms,
        columns: Ints | Sequence[int],
        values: Floats | Sequence[float],
        *,
        stale: Sequence[int] = (),
        histograms: Sequence[tuple[int, Histogram]] = (),
    ) -> AppendResult:
        """Take it for written."""
        del group, at, columns, stale, histograms
        return AppendResult(len(values))


class Stage:
    """Given samples and a store in memory on top of them; a ``rules.data.RuleData``.

    Attributes:
        until: the instant up to which readers see samples.

    """

    def __init__(self, *given: SampleSource) -> None:
        self.until: Ms = 0
        self._given = given
        self._written = Tsdb.open(None)

    def snapshot(self) -> Until:
        """What there is at ``until``."""
        return Until((*self._given, self._written.snapshot()), self.until)

    def group(self, key: str) -> Group:
        """A group of written series."""
        return self._written.group(key)

    def append(
        self,
        group: Group,
        at: Ms,
        columns: Ints | Sequence[int],
        values: Floats | Sequence[float],
        *,
        stale: Sequence[int] = (),
        histograms: Sequence[tuple[int, Histogram]] = (),
    ) -> AppendResult:
        """Append one row of what a rule writes."""
        return self._written.append(group, at, columns, values, stale=stale, histograms=histograms)
