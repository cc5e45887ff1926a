"""A condition's text as a tree: the part of expr-lang that analyses use."""

from __future__ import annotations

from typing import Final

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
from hypercare.judge.argo.tokens import Token, tokens

MAX_DEPTH: Final = 60
CLOSURES: Final = frozenset({"all", "any", "none", "one", "filter", "map", "count"})
"""Functions whose second argument is evaluated for each element."""
_SAME: Final = {"or": "||", "and": "&&", "^": "**"}
_BINARY: Final = {
    "||": 10,
    "&&": 15,
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">=", "in", "contains", "startsWith", "endsWith", "matches"), 20),
    "..": 25,
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "??": 500,
}
_UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
_WORDS: Final = {"true": True, "false": False, "nil": None}


def parse(source: str) -> Node:
    """The tree of a condition.

    Raises:
        ConditionError: it is none, or nested too deeply.

    """
    reader = _Parser(source)
    node = reader.expression(0)
    if reader.now.kind != "end":
        raise reader.unexpected()
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self.tokens = tokens(source)
        self.at = 0
        self.depth = 0
        self.closures = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def unexpected(self) -> ConditionError:
        token = self.now
        what = "end of the expression" if token.kind == "end" else f"token {token.text!r}"
        return ConditionError(f"unexpected {what} at column {token.at + 1}")

    def is_mark(self, *marks: str) -> bool:
        return self.now.kind == "mark" and self.now.text in marks

    def take(self, mark: str) -> bool:
        if self.is_mark(mark):
            self.at += 1
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise self.unexpected()

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConditionError(f"the expression is nested too deeply: more than {MAX_DEPTH} levels")
        node = self.binary(self.unary(), least)
        if least == 0 and self.take("?"):
            yes = self.expression(0)
            self.expect(":")
            node = Choice(node, yes, self.expression(0))
        self.depth -= 1
        return node

    def binary(self, node: Node, least: int) -> Node:
        while True:
            at, negated = self.at, self.now.kind == "name" and self.now.text == "not"
            self.at += negated
            operator = self.operator()
            binds = _BINARY.get(operator, -1)
            if binds < max(least, 1) or (negated and binds != 20):
                self.at = at
                return node
            self.at += 1
            node = Binary(operator, node, self.expression(binds if operator == "**" else binds + 1))
            node = Unary("not", node) if negated else node

    def operator(self) -> str:
        token = self.now
        return _SAME.get(token.text, token.text) if token.kind in {"mark", "name"} else ""

    def unary(self) -> Node:
        token = self.now
        if token.kind in {"mark", "name"} and token.text in _UNARY:
            self.at += 1
            operator = "not" if token.text == "!" else token.text
            return Unary(operator, self.expression(_UNARY[token.text]))
        return self.postfix(self.primary())

    def postfix(self, node: Node) -> Node:
        while self.is_mark(".", "?.", "["):
            mark = self.now.text
            self.at += 1
            if mark == "[":
                node = Index(node, self.expression(0))
                self.expect("]")
                continue
            if self.now.kind != "name":
                raise self.unexpected()
            name = self.now.text
            self.at += 1
            if self.is_mark("("):
                raise ConditionError(f"a value has no method {name}: methods cannot be called")
            node = Index(node, Literal(name), mark == "?.")
        return node

    def primary(self) -> Node:
        token = self.now
        self.at += 1
        if token.kind == "number":
            return Literal(_number(token))
        if token.kind == "text":
            return Literal(token.text)
        if token.kind == "name":
            return self.named(token)
        if token.kind == "mark":
            if token.text == "(":
                node = self.expression(0)
                self.expect(")")
                return node
            if token.text == "[":
                return Array(self.several("]"))
            if token.text == "{":
                return self.table()
            if token.text == "#" and self.closures:
                return Pointer()
            if token.text == "." and self.closures:
                self.at -= 1
                return Pointer()
        self.at -= 1
        raise self.unexpected()

    def named(self, token: Token) -> Node:
        if self.take("("):
            return self.call(token.text)
        if token.text in _WORDS:
            return Literal(_WORDS[token.text])
        return Name(token.text)

    def call(self, function: str) -> Node:
        if function not in CLOSURES:
            return Call(function, self.several(")"))
        operand = self.expression(0)
        if function == "count" and self.take(")"):
            return Call(function, (operand, Closure(Pointer())))
        self.expect(",")
        self.closures += 1
        braced = self.take("{")
        body = self.expression(0)
        if braced:
            self.expect("}")
        self.closures -= 1
        self.expect(")")
        return Call(function, (operand, Closure(body)))

    def several(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.take(end):
            if found:
                self.expect(",")
                if self.take(end):
                    break
            found.append(self.expression(0))
        return tuple(found)

    def table(self) -> Node:
        found: list[tuple[str, Node]] = []
        while not self.take("}"):
            if found:
                self.expect(",")
            key = self.now
            if key.kind not in {"name", "text", "number"}:
                raise self.unexpected()
            self.at += 1
            self.expect(":")
            found.append((key.text, self.expression(0)))
        return Table(tuple(found))


def _number(token: Token) -> int | float:
    text = token.text.replace("_", "")
    try:
        if text.lower().startswith("0x"):
            return int(text, 16)
        return float(text) if set(text) & {".", "e", "E"} else int(text)
    except ValueError as error:
        raise ConditionError(f"not a number: {token.text!r} at column {token.at + 1}") from error
