"""Recordings that are read where they are: OpenMetrics text, a folder of ours, a server with Prometheus' API."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.ingest import FloatSeries
from hypercare.model.samples import is_absent
from hypercare.rehearse.recording.piece import SPAN, Piece, piece_of
from hypercare.tsdbtools.importing import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.samples import SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.rehearse.needs import Need
    from hypercare.rehearse.remote import RemoteHistory
    from hypercare.tsdb import Snapshot

_AROUND: Final = 6 * 60_000
"""So far around a span a server is asked, too: whether a series has ended shows only then (it is current for 5m)."""


class TextRecording:
    """OpenMetrics text with times.

    Raises:
        InputError: it is none; with line and column.
        OSError: it cannot be read.

    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._folder = tempfile.TemporaryDirectory(prefix="hypercare-replay-")
        self._reader = Reader(path, Path(self._folder.name))
        try:
            self._reader.read()
        except BaseException:
            self._folder.cleanup()
            raise
        self.first = self._reader.first or 0
        self.last = self._reader.last or 0

    @property
    def samples(self) -> int:
        """How many there are."""
        return self._reader.samples

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        for end, series in self._reader.spans():
            piece = piece_of(end // SPAN - 1, series)
            if piece is not None:
                yield piece

    def close(self) -> None:
        """See ``Recording``."""
        self._folder.cleanup()


class _Same:
    """Gives one object for equal label sets."""

    def __init__(self) -> None:
        self._known: dict[Labels, Labels] = {}

    def of(self, labels: Labels) -> Labels:
        return self._known.setdefault(labels, labels)


def _series(matrices: Sequence[SampleMatrix], low: Ms, high: Ms, same: _Same) -> list[FloatSeries]:
    """Columns with low <= t < high; of one series that stands in several matrices, each time once."""
    found: dict[Labels, FloatSeries] = {}
    for matrix in matrices:
        first, behind = np.searchsorted(matrix.times, (low, high)).tolist()
        for column, labels in enumerate(matrix.labels):
            values = np.ascontiguousarray(matrix.values[first:behind, column])
            there = ~is_absent(values)
            times, values = matrix.times[first:behind][there], values[there]
            before = found.get(labels)
            if before is not None:
                times = np.concatenate([before.times, times])
                times, chosen = np.unique(times, return_index=True)
                values = np.concatenate([before.values, values])[chosen]
            found[labels] = FloatSeries(same.of(labels), times, values)
    return [found[labels] for labels in sorted(found)]


class StoreRecording:
    """A store of ours."""

    def __init__(self, name: str, snapshot: Snapshot, matchers: tuple[Matcher, ...], first: Ms, last: Ms) -> None:
        self.name, self.first, self.last = name, first, last
        self._snapshot = snapshot
        self._matchers = matchers

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        same = _Same()
        for span in range(self.first // SPAN, self.last // SPAN + 1):
            low, high = max(span * SPAN, self.first), min((span + 1) * SPAN, self.last + 1)
            matrices = self._snapshot.select(self._matchers, low - 1, high - 1)
            natives = self._snapshot.select_histograms(self._matchers, low - 1, high - 1)
            piece = piece_of(span, _series(matrices, low, high, same), _sorted(natives))
            if piece is not None:
                yield piece

    def close(self) -> None:
        """See ``Recording``."""


def _sorted(natives: Sequence[HistogramSeries]) -> list[HistogramSeries]:
    return sorted(natives, key=lambda each: each.labels.pairs)


class ServerRecording:
    """A server, asked for two hours at a time while the replay goes on.

    Args:
        history: asks.
        selectors: which series.
        first, last: from when to when.
        step: values at these steps; none: the samples as they are.

    """

    def __init__(
        self, name: str, history: RemoteHistory, selectors: Sequence[Need], first: Ms, last: Ms, step: Ms | None
    ) -> None:
        self.name, self.first, self.last = name, first, last
        self._history = history
        self._selectors = selectors
        self._step = step

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        same = _Same()
        for span in range(self.first // SPAN, self.last // SPAN + 1):
            low, high = max(span * SPAN, self.first), min((span + 1) * SPAN, self.last + 1)
            matrices = [matrix for need in self._selectors for matrix in self._read(need, low, high)]
            piece = piece_of(span, _series(matrices, low, high, same))
            if piece is not None:
                yield piece

    def close(self) -> None:
        """See ``Recording``."""

    def _read(self, need: Need, low: Ms, high: Ms) -> Sequence[SampleMatrix]:
        if self._step is not None:
            return self._history.steps(need, low, high - 1, self._step)
        until = min(high - 1 + _AROUND, self.last)
        return self._history.fetch(need, low - 1 - _AROUND, until)[0]
