"""``toJson``: Go's ``encoding/json``."""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from hypercare.gotemplate.errors import FunctionError
from hypercare.gotemplate.functions.times import time_json
from hypercare.gotemplate.gofmt import format_float
from hypercare.gotemplate.gotime import Duration, Time
from hypercare.gotemplate.values import GoObject, StringMap, go_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.gotemplate.values import Value


def to_json(value: Value) -> str:
    """One line of JSON, keys of maps sorted, characters that matter in HTML escaped.

    Raises:
        FunctionError: a value that JSON has no form for.
    """
    shown = _encode(value)
    for char in "<>&\u2028\u2029":
        shown = shown.replace(char, f"\\u{ord(char):04x}")
    return shown


def _encode(value: Value) -> str:
    # What dumps does with a text, without making an encoder for each: a group has thousands of texts.
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Time):
        return f'"{time_json(value)}"'
    if isinstance(value, Duration):
        return str(value.ns)
    if isinstance(value, StringMap):
        texts = [f"{encode_basestring(name)}:{encode_basestring(text)}" for name, text in sorted(value.items())]
        return "{" + ",".join(texts) + "}"
    if isinstance(value, dict):
        pairs = (f"{encode_basestring(k)}:{_encode(value[k])}" for k in sorted(value))
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_encode(v) for v in value) + "]"
    if isinstance(value, GoObject):
        names: Mapping[str, str] = getattr(value, "GO_JSON", value.GO_FIELDS)
        return "{" + ",".join(f'"{n}":{_encode(getattr(value, a))}' for n, a in names.items()) + "}"
    msg = f"json: unsupported type: {go_type(value)}"
    raise FunctionError(msg)


def _number(value: float) -> str:
    if not math.isfinite(value):
        msg = f"json: unsupported value: {format_float(value)}"
        raise FunctionError(msg)
    size = abs(value)
    if size and not 1e-6 <= size < 1e21:
        shown = format_float(value, "e")
        # As in JavaScript, negative exponents have no leading zero.
        return shown[:-2] + shown[-1] if shown[-4:-1] == "e-0" else shown
    return format_float(value, "f")
