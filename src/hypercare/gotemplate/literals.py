"""Go's literals: strings, characters, numbers."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_INT_LIMIT: Final = 1 << 64


class LiteralError(ValueError):
    """Not a literal."""


def unquote(quoted: str) -> str:
    """The value of a string in double quotes.

    Raises:
        LiteralError: an unknown escape sequence.
    """
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    out = bytearray()
    pos = 0
    for found in _ESCAPE.finditer(inner):
        out += inner[pos : found.start()].encode("utf-8", "surrogatepass")
        out += _escape(found.group(1), quoted)
        pos = found.end()
    out += inner[pos:].encode("utf-8", "surrogatepass")
    return out.decode("utf-8", "replace")


def _escape(code: str, quoted: str) -> bytes:
    if code in _SIMPLE:
        return _SIMPLE[code].encode()
    if code[0] == "x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code[0] in "uU" and len(code) > 1 and int(code[1:], 16) < 0x110000:
        return chr(int(code[1:], 16)).encode("utf-8", "replace")
    if len(code) == 3 and int(code, 8) < 256:
        return bytes([int(code, 8)])
    msg = f"invalid syntax: {quoted}"
    raise LiteralError(msg)


def unquote_char(quoted: str) -> int:
    """The code point of a character in single quotes.

    Raises:
        LiteralError: not exactly one character.
    """
    inner = quoted[1:-1]
    value = unquote('"' + inner.replace('"', '\\"') + '"')
    if len(value) != 1:
        msg = f"malformed character constant: {quoted}"
        raise LiteralError(msg)
    return ord(value)


def number(text: str) -> int | float:
    """The value of a number: an integer, or a float where it has a point or an exponent.

    Raises:
        LiteralError: not a number, or beyond 64 bits.
    """
    plain = text.replace("_", "")
    sign, digits = (-1, plain[1:]) if plain[:1] == "-" else (1, plain.lstrip("+"))
    try:
        if digits[:2].lower() in {"0x", "0b", "0o"}:
            value = sign * int(digits, 0)
        elif digits.isdigit():
            value = sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
        else:
            return float(plain)
    except ValueError:
        msg = f'bad number syntax: "{text}"'
        raise LiteralError(msg) from None
    if abs(value) >= _INT_LIMIT:
        msg = f"integer overflow: {text}"
        raise LiteralError(msg)
    return value
