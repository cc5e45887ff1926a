"""Types of expressions, and the rules of the language about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.promql import ast
from hypercare.promql.ast import ValueType
from hypercare.promql.functions import FUNCTIONS
from hypercare.promql.keywords import AGGREGATIONS, COMPARISONS, SET_OPERATORS

if TYPE_CHECKING:
    from hypercare.promql.lexer import Source


def type_of(expr: ast.Expr) -> ValueType:
    """The type of a well-formed expression."""
    match expr:
        case ast.NumberLiteral():
            return ValueType.SCALAR
        case ast.StringLiteral():
            return ValueType.STRING
        case ast.VectorSelector() | ast.Aggregate():
            return ValueType.VECTOR
        case ast.MatrixSelector() | ast.Subquery():
            return ValueType.MATRIX
        case ast.Paren() | ast.Unary():
            return type_of(expr.expr)
        case ast.Call():
            return FUNCTIONS[expr.name].returns
        case ast.Binary():
            both = type_of(expr.lhs) is ValueType.SCALAR and type_of(expr.rhs) is ValueType.SCALAR
            return ValueType.SCALAR if both else ValueType.VECTOR
    msg = f"no expression: {expr!r}"
    raise TypeError(msg)


def check(expr: ast.Expr, source: Source) -> None:
    """Hold an expression to the type rules, insides first.

    Raises:
        PromqlError: a rule is broken.
    """
    for child in ast.children(expr):
        # The second argument of info holds conditions, which may be fulfilled by series without any labels.
        if not (isinstance(expr, ast.Call) and expr.name == "info" and child is not expr.args[0]):
            check(child, source)
    match expr:
        case ast.VectorSelector():
            if all(matcher.matches_value("") for matcher in expr.matchers):
                _fail(source, expr, "vector selector must contain at least one non-empty matcher")
        case ast.Unary():
            kind = type_of(expr.expr)
            if kind not in {ValueType.SCALAR, ValueType.VECTOR}:
                _fail(
                    source,
                    expr,
                    "unary expression only allowed on expressions of type scalar or instant vector, "
                    f'got "{kind.documented}"',
                )
        case ast.Binary():
            _check_binary(expr, source)
        case ast.Aggregate():
            _expect(source, expr.expr, ValueType.VECTOR, "aggregation expression")
            if expr.param is not None:
                _expect(source, expr.param, ValueType(AGGREGATIONS[expr.op]), "aggregation parameter")
        case ast.Subquery():
            kind = type_of(expr.expr)
            if kind is not ValueType.VECTOR:
                _fail(source, expr, f"subquery is only allowed on instant vector, got {kind} instead")
        case ast.Call():
            _check_call(expr, source)


def _check_binary(expr: ast.Binary, source: Source) -> None:
    left, right = type_of(expr.lhs), type_of(expr.rhs)
    for side, kind in ((expr.lhs, left), (expr.rhs, right)):
        if kind not in {ValueType.SCALAR, ValueType.VECTOR}:
            _fail(source, side, "binary expression must contain only scalar and instant vector types")
    both_scalar = left is right is ValueType.SCALAR
    if expr.op in COMPARISONS and both_scalar and not expr.bool_modifier:
        _fail(source, expr, "comparisons between scalars must use BOOL modifier")
    both_vector = left is right is ValueType.VECTOR
    if expr.op in SET_OPERATORS and not both_vector:
        _fail(source, expr, f'set operator "{expr.op}" not allowed in binary scalar expression')
    if expr.matching is not None and not both_vector:
        if expr.matching.fill_left is not None or expr.matching.fill_right is not None:
            _fail(source, expr, "filling in missing series only allowed between instant vectors")
        if expr.matching.labels or expr.matching.on:
            _fail(source, expr, "vector matching only allowed between instant vectors")


def _check_call(expr: ast.Call, source: Source) -> None:
    function = FUNCTIONS[expr.name]
    given, most = len(expr.args), function.most
    if given < function.fewest or (most is not None and given > most):
        if function.fewest == most:
            wanted = f"expected {most} argument(s)"
        elif given < function.fewest:
            wanted = f"expected at least {function.fewest} argument(s)"
        else:
            wanted = f"expected at most {most} argument(s)"
        _fail(source, expr, f'{wanted} in call to "{expr.name}", got {given}')
    for i, arg in enumerate(expr.args):
        wanted_type = function.args[min(i, len(function.args) - 1)]
        _expect(source, arg, wanted_type, f'call to function "{expr.name}"')
    if expr.name == "info" and given == 2 and not isinstance(expr.args[1], ast.VectorSelector):
        _fail(source, expr.args[1], "expected label selectors only")
    if expr.name == "info" and given == 2 and isinstance(expr.args[1], ast.VectorSelector) and expr.args[1].name:
        _fail(source, expr.args[1], "expected label selectors only, got vector selector instead")


def _expect(source: Source, expr: ast.Expr, wanted: ValueType, context: str) -> None:
    kind = type_of(expr)
    if kind is not wanted:
        _fail(source, expr, f"expected type {wanted.documented} in {context}, got {kind.documented}")


def _fail(source: Source, expr: ast.Expr, message: str) -> None:
    raise source.error(message, expr.span.start, expr.span.end)
