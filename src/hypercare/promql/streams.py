"""Which expressions of a range query are evaluated portion by portion (``scan``), and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from hypercare.model.labels import METRIC_NAME
from hypercare.model.samples import StripSource
from hypercare.promql import ast
from hypercare.promql.aggregate import grouped, unnamed_groups
from hypercare.promql.functions import FUNCTIONS
from hypercare.promql.functions.registry import RangeArgs
from hypercare.promql.partial import STREAMED
from hypercare.promql.ranges import check_parameters, remark_non_counters
from hypercare.promql.scan import Scan, instant_compute, range_compute
from hypercare.promql.values import EMPTY_SETS, Grid, LabelSets, Scalar, Value, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.samples import Floats, Ints, Strip
    from hypercare.model.time import Ms
    from hypercare.ports import Workers
    from hypercare.promql.functions.registry import Function
    from hypercare.promql.limits import Limits
    from hypercare.promql.notes import Notes


class Opens(Protocol):
    """The evaluator, as this module sees it."""

    notes: Notes
    workers: Workers
    limits: Limits
    delayed: bool

    def eval(self, expr: ast.Expr, grid: Grid) -> Value:
        """The value of an expression on a grid."""
        ...

    def strips(
        self, selector: ast.VectorSelector, start: Ms, end: Ms, steps: int
    ) -> tuple[Sequence[Strip], LabelSets] | None:
        """The series of a selector, within the limits; none where they are to be selected at once."""
        ...


def _names_matter(expr: ast.Aggregate, sets: LabelSets) -> bool:
    """Whether it shows that names are dropped before the series are grouped: by the groups, or by an error."""
    return METRIC_NAME in expr.labels or not sets.nameless().unique()


class Stream(NamedTuple):
    """An expression that can be evaluated portion by portion."""

    scan: Scan
    unnamed: bool
    counter: ast.Call | None


def vector_of(evaluator: Opens, expr: ast.Expr, grid: Grid) -> Vector | None:
    """The value of a selector or of a function over one; none where it is not to be had this way."""
    stream = _open(evaluator, expr, grid)
    if stream is None:
        return None
    if not len(stream.scan.sets):
        return Vector(EMPTY_SETS, np.empty((grid.size, 0)))
    values, present = stream.scan.vector()
    if stream.counter is not None:
        remark_non_counters(stream.scan.sets, present, stream.counter, evaluator.notes)
    return Vector(stream.scan.sets, values, present, stream.unnamed)


def aggregate_of(evaluator: Opens, expr: ast.Aggregate, grid: Grid) -> Vector | None:
    """The value of an aggregation of such an expression; none where it is not to be had this way."""
    if expr.op not in STREAMED:
        return None
    stream = _open(evaluator, expr.expr, grid)
    if stream is None or (stream.unnamed and not evaluator.delayed and _names_matter(expr, stream.scan.sets)):
        return None
    scan = stream.scan
    if not len(scan.sets):
        return Vector(EMPTY_SETS, np.empty((grid.size, 0)))
    groups, sets = grouped(scan.sets, expr.labels, without=expr.without)
    found = scan.reduced(expr.op, groups)
    if found is None:
        return None
    values, present, alive = found
    if stream.counter is not None:
        remark_non_counters(scan.sets, alive[None, :], stream.counter, evaluator.notes)
    return Vector(sets, values, present, unnamed_groups(expr, stream.unnamed, groups))


def _open(evaluator: Opens, expr: ast.Expr, grid: Grid) -> Stream | None:
    if grid.size == 1:
        return None
    node = ast.unwrap(expr)
    if isinstance(node, ast.VectorSelector):
        return _open_selector(evaluator, node, grid)
    if isinstance(node, ast.Call):
        return _open_call(evaluator, node, grid)
    return None


def _open_selector(evaluator: Opens, selector: ast.VectorSelector, grid: Grid) -> Stream | None:
    ends = _ends(selector, grid)
    if ends is None:
        return None
    lookback = evaluator.limits.lookback
    found = evaluator.strips(selector, int(ends[0]) - lookback, int(ends[-1]), grid.size)
    if found is None:
        return None
    compute = instant_compute(ends, lookback)
    return Stream(
        Scan(*found, grid.size, compute, evaluator.workers, evaluator.limits.stopped), unnamed=False, counter=None
    )


def _open_call(evaluator: Opens, call: ast.Call, grid: Grid) -> Stream | None:
    function = FUNCTIONS[call.name]
    matrix = next((ast.unwrap(arg) for arg in call.args if isinstance(ast.unwrap(arg), ast.MatrixSelector)), None)
    if function.over_range is None or not isinstance(matrix, ast.MatrixSelector):
        return None
    ends, width = _ends(matrix.vector, grid), matrix.range
    if ends is None or isinstance(width, ast.DurationExpr):
        return None
    found = evaluator.strips(matrix.vector, int(ends[0]) - width, int(ends[-1]), grid.size)
    if found is None:
        return None
    args = _arguments(evaluator, function, call, grid, (ends, width))
    compute = range_compute(function, args, ends, width)
    scan = Scan(*found, grid.size, compute, evaluator.workers, evaluator.limits.stopped)
    return Stream(scan, unnamed=not function.keeps_name, counter=call if function.counter else None)


def _arguments(evaluator: Opens, function: Function, call: ast.Call, grid: Grid, windows: tuple[Ints, Ms]) -> RangeArgs:
    values = [evaluator.eval(arg, grid) for arg in call.args if not isinstance(ast.unwrap(arg), ast.MatrixSelector)]
    scalars = tuple(value.values[:, None] for value in values if isinstance(value, Scalar))
    check_parameters(function, call, scalars, evaluator.notes)
    ends, width = windows
    times: Floats = grid.times[:, None].astype(np.float64)
    until = ends[:, None].astype(np.float64)
    return RangeArgs(times, until - width, until, scalars)


def _ends(selector: ast.VectorSelector, grid: Grid) -> Ints | None:
    """The instants that a selector looks at, one a step; none where they are others, or more than samples is wanted."""
    if selector.mode or selector.at is not None or isinstance(selector.offset, ast.DurationExpr):
        return None
    return grid.times - selector.offset if selector.offset else grid.times


def source_of_strips(source: object) -> StripSource | None:
    """The source, if it can be read in portions."""
    return source if isinstance(source, StripSource) else None
