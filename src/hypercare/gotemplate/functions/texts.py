"""Texts and regular expressions (RE2, so that no expression can take exponential time)."""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import Any, Final

import re2

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.values import SafeHtml, SafeUrl

_GROUP = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)
_WORD = re.compile(r"[^\W_](?:['\u2019.]?\w)*|_+")


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "syntax error"
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        msg = f"error parsing regexp: {shown}"
        raise FunctionError(msg) from None


def match(pattern: str, text: str) -> bool:
    """Whether the expression is found anywhere in the text.

    Raises:
        FunctionError: not a valid expression.
    """
    return _compiled(pattern).search(text) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Replace all that the expression finds; ``$1`` and ``${name}`` in the replacement stand for groups.

    Raises:
        FunctionError: not a valid expression.
    """
    found = _compiled(pattern)

    def expand(hit: Any) -> str:
        return _GROUP.sub(lambda ref: _group(hit, ref), replacement)

    return str(found.sub(expand, text))


def _group(hit: Any, reference: re.Match[str]) -> str:
    name = reference.group(1) or reference.group(2)
    if name is None:
        return "$"
    try:
        return hit.group(int(name) if name.isdigit() else name) or ""
    except (IndexError, KeyError):
        return ""


def title(text: str) -> str:
    """The first letter of each word in upper case, the others as they are."""
    return _WORD.sub(lambda word: word.group()[0].title() + word.group()[1:], text)


def split_host_port(address: str) -> tuple[str, str] | None:
    """Host and port of ``host:port`` or ``[v6]:port``; none where there is no port."""
    if address.startswith("["):
        host, close, rest = address[1:].partition("]")
        return (host, rest[1:]) if close and rest.startswith(":") and ":" not in rest[1:] else None
    host, colon, port = address.partition(":")
    return (host, port) if colon and ":" not in port and "]" not in address else None


def strip_port(address: str) -> str:
    """The host of ``host:port``."""
    split = split_host_port(address)
    return split[0] if split else address


def strip_domain(address: str) -> str:
    """The first part of a host name, its port kept; IP addresses stay whole."""
    split = split_host_port(address)
    host, port = split or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        short = host.split(".")[0]
        return f"{short}:{port}" if port else short
    return address


TEXT_FUNCTIONS: Final = {
    "toUpper": Func(str.upper, "s"),
    "toLower": Func(str.lower, "s"),
    "title": Func(title, "s"),
    "match": Func(match, "ss"),
    "reReplaceAll": Func(replace_all, "sss"),
    "safeHtml": Func(SafeHtml, "s"),
    "safeUrl": Func(SafeUrl, "s"),
}
