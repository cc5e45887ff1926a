"""The words of a condition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hypercare.judge.argo.nodes import ConditionError

MAX_LENGTH: Final = 10_000
_WORDS: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:0x[0-9a-fA-F_]+)|(?:\d[\d_]*(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<mark>\?\.|\?\?|\.\.|\*\*|==|!=|<=|>=|&&|\|\||[-+*/%^<>!?:.,()\[\]{}|\#])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word; `kind` is number, text, name, mark or end, `at` its offset."""

    kind: str
    text: str
    at: int


def tokens(source: str) -> list[Token]:
    """The words of a condition, with one of kind end behind them.

    Raises:
        ConditionError: it is too long, or has something that is no word.

    """
    if len(source) > MAX_LENGTH:
        raise ConditionError(f"the expression is too long: {len(source)} characters, at most {MAX_LENGTH}")
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _WORDS.match(source, at)
        if match is None:
            raise ConditionError(f"unrecognized character: {source[at]!r} at column {at + 1}")
        kind = match.lastgroup or ""
        if kind == "text":
            found.append(Token(kind, _unquoted(match[0]), at))
        elif kind != "space":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return [*found, Token("end", "", len(source))]


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "`":
        return inner
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), inner)
