"""Histograms as text: the literal of rule tests, and the label value of ``count_values``."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from hypercare.model.histograms import CUSTOM_SCHEMA, MAX_SCHEMA, MIN_SCHEMA, NO_BUCKETS, Buckets, Histogram, ResetHint
from hypercare.promql.native.bounds import spread

_ITEM: Final = re.compile(r"\s*([a-z_]+):(?:\[([^\]]*)\]|([^\s\[\]]+))")
_LISTS: Final = frozenset({"custom_values", "buckets", "n_buckets"})
_NUMBERS: Final = frozenset({"schema", "sum", "count", "z_bucket", "z_bucket_w", "offset", "n_offset"})
_HINTS: Final = {hint.value: hint for hint in ResetHint}


def parse_histogram(text: str) -> Histogram:
    """Read ``{{schema:0 count:3 sum:5 buckets:[1 2]}}``; every key may be left out.

    Raises:
        ValueError: what is wrong, and with which key.
    """
    text = text.strip()
    if not (text.startswith("{{") and text.endswith("}}")):
        msg = f"a histogram is written {{{{key:value …}}}}, not {text!r}"
        raise ValueError(msg)
    inner = text[2:-2]
    found: dict[str, str] = {}
    at = 0
    while inner[at:].strip():
        item = _ITEM.match(inner, at)
        if item is None:
            msg = f"expected key:value in a histogram, found {inner[at:].strip()!r}"
            raise ValueError(msg)
        key, many, one = item.groups()
        if key in found:
            msg = f"{key} stands twice in a histogram"
            raise ValueError(msg)
        known = _LISTS if many is not None else _NUMBERS | {"counter_reset_hint"}
        if key not in known:
            shape = "a list in brackets" if key in _LISTS else "a single value" if many is not None else "one of"
            hint = ", ".join(sorted(_LISTS | _NUMBERS | {"counter_reset_hint"}))
            msg = f"{key} of a histogram: expected {shape}" + ("" if shape != "one of" else f" the keys {hint}")
            raise ValueError(msg)
        found[key] = many if many is not None else one
        at = item.end()
    return _built(found)


def _built(found: dict[str, str]) -> Histogram:
    schema = _integer(found, "schema")
    if schema != CUSTOM_SCHEMA and not MIN_SCHEMA <= schema <= MAX_SCHEMA:
        msg = f"schema of a histogram: expected {MIN_SCHEMA} to {MAX_SCHEMA} or {CUSTOM_SCHEMA}, got {schema}"
        raise ValueError(msg)
    hint = found.get("counter_reset_hint", "unknown")
    if hint not in _HINTS:
        msg = f"counter_reset_hint of a histogram: expected one of {', '.join(_HINTS)}, got {hint!r}"
        raise ValueError(msg)
    return Histogram(
        schema,
        _number(found, "z_bucket_w"),
        _number(found, "z_bucket"),
        _number(found, "count"),
        _number(found, "sum"),
        _side(found, "buckets", "offset"),
        _side(found, "n_buckets", "n_offset"),
        tuple(_numbers(found, "custom_values")),
        _HINTS[hint],
    )


def _number(found: dict[str, str], key: str) -> float:
    return _float(found[key], key) if key in found else 0.0


def _float(text: str, key: str) -> float:
    try:
        return float(int(text, 16)) if "0x" in text.lower() else float(text)
    except ValueError as err:
        msg = f"{key} of a histogram: not a number: {text!r}"
        raise ValueError(msg) from err


def _integer(found: dict[str, str], key: str) -> int:
    value = _number(found, key)
    if value != int(value):
        msg = f"{key} of a histogram: expected an integer, got {found[key]!r}"
        raise ValueError(msg)
    return int(value)


def _numbers(found: dict[str, str], key: str) -> list[float]:
    return [_float(text, key) for text in found.get(key, "").split()]


def _side(found: dict[str, str], key: str, offset: str) -> Buckets:
    counts = _numbers(found, key)
    if not counts:
        return NO_BUCKETS
    first = _integer(found, offset)
    return Buckets(np.arange(first, first + len(counts), dtype=np.int64), np.array(counts))


def _shown_number(value: float) -> str:
    """As Go prints with ``%g``: shortest digits, an exponent from 1e21 and below 1e-4."""
    from hypercare.promql.printer import format_number  # noqa: PLC0415  # the printer knows expressions, too

    return format_number(float(value))


def format_histogram(histogram: Histogram, *, hint: bool = True) -> str:
    """The literal that ``parse_histogram`` reads; empty buckets fill the gaps.

    Args:
        histogram: to be written.
        hint: with the counter reset hint, where there is one.

    """
    parts = [f"schema:{histogram.schema}"] if histogram.schema else []
    numbers = (("count", histogram.count), ("sum", histogram.sum), ("z_bucket", histogram.zero_count))
    parts.extend(f"{key}:{_shown_number(value)}" for key, value in numbers if value != 0)
    if histogram.zero_threshold:
        parts.append(f"z_bucket_w:{_shown_number(histogram.zero_threshold)}")
    if histogram.custom_values:
        parts.append(f"custom_values:[{' '.join(map(_shown_number, histogram.custom_values))}]")
    if hint and histogram.hint is not ResetHint.UNKNOWN:
        parts.append(f"counter_reset_hint:{histogram.hint.value}")
    for prefix, side in (("", histogram.positive), ("n_", histogram.negative)):
        if len(side.indexes):
            first, last = int(side.indexes[0]), int(side.indexes[-1])
            counts = np.zeros(last - first + 1)
            counts[side.indexes - first] = side.counts
            if first:
                parts.append(f"{prefix}offset:{first}")
            parts.append(f"{prefix}buckets:[{' '.join(map(_shown_number, counts.tolist()))}]")
    return "{{" + " ".join(parts) + "}}"


def shown(histogram: Histogram) -> str:
    """Count, sum and the buckets that are not empty, as Prometheus shows a histogram in a label value."""
    buckets = spread(histogram)
    parts = [f"count:{_shown_number(histogram.count)}", f"sum:{_shown_number(histogram.sum)}"]
    for i in np.flatnonzero(buckets.counts).tolist():
        left = "[" if buckets.lower_closed[i] else "("
        right = "]" if buckets.upper_closed[i] else ")"
        bounds = f"{_shown_number(float(buckets.lower[i]))},{_shown_number(float(buckets.upper[i]))}"
        parts.append(f"{left}{bounds}{right}:{_shown_number(float(buckets.counts[i]))}")
    return "{" + ", ".join(parts) + "}"
