"""Duration expressions: arithmetic in seconds, folded while parsing where no step or range is involved."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final, TypeVar

from hypercare.promql import ast
from hypercare.promql.errors import PromqlError

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.promql.lexer import Source

LONGEST: Final = 2**63 / 1e9
"""Seconds; Prometheus holds durations in int64 nanoseconds."""
_E = TypeVar("_E", bound=ast.Expr)


def fold(expr: ast.DurationExpr, source: Source) -> ast.Duration:
    """The duration in ms, or the expression itself where it needs the query's step or range.

    Raises:
        PromqlError: division by zero, or out of bounds.
    """
    if _needs_query(expr):
        return expr
    try:
        return evaluate(expr, 0, 0)
    except PromqlError as err:
        raise source.error(err.message, expr.span.start, expr.span.end) from err


def _needs_query(expr: ast.DurationExpr) -> bool:
    return expr.op in {"step", "range"} or any(_needs_query(arg) for arg in expr.args)


def evaluate(expr: ast.DurationExpr, step: Ms, span: Ms) -> Ms:
    """The duration in ms for a query with this step and this distance of start and end.

    Raises:
        PromqlError: division by zero, or out of bounds.
    """
    seconds = _seconds(expr, step / 1000, span / 1000)
    if math.isnan(seconds) or abs(seconds) > LONGEST:
        place = expr.span
        raise PromqlError("duration out of range", place.line, place.column, place.length)
    return round(seconds * 1000)


def _seconds(expr: ast.DurationExpr, step: float, span: float) -> float:
    args = [_seconds(arg, step, span) for arg in expr.args]
    match expr.op:
        case "literal" | "number":
            return expr.value
        case "step":
            return step
        case "range":
            return span
        case "min_of":
            return min(args)
        case "max_of":
            return max(args)
        case "()" | "pos":
            return args[0]
        case "neg":
            return -args[0]
        case _:
            return _binary(expr, *args)


def _binary(expr: ast.DurationExpr, left: float, right: float) -> float:
    place = expr.span
    if expr.op in {"/", "%"} and right == 0:
        what = "division" if expr.op == "/" else "modulo"
        msg = f"{what} by zero"
        raise PromqlError(msg, place.line, place.column, place.length)
    match expr.op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "%":
            return math.fmod(left, right) if math.isfinite(left) else math.nan
        case _:
            try:
                power = left**right
            except (OverflowError, ZeroDivisionError):
                return math.inf
            return power if isinstance(power, float) else math.nan


def resolve(expr: _E, step: Ms, span: Ms) -> _E:
    """The expression with every duration a number, for one query.

    Raises:
        PromqlError: a range or step that is not positive.
    """
    changes: dict[str, object] = {}
    for field in dataclasses.fields(expr):  # type: ignore[arg-type]
        value = getattr(expr, field.name)
        if isinstance(value, ast.DurationExpr):
            changes[field.name] = _checked(value, field.name, step, span)
        elif isinstance(value, ast.Expr):
            changes[field.name] = resolve(value, step, span)
        elif field.name == "args":
            changes[field.name] = tuple(resolve(arg, step, span) for arg in value)
    return dataclasses.replace(expr, **changes) if changes else expr  # type: ignore[type-var]


def _checked(value: ast.DurationExpr, name: str, step: Ms, span: Ms) -> Ms:
    ms = evaluate(value, step, span)
    if ms <= 0 and name != "offset":
        place = value.span
        raise PromqlError("duration must be greater than 0", place.line, place.column, place.length)
    return ms


def has_duration_exprs(expr: ast.Expr) -> bool:
    """Whether ``resolve`` has something to do."""
    for node in ast.walk(expr):
        durations = [getattr(node, name, None) for name in ("range", "step", "offset")]
        if any(isinstance(duration, ast.DurationExpr) for duration in durations):
            return True
    return False
