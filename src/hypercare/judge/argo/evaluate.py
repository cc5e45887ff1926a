"""Conditions evaluated: bounded in depth and in steps, without access to anything but the measured value."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, Final

import re2

from hypercare.judge.argo.check import check, mismatch
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
from hypercare.judge.argo.parse import CLOSURES, parse
from hypercare.judge.argo.values import is_number, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_STEPS: Final = 1_000_000
"""Parts of an expression that one evaluation may visit, closures over long lists among them."""
_MAX_ITEMS: Final = 100_000


def evaluate(source: str, names: Mapping[str, Any]) -> Any:
    """What an expression gives.

    Args:
        source: the expression.
        names: its variables: numbers, texts, truth values, None, lists, dicts; `now` is what now() gives.

    Raises:
        ConditionError: it cannot be read, or not be evaluated.

    """
    node = parse(source)
    check(node, names)
    try:
        return _Evaluation(names).value(node)
    except (OverflowError, ZeroDivisionError) as error:
        raise ConditionError(f"the expression cannot be computed: {error}") from error


class _Evaluation:
    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.elements: list[Any] = []
        self.steps = 0

    def value(self, node: Node) -> Any:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ConditionError(f"the expression takes more than {MAX_STEPS} steps")
        match node:
            case Literal(value):
                return value
            case Name(name):
                return self.names[name]
            case Pointer():
                return self.elements[-1]
            case Unary(operator, operand):
                return _unary(operator, self.value(operand))
            case Binary(operator, left, right):
                return self.binary(operator, left, right)
            case Choice(condition, yes, no):
                return self.value(yes if self.truth(condition, "?:") else no)
            case Index(operand, key, optional):
                return _index(self.value(operand), self.value(key), optional=optional)
            case Array(items):
                return [self.value(item) for item in items]
            case Table(pairs):
                return {key: self.value(item) for key, item in pairs}
            case Closure(body):
                return self.value(body)
            case Call(function, arguments):
                return self.call(function, arguments)

    def truth(self, node: Node, operator: str) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise ConditionError(f"invalid operation: {operator} (mismatched type {type_name(value)})")
        return value

    def binary(self, operator: str, left: Node, right: Node) -> Any:
        if operator == "&&":
            return self.truth(left, "&&") and self.truth(right, "&&")
        if operator == "||":
            return self.truth(left, "||") or self.truth(right, "||")
        first = self.value(left)
        if operator == "??":
            return self.value(right) if first is None else first
        return _binary(operator, first, self.value(right))

    def call(self, function: str, arguments: tuple[Node, ...]) -> Any:
        if function in CLOSURES:
            return self.over(function, self.value(arguments[0]), arguments[1])
        if function == "now" and not arguments:
            return self.names["now"]
        return FUNCTIONS[function].call(*(self.value(argument) for argument in arguments))

    def over(self, function: str, values: Any, body: Node) -> Any:
        if not isinstance(values, list):
            raise ConditionError(f"builtin {function} takes only array (got {type_name(values)})")
        if function == "map":
            return [self.at(element, body) for element in values]
        held = [self.holds(function, element, body) for element in values]
        if function == "filter":
            return [element for element, holds in zip(values, held, strict=True) if holds]
        if function == "count":
            return sum(held)
        wanted = {"all": sum(held) == len(held), "any": any(held), "none": not any(held), "one": sum(held) == 1}
        return wanted[function]

    def at(self, element: Any, body: Node) -> Any:
        self.elements.append(element)
        try:
            return self.value(body)
        finally:
            self.elements.pop()

    def holds(self, function: str, element: Any, body: Node) -> bool:
        found = self.at(element, body)
        if not isinstance(found, bool):
            raise ConditionError(f"predicate of {function} should return boolean (got {type_name(found)})")
        return found


def _unary(operator: str, value: Any) -> Any:
    fits = isinstance(value, bool) if operator == "not" else is_number(value)
    if not fits:
        raise ConditionError(f"invalid operation: {operator} (mismatched type {type_name(value)})")
    if operator == "not":
        return not value
    return -value if operator == "-" else value


def _index(value: Any, key: Any, *, optional: bool) -> Any:
    if value is None and optional:
        return None
    if isinstance(value, dict):
        return value.get(key) if isinstance(key, str) else None
    if isinstance(value, list | str) and isinstance(key, int) and not isinstance(key, bool):
        if -len(value) <= key < len(value):
            return value[key]
        raise ConditionError(f"index out of range: {key} (array length is {len(value)})")
    raise ConditionError(f"cannot fetch {key} from {type_name(value)}")


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal: numbers by value, a truth value is no number, lists and maps element by element."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _binary(operator: str, left: Any, right: Any) -> Any:
    if operator in {"==", "!="}:
        return equal(left, right) == (operator == "==")
    if operator == "in":
        return _contained(left, right)
    work = _OPERATORS[operator]
    if is_number(left) and is_number(right):
        fits = operator not in _TEXT_ONLY and (operator != ".." or (isinstance(left, int) and isinstance(right, int)))
    elif isinstance(left, str) and isinstance(right, str):
        fits = operator in _TEXT_ONLY or operator in _ORDER or operator == "+"
    else:
        times = dt.datetime | dt.timedelta
        fits = isinstance(left, times) and isinstance(right, times) and operator in _TIMES
    if not fits:
        raise mismatch(operator, type_name(left), type_name(right))
    try:
        return work(left, right)
    except TypeError as error:
        raise mismatch(operator, type_name(left), type_name(right)) from error


def _contained(left: Any, right: Any) -> bool:
    if right is None:
        return False
    if isinstance(right, list):
        return any(equal(left, element) for element in right)
    if isinstance(right, dict):
        return isinstance(left, str) and left in right
    raise mismatch("in", type_name(left), type_name(right))


def _quotient(left: Any, right: Any) -> float:
    if right == 0:
        # As IEEE 754 has it: a division by zero is no error, and what follows compares with infinity.
        sign = math.copysign(1.0, left) * math.copysign(1.0, right)
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, sign)
    return float(left / right)


def _remainder(left: Any, right: Any) -> int:
    if not (isinstance(left, int) and isinstance(right, int)):
        raise mismatch("%", type_name(left), type_name(right))
    if right == 0:
        raise ConditionError("integer divide by zero")
    return left - right * int(math.copysign(abs(left) // abs(right), left * right)) if right else 0


def _range(low: int, high: int) -> list[int]:
    if high - low >= _MAX_ITEMS:
        raise ConditionError(f"a range of more than {_MAX_ITEMS} numbers")
    return list(range(low, high + 1))


def _power(left: Any, right: Any) -> float:
    found = float(left) ** float(right)
    return math.nan if isinstance(found, complex) else found


def _matches(text: str, pattern: str) -> bool:
    try:
        return re2.search(pattern, text) is not None
    except re2.error as error:
        raise ConditionError(f"error parsing regexp: {pattern!r}") from error


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "%": _remainder,
    "**": _power,
    "..": _range,
    "contains": lambda a, b: b in a,
    "startsWith": lambda a, b: a.startswith(b),
    "endsWith": lambda a, b: a.endswith(b),
    "matches": _matches,
}
_TEXT_ONLY: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})
_ORDER: Final = frozenset({"<", ">", "<=", ">="})
_TIMES: Final = _ORDER | {"+", "-"}
