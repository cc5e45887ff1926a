"""All functions, one row each; a new one is an implementation and its row in one of these modules."""

from __future__ import annotations

from typing import Final

from hypercare.promql.functions import dates, histograms, info, labels, maths, over_time, presence, rates
from hypercare.promql.functions.registry import Function

FUNCTIONS: Final[dict[str, Function]] = {
    row.name: row
    for module in (rates, over_time, maths, dates, labels, presence, histograms, info)
    for row in sorted(module.ROWS, key=lambda row: row.name)
}
"""Functions by name, used by the parser, the evaluator and the documentation."""

__all__ = ["FUNCTIONS", "Function"]
