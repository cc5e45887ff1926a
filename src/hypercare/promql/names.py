"""Metric names at the moment that an operation drops them, where their removal is not delayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.promql.errors import EvaluationError
from hypercare.promql.groups import Groups
from hypercare.promql.results import final_sets
from hypercare.promql.values import Value, Vector

if TYPE_CHECKING:
    from hypercare.promql import ast


def nameless(value: Value, expr: ast.Expr) -> Value:
    """The value without the names that its operation drops.

    Raises:
        EvaluationError: two series are the same without them.
    """
    if not isinstance(value, Vector) or value.unnamed is False:
        return value
    sets = final_sets(value.sets, value.unnamed)
    if not sets.unique():
        there = value.present if value.hists is None else value.there
        if (Groups.of(sets.labels).count(there, len(value.values)) > 1).any():
            span = expr.span
            message = "vector cannot contain metrics with the same labelset"
            raise EvaluationError(message, span.line, span.column, span.length)
    return Vector(sets, value.values, value.present, unnamed=False, hists=value.hists)
