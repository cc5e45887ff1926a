"""Evaluation of a syntax tree on a grid of steps: written once on arrays, an instant query is a grid of one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

import numpy as np

from hypercare.model.bundle import Bundle
from hypercare.promql import ast
from hypercare.promql.aggregate import aggregate
from hypercare.promql.binary import binary
from hypercare.promql.budget import Budget
from hypercare.promql.context import CallContext
from hypercare.promql.errors import EvaluationError, StoppedError
from hypercare.promql.extended import smoothed_values
from hypercare.promql.functions import FUNCTIONS, Function
from hypercare.promql.limits import Limits, never
from hypercare.promql.names import nameless
from hypercare.promql.native.elements import negated
from hypercare.promql.native.extended import smoothed_over
from hypercare.promql.native.selection import (
    columns_of,
    detected,
    laid_over,
    of_steps,
    starts_at,
    times_over,
    with_mixed,
)
from hypercare.promql.notes import Notes
from hypercare.promql.ranges import CELLS, range_call
from hypercare.promql.scan import Serial
from hypercare.promql.select import Interner, Selection, blocks_of, last_values, merged, split, values_at
from hypercare.promql.streams import aggregate_of, source_of_strips, vector_of
from hypercare.promql.values import (
    EMPTY_SETS,
    Block,
    Grid,
    LabelSets,
    RangeVector,
    Scalar,
    Text,
    Value,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.samples import Bools, Floats, Ints, SampleSource, Strip
    from hypercare.model.time import Ms
    from hypercare.ports import Workers
    from hypercare.promql.together import Together

_DETECTING: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("histogram_count", "histogram_sum", "histogram_avg"), True),
    **dict.fromkeys(("histogram_quantile", "histogram_quantiles", "histogram_fraction"), None),
}
"""Functions inside of which Prometheus reads counts and sums alone and notes resets as it reads; and those, with
subqueries, inside of which it never does. It shows in warnings about contradicting hints only."""


class Shared(Protocol):
    """What the expressions of one tick share.

    Attributes:
        cache: values, and what is to be said of them; none: nothing.
        spare: collections of notes that nothing was put into.
        together: what was asked for at earlier ticks; none: nobody knows.

    """

    grid: Grid
    together: Together | None
    cache: dict[str, tuple[Value, Notes | None]]
    spare: list[Notes]


class Plan(NamedTuple):
    """What is known of an expression's nodes before it is evaluated, by their identity.

    Attributes:
        keys: canonical texts of what is worth sharing.
        numbers: the values of number literals at one step.

    """

    keys: dict[int, str]
    numbers: dict[int, Scalar]


_UNKNOWN: Final = Plan({}, {})


class Evaluator:
    """Evaluates one expression.

    Args:
        plan: what is known of the expression.
        shared: values of sub-expressions at the same instant on the same source, shared within one tick.
        workers: threads for range queries; none: the caller's alone.
        delayed: whether names that operations drop stay visible until the end of the query.

    """

    def __init__(
        self,
        source: SampleSource,
        limits: Limits,
        interner: Interner,
        plan: Plan = _UNKNOWN,
        shared: Shared | None = None,
        workers: Workers | None = None,
        *,
        delayed: bool = True,
    ) -> None:
        self.notes = Notes()
        self.workers: Workers = workers or Serial()
        self._source = source
        self.limits = limits
        self._stopped = limits.stopped
        self._watched = limits.stopped is not never
        self._interner = interner
        self._keys, self._numbers = plan
        self._shared_grid: Grid | None = None
        self._together: Together | None = None
        if shared is not None:
            self._shared_grid, self._cache, self._spare = shared.grid, shared.cache, shared.spare
            self._together = shared.together
        self.delayed = delayed
        self._detecting: bool | None = False
        self._budget = Budget(limits)

    def eval(self, expr: ast.Expr, grid: Grid) -> Value:
        """The value of an expression on a grid.

        Raises:
            EvaluationError: it has none.
        """
        if self._watched and self._stopped():
            raise StoppedError
        # Subqueries evaluate on grids of their own.
        key = self._keys.get(id(expr)) if grid is self._shared_grid and not self._detecting else None
        if key is None:
            value = self._rules[type(expr)](self, expr, grid)
            if self.delayed or type(value) is not Vector or value.unnamed is False:
                return value
            return nameless(value, expr)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = self._apart(expr, grid)
        if found[1] is not None:
            self.notes.absorb(found[1])
        return found[0]

    def _apart(self, expr: ast.Expr, grid: Grid) -> tuple[Value, Notes | None]:
        """The value of a node, and what is to be said of it alone."""
        outer = self.notes
        inner = self.notes = self._spare.pop() if self._spare else Notes()
        try:
            value = self._rules[type(expr)](self, expr, grid)
            if not self.delayed and type(value) is Vector and value.unnamed is not False:
                value = nameless(value, expr)
        finally:
            self.notes = outer
        if inner:
            return value, inner
        # Most have nothing to be said of: the next one takes the same collection.
        self._spare.append(inner)
        return value, None

    # ── selectors ──

    def _ends(self, at: Ms | ast.Preprocessor | None, offset: ast.Duration, grid: Grid) -> Ints:
        """The instants that a selector looks at: one a step, or one in all."""
        if isinstance(offset, ast.DurationExpr):
            raise TypeError(offset)
        if at is None:
            return grid.times - offset if offset else grid.times
        if isinstance(at, ast.Preprocessor):
            at = grid.start if at is ast.Preprocessor.START else grid.end
        return np.array([at - offset], dtype=np.int64)

    def _select(self, selector: ast.VectorSelector, start: Ms, end: Ms, steps: int) -> Selection:
        matrices = self._source.select(selector.matchers, start, end)
        if not matrices:
            return Selection((), EMPTY_SETS)
        sets = self._interner.sets(matrices)
        samples = matrices.cells if type(matrices) is Bundle else sum(matrix.values.size for matrix in matrices)
        self._budget.select(selector, len(sets.labels), samples, steps)
        selection = Selection(matrices, sets)
        return selection if sets.unique() else merged(selection)

    def _histograms(self, selector: ast.VectorSelector, start: Ms, end: Ms) -> Sequence[HistogramSeries]:
        found = self._source.select_histograms(selector.matchers, start, end)
        if found:
            self._budget.histograms(selector, sum(len(series.times) for series in found))
        return detected(found) if self._detecting else found

    def strips(
        self, selector: ast.VectorSelector, start: Ms, end: Ms, steps: int
    ) -> tuple[Sequence[Strip], LabelSets] | None:
        """The series of a selector, to be read in portions; none where they are to be selected at once."""
        source = source_of_strips(self._source)
        strips = None if source is None else source.strips(selector.matchers, start, end)
        if strips is None or self._source.select_histograms(selector.matchers, start, end):
            return None
        sets = self._interner.sets(strips) if strips else EMPTY_SETS
        if not sets.unique():
            return None
        samples = sum(len(strip.labels) * len(strip.times) for strip in strips)
        self._budget.scan(selector, len(sets), samples, steps)
        return strips, sets

    def series(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """The value of a vector selector."""
        if grid.size == 1 and selector.at is None and not selector.mode and type(selector.offset) is int:
            return self._now(selector, grid.first - selector.offset)
        streamed = vector_of(self, selector, grid) if grid.size > 1 else None
        if streamed is not None:
            return streamed
        ends = self._ends(selector.at, selector.offset, grid)
        if selector.mode:
            return self._extended(selector, ends, grid)
        start = int(ends[0]) - self.limits.lookback
        selection = self._select(selector, start, int(ends[-1]), grid.size)
        vector = self._floats(selection, ends, grid)
        found = self._histograms(selector, start, int(ends[-1]))
        return laid_over(vector, selection.matrices, found, ends, self.limits.lookback) if found else vector

    def _now(self, selector: ast.VectorSelector, at: Ms) -> Vector:
        """The value of a plain vector selector at one step: what most rules consist of."""
        start = at - self.limits.lookback
        matrices = self._source.select(selector.matchers, start, at)
        if type(matrices) is Bundle:
            # As below, for the common case.
            sets = self._interner.sets(matrices)
            if sets.unique():
                self._budget.select(selector, len(sets.labels), matrices.cells, 1)
                found = self._histograms(selector, start, at)
                vector = Vector(sets, matrices.newest()[None, :])
                return laid_over(vector, matrices, found, self._instant(at), self.limits.lookback) if found else vector
        selection = self._select(selector, start, at, 1)
        matrices = selection.matrices
        if not matrices:
            vector = Vector(EMPTY_SETS, np.empty((1, 0)))
        else:
            row, there = last_values(selection)
            vector = Vector(selection.sets, row[None, :], None if there is None else there[None, :])
        found = self._histograms(selector, start, at)
        if not found:
            return vector
        return laid_over(vector, matrices, found, self._instant(at), self.limits.lookback)

    @staticmethod
    def _instant(at: Ms) -> Ints:
        return np.array([at], dtype=np.int64)

    def _floats(self, selection: Selection, ends: Ints, grid: Grid) -> Vector:
        if not selection.matrices:
            return Vector(EMPTY_SETS, np.empty((grid.size, 0)))
        if len(ends) == 1:
            row, there = last_values(selection)
            values, present = row[None, :], None if there is None else there[None, :]
            if grid.size > 1:
                values = np.broadcast_to(values, (grid.size, len(row)))
                present = None if present is None else np.broadcast_to(present, values.shape)
            return Vector(selection.sets, values, present)
        return self._series_at(selection, ends, timestamps=False)

    def _extended(self, selector: ast.VectorSelector, ends: Ints, grid: Grid) -> Vector:
        if selector.mode == "anchored":
            span = selector.span
            raise EvaluationError(
                "anchored modifier is only allowed on range vector selectors", span.line, span.column, span.length
            )
        slack = self.limits.lookback
        start, end = int(ends[0]) - slack, int(ends[-1]) + slack
        selection = self._select(selector, start, end, grid.size)
        shape = (len(ends), len(selection.sets))
        values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
        for block in blocks_of(selection)[0]:
            values[:, block.columns], present[:, block.columns] = smoothed_values(block, ends, slack)
        shape = (grid.size, shape[1])
        vector = Vector(selection.sets, np.broadcast_to(values, shape), np.broadcast_to(present, shape))
        found = self._histograms(selector, start, end)
        return smoothed_over(vector, selection.matrices, found, ends, slack, selector, self.notes) if found else vector

    def _series_at(self, selection: Selection, ends: Ints, *, timestamps: bool) -> Vector:
        columns: list[Floats] = []
        masks: list[Bools | None] = []
        for matrix in selection.matrices:
            values, rows, present = values_at(matrix, ends, self.limits.lookback)
            columns.append(matrix.times[rows] / 1000.0 if timestamps else values)
            masks.append(present)
        return Vector(selection.sets, _side_by_side(columns), _masks(masks, columns))

    def sample_times(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """A selector's samples with their timestamps in seconds as values."""
        ends = self._ends(selector.at, selector.offset, grid)
        start = int(ends[0]) - self.limits.lookback
        selection = self._select(selector, start, int(ends[-1]), grid.size)
        found = self._histograms(selector, start, int(ends[-1]))
        if not selection.matrices:
            vector = Vector(EMPTY_SETS, np.empty((grid.size, 0)))
        else:
            vector = self._series_at(selection, ends, timestamps=True)
            values = np.broadcast_to(vector.values, (grid.size, len(vector.sets)))
            present = None if vector.present is None else np.broadcast_to(vector.present, values.shape)
            vector = Vector(vector.sets, values, present, unnamed=True)
        return times_over(vector, selection.matrices, found, ends, self.limits.lookback) if found else vector

    def start_times(self, selector: ast.VectorSelector, grid: Grid) -> Vector:
        """A selector's samples that have a start timestamp, with it in seconds as value."""
        ends = self._ends(selector.at, selector.offset, grid)
        start = int(ends[0]) - self.limits.lookback
        selection = self._select(selector, start, int(ends[-1]), grid.size)
        found = self._histograms(selector, start, int(ends[-1]))
        return starts_at(selection, found, ends, self.limits.lookback, grid.size)

    def _matrix(self, expr: ast.MatrixSelector, grid: Grid) -> RangeVector:
        return self._ranges(expr, grid, at_once=False)

    def _ranges(self, expr: ast.MatrixSelector, grid: Grid, *, at_once: bool) -> RangeVector:
        """The value of a matrix selector; ``at_once``: whoever gets it takes a bundle instead of blocks."""
        selector = expr.vector
        width = expr.range
        if isinstance(width, ast.DurationExpr):
            raise TypeError(width)
        ends = self._ends(selector.at, selector.offset, grid)
        slack = self.limits.lookback if selector.mode else 0
        ahead = self.limits.lookback if selector.mode == "smoothed" else 0
        start, end = int(ends[0]) - width - slack, int(ends[-1]) + ahead
        selection = self._select(selector, start, end, grid.size)
        found = self._histograms(selector, start, end)
        matrices = selection.matrices
        if at_once and isinstance(matrices, Bundle) and not found and not slack and matrices.cells <= CELLS:
            return RangeVector(selection.sets, (), ends, width, whole=True, bundle=matrices)
        blocks, whole = blocks_of(selection) if selection.matrices else ((), False)
        ranges = RangeVector(selection.sets, blocks, ends, width, mode=selector.mode, slack=slack, whole=whole)
        return with_mixed(ranges, selection.matrices, found) if found else ranges

    def _subquery(self, expr: ast.Subquery, grid: Grid) -> RangeVector:
        width = expr.range
        step = self.limits.subquery_step if expr.step is None else expr.step
        if isinstance(width, ast.DurationExpr) or isinstance(step, ast.DurationExpr):
            raise TypeError(width)
        ends = self._ends(expr.at, expr.offset, grid)
        # Steps are multiples of the step since the epoch, whatever the query's own.
        first = (int(ends[0]) - width) // step * step + step
        last = int(ends[-1]) // step * step
        if last < first:
            return RangeVector(EMPTY_SETS, (), ends, width)
        if (last - first) // step > self.limits.max_samples:
            self._budget.refuse_samples(expr)
        times = np.arange(first, last + 1, step, dtype=np.int64)
        outer, self._detecting = self._detecting, None
        try:
            value = self.eval(expr.expr, Grid(times, step, grid.start, grid.end, grid.query_step))
        finally:
            self._detecting = outer
        if not isinstance(value, Vector):
            raise TypeError(value)
        vector = value.alive()
        if not len(vector.sets):
            return RangeVector(EMPTY_SETS, (), ends, width)
        mixed = of_steps(vector, times)
        if mixed:
            vector = vector._replace(present=vector.mask & ~columns_of(mixed, len(vector.sets)))
        columns = np.arange(len(vector.sets))
        missing = ~vector.mask if vector.present is not None else np.zeros((1, 1), dtype=np.bool_)
        blocks = (
            split(columns, times, vector.values, missing) if missing.any() else [Block(columns, times, vector.values)]
        )
        whole = len(blocks) == 1 and not mixed
        return RangeVector(vector.sets, tuple(blocks), ends, width, vector.unnamed, whole=whole, mixed=mixed)

    # ── operations ──

    def _binary(self, expr: ast.Binary, grid: Grid) -> Value:
        return binary(expr, self.eval(expr.lhs, grid), self.eval(expr.rhs, grid), self.notes)

    def _paren(self, expr: ast.Paren, grid: Grid) -> Value:
        return self.eval(expr.expr, grid)

    def _number(self, expr: ast.NumberLiteral, grid: Grid) -> Value:
        if grid.size != 1:
            return Scalar(np.full(grid.size, expr.value))
        return self._numbers.get(id(expr)) or Scalar(np.array([expr.value]))

    def _text(self, expr: ast.StringLiteral, _: Grid) -> Value:
        return Text(expr.value)

    def _unary(self, expr: ast.Unary, grid: Grid) -> Value:
        value = self.eval(expr.expr, grid)
        if expr.op == "+":
            return value
        if isinstance(value, Scalar):
            return Scalar(-value.values)
        if isinstance(value, Vector):
            floats = value.with_values(-value.values)
            return floats if value.hists is None else floats._replace(hists=negated(value.hists))
        raise TypeError(value)

    def _aggregate(self, expr: ast.Aggregate, grid: Grid) -> Value:
        param: Floats | str | None = None
        if expr.param is not None:
            value = self.eval(expr.param, grid)
            param = value.text if isinstance(value, Text) else value.values if isinstance(value, Scalar) else None
        streamed = aggregate_of(self, expr, grid) if grid.size > 1 else None
        if streamed is not None:
            return streamed
        vector = self.eval(expr.expr, grid)
        if not isinstance(vector, Vector):
            raise TypeError(vector)
        return aggregate(expr, vector, param, self.notes)

    def _call(self, expr: ast.Call, grid: Grid) -> Value:
        function = FUNCTIONS[expr.name]
        if expr.name in _DETECTING and self._detecting is not None:
            outer, self._detecting = self._detecting, _DETECTING[expr.name]
            try:
                return self._called(function, expr, grid)
            finally:
                self._detecting = outer
        return self._called(function, expr, grid)

    def _called(self, function: Function, expr: ast.Call, grid: Grid) -> Value:
        if function.special is not None:
            return function.special(CallContext(self, expr, grid))
        streamed = vector_of(self, expr, grid) if grid.size > 1 and function.over_range is not None else None
        if streamed is not None:
            return streamed
        if function.mapped is not None:
            return _mapped(function, [self.eval(arg, grid) for arg in expr.args])
        once = grid.size == 1
        args = [
            self._ranges(arg, grid, at_once=True) if once and type(arg) is ast.MatrixSelector else self.eval(arg, grid)
            for arg in expr.args
        ]
        together = self._together if grid is self._shared_grid else None
        return range_call(function, expr, args, grid, self.notes, self._stopped, together)

    # Looked up by type: a chain of cases costs more than the own work of many a node.
    _rules: ClassVar[dict[type[ast.Expr], Callable[[Evaluator, Any, Grid], Value]]] = {
        ast.VectorSelector: series,
        ast.NumberLiteral: _number,
        ast.Binary: _binary,
        ast.Call: _call,
        ast.Aggregate: _aggregate,
        ast.Paren: _paren,
        ast.Unary: _unary,
        ast.MatrixSelector: _matrix,
        ast.Subquery: _subquery,
        ast.StringLiteral: _text,
    }


def _mapped(function: Function, args: list[Value]) -> Vector:
    vector, *others = args
    if not isinstance(vector, Vector) or function.mapped is None:
        raise TypeError(vector)
    scalars = [other.values[:, None] for other in others if isinstance(other, Scalar)]
    return vector.with_values(function.mapped(vector.values, *scalars))


def _side_by_side(columns: list[Floats]) -> Floats:
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _masks(masks: list[Bools | None], columns: list[Floats]) -> Bools | None:
    if all(mask is None for mask in masks):
        return None
    full = [
        np.ones(values.shape, dtype=np.bool_) if mask is None else mask
        for mask, values in zip(masks, columns, strict=True)
    ]
    return full[0] if len(full) == 1 else np.concatenate(full, axis=1)
