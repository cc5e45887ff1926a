"""A cursor over tokens, the part of the parser that knows nothing of expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from hypercare.model.time import parse_duration
from hypercare.promql import ast
from hypercare.promql.durations import LONGEST
from hypercare.promql.keywords import NUMBERS, PRECEDENCE
from hypercare.promql.lexer import Kind, Source, Token, tokenize

if TYPE_CHECKING:
    from hypercare.promql.errors import PromqlError

MAX_DEPTH: Final = 100
"""How deeply an expression may nest; calls of the parser and of the evaluator are bounded by it."""

_E = TypeVar("_E", bound=ast.Expr)
Node: TypeAlias = "ast.Expr | ast.DurationExpr"


def _describe(token: Token) -> str:
    return "end of input" if token.kind is Kind.END else f"{token.kind} {token}"


class Cursor:
    """Tokens one after the other, one of look-ahead; reads numbers and durations, bounds nesting."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._index = 0
        self._nesting = 0
        self._depths: dict[int, tuple[int, Node]] = {}
        self.token = self._tokens[0]

    # ── the cursor ──

    def advance(self) -> Token:
        """Take the current token."""
        taken = self.token
        if self._index < len(self._tokens) - 1:
            self._index += 1
        self.token = self._tokens[self._index]
        return taken

    def unexpected(self, context: str, expected: str = "") -> PromqlError:
        """The error of a token that cannot stand where it stands."""
        tail = f", expected {expected}" if expected else ""
        token = self.token
        where = f" {context}" if context else ""
        return self._source.error(f"unexpected {_describe(token)}{where}{tail}", token.start, token.end)

    def _is(self, text: str) -> bool:
        return self.token.kind is Kind.OP and self.token.text == text

    def _is_word(self, *words: str) -> bool:
        return self.token.kind is Kind.NAME and self.token.text.lower() in words

    def _peek_op(self, text: str) -> bool:
        following = self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        return following.kind is Kind.OP and following.text == text

    def _peek_word(self, *words: str) -> bool:
        following = self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        return following.kind is Kind.NAME and following.text.lower() in words

    def _accept(self, text: str) -> bool:
        if self._is(text):
            self.advance()
            return True
        return False

    def _expect(self, text: str, context: str) -> Token:
        if not self._is(text):
            raise self.unexpected(context, f'"{text}"')
        return self.advance()

    def _span(self, start: int) -> ast.Span:
        return self._source.span(start, self._tokens[self._index - 1].end if self._index else start)

    def _made(self, node: _E) -> _E:
        """Register a node, holding the depth of the tree within its bound."""
        self._register(node, ast.children(node))
        return node

    def _duration(
        self, op: str, args: tuple[ast.DurationExpr, ...], start: int, end: int, value: float = 0.0
    ) -> ast.DurationExpr:
        """A node of duration arithmetic, held within the same bound."""
        node = ast.DurationExpr(op, args, value, self._source.span(start, end))
        self._register(node, args)
        return node

    def _register(self, node: Node, children: tuple[Node, ...]) -> None:
        depth = 1 + max((self._depths[id(child)][0] for child in children), default=0)
        if depth > 2 * MAX_DEPTH:
            raise self._source.error("the expression is nested too deeply", node.span.start, node.span.end)
        self._depths[id(node)] = (depth, node)

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > MAX_DEPTH:
            raise self._source.error("the expression is nested too deeply", self.token.start, self.token.end)

    # ── durations ──

    def _duration_expr(self, least: int) -> ast.DurationExpr:
        self._enter()
        left = self._signed_duration(strong=True)
        while self.token.kind is Kind.OP and self.token.text in {"+", "-", "*", "/", "%", "^"}:
            op = self.token.text
            if PRECEDENCE[op] < least:
                break
            self.advance()
            right = self._duration_expr(PRECEDENCE[op] if op == "^" else PRECEDENCE[op] + 1)
            left = self._duration(op, (left, right), left.span.start, right.span.end)
        self._nesting -= 1
        return left

    def _signed_duration(self, *, strong: bool = False) -> ast.DurationExpr:
        """A duration with a sign; within arithmetic (``strong``) a sign binds looser than ``^``."""
        if self._is("-") or self._is("+"):
            sign = self.advance()
            inner = self._duration_expr(PRECEDENCE["^"]) if strong else self._duration_atom()
            op = "neg" if sign.text == "-" else "pos"
            return self._duration(op, (inner,), sign.start, inner.span.end)
        return self._duration_atom()

    def _duration_atom(self) -> ast.DurationExpr:
        token = self.token
        if token.kind in {Kind.NUMBER, Kind.DURATION}:
            value = self._number_value(self.advance())
            if not value <= LONGEST:
                raise self._source.error("duration out of range", token.start, token.end)
            kind = "number" if token.kind is Kind.NUMBER else "literal"
            return self._duration(kind, (), token.start, token.end, value)
        if self._is("("):
            self.advance()
            inner = self._duration_expr(0)
            behind = self._expect(")", "in duration expression").end
            return self._duration("()", (inner,), token.start, behind)
        if self._is_word("step", "range", "min_of", "max_of") and self._peek_op("("):
            name = self.advance().text.lower()
            self.advance()
            args: tuple[ast.DurationExpr, ...] = ()
            if name in {"min_of", "max_of"}:
                first = self._duration_expr(0)
                self._expect(",", "in duration expression")
                args = (first, self._duration_expr(0))
            behind = self._expect(")", "in duration expression").end
            return self._duration(name, args, token.start, behind)
        raise self.unexpected("in duration expression", "a number, duration, step() or range()")

    # ── numbers ──

    def _signed_number(self, context: str, *, duration: bool = False) -> float:
        sign = 1.0
        if self._is("-") or self._is("+"):
            sign = -1.0 if self.advance().text == "-" else 1.0
        token = self.token
        if token.kind is Kind.NUMBER or (token.kind is Kind.DURATION and duration):
            return sign * self._number_value(self.advance())
        if self._is_word(*NUMBERS):
            return sign * float(self.advance().text)
        raise self.unexpected(context, "a number")

    def _number_value(self, token: Token) -> float:
        if token.kind is Kind.DURATION:
            try:
                return parse_duration(token.text) / 1000
            except ValueError as err:
                raise self._source.error(str(err), token.start, token.end) from err
        text = token.text.replace("_", "")
        if text[:2].lower() == "0x":
            return float(int(text, 16)) if len(text) < 200 else float("inf")
        # A leading zero means octal, as in Go, whose rules Prometheus follows for integers.
        if len(text) > 1 and text[0] == "0" and re.fullmatch("[0-7]+", text) and len(text) < 24:
            return float(int(text, 8))
        return float(text)
