"""Reads a template into its tree; depth is bounded, every error has its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.errors import TemplateError, place_of
from hypercare.gotemplate.lexer import Kind, Token, lex
from hypercare.gotemplate.nodes import (
    Action,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Ident,
    Jump,
    Literal,
    Nil,
    Operand,
    Pipe,
    Statement,
    Text,
    Tree,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MAX_DEPTH: Final = 100
"""Levels of nested blocks or parentheses."""


def parse(
    text: str,
    name: str = "",
    *,
    functions: Collection[str] | None = None,
    variables: Sequence[str] = (),
) -> dict[str, Tree]:
    """Read a text: the tree under its own name, and those of its ``define`` and ``block`` actions.

    Args:
        text: the template.
        name: what the text is called in errors and in ``{{template}}``.
        functions: names that may be called; none: not checked here.
        variables: names of variables that are set before rendering (without ``$``).

    Raises:
        TemplateError: with the place.

    """
    return _Parser(text, name, functions, variables).run()


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, name: str, functions: Collection[str] | None, variables: Sequence[str]) -> None:
        self.text = text
        self.name = name
        self.functions = functions
        self.tokens = lex(text, name)
        self.at = 0
        self.trees: dict[str, Tree] = {}
        self.variables = ["$", *(f"${v}" for v in variables)]
        self.slots = len(self.variables)
        self.depth = 0
        self.loops = 0

    # -- tokens --------------------------------------------------------------------------------------------------

    def peek(self) -> Token:
        """The next token, which stays."""
        return self.tokens[self.at]

    def next(self) -> Token:
        """Take the next token."""
        token = self.tokens[self.at]
        if token.kind is not Kind.EOF:
            self.at += 1
        return token

    def is_op(self, value: str) -> bool:
        """Whether the next token is this operator."""
        token = self.tokens[self.at]
        return token.kind is Kind.OP and token.value == value

    def expect(self, kind: Kind, context: str) -> Token:
        """Take a token of a kind."""
        token = self.next()
        if token.kind is not kind:
            raise self.unexpected(token, context)
        return token

    def error(self, message: str, pos: int) -> TemplateError:
        """An error at an offset."""
        return TemplateError(message, *place_of(self.text, pos), self.name)

    def unexpected(self, token: Token, context: str) -> TemplateError:
        """An error: this token has no place here."""
        if token.kind is Kind.EOF:
            return self.error(f"unexpected EOF in {context}", token.pos)
        shown = self.text[token.pos : token.end]
        word = f"<{shown}>" if token.kind is Kind.KEYWORD else f'"{shown}"'
        return self.error(f"unexpected {word} in {context}", token.pos)

    # -- blocks --------------------------------------------------------------------------------------------------

    def run(self) -> dict[str, Tree]:
        """Read the whole text."""
        body: list[Statement] = []
        while self.peek().kind is not Kind.EOF:
            if self._at_keyword() == "define":
                self._define()
            elif self._at_keyword() in {"end", "else"}:
                raise self.unexpected(self.tokens[self.at + 1], "input")
            else:
                self._statement(body)
        self._add(self.name, body)
        return self.trees

    def _add(self, name: str, body: list[Statement]) -> None:
        tree = Tree(name, self.name, self.text, body, self.slots)
        known = self.trees.get(name)
        if known is not None and not known.is_empty() and not tree.is_empty():
            msg = f'multiple definition of template "{name}"'
            raise TemplateError(msg, 1, 1, self.name)
        if known is None or known.is_empty():
            self.trees[name] = tree

    def _at_keyword(self) -> str:
        """The keyword of the action that comes next, or an empty string."""
        if self.peek().kind is Kind.OPEN:
            token = self.tokens[self.at + 1]
            if token.kind is Kind.KEYWORD:
                return str(token.value)
        return ""

    def _define(self) -> None:
        self.at += 2
        name = self._string("define clause")
        self.expect(Kind.CLOSE, "define clause")
        self._define_body(name, "define clause")

    def _define_body(self, name: str, context: str) -> None:
        """Read a template's own body: it sees none of the variables around it."""
        outer = self.variables, self.slots, self.loops
        self.variables, self.slots, self.loops = ["$"], 1, 0
        body, closing = self._list(context)
        if closing != "end":
            raise self.error(f"unexpected {{{{else}}}} in {context}", self.tokens[self.at - 1].pos)
        self.expect(Kind.CLOSE, "end")
        self._add(name, body)
        self.variables, self.slots, self.loops = outer

    def _string(self, context: str) -> str:
        token = self.next()
        if token.kind is not Kind.LITERAL or not isinstance(token.value, str):
            raise self.unexpected(token, context)
        return token.value

    def _list(self, context: str) -> tuple[list[Statement], str]:
        """Statements up to ``end`` or ``else``; the action's opening and keyword are taken."""
        body: list[Statement] = []
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("blocks are nested too deeply", self.peek().pos)
        while True:
            if self.peek().kind is Kind.EOF:
                raise self.unexpected(self.peek(), context)
            keyword = self._at_keyword()
            if keyword in {"end", "else"}:
                self.at += 2
                self.depth -= 1
                return body, keyword
            self._statement(body)

    def _statement(self, body: list[Statement]) -> None:
        token = self.next()
        if token.kind is Kind.TEXT:
            body.append(Text(token.pos, token.end, str(token.value)))
            return
        keyword = self.peek()
        if keyword.kind is not Kind.KEYWORD or keyword.value == "nil":
            pipe = self._pipeline("command", Kind.CLOSE)
            body.append(Action(token.pos, pipe.end, pipe))
            return
        self.at += 1
        match keyword.value:
            case "if" | "with" | "range":
                body.append(self._branch(str(keyword.value), keyword.pos))
            case "template":
                body.append(self._call(keyword.pos))
            case "block":
                body.append(self._block(keyword.pos))
            case "break" | "continue":
                body.append(self._jump(keyword))
            case _:
                raise self.unexpected(keyword, "command")

    def _jump(self, keyword: Token) -> Jump:
        if not self.loops:
            raise self.error(f"{{{{{keyword.value}}}}} outside {{{{range}}}}", keyword.pos)
        close = self.expect(Kind.CLOSE, str(keyword.value))
        return Jump(keyword.pos, close.pos, str(keyword.value))

    def _branch(self, keyword: str, pos: int) -> Branch:
        scope = len(self.variables)
        pipe = self._pipeline(keyword, Kind.CLOSE, ranges=keyword == "range")
        loop = keyword == "range"
        self.loops += loop
        inner = len(self.variables)
        body, closing = self._list(keyword)
        del self.variables[inner:]
        self.loops -= loop
        otherwise: list[Statement] | None = None
        if closing == "else":
            otherwise = self._otherwise(keyword)
        else:
            self.expect(Kind.CLOSE, "end")
        del self.variables[scope:]
        return Branch(pos, pipe.end, keyword, pipe, body, otherwise)

    def _otherwise(self, keyword: str) -> list[Statement]:
        """What follows ``else``: a block up to ``end``, or ``else if`` and ``else with``, which share its ``end``."""
        token = self.peek()
        if token.kind is Kind.KEYWORD and token.value == keyword and keyword != "range":
            self.at += 1
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.error("blocks are nested too deeply", token.pos)
            nested = self._branch(keyword, token.pos)
            self.depth -= 1
            return [nested]
        self.expect(Kind.CLOSE, "else")
        body, closing = self._list(keyword)
        if closing == "else":
            raise self.error("expected end; found {{else}}", self.tokens[self.at - 1].pos)
        self.expect(Kind.CLOSE, "end")
        return body

    def _call(self, pos: int) -> Call:
        name = self._string("template clause")
        if self.peek().kind is Kind.CLOSE:
            return Call(pos, self.next().pos, name, None)
        pipe = self._pipeline("template clause", Kind.CLOSE)
        return Call(pos, pipe.end, name, pipe)

    def _block(self, pos: int) -> Call:
        name = self._string("block clause")
        pipe = self._pipeline("block clause", Kind.CLOSE)
        self._define_body(name, "block clause")
        return Call(pos, pipe.end, name, pipe)

    # -- pipelines -----------------------------------------------------------------------------------------------

    def _pipeline(self, context: str, close: Kind, *, ranges: bool = False) -> Pipe:
        """A pipeline up to ``}}`` or, where ``close`` is OP, up to ``)``; the closing token is taken."""
        pos = self.peek().pos
        names, declares = self._declarations(context, ranges=ranges)
        commands: list[Command] = []
        while True:
            token = self.peek()
            if token.kind is Kind.CLOSE or (token.kind is Kind.OP and token.value == ")"):
                if token.kind is not close:
                    raise self.unexpected(token, context)
                self.at += 1
                break
            commands.append(self._command(context))
        self._check(commands, token, context)
        end = commands[-1].end
        # A variable is not visible in its own pipeline: declared only now.
        slots = tuple(self._declare(n) if declares else self._slot(n, pos) for n in names)
        return Pipe(pos, end, slots, declares, commands)

    def _check(self, commands: list[Command], token: Token, context: str) -> None:
        if not commands:
            raise self.error(f"missing value for {context}", token.pos)
        for position, command in enumerate(commands):
            first = command.args[0]
            if position and isinstance(first, Literal | Nil | Dot):
                msg = f"non executable command in pipeline stage {position + 1}"
                raise self.error(msg, first.pos)
            if isinstance(first, Nil):
                raise self.error("nil is not a command", first.pos)

    def _declarations(self, context: str, *, ranges: bool) -> tuple[list[str], bool]:
        """The variables that a pipeline sets, if it does."""
        first = self.peek()
        if first.kind is not Kind.VARIABLE:
            return [], False
        after = self.tokens[self.at + 1]
        if after.kind is Kind.OP and after.value in {":=", "="}:
            self.at += 2
            return [str(first.value)], after.value == ":="
        if not (ranges and after.kind is Kind.OP and after.value == ","):
            return [], False
        second, operator = self.tokens[self.at + 2], self.tokens[self.at + 3]
        if second.kind is not Kind.VARIABLE or operator.value not in {":=", "="}:
            raise self.error(f"range can only initialize variables in {context}", second.pos)
        self.at += 4
        return [str(first.value), str(second.value)], operator.value == ":="

    def _declare(self, name: str) -> int:
        self.variables.append(name)
        self.slots = max(self.slots, len(self.variables))
        return len(self.variables) - 1

    def _slot(self, name: str, pos: int) -> int:
        for slot in range(len(self.variables) - 1, -1, -1):
            if self.variables[slot] == name:
                return slot
        raise self.error(f'undefined variable "{name}"', pos)

    def _command(self, context: str) -> Command:
        args: list[Operand] = []
        while True:
            token = self.peek()
            if token.kind is Kind.CLOSE or self.is_op(")"):
                break
            if self.is_op("|"):
                self.at += 1
                following = self.peek()
                if following.kind is Kind.CLOSE or self.is_op(")"):
                    raise self.error(f"missing value for {context}", following.pos)
                break
            if args and not token.spaced:
                raise self.unexpected(token, "operand")
            args.append(self._operand(context))
        if not args:
            raise self.error("empty command", token.pos)
        return Command(args[0].pos, args[-1].end, args)

    def _names(self) -> tuple[tuple[str, ...], int]:
        """Fields that follow without a space, and where they end."""
        names: list[str] = []
        end = self.tokens[self.at - 1].end
        while self.peek().kind is Kind.FIELD and not self.peek().spaced:
            token = self.next()
            names.append(str(token.value)[1:])
            end = token.end
        return tuple(names), end

    def _operand(self, context: str) -> Operand:
        token = self.next()
        match token.kind:
            case Kind.LITERAL:
                operand: Operand = Literal(token.pos, token.end, token.value)
            case Kind.FIELD:
                names, end = self._names()
                return Field(token.pos, end, (str(token.value)[1:], *names))
            case Kind.VARIABLE:
                names, end = self._names()
                slot = self._slot(str(token.value), token.pos)
                return Variable(token.pos, end, slot, str(token.value), names)
            case Kind.IDENT:
                if self.functions is not None and token.value not in self.functions:
                    raise self.error(f'function "{token.value}" not defined', token.pos)
                operand = Ident(token.pos, token.end, str(token.value))
            case Kind.KEYWORD if token.value == "nil":
                operand = Nil(token.pos, token.end)
            case Kind.OP if token.value == ".":
                return Dot(token.pos, token.end)
            case Kind.OP if token.value == "(":
                operand = self._parenthesis(token.pos)
            case _:
                raise self.unexpected(token, context)
        return self._with_fields(operand)

    def _parenthesis(self, pos: int) -> Pipe:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("parentheses are nested too deeply", pos)
        pipe = self._pipeline("parenthesized pipeline", Kind.OP)
        self.depth -= 1
        pipe.pos, pipe.end = pos, self.tokens[self.at - 1].end
        return pipe

    def _with_fields(self, operand: Operand) -> Operand:
        names, end = self._names()
        if not names:
            return operand
        if isinstance(operand, Pipe):
            return Chain(operand.pos, end, operand, names)
        if isinstance(operand, Ident):
            call = Pipe(
                operand.pos, operand.end, (), declares=False, commands=[Command(operand.pos, operand.end, [operand])]
            )
            return Chain(operand.pos, end, call, names)
        shown = self.text[operand.pos : end]
        raise self.error(f"unexpected . after term {shown!r}", operand.end)
