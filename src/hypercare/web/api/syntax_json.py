"""The syntax tree of an expression as Prometheus 3 tells it (``/api/v1/parse_query``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.promql import FUNCTIONS, ast
from hypercare.web.api.numbers import plain_number

if TYPE_CHECKING:
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.promql import Expr


def syntax_json(expr: Expr) -> dict[str, Any]:
    """One node, with all below it."""
    match expr:
        case ast.NumberLiteral():
            return {"type": "numberLiteral", "val": plain_number(expr.value)}
        case ast.StringLiteral():
            return {"type": "stringLiteral", "val": expr.value}
        case ast.Paren():
            return {"type": "parenExpr", "expr": syntax_json(expr.expr)}
        case ast.Unary():
            return {"type": "unaryExpr", "op": expr.op, "expr": syntax_json(expr.expr)}
        case ast.VectorSelector():
            return {"type": "vectorSelector", **_selector(expr)}
        case ast.MatrixSelector():
            return {"type": "matrixSelector", **_selector(expr.vector), "range": _duration(expr.range)}
        case ast.Subquery():
            place = _place(expr.offset, expr.at)
            spans = {"range": _duration(expr.range), "step": _duration(expr.step or 0)}
            return {"type": "subquery", "expr": syntax_json(expr.expr), **spans, **place}
        case ast.Aggregate():
            param = None if expr.param is None else syntax_json(expr.param)
            grouping = {"grouping": list(expr.labels), "without": expr.without}
            return {"type": "aggregation", "op": expr.op, "expr": syntax_json(expr.expr), "param": param, **grouping}
        case ast.Call():
            return {"type": "call", "func": _function(expr.name), "args": [syntax_json(arg) for arg in expr.args]}
        case ast.Binary():
            sides = {"lhs": syntax_json(expr.lhs), "rhs": syntax_json(expr.rhs)}
            return {
                "type": "binaryExpr",
                "op": expr.op,
                **sides,
                "matching": _matching(expr),
                "bool": expr.bool_modifier,
            }
    raise TypeError(expr)


def _duration(value: ast.Duration) -> Any:
    """Milliseconds; arithmetic on durations, which only a query's steps decide, stays a text."""
    if not isinstance(value, ast.DurationExpr):
        return value
    if not value.args:
        return value.op if value.op in {"step", "range"} else value.value
    return {"op": value.op, "args": [_duration(arg) for arg in value.args]}


def _place(offset: ast.Duration, at: Ms | ast.Preprocessor | None) -> dict[str, Any]:
    named = at if isinstance(at, ast.Preprocessor) else None
    return {
        "offset": _duration(offset),
        "timestamp": None if named is not None else at,
        "startOrEnd": None if named is None else str(named),
    }


def _matcher(matcher: Matcher) -> dict[str, str]:
    return {"name": matcher.name, "type": str(matcher.op), "value": matcher.value}


def _selector(expr: ast.VectorSelector) -> dict[str, Any]:
    place = _place(expr.offset, expr.at)
    modes = {mode: True for mode in ("anchored", "smoothed") if expr.mode == mode}
    return {"name": expr.name, "matchers": [_matcher(m) for m in expr.matchers], **place, **modes}


def _function(name: str) -> dict[str, Any]:
    row = FUNCTIONS[name]
    types = [str(kind) for kind in row.args]
    return {"name": name, "argTypes": types, "variadic": row.variadic, "returnType": str(row.returns)}


def _matching(expr: ast.Binary) -> dict[str, Any] | None:
    found = expr.matching
    if found is None:
        return None
    fill = {"lhs": found.fill_left, "rhs": found.fill_right}
    filled = {"fillValues": fill} if any(value is not None for value in fill.values()) else {}
    card = {"card": str(found.card), "labels": list(found.labels), "on": found.on, "include": list(found.include)}
    return {**card, **filled}
