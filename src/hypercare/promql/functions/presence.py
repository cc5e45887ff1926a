"""Functions about presence, and between scalars and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.matchers import MatchOp
from hypercare.promql import ast
from hypercare.promql.functions.dates import ONE_UNLABELLED
from hypercare.promql.functions.registry import MATRIX, SCALAR, VECTOR, Function
from hypercare.promql.values import LabelSets, Scalar, Value, Vector

if TYPE_CHECKING:
    from hypercare.model.samples import Bools
    from hypercare.promql.context import CallContext


def _absent_labels(expr: ast.Expr) -> LabelSets:
    """Labels that an expression asks for by equality, each named once."""
    expr = ast.unwrap(expr)
    if isinstance(expr, ast.MatrixSelector):
        expr = expr.vector
    if not isinstance(expr, ast.VectorSelector):
        return ONE_UNLABELLED
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in expr.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op is MatchOp.EQUAL and matcher.name not in seen:
            wanted[matcher.name] = matcher.value
        else:
            wanted.pop(matcher.name, None)
        seen.add(matcher.name)
    return LabelSets((Labels(wanted.items()),))


def _ones_where(ctx: CallContext, missing: Bools) -> Vector:
    present = None if missing.all() else missing[:, None]
    return Vector(_absent_labels(ctx.call.args[0]), np.ones((ctx.grid.size, 1)), present)


def _absent(ctx: CallContext) -> Value:
    vector = ctx.vector(0)
    found: Bools = np.logical_or.reduce(vector.there, axis=1)
    return _ones_where(ctx, ~found)


def _absent_over_time(ctx: CallContext) -> Value:
    inner = ast.Call("present_over_time", ctx.call.args, ctx.call.span)
    vector = ctx.evaluator.eval(inner, ctx.grid)
    if not isinstance(vector, Vector):
        raise TypeError(vector)
    found: Bools = np.logical_or.reduce(vector.mask, axis=1)
    return _ones_where(ctx, ~found)


def _scalar(ctx: CallContext) -> Value:
    vector = ctx.vector(0)
    if not len(vector.sets):
        return Scalar(np.full(ctx.grid.size, np.nan))
    mask = vector.mask
    alone = mask.sum(axis=1) == 1
    picked = vector.values[np.arange(ctx.grid.size), mask.argmax(axis=1)]
    return Scalar(np.where(alone, picked, np.nan))


def _vector(ctx: CallContext) -> Value:
    return Vector(ONE_UNLABELLED, ctx.column(0))


ROWS: tuple[Function, ...] = (
    Function("absent", (VECTOR,), VECTOR, "1 where the vector is empty.", special=_absent),
    Function("absent_over_time", (MATRIX,), VECTOR, "1 where the range is empty.", special=_absent_over_time),
    Function("scalar", (VECTOR,), SCALAR, "The value of the only series, else NaN.", special=_scalar),
    Function("vector", (SCALAR,), VECTOR, "A scalar as a vector without labels.", special=_vector),
)
