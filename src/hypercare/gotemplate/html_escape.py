"""Escapes interpolations for the place in HTML where they stand, as Go's ``html/template`` does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.functions.builtins import javascript
from hypercare.gotemplate.functions.json import to_json
from hypercare.gotemplate.gofmt import text as plain_text
from hypercare.gotemplate.html_context import Html, State, Url
from hypercare.gotemplate.values import SafeHtml, SafeUrl

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.gotemplate.values import Value

UNSAFE: Final = "ZgotmplZ"
"""What Go puts in place of a value that cannot be made safe."""
_NORMAL: Final = {'"': "&#34;", "'": "&#39;", "+": "&#43;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_FULL: Final = {**_NORMAL, "&": "&amp;"}
_BARE: Final = {c: f"&#{ord(c)};" for c in "\t\n\v\f\r =`"}
_TAGS = re.compile(r"<[^>]*>?")
_SCHEME = re.compile(r"[^/:?#]*:")
_HEX = re.compile(r"%[0-9a-fA-F]{2}")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RESERVED: Final = frozenset(b"!#$&*+,/:;=?@[]")
_CSS_BAD = re.compile(r"[\0\"'()/;@\[\\\]`{}<>]|expression|mozbinding", re.IGNORECASE)
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9-]+")
_NAMES_REFUSED = re.compile(r"on|style$|srcset$|href$|src$|action$", re.IGNORECASE)


def _string(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else plain_text(value)


def _replace(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(char, char) for char in text)


def _content(value: Value) -> str:
    return str(value) if isinstance(value, SafeHtml) else _replace(_string(value), _FULL)


def _rcdata(value: Value) -> str:
    return _replace(_string(value), _NORMAL if isinstance(value, SafeHtml) else _FULL)


def _attribute(value: Value) -> str:
    if isinstance(value, SafeHtml):
        return _replace(_TAGS.sub("", value), _NORMAL)
    return _replace(_string(value), _FULL)


def _url(value: Value, part: Url) -> str:
    text = _string(value)
    safe = isinstance(value, SafeUrl)
    if part is Url.START and not safe:
        scheme = _SCHEME.match(text)
        if scheme and scheme.group()[:-1].lower() not in {"http", "https", "mailto"}:
            text = f"#{UNSAFE}"
    return percent(text, keep_reserved=safe or part is not Url.QUERY)


def percent(text: str, *, keep_reserved: bool) -> str:
    """Percent-encode bytes that may not stand in an address."""
    raw = text.encode("utf-8", "replace")
    out: list[str] = []
    for position, byte in enumerate(raw):
        kept = byte in _UNRESERVED or (
            keep_reserved
            and (byte in _RESERVED or (byte == 37 and _HEX.match(raw[position : position + 3].decode("latin-1"))))
        )
        out.append(chr(byte) if kept else f"%{byte:02x}")
    return "".join(out)


def _css(value: Value) -> str:
    text = _string(value)
    return UNSAFE if _CSS_BAD.search(text) else text


def _script(value: Value, quote: str) -> str:
    return javascript(_string(value)) if quote else to_json(value).replace("'", "\\u0027")


def _name(value: Value) -> str:
    text = _string(value)
    good = _ATTRIBUTE_NAME.fullmatch(text) and not _NAMES_REFUSED.match(text)
    return text.lower() if good else UNSAFE


def _raw(place: Html) -> Callable[[Value], str]:
    """What a value must go through for the language at this place, HTML's own escaping apart."""
    if place.is_script():
        return lambda value: _script(value, place.quote)
    if place.is_style():
        return _css
    return lambda value: _url(value, place.url)


def escaper(place: Html) -> Callable[[Value], str]:
    """The function that makes a value fit for a place."""
    match place.state:
        case State.TEXT:
            return _content
        case State.RCDATA:
            return _rcdata
        case State.COMMENT:
            return lambda _: ""
        case State.SCRIPT | State.STYLE:
            return _raw(place)
        case State.TAG | State.NAME | State.AFTER_NAME:
            return _name
    inner = _raw(place) if place.is_script() or place.is_style() or place.is_url() else None
    bare = place.delimiter not in {'"', "'"}

    def escape(value: Value) -> str:
        shown = _attribute(inner(value) if inner else value)
        return (_replace(shown, _BARE) or UNSAFE) if bare else shown

    return escape
