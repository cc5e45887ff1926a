"""What a query has used up of its limits, and how it is refused more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from hypercare.promql.errors import LimitError

if TYPE_CHECKING:
    from hypercare.promql import ast
    from hypercare.promql.limits import Limits

_HISTOGRAM_BYTES: Final = 512
"""Taken for the size of one native histogram in memory."""
_TOO_MANY: Final = "query processing would load too many samples into memory in query execution"


class Budget:
    """Counts what one query takes; every method raises ``LimitError``, with the node's place, once it is too much."""

    __slots__ = ("_bytes", "_limits", "_samples", "_scanned")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._samples = self._bytes = self._scanned = 0

    def select(self, node: ast.Expr, series: int, samples: int, steps: int) -> None:
        """Count series that a selector found, with their samples and the results of so many steps."""
        limits = self._limits
        self._find(node, series)
        self._samples += samples
        if self._samples > limits.max_samples or series * steps > limits.max_samples:
            self.refuse_samples(node)
        # Samples, and values with mask of the results.
        self.hold(node, 8 * samples + 9 * series * steps)

    def histograms(self, node: ast.Expr, number: int) -> None:
        """Count native histograms."""
        self._samples += number
        if self._samples > self._limits.max_samples:
            self.refuse_samples(node)
        self.hold(node, number * _HISTOGRAM_BYTES)

    def scan(self, node: ast.Expr, series: int, samples: int, steps: int) -> None:
        """Count series that are read in portions."""
        limits = self._limits
        self._find(node, series)
        self._scanned += samples
        if self._scanned > limits.max_scanned or series * steps > limits.max_samples:
            self.refuse_samples(node)

    def hold(self, node: ast.Expr, size: int) -> None:
        """Count bytes of memory that the query holds."""
        self._bytes += size
        most = self._limits.max_bytes
        if self._bytes > most:
            needs = f"the query needs about {self._bytes >> 20} MiB of memory"
            _refuse(node, f"{needs}, more than the {most >> 20} MiB allowed")

    def refuse_samples(self, node: ast.Expr) -> NoReturn:
        """Say that there are too many samples."""
        _refuse(node, _TOO_MANY)

    def _find(self, node: ast.Expr, series: int) -> None:
        most = self._limits.max_series
        if series > most:
            _refuse(node, f"the query touches more than {most} series")


def _refuse(node: ast.Expr, message: str) -> NoReturn:
    raise LimitError(message, node.span.line, node.span.column, node.span.length)
