"""Samples that arrive series by series: remote write, OTLP, pushes, imports."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints


class FloatSeries(NamedTuple):
    """Float samples of one series.

    Attributes:
        labels: ``__name__`` included.
        times: int64[T], ms since the epoch, in the order of arrival.
        values: float64[T]; ``STALE`` keeps its meaning.
        starts: int64[T], start timestamps, 0 where unknown; None: none of them is known.

    """

    labels: Labels
    times: Ints
    values: Floats
    starts: Ints | None = None


class FloatColumns(NamedTuple):
    """One float sample each of many series: what scrapes come to when they are sent on.

    Attributes:
        labels: N label sets; the same object for the same series from batch to batch makes it fast.
        times: int64[N], ms since the epoch.
        values: float64[N]; ``STALE`` keeps its meaning.

    """

    labels: Sequence[Labels]
    times: Ints
    values: Floats


class MetricMetadata(NamedTuple):
    """What is told of a metric: counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown."""

    name: str
    type: str
    help: str = ""
    unit: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class WriteBatch:
    """One request's worth of series, from one sender.

    Attributes:
        source: which sender, as far as it can be told (``remote_write``, ``otlp/<service>``, ``push/<job>``). Series
            of one source that arrive with the same times are kept together, as those of one scrape are.
        singles: more float samples, one of each series.

    """

    source: str
    floats: tuple[FloatSeries, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()
    metadata: tuple[MetricMetadata, ...] = ()
    singles: FloatColumns | None = None

    @property
    def series(self) -> tuple[FloatSeries, ...]:
        """All float samples, series by series."""
        found = self.singles
        if found is None:
            return self.floats
        return (*self.floats, *map(FloatSeries, found.labels, found.times[:, None], found.values[:, None]))


class WriteResult(NamedTuple):
    """What became of the samples of a batch.

    Attributes:
        appended: float samples stored.
        histograms: histogram samples stored.
        duplicates: there already with the same value.
        conflicts: refused: there already with another value.
        too_old: refused: older than the out-of-order window, or than retention.
        problems: one sentence for each kind of refusal, with the first series it befell.

    """

    appended: int = 0
    histograms: int = 0
    duplicates: int = 0
    conflicts: int = 0
    too_old: int = 0
    problems: tuple[str, ...] = ()
