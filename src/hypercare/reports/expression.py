"""An expression as somebody looks at it: its values now, and its curves over the last while."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from hypercare.incidents.graphs import asked_for, comparisons, graph_from, graph_of
from hypercare.model.labels import EMPTY
from hypercare.model.time import SECOND
from hypercare.promql import EvaluationError, PromqlError, parse
from hypercare.rules.answers import Question

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.incidents.evidence import Graph
    from hypercare.model.time import Ms
    from hypercare.promql import Expr
    from hypercare.rules.answers import Answers, Elements

MOST_VALUES: Final = 200
"""Values that are told; whoever has more narrows the expression."""
_POINTS: Final = 240
_SAMPLES: Final = 5_000_000
_WAIT: Final = 5.0
"""Seconds that somebody who looks waits for another server's samples."""


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """What there is to see of an expression.

    Attributes:
        values: (labels, value) of now, as texts.
        more: how many values were left out.
        curves: as ``web.charts`` draws them; a comparison's sides, with the threshold.
        problem: why there is nothing, with the place in the expression; empty where there is something.

    """

    values: tuple[tuple[str, str], ...] = ()
    more: int = 0
    curves: tuple[dict[str, Any], ...] = ()
    problem: str = ""


def look_at(app: App, text: str, length: Ms, now: Ms) -> Looked:
    """The values of an expression now, and its curves over the last ``length`` ms.

    Where another server has the metrics (``metrics.backend``) it is asked first, and what is collected here after it.
    """
    end = now // SECOND * SECOND
    step = max(SECOND, length // _POINTS // SECOND * SECOND)
    span = (end - length, end, step)
    try:
        expr = parse(text)
        parts = comparisons(expr)
        asked = _questions(parts, text, span, now) if app.backend.settings is not None else ()
        told: Answers = app.backend.look(asked, _WAIT) if asked else {}
        values = _values(app, expr, now, told.get(Question(text, now)))
    except PromqlError as error:
        return Looked(problem=error.render(text))
    away = next((answer.error for answer in told.values() if answer.error), "")
    curves = tuple(c for c in (_curves(g) for g in _graphs(app, parts, span, told)) if c is not None)
    labels, numbers = values
    told_values = tuple(
        (str(of) if of else "{}", str(value) if not isinstance(value, float) else f"{value:.12g}")
        for of, value in zip(labels[:MOST_VALUES], numbers[:MOST_VALUES], strict=True)
    )
    problem = away if not told_values and not curves else ""
    return Looked(told_values, max(0, len(labels) - MOST_VALUES), curves, problem)


def _questions(
    parts: list[tuple[Expr, str, float | None]], text: str, span: tuple[Ms, Ms, Ms], now: Ms
) -> tuple[Question, ...]:
    return (Question(text, now), *(asked_for(str(part), span) for part, _, _ in parts))


def _values(app: App, expr: Expr, now: Ms, told: Any) -> Elements:
    """Of the other server where it has some, else of our own."""
    if told is not None and not told.error and told.elements[0]:
        elements: Elements = told.elements
        return elements
    result = app.engine.within(max_samples=_SAMPLES).instant(app.tsdb.snapshot(), expr, now)
    if result.type not in {"vector", "scalar"}:
        kind = "range vector" if result.type == "matrix" else result.type
        hint = "; put a function around it, such as rate(...)" if result.type == "matrix" else ""
        raise EvaluationError(f"a {kind} cannot be drawn: expected an instant vector or a scalar{hint}")
    if result.type == "scalar":
        return (EMPTY,), [result.scalar]
    labels = (*result.labels, *(each.labels for each in result.histograms))
    return labels, [*result.values.tolist(), *(each.histogram for each in result.histograms)]


def _graphs(
    app: App, parts: list[tuple[Expr, str, float | None]], span: tuple[Ms, Ms, Ms], told: Answers
) -> list[Graph]:
    engine, source = app.engine.within(max_samples=_SAMPLES), app.tsdb.snapshot()
    found: list[Graph] = []
    for part, op, threshold in parts:
        asked = asked_for(str(part), span)
        graph = graph_from(told[asked], asked, EMPTY, op, threshold) if asked in told else None
        if graph is None or not graph.series:
            graph = graph_of(engine, source, str(part), EMPTY, span, op, threshold)
        found.append(graph)
    return found


def _curves(graph: Graph) -> dict[str, Any] | None:
    """What ``web.charts`` draws of a graph; none where it has no samples."""
    series = [
        {"labels": labels.as_dict(), "values": list(values)}
        for labels, values in graph.series
        if any(v is not None for v in values)
    ]
    if not series:
        return None
    return {"expr": graph.expr, "op": graph.op, "threshold": graph.threshold, "start": graph.start, "step": graph.step,
            "series": series, "more": graph.more}  # fmt: skip
