"""Recorded samples in pieces of two hours, so that no recording is in memory as a whole."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from hypercare.model.time import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.ingest import FloatSeries
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms

SPAN: Final = 2 * HOUR


class Piece(NamedTuple):
    """All samples of one span of time: from ``span * SPAN`` on (included), so long.

    Attributes:
        labels: label sets; for one series the same object in every piece of a recording.
        numbers: int64[N], which of the label sets a sample has.
        times: int64[N], ascending, ms since the epoch.
        values: float64[N], staleness markers among them.
        histograms: native histograms of the same span.

    """

    span: int
    labels: Sequence[Labels]
    numbers: Ints
    times: Ints
    values: Floats
    histograms: tuple[HistogramSeries, ...] = ()


class Recording(Protocol):
    """Something recorded.

    Attributes:
        name: for people.
        first: not later than the first sample, ms.
        last: not earlier than the last one.

    """

    name: str
    first: Ms
    last: Ms

    def pieces(self) -> Iterator[Piece]:
        """All of it, in the order of time; spans without a sample are left out.

        Raises:
            SourceError: the server it is on is away, or refuses.
        """
        ...

    def close(self) -> None:
        """Give back what it takes on the disk; it may not be read any more."""
        ...


def piece_of(span: int, series: Sequence[FloatSeries], histograms: Sequence[HistogramSeries] = ()) -> Piece | None:
    """A piece of whole series; none where nothing is in it. Of equal times the order of the series counts."""
    series = [each for each in series if len(each.times)]
    histograms = [each for each in histograms if len(each.times)]
    if not series and not histograms:
        return None
    if not series:
        empty: Ints = np.empty(0, np.int64)
        return Piece(span, (), empty, empty, np.empty(0), tuple(histograms))
    numbers = np.repeat(np.arange(len(series), dtype=np.int64), [len(each.times) for each in series])
    times = np.concatenate([each.times for each in series])
    values = np.concatenate([each.values for each in series])
    order = np.argsort(times, kind="stable")
    labels = tuple(each.labels for each in series)
    return Piece(span, labels, numbers[order], times[order], values[order], tuple(histograms))


class Together:
    """Several recordings as one."""

    def __init__(self, parts: Sequence[Recording]) -> None:
        self._parts = parts
        self.name = ", ".join(part.name for part in parts)
        self.first = min(part.first for part in parts)
        self.last = max(part.last for part in parts)

    def pieces(self) -> Iterator[Piece]:
        """See ``Recording``."""
        waiting: list[Piece] = []
        for piece in heapq.merge(*(part.pieces() for part in self._parts), key=lambda each: each.span):
            if waiting and piece.span != waiting[0].span:
                yield _joined(waiting)
                waiting = []
            waiting.append(piece)
        if waiting:
            yield _joined(waiting)

    def close(self) -> None:
        """See ``Recording``."""
        for part in self._parts:
            part.close()


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    offsets = np.cumsum([0, *(len(piece.labels) for piece in pieces)])
    numbers = np.concatenate([piece.numbers + at for piece, at in zip(pieces, offsets.tolist(), strict=False)])
    times = np.concatenate([piece.times for piece in pieces])
    order = np.argsort(times, kind="stable")
    return Piece(
        pieces[0].span,
        [labels for piece in pieces for labels in piece.labels],
        numbers[order],
        times[order],
        np.concatenate([piece.values for piece in pieces])[order],
        tuple(series for piece in pieces for series in piece.histograms),
    )
