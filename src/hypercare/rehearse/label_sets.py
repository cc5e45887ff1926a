"""Which labels the result of an expression can have, as far as its text alone tells."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import MatchOp
from hypercare.promql import ast, type_of

if TYPE_CHECKING:
    from hypercare.promql import Expr


@dataclasses.dataclass(frozen=True, slots=True)
class LabelBounds:
    """Bounds of a label set.

    Attributes:
        only: no other labels than these can be there; none: any.
        never: these cannot be there.

    """

    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def may_have(self, name: str) -> bool:
        """Whether a label can be there."""
        return name not in self.never and (self.only is None or name in self.only)

    @property
    def hint(self) -> str:
        """What can be there, for people."""
        if self.only is None:
            return "without drops it" if self.never else ""
        kept = sorted(name for name in self.only if self.may_have(name))
        return f"it has {', '.join(kept)}; add the label to by (…)" if kept else "the result has no labels"

    def without(self, names: frozenset[str]) -> LabelBounds:
        """The same after some are removed."""
        return LabelBounds(self.only, self.never | names)

    def adding(self, names: frozenset[str]) -> LabelBounds:
        """The same where some more may come in."""
        return LabelBounds(None if self.only is None else self.only | names, self.never - names)

    def either(self, other: LabelBounds) -> LabelBounds:
        """What one or the other can have."""
        only = None if self.only is None or other.only is None else self.only | other.only
        gone = {name for name in self.never | other.never if not self.may_have(name) and not other.may_have(name)}
        return LabelBounds(only, frozenset(gone))


ANY: Final = LabelBounds()
NONE: Final = LabelBounds(frozenset())
_SETS: Final = frozenset(("and", "unless"))
_CHOOSING: Final = frozenset(("topk", "bottomk", "limitk", "limit_ratio"))
_ADDING: Final = frozenset(("label_replace", "label_join", "info", "histogram_quantiles"))


def labels_of(expr: Expr) -> LabelBounds:
    """The bounds of an expression's labels."""
    match expr:
        case ast.Paren() | ast.Unary() | ast.Subquery():
            return labels_of(expr.expr)
        case ast.MatrixSelector():
            return labels_of(expr.vector)
        case ast.NumberLiteral() | ast.StringLiteral():
            return NONE
        case ast.VectorSelector():
            empty = {m.name for m in expr.matchers if m.op is MatchOp.EQUAL and not m.value}
            return LabelBounds(None, frozenset(empty))
        case ast.Aggregate():
            return _aggregate(expr)
        case ast.Binary():
            return _binary(expr)
        case ast.Call():
            return _call(expr)
        case _:
            return ANY


def _aggregate(expr: ast.Aggregate) -> LabelBounds:
    inner = labels_of(expr.expr)
    names = frozenset(expr.labels)
    if expr.op in _CHOOSING:
        return inner
    added: frozenset[str] = frozenset()
    if expr.op == "count_values" and isinstance(expr.param, ast.StringLiteral):
        added = frozenset((expr.param.value,))
    if expr.without:
        return inner.without(names | {METRIC_NAME}).adding(added)
    kept = names if inner.only is None else names & inner.only
    return LabelBounds(kept, inner.never & kept).adding(added)


def _binary(expr: ast.Binary) -> LabelBounds:
    vectors = [side for side in (expr.lhs, expr.rhs) if type_of(side) is ast.ValueType.VECTOR]
    if not vectors:
        return NONE
    if len(vectors) == 1:
        return labels_of(vectors[0])
    left, right = labels_of(expr.lhs), labels_of(expr.rhs)
    if expr.op in _SETS:
        return left
    matching = expr.matching
    if expr.op == "or" or matching is None or matching.fill_left is not None or matching.fill_right is not None:
        return left.either(right)
    included = frozenset(matching.include)
    if matching.card is ast.Cardinality.MANY_TO_ONE:
        return left.adding(included)
    if matching.card is ast.Cardinality.ONE_TO_MANY:
        return right.adding(included)
    names = frozenset(matching.labels)
    # One to one: what was compared remains, of comparisons that filter too.
    if matching.on:
        kept = names if left.only is None else names & left.only
        return LabelBounds(kept, left.never & kept)
    return left.without(names)


def _call(expr: ast.Call) -> LabelBounds:
    if expr.name in _ADDING:
        return ANY
    if expr.name in {"absent", "absent_over_time"}:
        found = next((n for n in ast.walk(expr.args[0]) if isinstance(n, ast.VectorSelector)), None)
        if found is None or not isinstance(ast.unwrap(expr.args[0]), ast.VectorSelector | ast.MatrixSelector):
            return NONE
        return LabelBounds(frozenset(m.name for m in found.matchers if m.op is MatchOp.EQUAL))
    vectors = [a for a in expr.args if type_of(a) in {ast.ValueType.VECTOR, ast.ValueType.MATRIX}]
    if not vectors:
        return NONE
    bounds = labels_of(vectors[-1])
    return bounds.without(frozenset(("le",))) if expr.name == "histogram_quantile" else bounds
