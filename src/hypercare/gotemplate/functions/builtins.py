"""Go's built-in functions (``and`` and ``or`` stop early and are part of the renderer)."""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate import values
from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.gofmt import sprint, sprintln
from hypercare.gotemplate.printf import sprintf

if TYPE_CHECKING:
    from hypercare.gotemplate.values import Value

_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
_JS: Final = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _length(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list | tuple | dict):
        return len(value)
    if value is None:
        raise FunctionError("len of nil pointer")
    msg = f"len of type {values.go_type(value)}"
    raise FunctionError(msg)


def _index(item: Value, *keys: Value) -> Value:
    for key in keys:
        item = values.index(item, key)
    return item


def _slice(item: Value, *bounds: Value) -> Value:
    if not isinstance(item, list | tuple | str):
        msg = f"can't slice item of type {values.go_type(item)}"
        raise FunctionError(msg)
    if len(bounds) > 2:
        raise FunctionError("too many slice indexes")
    raw: Value = item.encode() if isinstance(item, str) else item
    limits = [0, len(raw)]
    for position, bound in enumerate(bounds):
        if isinstance(bound, bool) or not isinstance(bound, int):
            msg = f"cannot index slice/array with type {values.go_type(bound)}"
            raise FunctionError(msg)
        if not 0 <= bound <= len(raw):
            msg = f"index out of range: {bound}"
            raise FunctionError(msg)
        limits[position] = bound
    if limits[0] > limits[1]:
        msg = f"invalid slice index: {limits[0]} > {limits[1]}"
        raise FunctionError(msg)
    part = raw[limits[0] : limits[1]]
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part


def _equal(first: Value, *others: Value) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(values.equal(first, other) for other in others)


def _less_or_equal(left: Value, right: Value) -> bool:
    return values.less(left, right) or values.equal(left, right)


def html(text: str) -> str:
    """Escape for HTML."""
    return "".join(_HTML.get(char, char) for char in text)


def _js_char(found: re.Match[str]) -> str:
    char = found.group()
    return _JS.get(char) or f"\\u{ord(char):04X}"


def javascript(text: str) -> str:
    """Escape for a JavaScript string."""
    return re.sub(r"[\\'\"<>&=\x00-\x1f\x7f-\x9f\u2028\u2029]", _js_char, text)


def query_escape(text: str) -> str:
    """``url.QueryEscape``."""
    return urllib.parse.quote_plus(text.encode("utf-8", "replace"), safe="~")


def _call(target: Value, *_: Value) -> Value:
    msg = f"non-function of type {values.go_type(target)}"
    raise FunctionError(msg)


BUILTINS: Final = {
    "not": Func(lambda v: not values.truth(v), "a"),
    "len": Func(_length, "a"),
    "index": Func(_index, "aa+"),
    "slice": Func(_slice, "aa+"),
    "print": Func(lambda *args: sprint(args), "a+"),
    "printf": Func(lambda form, *args: sprintf(form, args), "sa+"),
    "println": Func(lambda *args: sprintln(args), "a+"),
    "html": Func(lambda *args: html(sprint(args)), "a+"),
    "js": Func(lambda *args: javascript(sprint(args)), "a+"),
    "urlquery": Func(lambda *args: query_escape(sprint(args)), "a+"),
    "call": Func(_call, "aa+"),
    "eq": Func(_equal, "aa+"),
    "ne": Func(lambda a, b: not values.equal(a, b), "aa"),
    "lt": Func(values.less, "aa"),
    "le": Func(_less_or_equal, "aa"),
    "gt": Func(lambda a, b: not _less_or_equal(a, b), "aa"),
    "ge": Func(lambda a, b: not values.less(a, b), "aa"),
}
BUILTIN_NAMES: Final = frozenset(BUILTINS) | {"and", "or"}
