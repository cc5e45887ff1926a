"""Graphs of an alert's expression from the embedded store: the sides of its comparisons, with their thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np

from hypercare.incidents.evidence import Graph
from hypercare.model.histograms import Histogram
from hypercare.promql import PromqlError, ast, parse
from hypercare.rules.answers import NONE, Question, on_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, SampleSource
    from hypercare.model.time import Ms
    from hypercare.promql import Engine
    from hypercare.rules import RulesService
    from hypercare.rules.answers import Answer
    from hypercare.tsdb import Tsdb

_SERIES: Final = 12
_PARTS: Final = 4
_SAMPLES: Final = 2_000_000
_COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
_TURNED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">="}


def comparisons(expr: ast.Expr) -> list[tuple[ast.Expr, str, float | None]]:
    """(what is drawn, comparison, threshold) of an alert's expression.

    ``a > 1 and b > 2`` has two parts, each drawn whole although it is true only now and then. What is not a comparison
    with a number is drawn as it is.
    """
    inner = expr
    while isinstance(inner, ast.Paren):
        inner = inner.expr
    if isinstance(inner, ast.Binary):
        op = str(inner.op)
        if op in {"and", "or"}:
            return [*comparisons(inner.lhs), *comparisons(inner.rhs)][:_PARTS]
        if op == "unless":
            return comparisons(inner.lhs)
        if op in _COMPARISONS:
            right, left = _number(inner.rhs), _number(inner.lhs)
            if right is not None:
                return [(inner.lhs, op, right)]
            if left is not None:
                return [(inner.rhs, _TURNED.get(op, op), left)]
            return [(inner.lhs, op, None), (inner.rhs, "", None)]
    return [(inner, "", None)]


def _number(expr: ast.Expr) -> float | None:
    """The value of a number, with a sign or in parentheses."""
    if isinstance(expr, ast.Paren):
        return _number(expr.expr)
    if isinstance(expr, ast.Unary):
        inner = _number(expr.expr)
        return None if inner is None else (-inner if str(expr.op) == "-" else inner)
    return float(expr.value) if isinstance(expr, ast.NumberLiteral) else None


def graphs_of(
    engine: Callable[[], Engine], tsdb: Tsdb, expr: str, near: Labels, span: tuple[Ms, Ms, Ms]
) -> list[Graph]:
    """The parts of an expression over a span (start, end, step); an error stands in the graph."""
    start, _, step = span
    try:
        parts = comparisons(parse(expr))
    except PromqlError as error:
        return [Graph(expr, start, step, error=str(error))]
    source = tsdb.snapshot()
    bounded = engine().within(max_samples=_SAMPLES)
    return [graph_of(bounded, source, str(part), near, span, op, threshold) for part, op, threshold in parts]


def graph_of(
    engine: Engine,
    source: SampleSource,
    expr: str,
    near: Labels,
    span: tuple[Ms, Ms, Ms],
    op: str = "",
    threshold: float | None = None,
) -> Graph:
    """One expression over a span (start, end, step), the series nearest to some labels first.

    Args:
        engine: evaluates; its limits hold.
        source: of the samples.
        expr: PromQL; an error of it stands in the graph.
        near: labels that are looked for.
        span: start, end, step.
        op: how the values are compared with the threshold; empty: they are not.
        threshold: a line to draw.

    """
    start, end, step = span
    try:
        result = engine.range(source, expr, start, end, step)
    except PromqlError as error:
        return Graph(expr, start, step, op=op, threshold=threshold, error=str(error))
    values = np.where(result.present, result.values, np.nan)
    series = tuple(zip(result.labels, values, strict=True))
    return _graph(series, expr, near, (start, step), op, threshold)


def asked_for(expr: str, span: tuple[Ms, Ms, Ms]) -> Question:
    """What another server is asked for a graph over a span (start, end, step)."""
    start, end, step = span
    return Question(expr, start + (end - start) // step * step, start, step)


def graph_from(
    answer: Answer, asked: Question, near: Labels, op: str = "", threshold: float | None = None, newest: Answer = NONE
) -> Graph:
    """The graph of what another server answered; see ``graph_of``.

    Args:
        answer: to ``asked``.
        asked: for the span.
        near: labels that are looked for.
        op: how the values are compared with the threshold; empty: they are not.
        threshold: a line to draw.
        newest: to the same expression at the end of the span, which counts there: some servers (VictoriaMetrics)
            answer a range with what was half a minute ago.

    """
    if answer.error:
        return Graph(asked.query, asked.start, asked.step, op=op, threshold=threshold, error=answer.error)
    times = np.arange(asked.start, asked.at + 1, asked.step, dtype=np.int64)
    found = dict(on_grid(answer, times))
    for labels, value in zip(*newest.elements, strict=True):
        if not isinstance(value, Histogram):
            found.setdefault(labels, np.full(len(times), np.nan))[-1] = value
    series = sorted(found.items(), key=lambda pair: pair[0].pairs)
    return _graph(series, asked.query, near, (asked.start, asked.step), op, threshold)


def _graph(
    series: Sequence[tuple[Labels, Floats]],
    expr: str,
    near: Labels,
    grid: tuple[Ms, Ms],
    op: str,
    threshold: float | None,
) -> Graph:
    order = sorted(range(len(series)), key=lambda i: (_distance(series[i][0], near), i))
    chosen = tuple(
        (
            series[i][0].without_name(),
            tuple(value if math.isfinite(value) else None for value in series[i][1].tolist()),
        )
        for i in order[:_SERIES]
    )
    return Graph(expr, *grid, chosen, op, threshold, max(0, len(order) - _SERIES))


def _distance(labels: Labels, near: Labels) -> int:
    """How many labels differ from the alert's; the alert's own series first."""
    return sum(near.get(name) != value for name, value in labels if name != "__name__")


def expression_of(rules: RulesService, alert: Alert) -> str:
    """What the rule of an alert evaluates: of our own rules, else of the link that another Prometheus sends."""
    for group in rules.snapshot.groups:
        for rule in group.rules:
            if rule.name == alert.name and rule.type == "alerting":
                return rule.query
    return foreign_expression(alert.generator_url)


def foreign_expression(url: str) -> str:
    """The expression in Prometheus' link to its graph (``…/graph?g0.expr=up+%3D%3D+0``); empty: there is none."""
    try:
        return next(iter(parse_qs(urlsplit(url).query).get("g0.expr", ())), "")
    except ValueError:
        return ""
