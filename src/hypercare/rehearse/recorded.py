"""What recording rules wrote over whole spans: rows known ahead, columns as series come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.samples import ABSENT, STALE, SampleMatrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms


class Sheet:
    """The output of one rule.

    Attributes:
        rows: how many are written.

    """

    def __init__(self, times: Ints) -> None:
        self._times = times
        self._columns: dict[Labels, int] = {}
        self._values: Floats = np.empty((len(times), 0))
        self._alive: Bools = np.empty(0, dtype=np.bool_)
        self.rows = 0

    def write(self, series: Sequence[Labels], values: Floats, present: Bools) -> None:
        """Add rows.

        Args:
            series: no two equal.
            values: float64[S, rows].
            present: bool[S, rows]; a series that is there no more gets a staleness marker.

        """
        for labels in series:
            self._columns.setdefault(labels, len(self._columns))
        width, count = len(self._columns), present.shape[1]
        if width > self._values.shape[1]:
            more = np.full((len(self._times), width - self._values.shape[1]), ABSENT)
            self._values = np.hstack([self._values, more])
            self._alive = np.append(self._alive, np.zeros(more.shape[1], dtype=np.bool_))
        here = np.zeros((count, width), dtype=np.bool_)
        block = np.full((count, width), ABSENT)
        columns = [self._columns[labels] for labels in series]
        here[:, columns] = present.T
        block[:, columns] = values.T
        before = np.vstack([self._alive, here[:-1]])
        block[~here] = ABSENT
        block[before & ~here] = STALE
        self._values[self.rows : self.rows + count] = block
        self._alive = here[-1]
        self.rows += count

    def matrix(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> SampleMatrix | None:
        """What is written of the matching series with ``start < t <= end``."""
        columns = [i for labels, i in self._columns.items() if all(m.matches(labels) for m in matchers)]
        first, behind = np.searchsorted(self._times[: self.rows], (start, end), side="right").tolist()
        if not columns or first >= behind:
            return None
        names = tuple(self._columns)
        values = self._values[first:behind, columns]
        return SampleMatrix(tuple(names[i] for i in columns), self._times[first:behind], values, dense=False)

    def skip(self, count: int, alive: Sequence[Labels]) -> None:
        """Leave rows out that are written elsewhere; ``alive`` are the series that are there in the last of them."""
        for labels in alive:
            self._columns.setdefault(labels, len(self._columns))
        more = len(self._columns) - self._values.shape[1]
        if more:
            self._values = np.hstack([self._values, np.full((len(self._times), more), ABSENT)])
        self._values[self.rows : self.rows + count] = ABSENT
        self._alive = np.zeros(len(self._columns), dtype=np.bool_)
        self._alive[[self._columns[labels] for labels in alive]] = True
        self.rows += count

    @property
    def alive(self) -> tuple[Labels, ...]:
        """The series that are there in the last row."""
        return tuple(labels for labels, column in self._columns.items() if self._alive[column])


class Sheets:
    """All of them; a ``SampleSource``."""

    def __init__(self) -> None:
        self.all: list[Sheet] = []

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[SampleMatrix]:
        """See ``SampleSource``."""
        found = (sheet.matrix(matchers, start, end) for sheet in self.all)
        return [matrix for matrix in found if matrix is not None]

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> tuple[HistogramSeries, ...]:
        """See ``SampleSource``; recorded floats only."""
        del matchers, start, end
        return ()
