"""``info``: labels of info metrics (``target_info`` and the like) added to the series of the same target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.promql import ast
from hypercare.promql.errors import EvaluationError
from hypercare.promql.functions.registry import VECTOR, Function
from hypercare.promql.values import Cells, Grid, LabelSets, Value, Vector, filled, only_where

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.context import CallContext

_IDENTIFYING: Final = ("instance", "job")
_DEFAULT: Final = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
_ANY: Final = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")
_POSITIVE: Final = frozenset({MatchOp.EQUAL, MatchOp.REGEX})


def _matchers(call: ast.Call) -> tuple[tuple[Matcher, ...], tuple[Matcher, ...]]:
    """Conditions on the name of info metrics, and on their data labels."""
    given = call.args[1].matchers if len(call.args) > 1 and isinstance(call.args[1], ast.VectorSelector) else ()
    names = tuple(m for m in given if m.name == METRIC_NAME)
    if not names:
        names = (_DEFAULT,)
    elif not any(m.op in _POSITIVE for m in names):
        names = (*names, _ANY)
    return names, tuple(m for m in given if m.name != METRIC_NAME)


def _reference(expr: ast.Expr, grid: Grid, times: Ints) -> Ints:
    """The instants that the samples of the first selector in an expression are of."""
    if isinstance(expr, ast.VectorSelector | ast.Subquery):
        at = expr.at
        if isinstance(at, ast.Preprocessor):
            at = grid.start if at is ast.Preprocessor.START else grid.end
        if at is not None:
            times = np.full_like(times, at)
        if not isinstance(expr.offset, ast.DurationExpr):
            times = times - expr.offset
        return times if isinstance(expr, ast.VectorSelector) else _reference(expr.expr, grid, times)
    for child in ast.children(expr):
        if any(isinstance(node, ast.VectorSelector) for node in ast.walk(child)):
            return _reference(child, grid, times)
    return times


def _info(ctx: CallContext) -> Value:
    base = ctx.vector(0)
    names, data = _matchers(ctx.call)
    grid = ctx.grid
    times = _reference(ctx.call.args[0], grid, grid.times)
    selector = ast.VectorSelector("", (*names, *data), span=ctx.call.span)
    found = ctx.evaluator.sample_times(selector, Grid(times, grid.step, grid.start, grid.end, grid.query_step))
    if ctx.evaluator.series(selector, Grid(times, grid.step, grid.start, grid.end, grid.query_step)).hists is not None:
        span = ctx.call.span
        message = "an info metric must have float samples, and one that the call selects has histograms"
        raise EvaluationError(message, span.line, span.column, span.length)
    by_target: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for i, labels in enumerate(found.sets.labels):
        target = tuple(labels.get(name) for name in _IDENTIFYING)
        by_target.setdefault(target, {}).setdefault(labels.name, []).append(i)
    required = not all(m.matches_value("") for m in data)
    wanted = frozenset(m.name for m in data) if data else None
    parts = _Parts(grid.size)
    mask, there = base.mask, base.there
    unnamed = np.broadcast_to(np.asarray(base.unnamed), len(base.sets))
    for column, labels in enumerate(base.sets.labels):
        series = (base.values[:, column], mask[:, column], bool(unnamed[column]))
        hists = None if base.hists is None else base.hists[:, column]
        if all(m.matches(labels) for m in names):
            parts.add(labels, *series, hists)
            continue
        target = tuple(labels.get(name) for name in _IDENTIFYING)
        choices = _newest(found, by_target.get(target, {}))
        for choice in np.unique(choices, axis=0):
            here = (choices == choice).all(axis=1) & there[:, column]
            matched = [found.sets.labels[int(i)] for i in choice if i >= 0]
            if here.any() and (matched or not required):
                enriched = _enriched(ctx, labels, matched, wanted)
                some = None if hists is None else only_where(hists, here)
                parts.add(enriched, series[0], here & series[1], series[2], some)
    return parts.vector()


def _newest(found: Vector, by_name: dict[str, list[int]]) -> Ints:
    """For every step and info metric the series with the newest sample, ``[K, names]``; -1 where there is none."""
    steps = len(found.values)
    choices = np.full((steps, len(by_name)), -1, dtype=np.int64)
    for place, columns in enumerate(by_name.values()):
        times = np.where(found.mask[:, columns], found.values[:, columns], -np.inf)
        best = times.argmax(axis=1)
        choices[:, place] = np.where(np.isfinite(times.max(axis=1)), np.array(columns)[best], -1)
    return choices


def _enriched(ctx: CallContext, labels: Labels, infos: list[Labels], wanted: frozenset[str] | None) -> Labels:
    added: dict[str, str] = {}
    for info in infos:
        for name, value in info:
            skip = name == METRIC_NAME or name in _IDENTIFYING or name in labels
            if skip or (wanted is not None and name not in wanted):
                continue
            if added.setdefault(name, value) != value:
                span = ctx.call.span
                message = f'conflicting label: "{name}"'
                raise EvaluationError(message, span.line, span.column, span.length)
    return labels.with_(added) if added else labels


class _Parts:
    """Series put together from the pieces that share their labels."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._found: dict[tuple[Labels, bool], tuple[Floats, Bools, Cells]] = {}
        self._any_histogram = False

    def add(self, labels: Labels, values: Floats, present: Bools, unnamed: bool, hists: Cells | None) -> None:  # noqa: FBT001  # a value
        """Add a piece."""
        steps = self._steps
        nothing = np.zeros(steps), np.zeros(steps, dtype=np.bool_), np.full(steps, None, dtype=np.object_)
        old_values, old_present, old_hists = self._found.get((labels, unnamed), nothing)
        if hists is not None:
            self._any_histogram = True
            old_hists = np.where(filled(hists), hists, old_hists)
        self._found[labels, unnamed] = (np.where(present, values, old_values), old_present | present, old_hists)

    def vector(self) -> Vector:
        """All of them."""
        if not self._found:
            return Vector(LabelSets(()), np.empty((self._steps, 0)))
        parts = list(self._found.values())
        values = np.stack([part[0] for part in parts], axis=1)
        present = np.stack([part[1] for part in parts], axis=1)
        unnamed = np.array([drop for _, drop in self._found])
        sets = LabelSets(tuple(labels for labels, _ in self._found))
        if self._any_histogram:
            return Vector(sets, values, present, unnamed, np.stack([part[2] for part in parts], axis=1))
        return Vector(sets, values, None if present.all() else present, unnamed)


ROWS: tuple[Function, ...] = (
    Function(
        "info",
        (VECTOR, VECTOR),
        VECTOR,
        "Labels of info metrics added to the series of the same instance and job.",
        variadic=1,
        experimental=True,
        special=_info,
    ),
)
