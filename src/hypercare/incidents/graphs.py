"""Graphs of an alert's expression from the embedded store: the sides of its comparisons, with their thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from hypercare.incidents.evidence import Graph
from hypercare.promql import PromqlError, ast, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.samples import SampleSource
    from hypercare.model.time import Ms
    from hypercare.promql import Engine
    from hypercare.rules import RulesService
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
    columns = sorted(range(len(result.labels)), key=lambda i: (_distance(result.labels[i], near), i))
    chosen = tuple(
        (
            result.labels[i].without_name(),
            tuple(
                float(value) if there and math.isfinite(value) else None
                for value, there in zip(result.values[i].tolist(), result.present[i].tolist(), strict=True)
            ),
        )
        for i in columns[:_SERIES]
    )
    return Graph(expr, start, step, chosen, op, threshold, max(0, len(columns) - _SERIES))


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
