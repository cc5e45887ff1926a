"""Label names that are not plain words, in the spelling that URLs carry: ``U__`` and hexadecimal digits."""

from __future__ import annotations

import re
from typing import Final

_PREFIX: Final = "U__"
_PIECE: Final = re.compile(r"__|_([0-9a-fA-F]{1,6})_|([^_])")


def unescape_name(text: str) -> str:
    """``U__a_2e_b`` is ``a.b``; whatever is no such spelling is the name itself."""
    if not text.startswith(_PREFIX):
        return text
    name, at = "", len(_PREFIX)
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            return text
        digits, plain = piece.groups()
        code = int(digits, 16) if digits else 0
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            return text
        name += chr(code) if digits else plain or "_"
        at = piece.end()
    return name
