"""Tokens to a syntax tree: recursive descent with precedence climbing, bounded in depth."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Final, TypeVar

from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.promql import ast
from hypercare.promql.cursor import Cursor
from hypercare.promql.durations import fold
from hypercare.promql.features import Features, not_enabled
from hypercare.promql.functions import FUNCTIONS
from hypercare.promql.keywords import (
    AGGREGATIONS,
    COMPARISONS,
    MODES,
    NEVER_METRICS,
    NUMBERS,
    PRECEDENCE,
    SET_OPERATORS,
)
from hypercare.promql.lexer import Kind, Source
from hypercare.promql.typecheck import check

MAX_LENGTH: Final = 1_000_000
"""Longest text taken, in characters."""

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MATCH_OPS = frozenset({"=", "!=", "=~", "!~"})
_E = TypeVar("_E", bound=ast.Expr)


def parse(text: str, features: Features | None = None) -> ast.Expr:
    """Parse and type-check an expression.

    Args:
        text: the expression.
        features: the experimental parts of the language that it may use; none: all.

    Raises:
        PromqlError: with the place.
    """
    source = Source(text)
    expr = _parse(source, features)
    check(expr, source)
    if features is not None:
        features.refuse(expr)
    return expr


def parse_selector(text: str) -> ast.VectorSelector | None:
    """Read a series selector, which may fit every series (``{__name__=~".*"}``), as no expression may.

    Returns:
        The selector; none where the text is another expression.

    Raises:
        PromqlError: with the place.
    """
    source = Source(text)
    expr = _parse(source, None)
    if isinstance(expr, ast.VectorSelector):
        return expr
    check(expr, source)
    return None


def _parse(source: Source, features: Features | None) -> ast.Expr:
    if len(source.text) > MAX_LENGTH:
        msg = f"the expression is longer than {MAX_LENGTH} characters"
        raise source.error(msg, 0, 1)
    parser = _Parser(source)
    parser.features = features
    empty = parser.token.kind is Kind.END
    if empty:
        raise source.error("no expression found in input", 0, 1)
    expr = parser.expression(0)
    if parser.token.kind is not Kind.END:
        raise parser.unexpected("after the expression")
    return expr


def parse_series(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """Read ``name{label="value"}`` at the start of a text, as in the notation of Prometheus' rule tests.

    Returns:
        The label pairs, ``__name__`` included, and the rest of the text.

    Raises:
        PromqlError: no series stands there.
    """
    end = _series_end(text)
    source = Source(text[:end])
    parser = _Parser(source)
    name, matchers = parser.named_matchers()
    if parser.token.kind is not Kind.END or any(m.op is not MatchOp.EQUAL for m in matchers):
        raise source.error('not a series: expected name{label="value", …}', 0, end)
    return (*((m.name, m.value) for m in matchers), (METRIC_NAME, name)), text[end:]


_SERIES = re.compile(r"""\s*[^\s{@]*(?:\s*\{(?!\{)(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^}"'`])*\})?""")


def _series_end(text: str) -> int:
    """Where a series notation ends: at its closing brace, or at the first blank where it has none."""
    found = _SERIES.match(text)
    return found.end() if found else 0


def _one_nan(value: float) -> float:
    """The value, NaN as one object, so that equal texts give equal trees."""
    return math.nan if math.isnan(value) else value


class _Parser(Cursor):
    """Expressions and selectors."""

    features: Features | None = None

    # ── expressions ──

    def expression(self, least: int) -> ast.Expr:
        """An expression whose binary operators bind at least as tight as ``least``."""
        self._enter()
        left = self._unary()
        while (op := self._operator()) and PRECEDENCE[op] >= least:
            left = self._binary(left, op)
        self._nesting -= 1
        return left

    def _operator(self) -> str:
        token = self.token
        if token.kind is Kind.OP and token.text in PRECEDENCE:
            return token.text
        if token.kind is Kind.NAME and token.text.lower() in PRECEDENCE:
            return token.text.lower()
        return ""

    def _binary(self, left: ast.Expr, op: str) -> ast.Expr:
        self.advance()
        bool_modifier = False
        if self._is_word("bool"):
            word = self.advance()
            if op not in COMPARISONS:
                raise self._source.error("bool modifier can only be used on comparison operators", word.start, word.end)
            bool_modifier = True
        matching = self._matching(op)
        # ``^`` is the one operator whose right side may hold itself.
        right = self.expression(PRECEDENCE[op] if op == "^" else PRECEDENCE[op] + 1)
        span = self._span(left.span.start)
        return self._made(ast.Binary(op, left, right, bool_modifier, matching, span))

    def _matching(self, op: str) -> ast.Matching | None:
        start = self.token.start
        card = ast.Cardinality.MANY_TO_MANY if op in SET_OPERATORS else ast.Cardinality.ONE_TO_ONE
        labels: tuple[str, ...] = ()
        include: tuple[str, ...] = ()
        on = written = False
        if self._is_word("on", "ignoring"):
            written = True
            on = self.advance().text.lower() == "on"
            labels = self._label_list("in grouping opts")
            if self._is_word("group_left", "group_right"):
                word = self.advance()
                if op in SET_OPERATORS:
                    msg = f'no grouping allowed for "{op}" operation'
                    raise self._source.error(msg, word.start, word.end)
                left = word.text.lower() == "group_left"
                card = ast.Cardinality.MANY_TO_ONE if left else ast.Cardinality.ONE_TO_MANY
                if self._is("("):
                    include = self._label_list("in grouping opts")
        fills: dict[str, float] = {}
        while self._is_word("fill", "fill_left", "fill_right") and self._peek_op("("):
            self._fill(op, fills)
            written = True
        both = sorted(set(labels) & set(include))
        if on and both:
            message = f'label "{both[0]}" must not occur in ON and GROUP clause at once'
            raise self._source.error(message, start, self.token.start)
        matching = ast.Matching(card, on, labels, include, fills.get("left"), fills.get("right"))
        # ``ignoring ()`` says nothing.
        return matching if written and matching != ast.Matching(card) else None

    def _fill(self, op: str, fills: dict[str, float]) -> None:
        word = self.advance()
        if op in SET_OPERATORS:
            raise self._source.error("filling in missing series not allowed for set operators", word.start, word.end)
        self._expect("(", "in fill value")
        value = self._signed_number("in fill value")
        self._expect(")", "in fill value")
        kind = word.text.lower()
        for side in ("left", "right"):
            if kind in {"fill", f"fill_{side}"}:
                fills[side] = _one_nan(value)

    def _unary(self) -> ast.Expr:
        if self._is("-") or self._is("+"):
            op = self.advance()
            operand = self.expression(PRECEDENCE["^"])
            if isinstance(operand, ast.NumberLiteral):
                value = _one_nan(-operand.value if op.text == "-" else operand.value)
                literal = ast.NumberLiteral(value, operand.is_duration and op.text == "+", self._span(op.start))
                return self._made(literal)
            return self._made(ast.Unary(op.text, operand, self._span(op.start)))
        return self._postfix(self._primary())

    # ── postfix: ranges, subqueries, offset, @ ──

    def _postfix(self, expr: ast.Expr) -> ast.Expr:
        while True:
            if self._is("["):
                expr = self._range(expr)
            elif self._is("@"):
                expr = self._at(expr)
            elif self._is_word("offset"):
                expr = self._offset(expr)
            elif self._is_word(*MODES):
                expr = self._mode(expr)
            else:
                return expr

    def _range(self, expr: ast.Expr) -> ast.Expr:
        opening = self.advance()
        span_of = self._duration_expr(0)
        if self._accept(":"):
            step = None if self._is("]") else self._duration_expr(0)
            self._expect("]", "in subquery")
            folded_step = None if step is None else self._positive(step)
            span = self._span(expr.span.start)
            return self._made(ast.Subquery(expr, self._positive(span_of), folded_step, 0, None, span))
        self._expect("]", "in range selector")
        if not isinstance(expr, ast.VectorSelector):
            message = "ranges only allowed for vector selectors"
            raise self._source.error(message, expr.span.start, self._tokens[self._index - 1].end)
        if (isinstance(expr.offset, ast.DurationExpr) or expr.offset) or expr.at is not None or expr.mode:
            message = "no offset, @ or other modifiers allowed before range"
            raise self._source.error(message, opening.start, self._tokens[self._index - 1].end)
        return self._made(ast.MatrixSelector(expr, self._positive(span_of), self._span(expr.span.start)))

    def _positive(self, duration: ast.DurationExpr) -> ast.Duration:
        folded = self._folded(duration)
        if not isinstance(folded, ast.DurationExpr) and folded <= 0:
            raise self._source.error("duration must be greater than 0", duration.span.start, duration.span.end)
        return folded

    def _folded(self, duration: ast.DurationExpr) -> ast.Duration:
        """A duration, which without a sign is plain unless arithmetic in durations is switched on."""
        plain = duration.args[0] if duration.op in {"neg", "pos"} else duration
        allowed = self.features is None or self.features.promql_duration_expr
        if not allowed and plain.op not in {"number", "literal"}:
            raise not_enabled("arithmetic in durations", "promql-duration-expr", duration.span)
        return fold(duration, self._source)

    def _modified(self, expr: ast.Expr, word: str, **changes: object) -> ast.Expr:
        """The selector or subquery with ``offset``, ``@`` or a mode set, each at most once."""
        span = self._span(expr.span.start)
        target = expr.vector if isinstance(expr, ast.MatrixSelector) else expr
        if not isinstance(target, ast.VectorSelector | ast.Subquery):
            message = (
                f"{word} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            )
            raise self._source.error(message, span.start, span.end)
        for name in changes:
            if not hasattr(target, name):
                msg = f"{word} modifier does not apply to a subquery"
                raise self._source.error(msg, span.start, span.end)
            before = getattr(target, name)
            if before is not None if name == "at" else before not in {0, ""}:
                msg = f"{word} may not be set multiple times"
                raise self._source.error(msg, span.start, span.end)
        if isinstance(expr, ast.MatrixSelector):
            vector = _replace(expr.vector, span, changes)
            self._made(vector)
            return self._made(ast.MatrixSelector(vector, expr.range, span))
        return self._made(_replace(target, span, changes))

    def _offset(self, expr: ast.Expr) -> ast.Expr:
        self.advance()
        duration = self._signed_duration()
        return self._modified(expr, "offset", offset=self._folded(duration))

    def _mode(self, expr: ast.Expr) -> ast.Expr:
        word = self.advance()
        return self._modified(expr, word.text.lower(), mode=word.text.lower())

    def _at(self, expr: ast.Expr) -> ast.Expr:
        sign = self.advance()
        if self._is_word("start", "end"):
            word = self.advance()
            self._expect("(", "in @")
            self._expect(")", "in @")
            return self._modified(expr, "@", at=ast.Preprocessor(word.text.lower()))
        value = self._signed_number("in @", duration=True)
        if value != value or abs(value) >= 2**63 / 1000:  # noqa: PLR0124  # NaN
            raise self._source.error("timestamp out of bounds for @ modifier", sign.start, self.token.start)
        return self._modified(expr, "@", at=_round_half_away(value * 1000))

    # ── primaries ──

    def _primary(self) -> ast.Expr:
        token = self.token
        if token.kind in {Kind.NUMBER, Kind.DURATION}:
            self.advance()
            value = self._number_value(token)
            return self._made(ast.NumberLiteral(value, token.kind is Kind.DURATION, self._span(token.start)))
        if token.kind is Kind.STRING:
            self.advance()
            return self._made(ast.StringLiteral(token.value, self._span(token.start)))
        if self._is("("):
            self.advance()
            inner = self.expression(0)
            self._expect(")", "in paren expression")
            return self._made(ast.Paren(inner, self._span(token.start)))
        if self._is("{"):
            return self.selector()
        if token.kind is Kind.NAME:
            return self._word()
        raise self.unexpected("where an expression should start" if token.kind is not Kind.END else "")

    def _word(self) -> ast.Expr:
        token = self.token
        word = token.text.lower()
        if word in NUMBERS and not self._peek_op("{"):
            self.advance()
            return self._made(ast.NumberLiteral(_one_nan(float(word)), span=self._span(token.start)))
        if word in AGGREGATIONS and (self._peek_op("(") or self._peek_word("by", "without")):
            return self._aggregate(word)
        if self._peek_op("("):
            return self._call()
        return self.selector()

    def _call(self) -> ast.Expr:
        token = self.advance()
        if token.text not in FUNCTIONS:
            msg = f'unknown function with name "{token.text}"'
            raise self._source.error(msg, token.start, token.end)
        args = self._arguments()
        return self._made(ast.Call(token.text, args, self._span(token.start)))

    def _arguments(self) -> tuple[ast.Expr, ...]:
        self._expect("(", "in function call")
        args: list[ast.Expr] = []
        while not self._is(")"):
            args.append(self.expression(0))
            if not self._accept(","):
                break
            if self._is(")"):
                raise self._source.error(
                    "trailing commas not allowed in function call args", self.token.start, self.token.end
                )
        self._expect(")", "in function call")
        return tuple(args)

    def _aggregate(self, op: str) -> ast.Expr:
        token = self.advance()
        grouping = self._grouping()
        args = self._arguments()
        if grouping is None:
            grouping = self._grouping()
        without, labels = grouping or (False, ())
        span = self._span(token.start)
        needs = 2 if AGGREGATIONS[op] else 1
        if len(args) != needs:
            message = f"wrong number of arguments for aggregate expression provided, expected {needs}, got {len(args)}"
            raise self._source.error(message, span.start, span.end)
        param = args[0] if needs == 2 else None
        return self._made(ast.Aggregate(op, args[-1], param, labels, without, span))

    def _grouping(self) -> tuple[bool, tuple[str, ...]] | None:
        if not self._is_word("by", "without"):
            return None
        without = self.advance().text.lower() == "without"
        return without, self._label_list("in grouping opts")

    def _label_list(self, context: str) -> tuple[str, ...]:
        self._expect("(", context)
        names: list[str] = []
        while not self._is(")"):
            token = self.token
            named = token.kind is Kind.NAME and _LABEL.fullmatch(token.text)
            if not named and not (token.kind is Kind.STRING and is_label_name(token.value)):
                raise self.unexpected(context, "label")
            names.append(token.value if token.kind is Kind.STRING else token.text)
            self.advance()
            if not self._accept(","):
                break
        self._expect(")", context)
        return tuple(names)

    # ── selectors ──

    def selector(self) -> ast.VectorSelector:
        """``name``, ``name{…}`` or ``{…}``."""
        start = self.token.start
        name, matchers = self.named_matchers()
        span = self._span(start)
        if name:
            twice = next((m.value for m in matchers if m.name == METRIC_NAME), None)
            if twice is not None:
                message = f'metric name must not be set twice: "{name}" or "{twice}"'
                raise self._source.error(message, span.start, span.end)
            matchers.append(Matcher(METRIC_NAME, MatchOp.EQUAL, name))
        return self._made(ast.VectorSelector(name, tuple(matchers), span=span))

    def named_matchers(self) -> tuple[str, list[Matcher]]:
        """A metric name, which may be empty, and what stands in braces after or around it."""
        name = ""
        if self.token.kind is Kind.NAME:
            if self.token.text.lower() in NEVER_METRICS:
                raise self.unexpected("where an expression should start")
            name = self.advance().text
        matchers: list[Matcher] = []
        if self._is("{"):
            name = self._matchers(name, matchers)
        return name, matchers

    def _matchers(self, name: str, into: list[Matcher]) -> str:
        self.advance()
        while not self._is("}"):
            token = self.token
            if token.kind is Kind.STRING and not self._next_is_match_op():
                if name:
                    message = f'metric name must not be set twice: "{name}" or "{token.value}"'
                    raise self._source.error(message, token.start, token.end)
                if not is_label_name(token.value):
                    msg = f"not a valid metric name: {token.text}"
                    raise self._source.error(msg, token.start, token.end)
                name = self.advance().value
            else:
                into.append(self._matcher())
            if not self._accept(","):
                break
        self._expect("}", "in label matching")
        return name

    def _next_is_match_op(self) -> bool:
        following = self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        return following.kind is Kind.OP and following.text in _MATCH_OPS

    def _matcher(self) -> Matcher:
        label = self.token
        if label.kind is Kind.STRING and is_label_name(label.value):
            name = label.value
        elif label.kind is Kind.NAME and _LABEL.fullmatch(label.text):
            name = label.text
        else:
            raise self.unexpected("in label matching", 'identifier or "}"')
        self.advance()
        if self.token.kind is not Kind.OP or self.token.text not in _MATCH_OPS:
            raise self.unexpected("in label matching", "label matching operator")
        op = MatchOp(self.advance().text)
        value = self.token
        if value.kind is not Kind.STRING:
            raise self.unexpected("in label matching", "string")
        self.advance()
        try:
            return Matcher(name, op, value.value)
        except ValueError as err:
            raise self._source.error(str(err), value.start, value.end) from err


def _round_half_away(value: float) -> int:
    return int(value + 0.5) if value >= 0 else -int(-value + 0.5)


def _replace(target: _E, span: ast.Span, changes: dict[str, object]) -> _E:
    return dataclasses.replace(target, span=span, **changes)  # type: ignore[type-var]


def is_label_name(name: str) -> bool:
    """Whether a text can name a label or metric: not empty, and valid UTF-8."""
    return bool(name) and not any("\ud800" <= char <= "\udfff" for char in name)
