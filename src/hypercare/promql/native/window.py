"""One window of one series, and what a function is told besides."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from hypercare.promql.native.aggregation import warn_mixed_layouts
from hypercare.promql.printer import quote

if TYPE_CHECKING:
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.promql import ast
    from hypercare.promql.functions.registry import Function, RangeArgs
    from hypercare.promql.notes import Notes
    from hypercare.promql.values import Cells

Outcome: TypeAlias = "float | Histogram | None"
"""The result at one step; none: there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """The samples of a window, ascending; each ``[T]``, T at least 1.

    Attributes:
        values: any number where there is a histogram.
        hists: none where there is a float.
        is_histogram: which samples are histograms.
        starts: start timestamps, 0 where unknown; none: none is known.

    """

    times: Ints
    values: Floats
    hists: Cells
    is_histogram: Bools
    starts: Ints | None

    @property
    def any_histogram(self) -> bool:
        """Whether one is."""
        return bool(self.is_histogram.any())

    @property
    def any_float(self) -> bool:
        """Whether one is not."""
        return not bool(self.is_histogram.all())

    def floats(self) -> Window:
        """Only the floats."""
        kept = ~self.is_histogram
        starts = None if self.starts is None else self.starts[kept]
        return Window(self.times[kept], self.values[kept], self.hists[kept], self.is_histogram[kept], starts)

    def histograms(self) -> list[Histogram]:
        """The histograms of a window that has nothing else."""
        return list(self.hists)

    def sample(self, index: int) -> float | Histogram:
        """One of them."""
        found = self.hists[index]
        return float(self.values[index]) if found is None else found


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """The call, the series' name, the bounds of the range in ms (``start < t <= end``), the arguments of all steps."""

    function: Function
    call: ast.Call
    name: str
    notes: Notes
    start: Ms
    end: Ms
    mode: str
    slack: Ms
    whole: RangeArgs
    step: int

    @property
    def seconds(self) -> float:
        """The width of the range."""
        return (self.end - self.start) / 1000.0

    def warn(self, message: str) -> None:
        """The result may be wrong."""
        self.notes.warn(message, self.call.args[0])

    def info(self, message: str) -> None:
        """The result may not be what was meant."""
        self.notes.info(message, self.call.args[0])

    def warn_mixed_kinds(self) -> None:
        """Floats and histograms cannot be put together."""
        self.warn(f"encountered a mix of histograms and floats for metric name {quote(self.name)}")

    def warn_mixed_layouts(self) -> None:
        """Nor can exponential and custom buckets."""
        warn_mixed_layouts(self.name, self.call.args[0], self.notes)

    def warn_not_counter(self) -> None:
        """A gauge histogram where a counter is expected."""
        self.warn(f"this native histogram metric is not a counter: {quote(self.name)}")

    def warn_not_gauge(self) -> None:
        """A counter histogram where a gauge is expected."""
        self.warn(f"this native histogram metric is not a gauge: {quote(self.name)}")

    def info_reconciled(self, word: str) -> None:
        """Custom bounds were reduced to common ones."""
        self.info(f"mismatched custom buckets were reconciled during {word}")

    def remark_ignored(self) -> None:
        """Histograms were left out."""
        self.info(
            f"ignored histograms in a range containing both floats and histograms for metric name {quote(self.name)}"
        )
