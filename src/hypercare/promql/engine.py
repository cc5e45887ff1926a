"""Queries: parsed once, evaluated on a source at an instant or over a range."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hypercare.promql import ast, durations
from hypercare.promql.errors import LimitError, PromqlError
from hypercare.promql.evaluator import Evaluator, Plan
from hypercare.promql.features import Features
from hypercare.promql.limits import Limits
from hypercare.promql.parser import parse
from hypercare.promql.results import (
    InstantResult,
    RangeResult,
    instant_elements,
    instant_matrix,
    mixed_series,
    range_histograms,
    range_series,
)
from hypercare.promql.select import Interner
from hypercare.promql.typecheck import type_of
from hypercare.promql.values import Grid, RangeVector, Scalar, Text, Value, Vector

if TYPE_CHECKING:
    from hypercare.model.samples import SampleSource
    from hypercare.model.time import Ms
    from hypercare.ports import Workers
    from hypercare.promql.notes import Notes
    from hypercare.promql.together import Together

_PARSED: Final = 2048
_CACHED: Final = (ast.VectorSelector, ast.Call, ast.Aggregate, ast.MatrixSelector, ast.Subquery)
"""Nodes worth sharing between the expressions of a tick."""
_NOWHERE: Final = Grid.at(0)


class Tick:
    """Values computed at one instant on one source, shared by all rules of a tick.

    Make a new one for every instant and every view of the store.

    Args:
        quiet: whoever makes it has numpy keep silent (``np.errstate(all="ignore")``) as long as it is used: to say so
            anew for every expression costs more than many a node of it.
        together: what whoever makes it asked for at earlier ticks; none: nothing is known of that.

    """

    def __init__(self, *, quiet: bool = False, together: Together | None = None) -> None:
        self.quiet = quiet
        self.together = together
        self.cache: dict[str, tuple[Value, Notes | None]] = {}
        self.spare: list[Notes] = []
        self.grid = _NOWHERE
        self._source: SampleSource | None = None

    def claim(self, source: SampleSource, at: Ms) -> None:
        """Hold the tick to its first source and instant.

        Raises:
            ValueError: it is used for another one.
        """
        if self._source is None:
            self._source, self.grid = source, Grid.at(at)
        elif self._source is not source or self.grid.start != at:
            raise ValueError("a tick belongs to one source and one instant")


@dataclasses.dataclass(frozen=True, slots=True)
class _Prepared:
    """An expression ready for evaluation."""

    expr: ast.Expr
    plan: Plan
    waits: bool


class Engine:
    """Evaluates expressions within limits; keeps parsed expressions and what was derived from label sets."""

    def __init__(
        self, limits: Limits | None = None, features: Features | None = None, workers: Workers | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._features = features or Features()
        self._workers = workers
        self._interner = Interner()
        self._prepared: dict[str | int, _Prepared] = {}

    def configure(self, limits: Limits, features: Features) -> None:
        """Evaluate by other limits and with other parts of the language from now on."""
        self._limits, self._features = limits, features
        self._prepared = {}

    def within(self, **limits: Any) -> Engine:
        """The same engine, and what it remembers, under other limits: names and values of ``Limits``."""
        other = copy.copy(self)
        other._limits = dataclasses.replace(self._limits, **limits)  # noqa: SLF001 - of this very class
        return other

    def instant(self, source: SampleSource, expr: str | ast.Expr, at: Ms, tick: Tick | None = None) -> InstantResult:
        """The value at one instant.

        Raises:
            PromqlError: the expression is wrong, has no value on these data, or needs more than the limits allow.
        """
        prepared = self._prepare(expr)
        quiet = tick is not None and tick.quiet
        if prepared.waits or tick is None:
            tick, grid = None, Grid.at(at)
        else:
            tick.claim(source, at)
            grid = tick.grid
        delayed = self._features.promql_delayed_name_removal
        evaluator = Evaluator(source, self._limits, self._interner, prepared.plan, tick, delayed=delayed)
        tree = durations.resolve(prepared.expr, 0, 0) if prepared.waits else prepared.expr
        if quiet:
            value = evaluator.eval(tree, grid)
        else:
            with np.errstate(all="ignore"):
                value = evaluator.eval(tree, grid)
        return _instant_result(value, at, evaluator.notes)

    def range(self, source: SampleSource, expr: str | ast.Expr, start: Ms, end: Ms, step: Ms) -> RangeResult:
        """The values at ``start``, ``start + step``, … up to ``end``.

        Raises:
            PromqlError: the expression is wrong, has no value on these data, or needs more than the limits allow.
        """
        prepared = self._prepare(expr)
        kind = type_of(prepared.expr)
        if kind not in {ast.ValueType.SCALAR, ast.ValueType.VECTOR}:
            msg = f'invalid expression type "{kind.documented}" for range query, must be scalar or instant vector'
            raise PromqlError(msg)
        if step <= 0:
            raise PromqlError("zero or negative query resolution step widths are not accepted. Try a positive integer")
        if end < start:
            raise PromqlError("end timestamp must not be before start time")
        points = (end - start) // step + 1
        if points - 1 > self._limits.max_points:
            message = f"exceeded maximum resolution of {self._limits.max_points:,} points per timeseries"
            msg = f"{message}. Try decreasing the query resolution (?step=XX)"
            raise LimitError(msg)
        delayed = self._features.promql_delayed_name_removal
        evaluator = Evaluator(source, self._limits, self._interner, workers=self._workers, delayed=delayed)
        tree = durations.resolve(prepared.expr, step, end - start) if prepared.waits else prepared.expr
        grid = Grid(start + step * np.arange(points, dtype=np.int64), step, start, end, step)
        with np.errstate(all="ignore"):
            value = evaluator.eval(tree, grid)
        return _range_result(value, grid, evaluator.notes)

    def _prepare(self, expr: str | ast.Expr) -> _Prepared:
        key = expr if isinstance(expr, str) else id(expr)
        found = self._prepared.get(key)
        if found is not None:
            return found
        tree = parse(expr, self._features) if isinstance(expr, str) else expr
        if not isinstance(expr, str):
            self._features.refuse(tree)
        nodes = list(ast.walk(tree))
        keys = {id(node): str(node) for node in nodes if isinstance(node, _CACHED)}
        numbers = {id(node): Scalar(np.array([node.value])) for node in nodes if isinstance(node, ast.NumberLiteral)}
        prepared = _Prepared(tree, Plan(keys, numbers), durations.has_duration_exprs(tree))
        if len(self._prepared) >= _PARSED:
            self._prepared.clear()
        self._prepared[key] = prepared
        return prepared


def _instant_result(value: Value, at: Ms, notes: Notes) -> InstantResult:
    warnings, infos = (notes.warnings, notes.infos) if notes else ((), ())
    if isinstance(value, Vector):
        labels, values, histograms = instant_elements(value, at)
        return InstantResult("vector", at, labels, values, warnings=warnings, infos=infos, histograms=histograms)
    if isinstance(value, Scalar):
        return InstantResult("scalar", at, scalar=float(value.values[0]), warnings=warnings, infos=infos)
    if isinstance(value, Text):
        return InstantResult("string", at, text=value.text, warnings=warnings, infos=infos)
    histogram_series = mixed_series(value)[1] if value.mixed else ()
    return InstantResult(
        "matrix",
        at,
        series=instant_matrix(value),
        warnings=warnings,
        infos=infos,
        histogram_series=histogram_series,
    )


def _range_result(value: Value, grid: Grid, notes: Notes) -> RangeResult:
    if isinstance(value, Scalar):
        from hypercare.promql.functions.dates import ONE_UNLABELLED  # noqa: PLC0415

        value = Vector(ONE_UNLABELLED, value.values[:, None])
    if not isinstance(value, Vector):
        raise TypeError(value)
    labels, values, present = range_series(value)
    histograms = range_histograms(value, grid.times)
    return RangeResult(labels, grid.times, values, present, notes.warnings, notes.infos, histograms)


__all__ = ["Engine", "RangeVector", "Tick"]
