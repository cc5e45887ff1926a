"""Samples in columns: all series of one scrape share their timestamps, so the unit is a matrix.

Absence is not NaN: two NaN bit patterns that no computation yields mark a cell without a sample. Everything
else in a cell, other NaNs included, is a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

STALE_BITS: Final = 0x7FF0000000000002
"""Prometheus' staleness marker: the series ended here."""
ABSENT_BITS: Final = 0x7FF000000000AB5E
"""No sample of this series in this row."""
STALE: Final[float] = float(np.array([STALE_BITS], dtype=np.int64).view(np.float64)[0])
ABSENT: Final[float] = float(np.array([ABSENT_BITS], dtype=np.int64).view(np.float64)[0])


def is_stale(values: Floats) -> Bools:
    """Which cells hold a staleness marker; any shape, must be C- or F-contiguous per item (a view is fine)."""
    stale: Bools = values.view(np.int64) == STALE_BITS
    return stale


def is_absent(values: Floats) -> Bools:
    """Which cells hold no sample."""
    absent: Bools = values.view(np.int64) == ABSENT_BITS
    return absent


class SampleMatrix(NamedTuple):  # made for every target at every query: a tuple is the cheapest record
    """Series that share their timestamps (those of one target), over a span of time.

    Attributes:
        labels: the S label sets, ``__name__`` included; no two equal within one matrix, but the same label set
            may stand in another matrix of the same answer (a target that came back with other labels beside it).
        times: int64[T], ascending, ms since the epoch.
        values: float64[T, S]; a cell may hold ``STALE_BITS`` or ``ABSENT_BITS``.
        dense: true promises that no cell is stale or absent, so that readers may skip the mask.
        starts: int64[T, S], when the counter of a sample began (OpenMetrics' created, remote write's start timestamp),
            ms since the epoch, 0 where unknown; None, the common case: none is known.

    """

    labels: tuple[Labels, ...]
    times: Ints
    values: Floats
    dense: bool
    starts: Ints | None = None


class Strip(Protocol):
    """Series that share their timestamps, as ``SampleMatrix``, but not read yet."""

    @property
    def labels(self) -> tuple[Labels, ...]:
        """The label sets of the series, as ``SampleMatrix.labels``."""
        ...

    @property
    def times(self) -> Ints:
        """The times of the rows, ascending, ms."""
        ...

    @property
    def dense(self) -> bool:
        """True promises that no cell is stale or absent."""
        ...

    def portions(self) -> Sequence[tuple[int, int]]:
        """All columns in portions that are best read at once, as first and behind."""
        ...

    def read(self, first: int, behind: int) -> Floats:
        """Values ``[T, behind - first]``; from any thread."""
        ...


class SampleSource(Protocol):
    """What an expression is evaluated on: an immutable view of stored samples."""

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[SampleMatrix]:
        """All samples of the matching series with ``start < t <= end``; matrices without a row are left out."""
        ...

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[HistogramSeries]:
        """Native histograms of the matching series with ``start < t <= end``; empty at once where none is stored."""
        ...


@runtime_checkable
class StripSource(SampleSource, Protocol):
    """A source that need not hold all samples of an answer in memory at once."""

    def strips(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> Sequence[Strip] | None:
        """What ``select`` finds, to be read in portions; none where it has to be read at once."""
        ...
