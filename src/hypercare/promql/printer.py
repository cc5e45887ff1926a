"""The canonical form of expressions, as Prometheus prints them."""

from __future__ import annotations

import math
import re

from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import Ms, format_duration
from hypercare.promql import ast
from hypercare.promql.keywords import KEYWORDS

_LEGACY_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPED = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}


def quote(text: str) -> str:
    r"""A double-quoted string in Go's syntax; bytes that are no UTF-8 (surrogate escapes) become ``\\xNN``."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted_char(char) for char in text) + '"'


def _quoted_char(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def format_number(value: float) -> str:
    """A float as Go prints it with ``%v``: shortest digits, exponent from 1e21 and below 1e-4."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if exponent:
        power = int(exponent)
        if -4 <= power < 21:
            return f"{value:.0f}" if power > 0 else f"{value:.20f}".rstrip("0")
        mantissa = mantissa.removesuffix(".0")
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return text.removesuffix(".0")


def format_matcher(matcher: Matcher) -> str:
    """One matcher; a label name outside of the old character set is quoted."""
    return f"{_label(matcher.name)}{matcher.op}{quote(matcher.value)}"


def format_expr(expr: ast.Expr) -> str:
    """The canonical text of an expression; parsing it gives an equal expression."""
    match expr:
        case ast.NumberLiteral():
            return _number(expr)
        case ast.StringLiteral():
            return quote(expr.value)
        case ast.VectorSelector():
            return _selector(expr) + _modifiers(expr.mode, expr.at, expr.offset)
        case ast.MatrixSelector():
            inner = expr.vector
            tail = _modifiers(inner.mode, inner.at, inner.offset)
            return f"{_selector(inner)}[{_duration(expr.range)}]{tail}"
        case ast.Subquery():
            step = "" if expr.step is None else _duration(expr.step)
            return f"{expr.expr}[{_duration(expr.range)}:{step}]{_modifiers('', expr.at, expr.offset)}"
        case ast.Paren():
            return f"({expr.expr})"
        case ast.Unary():
            return f"{expr.op}{expr.expr}"
        case ast.Binary():
            # A sign binds less than a power: "+Inf ^ 2" would be another expression.
            left = str(expr.lhs).removeprefix("+") if expr.op == "^" else str(expr.lhs)
            return f"{left} {expr.op}{_matching(expr)} {expr.rhs}"
        case ast.Aggregate():
            return _aggregate(expr)
        case ast.Call():
            return f"{expr.name}({', '.join(str(arg) for arg in expr.args)})"
    msg = f"no expression: {expr!r}"
    raise TypeError(msg)


def _number(expr: ast.NumberLiteral) -> str:
    if expr.is_duration:
        return format_duration(round(expr.value * 1000))
    return format_number(expr.value)


def _label(name: str) -> str:
    return name if _LEGACY_LABEL.fullmatch(name) else quote(name)


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(_label(name) for name in names)


def _selector(expr: ast.VectorSelector) -> str:
    named = Matcher(METRIC_NAME, MatchOp.EQUAL, expr.name) if expr.name else None
    rest = list(expr.matchers)
    if named in rest:
        rest.remove(named)
    parts = [format_matcher(matcher) for matcher in rest]
    plain = bool(_LEGACY_NAME.fullmatch(expr.name)) and expr.name.lower() not in KEYWORDS
    if expr.name and not plain:
        parts.insert(0, quote(expr.name))
    head = expr.name if plain else ""
    return f"{head}{{{','.join(parts)}}}" if parts or not head else head


def _modifiers(mode: str, at: Ms | ast.Preprocessor | None, offset: ast.Duration) -> str:
    out = f" {mode}" if mode else ""
    if isinstance(at, ast.Preprocessor):
        out += f" @ {at}()"
    elif at is not None:
        out += f" @ {'-' if at < 0 else ''}{abs(at) // 1000}.{abs(at) % 1000:03d}"
    if isinstance(offset, ast.DurationExpr) or offset != 0:
        out += f" offset {_duration(offset)}"
    return out


def _duration(duration: ast.Duration) -> str:
    return _duration_expr(duration) if isinstance(duration, ast.DurationExpr) else format_duration(duration)


def _duration_expr(expr: ast.DurationExpr) -> str:
    args = [_duration_expr(arg) for arg in expr.args]
    match expr.op:
        case "literal":
            return format_duration(round(expr.value * 1000))
        case "number":
            return format_number(expr.value)
        case "step" | "range" | "min_of" | "max_of":
            return f"{expr.op}({', '.join(args)})"
        case "()":
            return f"({args[0]})"
        case "neg" | "pos":
            return f"{'-' if expr.op == 'neg' else '+'}{args[0]}"
        case _:
            return f"{args[0]} {expr.op} {args[1]}"


def _matching(expr: ast.Binary) -> str:
    out = " bool" if expr.bool_modifier else ""
    matching = expr.matching
    if matching is None:
        return out
    if matching.labels or matching.on:
        out += f" {'on' if matching.on else 'ignoring'} ({_labels(matching.labels)})"
    if matching.card in {ast.Cardinality.MANY_TO_ONE, ast.Cardinality.ONE_TO_MANY}:
        side = "left" if matching.card is ast.Cardinality.MANY_TO_ONE else "right"
        out += f" group_{side} ({_labels(matching.include)})"
    left, right = matching.fill_left, matching.fill_right
    if left is not None and right is not None and format_number(left) == format_number(right):
        return f"{out} fill ({format_number(left)})"
    if left is not None:
        out += f" fill_left ({format_number(left)})"
    if right is not None:
        out += f" fill_right ({format_number(right)})"
    return out


def _aggregate(expr: ast.Aggregate) -> str:
    head = expr.op
    if expr.without:
        head += f" without ({_labels(expr.labels)}) "
    elif expr.labels:
        head += f" by ({_labels(expr.labels)}) "
    inner = f"{expr.param}, {expr.expr}" if expr.param is not None else str(expr.expr)
    return f"{head}({inner})"
