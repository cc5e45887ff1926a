"""What the values of an expression count, as the names of its metrics tell: seconds, bytes, shares, events a second.

The names follow the conventions of https://prometheus.io/docs/practices/naming/: a metric ends in its base unit,
a counter in ``_total`` behind it; recorded ones are ``level:metric:operations``. Where nothing is told there is none:
a number without one is better than a number with a wrong one.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from hypercare.model.units import PLAIN, PORTION, Unit
from hypercare.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Subquery,
    Unary,
    VectorSelector,
    unwrap,
)
from hypercare.promql.errors import PromqlError
from hypercare.promql.parser import parse

_EVENTS: Final = "events"
_BASES: Final = {
    "seconds": "s", "milliseconds": "ms", "microseconds": "µs", "nanoseconds": "ns", "bytes": "bytes",
    "ratio": "ratio", "percent": "%",
}  # fmt: skip
_PARTS: Final = ("_bucket", "_sum", "_count")
_PER_SECOND: Final = frozenset({"rate", "irate", "deriv"})
_SAME: Final = frozenset({
    "increase", "delta", "idelta", "abs", "ceil", "floor", "round", "clamp", "clamp_max", "clamp_min", "sort",
    "sort_desc", "sort_by_label", "sort_by_label_desc", "label_replace", "label_join", "vector", "scalar",
    "last_over_time", "first_over_time", "avg_over_time", "min_over_time", "max_over_time", "sum_over_time",
    "stddev_over_time", "mad_over_time", "predict_linear", "histogram_sum", "histogram_avg",
    "double_exponential_smoothing", "holt_winters",
})  # fmt: skip
_SECOND_ARGUMENT: Final = frozenset({"histogram_quantile", "quantile_over_time"})
_COUNTING: Final = frozenset({"count", "group", "count_values", "stdvar"})
_FILTERS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
_TURNED: Final = {("/s", 60.0): "/min", ("/s", 3600.0): "/h", ("ratio", 100.0): "%"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Measure:
    """A base unit (empty: not known), and how often it is divided by a second."""

    base: str = ""
    per: int = 0
    number: float | None = None


_UNKNOWN: Final = _Measure()


def unit_of(expr: Expr | str) -> Unit:
    """The unit of an expression's values; a text that is no expression has none."""
    if isinstance(expr, str):
        try:
            expr = parse(expr)
        except PromqlError:
            return PLAIN
    return _unit(_of(expr))


def _unit(found: _Measure) -> Unit:
    if found.per == 0:
        return PORTION if found.base == "ratio" else PLAIN if found.base == _EVENTS else Unit(found.base)
    if found.per == 1 and found.base in {_EVENTS, "bytes"}:
        return Unit("/s" if found.base == _EVENTS else "bytes/s")
    return PLAIN


def _of(expr: Expr) -> _Measure:
    match expr:
        case VectorSelector():
            return _named(_name(expr))
        case MatrixSelector():
            return _of(expr.vector)
        case Paren() | Subquery():
            return _of(expr.expr)
        case Unary():
            inner = _of(expr.expr)
            return dataclasses.replace(inner, number=None if inner.number is None else -inner.number)
        case NumberLiteral():
            return _Measure(number=expr.value)
        case Aggregate():
            return _UNKNOWN if expr.op in _COUNTING else _of(expr.expr)
        case Call():
            return _call(expr)
        case Binary():
            return _binary(expr)
        case _:
            return _UNKNOWN


def _name(selector: VectorSelector) -> str:
    if selector.name:
        return selector.name
    return next((m.value for m in selector.matchers if m.name == "__name__" and str(m.op) == "="), "")


def _named(name: str) -> _Measure:
    """By the name of a metric, or of a recorded one."""
    if name.count(":") == 2:
        _, metric, operations = name.split(":")
        first = operations.split("_", 1)[0]
        if first == "ratio":
            return _Measure("ratio")
        inner = _named(metric)
        if first.startswith(("rate", "irate")) and inner.base != "ratio":
            return dataclasses.replace(inner, base=inner.base or _EVENTS, per=inner.per + 1)
        return inner
    for part in ("_bucket", "_count"):
        if name.endswith(part):
            return _Measure(_EVENTS)
    parts = name.removesuffix("_sum").removesuffix("_total").split("_")
    base = next((_BASES[word] for word in reversed(parts) if word in _BASES), "")
    if len(parts) > 2 and parts[-2] == "per" and parts[-1] == "second":
        return _Measure(base or _EVENTS, 1)
    if name.endswith("_total") and not base:
        return _Measure(_EVENTS)
    # An instant is no span of time: process_start_time_seconds, …_timestamp_seconds.
    return _UNKNOWN if base == "s" and ("timestamp" in parts or "time" in parts[-2:-1]) else _Measure(base)


def _call(call: Call) -> _Measure:
    if call.name in _SECOND_ARGUMENT and len(call.args) > 1:
        values = call.args[1]
        return _histogram(values) if call.name == "histogram_quantile" else _of(values)
    if not call.args:
        return _UNKNOWN
    if call.name in _PER_SECOND:
        inner = _of(call.args[0])
        # What is counted a second is counted, whatever it is called; what has a slope may be anything.
        base = inner.base or ("" if call.name == "deriv" else _EVENTS)
        return _Measure(base, inner.per + 1)
    return _of(call.args[0]) if call.name in _SAME else _UNKNOWN


def _histogram(expr: Expr) -> _Measure:
    """What a histogram's buckets divide: the unit of its name, whatever is done with its counters."""
    inner = unwrap(expr)
    while not isinstance(inner, VectorSelector):
        match inner:
            case Aggregate() | Subquery() | Unary():
                inner = unwrap(inner.expr)
            case MatrixSelector():
                inner = inner.vector
            case Call() if inner.args:
                inner = unwrap(inner.args[0])
            case Binary():
                inner = unwrap(inner.lhs)
            case _:
                return _UNKNOWN
    name = _name(inner)
    for part in _PARTS:
        name = name.removesuffix(part)
    return _Measure(_named(name).base)


def _binary(expr: Binary) -> _Measure:
    left, right = _of(expr.lhs), _of(expr.rhs)
    match expr.op:
        case op if op in _FILTERS:
            return _UNKNOWN if expr.bool_modifier else left
        case "and" | "unless":
            return left
        case "or" | "+" | "-":
            # A bare number takes the unit of what it stands beside: x or vector(0), 1 - share.
            known = left if left.base else right
            same = (left.base, left.per) == (right.base, right.per)
            return dataclasses.replace(known, number=None) if same or not (left.base and right.base) else _UNKNOWN
        case "*":
            return _times(left, right)
        case "/":
            return _divided(left, right)
        case _:
            return _UNKNOWN


def _times(left: _Measure, right: _Measure) -> _Measure:
    """By 100 a share is a percentage, by 60 what happens in a second happens in a minute."""
    value, number = (right, left.number) if left.number is not None else (left, right.number)
    if number is None:
        return _UNKNOWN
    return _Measure(_TURNED.get((_unit(value).word, number), ""))


def _divided(left: _Measure, right: _Measure) -> _Measure:
    if not left.base or not right.base:
        return _UNKNOWN
    if (left.base, left.per) == (right.base, right.per):
        return _Measure("ratio")
    if right.base == _EVENTS:
        return _Measure(left.base, left.per - right.per) if left.per >= right.per else _UNKNOWN
    return _UNKNOWN
