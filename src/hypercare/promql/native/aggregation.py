"""Aggregation of vectors with histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql.native.arithmetic import IncompatibleError
from hypercare.promql.native.bounds import is_custom
from hypercare.promql.native.sums import Combined, mean_of, sum_of
from hypercare.promql.printer import quote
from hypercare.promql.values import Vector, filled

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats
    from hypercare.promql import ast
    from hypercare.promql.groups import Groups
    from hypercare.promql.notes import Notes

IGNORING: Final = frozenset({"min", "max", "stddev", "stdvar", "quantile", "topk", "bottomk"})
"""Aggregations that leave histograms out."""
_WHOLE: Final = frozenset({"topk", "bottomk"})


def remark_ignored(expr: ast.Aggregate, vector: Vector, param: Floats | str | None, notes: Notes) -> None:
    """Say that histograms are left out, where there are some."""
    if vector.hists is None:
        return
    there: Bools = np.logical_or.reduce(filled(vector.hists), axis=1)
    if expr.op in _WHOLE:
        there = there & (np.asarray(param) >= 1)
    if there.any():
        notes.info(f"ignored histogram in {expr.op} aggregation", expr if expr.op in _WHOLE else expr.expr)


def added_up(expr: ast.Aggregate, vector: Vector, floats: Vector, groups: Groups, notes: Notes) -> Vector:
    """Sums or means of a vector with histograms; ``floats`` are those of its floats.

    A group that has both kinds at a step has no result there.
    """
    if vector.hists is None:
        return floats
    is_histogram = filled(vector.hists)
    present = floats.mask.copy()
    hists = np.full(present.shape, None, dtype=np.object_)
    pairs: dict[tuple[int, int], list[int]] = {}
    for step, column in np.argwhere(is_histogram).tolist():
        pairs.setdefault((step, int(groups.index[column])), []).append(column)
    for (step, group), columns in pairs.items():
        mixed = bool(present[step, group])
        present[step, group] = False
        if mixed:
            notes.warn("encountered a mix of histograms and floats for aggregation", expr.expr)
        else:
            hists[step, group] = _one(expr, vector, step, columns, notes)
    return Vector(floats.sets, floats.values, present, floats.unnamed, hists)


def _one(expr: ast.Aggregate, vector: Vector, step: int, columns: list[int], notes: Notes) -> object:
    if vector.hists is None:
        return None
    histograms = [vector.hists[step, column] for column in columns]
    try:
        found: Combined = sum_of(histograms) if expr.op == "sum" else mean_of(histograms)
    except IncompatibleError:
        custom = is_custom(histograms[0])
        odd = next(i for i, each in enumerate(histograms) if is_custom(each) != custom)
        warn_mixed_layouts(vector.sets.labels[columns[odd]].name, expr.expr, notes)
        return None
    if found.collision:
        notes.warn("conflicting counter resets during histogram aggregation", expr.expr)
    if found.reconciled:
        notes.info("mismatched custom buckets were reconciled during aggregation", expr.expr)
    return found.histogram


def warn_mixed_layouts(name: str, node: ast.Expr, notes: Notes) -> None:
    """Exponential and custom buckets cannot be put together."""
    notes.warn(
        "vector contains a mix of histograms with exponential and custom buckets schemas for metric name "
        f"{quote(name)}",
        node,
    )
