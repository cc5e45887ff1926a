"""The syntax tree. Nodes are frozen; equality ignores where a node stood in the text."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms


class ValueType(enum.StrEnum):
    """The types of expressions, as in the HTTP API."""

    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"

    @property
    def documented(self) -> str:
        """The name used in messages."""
        return {"vector": "instant vector", "matrix": "range vector"}.get(self.value, self.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the source text: offsets in characters, line and column of its start from 1."""

    start: int = 0
    end: int = 0
    line: int = 0
    column: int = 0

    @property
    def length(self) -> int:
        """Characters covered."""
        return max(1, self.end - self.start)


NOWHERE = Span()


class Preprocessor(enum.StrEnum):
    """Instants that ``@`` can name instead of a number."""

    START = "start"
    END = "end"


@dataclasses.dataclass(frozen=True, slots=True)
class DurationExpr:
    """Arithmetic on durations that waits for the query's step and range; evaluated in seconds.

    Attributes:
        op: ``literal``, ``number``, ``step``, ``range``, ``min_of``, ``max_of``, ``()``, ``neg``,
            ``pos`` or a binary operator.
        value: seconds, for ``literal`` and ``number``.

    """

    op: str
    args: tuple[DurationExpr, ...] = ()
    value: float = 0.0
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


Duration: TypeAlias = "Ms | DurationExpr"


class Expr:
    """Base of all expressions; ``str()`` prints the canonical form that Prometheus prints."""

    __slots__ = ()
    span: Span

    def __str__(self) -> str:
        from hypercare.promql.printer import format_expr  # noqa: PLC0415  # the printer knows all nodes

        return format_expr(self)


@dataclasses.dataclass(frozen=True, slots=True)
class NumberLiteral(Expr):
    """A number; ``is_duration`` where it was written as one (``5m`` is 300)."""

    value: float
    is_duration: bool = False
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        """Two NaN literals are equal, unlike two NaN numbers."""
        if not isinstance(other, NumberLiteral):
            return NotImplemented
        return self.is_duration == other.is_duration and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash((repr(self.value), self.is_duration))


@dataclasses.dataclass(frozen=True, slots=True)
class StringLiteral(Expr):
    """A string."""

    value: str
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class VectorSelector(Expr):
    """An instant vector selector.

    Attributes:
        name: the metric name where it was written as such; the matchers contain it, too.
        matchers: as written, the one for ``name`` last.
        at: the instant of ``@`` in ms, ``start()`` or ``end()``, or none.
        mode: ``anchored`` or ``smoothed`` for the extended selectors, else empty.

    """

    name: str
    matchers: tuple[Matcher, ...]
    offset: Duration = 0
    at: Ms | Preprocessor | None = None
    mode: str = ""
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class MatrixSelector(Expr):
    """A range vector selector; offset, ``@`` and mode are kept in ``vector``."""

    vector: VectorSelector
    range: Duration
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Subquery(Expr):
    """``expr[range:step]``; ``step`` none means the default."""

    expr: Expr
    range: Duration
    step: Duration | None = None
    offset: Duration = 0
    at: Ms | Preprocessor | None = None
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Paren(Expr):
    """Parentheses."""

    expr: Expr
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Unary(Expr):
    """``-x`` or ``+x``."""

    op: str
    expr: Expr
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


class Cardinality(enum.StrEnum):
    """How many series of each side may share one match."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclasses.dataclass(frozen=True, slots=True)
class Matching:
    """How series of two vectors find each other.

    Attributes:
        on: ``labels`` are the ones compared; else the ones left out.
        include: labels that ``group_left``/``group_right`` copy from the "one" side.
        fill_left, fill_right: values used where a side has no series, or none.

    """

    card: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Binary(Expr):
    """A binary operation; ``matching`` is none unless both sides are vectors."""

    op: str
    lhs: Expr
    rhs: Expr
    bool_modifier: bool = False
    matching: Matching | None = None
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Aggregate(Expr):
    """An aggregation over series."""

    op: str
    expr: Expr
    param: Expr | None = None
    labels: tuple[str, ...] = ()
    without: bool = False
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function call."""

    name: str
    args: tuple[Expr, ...]
    span: Span = dataclasses.field(default=NOWHERE, compare=False, repr=False)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions, in reading order."""
    match expr:
        case Binary():
            return (expr.lhs, expr.rhs)
        case Call():
            return expr.args
        case Aggregate():
            return (expr.param, expr.expr) if expr.param is not None else (expr.expr,)
        case Paren() | Unary() | Subquery():
            return (expr.expr,)
        case MatrixSelector():
            return (expr.vector,)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything in it, parents first."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def selectors(expr: Expr) -> tuple[VectorSelector, ...]:
    """All vector selectors in an expression, those inside range selectors too, in reading order."""
    return tuple(node for node in walk(expr) if isinstance(node, VectorSelector))


def unwrap(expr: Expr) -> Expr:
    """The expression inside any number of parentheses."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr
