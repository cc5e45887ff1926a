"""``fmt.Sprintf`` for the kinds that templates hold."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.gofmt import format_float, quote, text
from hypercare.gotemplate.values import GoObject, go_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.gotemplate.values import Value

_VERB = re.compile(r"%([-+# 0]*)(?:(\d+)|(\*))?(?:(\.)(?:(\d+)|(\*))?)?(?:\[(\d+)\])?(.)?", re.DOTALL)
_LIMIT: Final = 10_000
"""Widths and precisions beyond this are cut, so that a typing error does not fill the memory."""


@dataclasses.dataclass(slots=True)
class _Spec:
    """One ``%`` directive."""

    flags: str
    width: int
    precision: int
    verb: str


def sprintf(form: str, args: Sequence[Value]) -> str:
    """Format as Go does, its complaints about wrong verbs and arguments included."""
    out: list[str] = []
    pos = used = 0
    reordered = False
    for found in _VERB.finditer(form):
        out.append(form[pos : found.start()])
        pos = found.end()
        flags, width, star, point, precision, star2, position, verb = found.groups()
        if verb is None:
            out.append("%!(NOVERB)")
            continue
        if verb == "%":
            out.append("%")
            continue
        spec = _Spec(flags, int(width or 0), int(precision or 0) if point else -1, verb)
        if star:
            used, spec.width = _star(args, used)
            if spec.width < 0:
                spec.flags, spec.width = spec.flags + "-", -spec.width
        if star2:
            used, spec.precision = _star(args, used)
        spec.width, spec.precision = min(spec.width, _LIMIT), min(spec.precision, _LIMIT)
        if position:
            used, reordered = int(position) - 1, True
        if not 0 <= used < len(args):
            out.append(f"%!{verb}(BADINDEX)" if position else f"%!{verb}(MISSING)")
            continue
        out.append(_pad(spec, _directive(spec, args[used])))
        used += 1
    out.append(form[pos:])
    if used < len(args) and not reordered:
        extra = ", ".join("<nil>" if a is None else f"{go_type(a)}={text(a, nested=True)}" for a in args[used:])
        out.append(f"%!(EXTRA {extra})")
    return "".join(out)


def _star(args: Sequence[Value], used: int) -> tuple[int, int]:
    value = args[used] if used < len(args) else 0
    return used + 1, value if isinstance(value, int) else 0


def _pad(spec: _Spec, shown: str) -> str:
    missing = spec.width - len(shown)
    if missing <= 0:
        return shown
    if "-" in spec.flags:
        return shown + " " * missing
    numeric = spec.verb in "bcdoOxXeEfFgGU" and shown[-1:] not in {"N", "f"}
    if "0" in spec.flags and (numeric or spec.verb in "sqv"):
        sign = shown[:1] if shown[:1] in {"+", "-"} else ""
        return sign + "0" * missing + shown[len(sign) :]
    return " " * missing + shown


def _directive(spec: _Spec, value: Value) -> str:
    verb = spec.verb
    if verb == "T":
        return "<nil>" if value is None else go_type(value)
    if verb == "v":
        return _default(spec, value)
    if isinstance(value, GoObject) and verb in "sqxX" and "String" in value.GO_METHODS:
        value = text(value)
    if isinstance(value, bool):
        shown = text(value) if verb == "t" else None
    elif isinstance(value, int):
        shown = _integer(spec, value)
    elif isinstance(value, float):
        shown = _float(spec, value)
    elif isinstance(value, str):
        shown = _string(spec, value)
    elif isinstance(value, list | tuple):
        return "[" + " ".join(_directive(spec, v) for v in value) + "]"
    elif isinstance(value, dict):
        pairs = (f"{_directive(spec, k)}:{_directive(spec, value[k])}" for k in sorted(value))
        return "map[" + " ".join(pairs) + "]"
    else:
        shown = None
    if shown is not None:
        return shown
    return f"%!{verb}(<nil>)" if value is None else f"%!{verb}({go_type(value)}={text(value, nested=True)})"


def _default(spec: _Spec, value: Value) -> str:
    if isinstance(value, float):
        return _float(_Spec(spec.flags, 0, spec.precision, "g"), value) or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(_Spec(spec.flags, 0, spec.precision, "d"), value) or ""
    if isinstance(value, str):
        verb = "q" if "#" in spec.flags else "s"
        return _string(_Spec("", 0, spec.precision, verb), value) or ""
    return text(value, nested=True)


def _signed(spec: _Spec, shown: str) -> str:
    if shown[:1] in {"-", "+"}:
        return shown
    if "+" in spec.flags:
        return f"+{shown}"
    return f" {shown}" if " " in spec.flags else shown


def _integer(spec: _Spec, value: int) -> str | None:
    verb = spec.verb
    if verb in "dboxX":
        digits = format(abs(value), verb)
        if "#" in spec.flags and verb in "boxX":
            digits = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}[verb] + digits
        digits = digits.rjust(spec.precision, "0")
        return _signed(spec, f"-{digits}" if value < 0 else digits)
    if verb == "O":
        return f"0o{abs(value):o}"
    if verb in "cqU":
        char = chr(value) if 0 <= value < 0x110000 else "\ufffd"
        return {"c": char, "q": "'" + quote(char)[1:-1].replace('\\"', '"') + "'", "U": f"U+{value:04X}"}[verb]
    return None


def _float(spec: _Spec, value: float) -> str | None:
    verb = spec.verb
    if verb not in "eEfFgG":
        return None
    precision = spec.precision
    if precision < 0 and verb not in "gG":
        precision = 6
    shown = format_float(value, "f" if verb == "F" else verb, precision)
    # Go shows the sign of an infinity only where one is asked for, or in %v.
    if shown == "+Inf" and "+" not in spec.flags:
        return shown
    return _signed(spec, shown)


def _string(spec: _Spec, value: str) -> str | None:
    cut = value if spec.precision < 0 else value[: spec.precision]
    match spec.verb:
        case "s":
            return cut
        case "q":
            return f"`{cut}`" if "#" in spec.flags and "`" not in cut else quote(cut)
        case "x" | "X":
            raw = value.encode()[: spec.precision if spec.precision >= 0 else None]
            shown = raw.hex(" ") if " " in spec.flags else raw.hex()
            return shown.upper() if spec.verb == "X" else shown
    return None
