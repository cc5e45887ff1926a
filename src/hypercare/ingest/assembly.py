"""Putting the parts of a request together to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.ingest.decoded import Decoded
from hypercare.model.histograms import Histogram, HistogramSeries
from hypercare.model.ingest import FloatColumns, FloatSeries, MetricMetadata, WriteBatch
from hypercare.model.samples import STALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.ingest.decoded import Problems
    from hypercare.ingest.native import Timed
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms


class Assembly:
    """A batch in the making.

    Attributes:
        exemplars: how many were seen.
        metadata: what was told of metrics.

    """

    def __init__(self, source: str) -> None:
        self.exemplars = 0
        self.metadata: list[MetricMetadata] = []
        self._source = source
        self._singles: FloatColumns | None = None
        self._floats: dict[Labels, list[tuple[Ms, float, Ms]]] = {}
        self._histograms: dict[Labels, list[tuple[Ms, Ms, Histogram]]] = {}

    def add_singles(self, labels: Sequence[Labels], times: Ints, values: Floats) -> None:
        """Many series with one sample each; once for a batch."""
        self._singles = FloatColumns(labels, times, values)

    def add(self, labels: Labels, samples: Sequence[tuple[Ms, float, Ms]]) -> None:
        """Samples of one series: time, value, start (0: unknown)."""
        if samples:
            self._floats.setdefault(labels, []).extend(samples)

    def add_histogram(self, labels: Labels, sample: Timed) -> None:
        """A histogram sample, or the marker that ends a series of them."""
        if sample.histogram is None:
            self.add(labels, [(sample.at, STALE, 0)])
        else:
            self._histograms.setdefault(labels, []).append((sample.at, sample.start, sample.histogram))

    def decoded(self, problems: Problems) -> Decoded:
        """The whole."""
        batch = WriteBatch(
            self._source,
            tuple(_floats(labels, samples) for labels, samples in self._floats.items()),
            tuple(_histograms(labels, samples) for labels, samples in self._histograms.items()),
            tuple(self.metadata),
            self._singles,
        )
        return Decoded(batch, self.exemplars, problems.refused, problems.texts)


def _floats(labels: Labels, samples: list[tuple[Ms, float, Ms]]) -> FloatSeries:
    times, values, starts = zip(*samples, strict=True)
    began = np.array(starts, np.int64) if any(starts) else None
    return FloatSeries(labels, np.array(times, np.int64), _cells(values), began)


def _cells(values: Sequence[float]) -> Floats:
    return np.array(values, np.float64)


def _histograms(labels: Labels, samples: list[tuple[Ms, Ms, Histogram]]) -> HistogramSeries:
    times, starts, values = zip(*sorted(samples, key=lambda sample: sample[0]), strict=True)
    began = np.array(starts, np.int64) if any(starts) else None
    return HistogramSeries(labels, np.array(times, np.int64), values, began)
