"""What is wrong with a condition before it is evaluated: names that are not known, operands that do not fit.

Types are named as Go prints them; empty where only the evaluation will tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypercare.judge.argo.functions import FUNCTIONS
from hypercare.judge.argo.nodes import (
    Array,
    Binary,
    Call,
    Choice,
    Closure,
    ConditionError,
    Index,
    Literal,
    Name,
    Node,
    Pointer,
    Table,
    Unary,
)
from hypercare.judge.argo.parse import CLOSURES
from hypercare.judge.argo.values import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS: Final = frozenset({"int", "int64", "float64"})
_ORDER: Final = frozenset({"<", ">", "<=", ">="})
_EQUAL: Final = frozenset({"==", "!="})
_TEXTS: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "**"})
_SCALARS: Final = NUMBERS | {"bool"}
_ANY: Final = "[]interface {}"


def mismatch(operator: str, left: str, right: str) -> ConditionError:
    """Two operands that an operator cannot take."""
    return ConditionError(f"invalid operation: {operator} (mismatched types {left or 'any'} and {right or 'any'})")


def check(node: Node, names: Mapping[str, Any], element: str = "") -> str:
    """The type of what a tree gives.

    Args:
        node: the tree.
        names: variables and their values.
        element: the type of ``#``.

    Raises:
        ConditionError: it can never be evaluated.

    """
    match node:
        case Literal(value):
            return "nil" if value is None else type_name(value)
        case Name(name):
            if name not in names:
                raise ConditionError(f"unknown name {name}")
            return "" if names[name] is None else type_name(names[name])
        case Pointer():
            return element
        case Unary(operator, operand):
            return _unary(operator, check(operand, names, element))
        case Binary(operator, left, right):
            return _binary(operator, check(left, names, element), check(right, names, element))
        case Choice(condition, yes, no):
            _wanted(check(condition, names, element), "bool", "non-bool expression (type {}) used as condition")
            first, second = check(yes, names, element), check(no, names, element)
            return first if first == second else ""
        case Index(operand, key):
            check(key, names, element)
            return _index(check(operand, names, element), key)
        case Array(items):
            for item in items:
                check(item, names, element)
            return _ANY
        case Table(pairs):
            for _, item in pairs:
                check(item, names, element)
            return "map[string]interface {}"
        case Closure(body):
            return check(body, names, element)
        case Call(function, arguments):
            return _call(function, arguments, names, element)


def _wanted(found: str, wanted: str, text: str) -> None:
    if found not in {"", wanted}:
        raise ConditionError(text.format(found))


def _unary(operator: str, operand: str) -> str:
    if operator == "not":
        _wanted(operand, "bool", "invalid operation: not (mismatched type {})")
        return "bool"
    if operand and operand not in NUMBERS:
        raise ConditionError(f"invalid operation: {operator} (mismatched type {operand})")
    return operand


def _binary(operator: str, left: str, right: str) -> str:
    if operator in _ARITHMETIC:
        return _arithmetic(operator, left, right)
    if operator == "??":
        return left if left == right else ""
    known = bool(left and right)
    numbers = left in NUMBERS and right in NUMBERS
    if operator in _EQUAL:
        fits = not known or numbers or left == right or "nil" in {left, right} or left[:2] == right[:2] == "[]"
    elif operator in _ORDER:
        ordered = NUMBERS | {"string", "time.Time", "time.Duration", ""}
        fits = {left, right} <= ordered and (not known or numbers or left == right)
    elif operator in {"&&", "||"}:
        fits = {left, right} <= {"bool", ""}
    elif operator == "in":
        fits = right not in _SCALARS and (right != "string" or left in {"string", ""})
    elif operator in _TEXTS:
        fits = {left, right} <= {"string", ""}
    else:
        fits = {left, right} <= {"int", "int64", ""}
    if not fits:
        raise mismatch(operator, left, right)
    return _ANY if operator == ".." else "bool"


def _arithmetic(operator: str, left: str, right: str) -> str:
    if left in NUMBERS and right in NUMBERS:
        if operator in {"/", "**"} or "float64" in {left, right}:
            return "float64"
        return left if left == right else "int"
    times = {
        ("+", "string", "string"): "string",
        ("+", "time.Time", "time.Duration"): "time.Time",
        ("+", "time.Duration", "time.Time"): "time.Time",
        ("+", "time.Duration", "time.Duration"): "time.Duration",
        ("-", "time.Time", "time.Duration"): "time.Time",
        ("-", "time.Time", "time.Time"): "time.Duration",
        ("-", "time.Duration", "time.Duration"): "time.Duration",
    }
    gives = times.get((operator, left, right), "")
    unknown = not left or not right
    if not gives and (not unknown or {left, right} & {"bool", "nil"}):
        raise mismatch(operator, left, right)
    return gives


def _index(operand: str, key: Node) -> str:
    if operand in _SCALARS or operand == "nil":
        name = key.value if isinstance(key, Literal) else "…"
        raise ConditionError(f"type {operand} has no field {name}")
    return "float64" if operand == "[]float64" else ""


def _call(function: str, arguments: tuple[Node, ...], names: Mapping[str, Any], element: str) -> str:
    if function in CLOSURES:
        operand = check(arguments[0], names, element)
        if operand and not operand.startswith("[]"):
            raise ConditionError(f"builtin {function} takes only array (got {operand})")
        body = check(arguments[1], names, "float64" if operand == "[]float64" else "")
        if function != "map":
            _wanted(body, "bool", f"predicate of {function} should return boolean (got {{}})")
        return {"filter": operand or _ANY, "map": _ANY, "count": "int"}.get(function, "bool")
    if function == "now" and "now" in names:
        return "time.Time"
    known = FUNCTIONS.get(function)
    if known is None:
        raise ConditionError(f"unknown name {function}")
    if len(arguments) < known.least:
        raise ConditionError(f"not enough arguments to call {function}")
    if len(arguments) > known.most:
        raise ConditionError(f"too many arguments to call {function}")
    for argument in arguments:
        check(argument, names, element)
    return known.gives
