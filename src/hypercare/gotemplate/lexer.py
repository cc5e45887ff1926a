"""Splits a template into text and the tokens of its actions."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Final

from hypercare.gotemplate.errors import TemplateError, place_of
from hypercare.gotemplate.literals import LiteralError, number, unquote, unquote_char

KEYWORDS: Final = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with")
)
_SPACES: Final = " \t\r\n"
_TRIM_LEFT = re.compile(r"-[ \t\r\n]")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r"""
      (?P<close>(?:[ \t\r\n]+-)?\}\})
    | (?P<space>[ \t\r\n]+)
    | (?P<field>\.[^\W\d]\w*)
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?))
    | (?P<variable>\$\w*)
    | (?P<ident>[^\W\d]\w*)
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:[^'\\\n]|\\.)+')
    | (?P<op>:=|=|\||\(|\)|,|\.)
    """,
    re.VERBOSE,
)
_AFTER_WORD: Final = frozenset(" \t\r\n.,|:=()")


class Kind(enum.Enum):
    """Kinds of token."""

    TEXT = "text"
    OPEN = "{{"
    CLOSE = "}}"
    FIELD = "field"
    VARIABLE = "variable"
    IDENT = "identifier"
    KEYWORD = "keyword"
    LITERAL = "literal"
    OP = "operator"
    EOF = "end of the text"


@dataclasses.dataclass(slots=True)
class Token:
    """One token; ``value`` is the text of words and operators and the value of literals.

    Attributes:
        spaced: white space stands before it.

    """

    kind: Kind
    value: str | int | float
    pos: int
    end: int
    spaced: bool = False


def lex(text: str, name: str) -> list[Token]:
    """All tokens, the last of kind EOF; comments and trimmed white space are gone.

    Raises:
        TemplateError: an unclosed action, comment or string, or a character that has no place in an action.
    """
    return _Lexer(text, name).run()


class _Lexer:
    """Walks through the text from action to action."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.tokens: list[Token] = []

    def run(self) -> list[Token]:
        text = self.text
        pos, trim = 0, False
        while True:
            start = text.find("{{", pos)
            trims_left = start >= 0 and _TRIM_LEFT.match(text, start + 2) is not None
            self._add_text(pos, len(text) if start < 0 else start, left=trim, right=trims_left)
            if start < 0:
                self.tokens.append(Token(Kind.EOF, "", len(text), len(text)))
                return self.tokens
            inside = start + (4 if trims_left else 2)
            pos, trim = self._comment(inside) if text.startswith("/*", inside) else self._action(start, inside)

    def _add_text(self, start: int, end: int, *, left: bool, right: bool) -> None:
        piece = self.text[start:end]
        if left:
            piece = piece.lstrip(_SPACES)
        if right:
            piece = piece.rstrip(_SPACES)
        if piece:
            self.tokens.append(Token(Kind.TEXT, piece, start, end))

    def _comment(self, pos: int) -> tuple[int, bool]:
        """Skip a comment; returns where the text goes on and whether it is to be trimmed."""
        found = _COMMENT.match(self.text, pos)
        if found is None:
            raise self._error("unclosed comment", pos)
        close = _TOKEN.match(self.text, found.end())
        if close is None or close.lastgroup != "close":
            raise self._error("comment ends before closing delimiter", found.end())
        return close.end(), len(close.group()) > 2

    def _action(self, start: int, pos: int) -> tuple[int, bool]:
        """Take an action's tokens; returns where the text goes on and whether it is to be trimmed."""
        tokens = self.tokens
        tokens.append(Token(Kind.OPEN, "{{", start, pos))
        depth, spaced = 0, False
        while True:
            found = _TOKEN.match(self.text, pos)
            if found is None:
                raise self._unexpected(pos)
            group, value, pos = found.lastgroup, found.group(), found.end()
            if group == "space":
                spaced = True
                continue
            if group == "close":
                if depth:
                    raise self._error("unclosed left paren", found.start())
                tokens.append(Token(Kind.CLOSE, value, found.start(), pos, spaced))
                return pos, len(value) > 2
            depth += {"(": 1, ")": -1}.get(value, 0) if group == "op" else 0
            if depth < 0:
                raise self._error("unexpected right paren", found.start())
            tokens.append(self._token(group or "", value, found.start(), spaced))
            spaced = False

    def _token(self, group: str, value: str, pos: int, spaced: bool) -> Token:  # noqa: FBT001 - a token's field
        end = pos + len(value)
        if group == "op":
            return Token(Kind.OP, value, pos, end, spaced)
        if group in {"field", "variable", "ident"}:
            follows = self.text[end : end + 1]
            if follows and follows not in _AFTER_WORD and not self.text.startswith("}}", end):
                raise self._error(f"bad character {_codepoint(follows)}", end)
            if group == "ident" and value in {"true", "false"}:
                return Token(Kind.LITERAL, value == "true", pos, end, spaced)
            kinds = {"field": Kind.FIELD, "variable": Kind.VARIABLE}
            kind = Kind.KEYWORD if value in KEYWORDS else kinds.get(group, Kind.IDENT)
            return Token(kind, value, pos, end, spaced)
        follows = self.text[end : end + 1]
        if group == "number" and (follows.isalnum() or follows in {"_", "."}):
            raise self._error(f'bad number syntax: "{value}{follows}"', pos)
        try:
            literal = _literal(group, value)
        except LiteralError as error:
            raise self._error(str(error), pos) from None
        return Token(Kind.LITERAL, literal, pos, end, spaced)

    def _unexpected(self, pos: int) -> TemplateError:
        char = self.text[pos : pos + 1]
        if not char:
            return self._error("unclosed action", pos)
        message = {
            '"': "unterminated quoted string",
            "`": "unterminated raw quoted string",
            "'": "unterminated character constant",
            ":": "expected :=",
        }.get(char, f"unrecognized character in action: {_codepoint(char)}")
        return self._error(message, pos)

    def _error(self, message: str, pos: int) -> TemplateError:
        return TemplateError(message, *place_of(self.text, pos), self.name)


def _literal(group: str, value: str) -> str | int | float:
    if group == "string":
        return unquote(value)
    if group == "raw":
        return value[1:-1].replace("\r", "")
    if group == "char":
        return unquote_char(value)
    return number(value)


def _codepoint(char: str) -> str:
    return f"U+{ord(char):04X}" + (f" '{char}'" if char.isprintable() else "")
