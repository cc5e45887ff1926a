"""Writing the text formats."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hypercare.collectors.exposition.parser import canonical_bound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.ports import Reading


def format_value(value: float) -> str:
    """A number as the text format has it."""
    if -1e15 < value < 1e15:
        whole = int(value)
        return str(whole) if whole == value else repr(float(value))
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


def escape_value(text: str) -> str:
    """A label value between its quotes."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def series_text(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """``name{label="value"}``."""
    inner = ",".join(f'{label}="{escape_value(value)}"' for label, value in pairs)
    return f"{name}{{{inner}}}" if inner else name


def render(families: Iterable[Reading], *, openmetrics: bool = False) -> bytes:
    """Families in the text format 0.0.4, or in OpenMetrics 1.0.

    A family's samples have its name; those of a histogram name their suffix in a first label pair ``("", suffix)``.
    """
    lines: list[str] = []
    for name, kind, text, samples in families:
        lines.append(_head(name, kind, text, openmetrics))
        for pairs, value in samples:
            # A name alone needs no look at what was put together before.
            lines.append(f"{_series(name, pairs, openmetrics) if pairs else name} {format_value(value)}")
    lines += ["# EOF", ""] if openmetrics else [""]
    return "\n".join(lines).encode("utf-8", "replace")


# The same at every scrape, and most of the work.
@functools.lru_cache(maxsize=2048)
def _head(name: str, kind: str, text: str, openmetrics: bool) -> str:  # noqa: FBT001 - a key of the cache
    """The lines above a family's samples."""
    shown, kind = _family(name, kind) if openmetrics else (name, kind)
    line = f"# TYPE {shown} {kind}"
    if not text:
        return line
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {shown} " + (text.replace('"', r"\"") if openmetrics else text) + "\n" + line


@functools.lru_cache(maxsize=8192)
def _series(name: str, pairs: tuple[tuple[str, str], ...], openmetrics: bool) -> str:  # noqa: FBT001 - a key of the cache
    """A sample's line up to its value."""
    suffix, labels = (pairs[0][1], pairs[1:]) if pairs and not pairs[0][0] else ("", pairs)
    if openmetrics and suffix == "_bucket":
        labels = tuple((n, canonical_bound(v) if n == "le" else v) for n, v in labels)
    return series_text(name + suffix, labels)


def _family(name: str, kind: str) -> tuple[str, str]:
    """Name and type of a family as OpenMetrics has them: that of a counter is without its samples' ending."""
    if kind == "counter":
        return (name.removesuffix("_total"), kind) if name.endswith("_total") else (name, "unknown")
    return name, "unknown" if kind == "untyped" else kind
