"""Text to tokens. One pass; the only state is whether we are inside square brackets, where ``:`` stands alone."""

from __future__ import annotations

import bisect
import dataclasses
import enum
import re

from hypercare.promql.ast import Span
from hypercare.promql.errors import PromqlError


class Kind(enum.StrEnum):
    """Kinds of tokens."""

    NAME = "identifier"
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    OP = "operator"
    END = "end of input"


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """A token; ``text`` is as written, for strings the decoded value is in ``value``."""

    kind: Kind
    text: str
    start: int
    end: int
    value: str = ""

    def __str__(self) -> str:
        return f'"{self.text}"' if self.kind is not Kind.END else "end of input"


_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[ywdhms]))+(?![A-Za-z0-9_.])")
_NUMBER = re.compile(
    r"0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[xX](?:_[0-9a-fA-F]+)+"
    r"|(?:[0-9]+(?:_[0-9]+)*\.?(?:[0-9]+(?:_[0-9]+)*)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+)?"
)
_OPS = ("==", "!=", "<=", ">=", "=~", "!~", "</", ">/", *"+-*/%^(){}[],:=<>@")
_STRING_END = {'"': re.compile(r'[^"\\\n]*'), "'": re.compile(r"[^'\\\n]*")}
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_CODED = re.compile(r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")


class Source:
    """A text that can tell line and column of an offset."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def span(self, start: int, end: int) -> Span:
        """The stretch between two offsets."""
        line = bisect.bisect_right(self._starts, start)
        return Span(start, end, line, start - self._starts[line - 1] + 1)

    def error(self, message: str, start: int, end: int) -> PromqlError:
        """An error about a stretch of the text."""
        span = self.span(start, end)
        return PromqlError(message, span.line, span.column, span.length)


def tokenize(source: Source) -> list[Token]:
    """All tokens, the last one of kind END.

    Raises:
        PromqlError: something is no token.
    """
    text, pos, brackets = source.text, 0, 0
    tokens: list[Token] = []
    surrogate = _SURROGATE.search(text)
    if surrogate:
        raise source.error("not a valid Unicode text", surrogate.start(), surrogate.end())
    while True:
        skipped = _SKIP.match(text, pos)
        pos = skipped.end() if skipped else pos
        if pos >= len(text):
            tokens.append(Token(Kind.END, "", len(text), len(text)))
            return tokens
        token = _next(source, pos, in_brackets=brackets > 0)
        if token.text == "[" and token.kind is Kind.OP:
            brackets += 1
        elif token.text == "]" and token.kind is Kind.OP:
            brackets = max(0, brackets - 1)
        tokens.append(token)
        pos = token.end


def _next(source: Source, pos: int, *, in_brackets: bool) -> Token:
    text = source.text
    char = text[pos]
    if char in "\"'`":
        return _string(source, pos)
    if char.isdigit() or (char == "." and text[pos + 1 : pos + 2].isdigit()):
        return _number(source, pos)
    name = (_PLAIN_NAME if in_brackets else _NAME).match(text, pos)
    if name and not (char == ":" and len(name.group()) == 1):
        return Token(Kind.NAME, name.group(), pos, name.end())
    for op in _OPS:
        if text.startswith(op, pos):
            return Token(Kind.OP, op, pos, pos + len(op))
    msg = f"unexpected character: {char!r}"
    raise source.error(msg, pos, pos + 1)


def _number(source: Source, pos: int) -> Token:
    duration = _DURATION.match(source.text, pos)
    if duration:
        return Token(Kind.DURATION, duration.group(), pos, duration.end())
    number = _NUMBER.match(source.text, pos)
    if number:
        rest = _PLAIN_NAME.match(source.text, number.end())
        following = source.text[number.end() : number.end() + 1]
        if not rest and following != "." and not (following.isalnum()):
            return Token(Kind.NUMBER, number.group(), pos, number.end())
    wrong = re.compile(r"[\w.]+").match(source.text, pos)
    end = wrong.end() if wrong else pos + 1
    msg = f"bad number or duration syntax: {source.text[pos:end]!r}"
    raise source.error(msg, pos, end)


def _string(source: Source, pos: int) -> Token:
    text, quote = source.text, source.text[pos]
    if quote == "`":
        end = text.find("`", pos + 1)
        if end < 0:
            raise source.error("unterminated raw string", pos, len(text))
        return Token(Kind.STRING, text[pos : end + 1], pos, end + 1, text[pos + 1 : end])
    parts: list[str] = []
    at = pos + 1
    while True:
        plain = _STRING_END[quote].match(text, at)
        if plain:
            parts.append(plain.group())
            at = plain.end()
        if at >= len(text) or text[at] == "\n":
            raise source.error("unterminated quoted string", pos, at)
        if text[at] == quote:
            return Token(Kind.STRING, text[pos : at + 1], pos, at + 1, _join(parts))
        piece, at = _escape(source, at, quote)
        parts.append(piece)


def _join(parts: list[str]) -> str:
    r"""Join, so that bytes written one by one (``\\xc3\\xa9``) become the character they encode."""
    joined = "".join(parts)
    if not any("\udc80" <= char <= "\udcff" for char in joined):
        return joined
    return joined.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escape(source: Source, at: int, quote: str) -> tuple[str, int]:
    char = source.text[at + 1 : at + 2]
    if char in _ESCAPES and char:
        return _ESCAPES[char], at + 2
    if char == quote:
        return quote, at + 2
    coded = _CODED.match(source.text, at)
    if coded is None:
        msg = f"unknown escape sequence \\{char}"
        raise source.error(msg, at, at + 2)
    octal, hexa, short, long = coded.groups()
    if octal or hexa:
        byte = int(octal, 8) if octal else int(hexa, 16)
        if byte > 0xFF:
            raise source.error("octal escape value above 255", at, coded.end())
        return (chr(byte) if byte < 0x80 else chr(0xDC00 + byte)), coded.end()
    point = int(short or long, 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise source.error("escape sequence is an invalid Unicode code point", at, coded.end())
    return chr(point), coded.end()
