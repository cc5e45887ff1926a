"""The functions of Alertmanager's notification templates."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from typing import TYPE_CHECKING, Final, Protocol

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.builtins import BUILTINS
from hypercare.gotemplate.functions.json import to_json
from hypercare.gotemplate.functions.numbers import humanize_duration
from hypercare.gotemplate.functions.signature import Func
from hypercare.gotemplate.functions.texts import TEXT_FUNCTIONS
from hypercare.gotemplate.functions.times import in_zone
from hypercare.gotemplate.gotime import Duration, Time
from hypercare.gotemplate.layout import format_time, parse_time
from hypercare.gotemplate.values import go_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.gotemplate.values import Value
    from hypercare.model.time import Ms

_BAD_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")


class _LabelRenderer(Protocol):
    """The running template, as far as ``routeLabels`` needs it."""

    def route_label(self, name: str) -> str:
        """A route label, rendered."""
        ...


def _route_label(run: _LabelRenderer, name: str) -> str:
    return run.route_label(name)


def _join(separator: str, parts: Sequence[Value]) -> str:
    for part in parts:
        if not isinstance(part, str):
            msg = f"wrong type for value; expected string; got {go_type(part)}"
            raise FunctionError(msg)
    return separator.join(parts)


def _unescape(text: str) -> str:
    bad = _BAD_PERCENT.search(text)
    if bad is not None:
        msg = f'invalid URL escape "{text[bad.start() : bad.start() + 3]}"'
        raise FunctionError(msg)
    return urllib.parse.unquote_plus(text)


def _dict(*pairs: Value) -> dict[str, Value]:
    if len(pairs) % 2:
        raise FunctionError("dict expects even number of arguments")
    made: dict[str, Value] = {}
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str):
            raise FunctionError("dict keys must be strings")
        made[key] = value
    return made


def _decode(text: str) -> str:
    # Both alphabets: what we encode is URL-safe, what others give us often is not.
    try:
        plain = text.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        msg = f"illegal base64 data: {error}"
        raise FunctionError(msg) from None


def _to_date(layout: str, text: str) -> Time:
    try:
        return parse_time(layout, text)
    except FunctionError:
        return Time()


_FIXED: Final = {
    **BUILTINS,
    **TEXT_FUNCTIONS,
    "trimSpace": Func(str.strip, "s"),
    "join": Func(_join, "sl"),
    "urlUnescape": Func(_unescape, "s"),
    "stringSlice": Func(lambda *parts: list(parts), "s+"),
    "date": Func(lambda layout, when: format_time(when, layout), "st"),
    "tz": Func(lambda name, when: in_zone(when, name), "st"),
    "toDate": Func(_to_date, "ss"),
    "humanizeDuration": Func(humanize_duration, "a"),
    "toJson": Func(to_json, "a"),
    "list": Func(lambda *parts: list(parts), "a+"),
    "append": Func(lambda parts, *more: [*parts, *more], "la+"),
    "dict": Func(_dict, "a+"),
    "base64encode": Func(lambda text: base64.urlsafe_b64encode(text.encode()).decode(), "s"),
    "base64decode": Func(_decode, "s"),
    "routeLabels": Func(_route_label, "s", executor=True),
}
ALERTMANAGER_NAMES: Final = frozenset(_FIXED) | {"and", "or", "since", "now"}


def alertmanager_functions(now: Ms) -> dict[str, Func]:
    """The table for one notification; ``now`` is what ``since`` counts to."""
    instant = Time.from_ms(now)
    return {
        **_FIXED,
        "since": Func(lambda when: Duration(instant.total_ns - when.total_ns), "t"),
        "now": Func(lambda: instant),
    }
