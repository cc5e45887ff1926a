"""How Go prints values: ``%v`` and the conversion of floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypercare.gotemplate.values import GoObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.gotemplate.values import Value


def format_float(value: float, verb: str = "g", precision: int = -1) -> str:
    """``strconv.FormatFloat``, verb ``e``, ``f`` or ``g``; precision -1: the fewest digits that read back the same."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if precision >= 0:
        # Python's C-like conversion is Go's, but for %g with precision 0, which both read as 1.
        return f"{value:.{precision}{verb}}"
    sign, digits, exponent = _shortest(value)
    lower = verb.lower()
    # With the fewest digits Go decides on an exponent as if six were asked for.
    if lower == "e" or (lower == "g" and (exponent < -4 or exponent >= 6)):
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        mark = "E" if verb.isupper() else "e"
        return f"{sign}{mantissa}{mark}{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, significant digits and decimal exponent of the shortest text that reads back as the value."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return sign, "0", 0
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), point - 1


def text(value: Value, *, nested: bool = False) -> str:
    """``%v`` of a value; nil prints as ``<no value>`` on its own and as ``<nil>`` within others."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, int):
        return str(value)
    if value is None:
        return "<nil>" if nested else "<no value>"
    if isinstance(value, GoObject):
        own = value.GO_METHODS.get("String")
        if own is not None:
            return str(own.run(value))
        if value.GO_FIELDS:
            return "{" + " ".join(text(getattr(value, a), nested=True) for a in value.GO_FIELDS.values()) + "}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(text(v, nested=True) for v in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{text(value[k], nested=True)}" for k in sorted(value)) + "]"
    return str(value)


def sprint(args: Sequence[Value]) -> str:
    """``fmt.Sprint``: a space between neighbours of which neither is a text."""
    parts: list[str] = []
    for position, value in enumerate(args):
        if position and not isinstance(value, str) and not isinstance(args[position - 1], str):
            parts.append(" ")
        parts.append(text(value, nested=True))
    return "".join(parts)


def sprintln(args: Sequence[Value]) -> str:
    """``fmt.Sprintln``: spaces between all, a line feed at the end."""
    return " ".join(text(v, nested=True) for v in args) + "\n"


def quote(value: str) -> str:
    """``strconv.Quote``: a Go string literal."""
    out = ['"']
    for char in value:
        if char in _QUOTED:
            out.append(_QUOTED[char])
        elif char.isprintable():
            out.append(char)
        elif char < "\x80":
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return "".join([*out, '"'])


_QUOTED = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
