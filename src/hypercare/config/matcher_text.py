r"""Matchers as texts: ``severity="critical"``, ``{a="b", c!~"d.*"}``, quoted names, in both forms of Alertmanager.

Since 0.27 Alertmanager reads a text with its UTF-8 parser (quoted names; unquoted words of any characters that are
not reserved) and falls back to the classic one (values may hold anything,
names are classic). ``parse_matchers`` does so too.
"""

from __future__ import annotations

import re
from typing import Final

from hypercare.model.matchers import Matcher, MatchOp

_RESERVED: Final = frozenset("{}!=~,\\\"'`")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}
_CLASSIC: Final = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.ASCII | re.DOTALL)
_NEEDS_QUOTES: Final = re.compile(r"[\s{}!=~,\\\"'`]")


class MatcherError(ValueError):
    """A text that is no matcher; ``offset`` is the character where it went wrong."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read any number of matchers, in the UTF-8 form or else in the classic one.

    Where both read the text differently (escapes that only one of them knows), the classic reading counts, as in
    Alertmanager: what worked before goes on to mean the same.

    Raises:
        MatcherError: neither; the message is that of the UTF-8 form, which names the place.
    """
    try:
        classic = parse_classic(text)
    except MatcherError:
        return parse_utf8(text)
    try:
        modern = parse_utf8(text)
    except MatcherError:
        return classic
    return modern if modern == classic else classic


def parse_matcher(text: str) -> Matcher:
    """Read exactly one matcher.

    Raises:
        MatcherError: none, or more than one.
    """
    found = parse_matchers(text)
    if len(found) != 1:
        message = f"expected one matcher, found {len(found) or 'none'} in {text!r}"
        raise MatcherError(message)
    return found[0]


def format_matcher(matcher: Matcher) -> str:
    """A matcher as Alertmanager writes it: the value quoted, the name only where needed."""
    name = _quote(matcher.name) if _NEEDS_QUOTES.search(matcher.name) or not matcher.name else matcher.name
    return f"{name}{matcher.op}{_quote(matcher.value)}"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _make(name: str, op: str, value: str, offset: int) -> Matcher:
    try:
        return Matcher(name, MatchOp(op), value)
    except ValueError as err:
        raise MatcherError(str(err), offset) from None


class _Scanner:
    """Reads the UTF-8 form from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, expected: str) -> MatcherError:
        found = f"found {self.text[self.at : self.at + 10]!r}" if self.at < len(self.text) else "the text ended"
        return MatcherError(f"{expected}, but {found} (at character {self.at + 1})", self.at)

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, char: str) -> bool:
        if self.peek() == char:
            self.at += 1
            return True
        return False

    def word(self, expected: str) -> str:
        if self.peek() == '"':
            return self.quoted()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _RESERVED and not self.text[self.at].isspace():
            self.at += 1
        if self.at == start:
            raise self.fail(expected)
        return self.text[start : self.at]

    def quoted(self) -> str:
        start, out = self.at, bytearray()
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                try:
                    return out.decode("utf-8")
                except UnicodeDecodeError:
                    raise MatcherError("a quoted text is not UTF-8", start) from None
            if char == "\n":
                break
            if char == "\\":
                out += self.escape()
            else:
                out += char.encode("utf-8", "surrogatepass")
                self.at += 1
        raise MatcherError("a quoted text does not end", start)

    def escape(self) -> bytes:
        rest = self.text[self.at + 1 :]
        if rest[:1] in _ESCAPES and rest:
            self.at += 2
            return _ESCAPES[rest[0]].encode()
        match = re.match(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})", rest)
        if match is None:
            msg = f"unknown escape \\{rest[:1]} in a quoted text"
            raise MatcherError(msg, self.at)
        self.at += 1 + match.end()
        if match[1] or match[4]:
            return bytes([int(match[1] or match[4], 16 if match[1] else 8) & 0xFF])
        code = int(match[2] or match[3], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise MatcherError("no such character", self.at)
        return chr(code).encode()

    def operator(self) -> str:
        self.peek()
        for op in ("=~", "!=", "!~", "="):
            if self.text.startswith(op, self.at):
                self.at += len(op)
                return op
        raise self.fail("expected one of = != =~ !~")


def parse_utf8(text: str) -> tuple[Matcher, ...]:
    """Read the UTF-8 form.

    Raises:
        MatcherError: not in this form.
    """
    scan = _Scanner(text)
    braces = scan.take("{")
    found: list[Matcher] = []
    while scan.peek() and scan.peek() != "}":
        start = scan.at
        name = scan.word("expected a label name")
        if not name:
            raise MatcherError("a label name must not be empty", start)
        op = scan.operator()
        found.append(_make(name, op, scan.word("expected a label value"), start))
        if not scan.take(",") and scan.peek() not in ({"}"} if braces else {""}):
            raise scan.fail("expected a comma" + (" or }" if braces else ""))
    if braces and not scan.take("}"):
        raise scan.fail("expected }")
    if scan.peek():
        raise scan.fail("expected the end")
    return tuple(found)


def parse_classic(text: str) -> tuple[Matcher, ...]:
    """Read the classic form.

    Raises:
        MatcherError: not in this form.
    """
    text = text.strip()
    text = text.removeprefix("{")
    text = text.removesuffix("}")
    parts = _split(text)
    if parts and not parts[-1].strip():
        parts.pop()
    return tuple(_classic_one(part) for part in parts)


def _split(text: str) -> list[str]:
    """Cut at commas that stand outside of quotes."""
    parts, current, quoted, escaped = [], "", False, False
    for char in text:
        if char == "," and not quoted:
            parts.append(current)
            current = ""
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
        current += char
    return [*parts, current] if parts or current else []


def _classic_one(part: str) -> Matcher:
    match = _CLASSIC.fullmatch(part)
    if match is None:
        message = f"expected name, one of = != =~ !~, and a value, found {part.strip()!r}"
        raise MatcherError(message)
    raw = match[3]
    if raw.startswith('"'):
        if not raw.endswith('"') or len(raw) == 1:
            message = f"an unescaped double quote in {raw}"
            raise MatcherError(message)
        raw = raw[1:-1]
    value, escaped = "", False
    for char in raw:
        if escaped:
            escaped = False
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(char, "\\" + char)
        elif char == "\\":
            escaped = True
        elif char == '"':
            message = f"an unescaped double quote in {match[3]}"
            raise MatcherError(message)
        else:
            value += char
    return _make(match[1], match[2], value + "\\" * escaped, 0)
