"""Writing the text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.ports import Reading


def format_value(value: float) -> str:
    """A number as the text format has it."""
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def escape_value(text: str) -> str:
    """A label value between its quotes."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def series_text(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """``name{label="value"}``."""
    inner = ",".join(f'{label}="{escape_value(value)}"' for label, value in pairs)
    return f"{name}{{{inner}}}" if inner else name


def render(families: Iterable[Reading]) -> bytes:
    """Families in the text format 0.0.4.

    A family's samples have its name; those of a histogram name their suffix in a first label pair ``("", suffix)``.
    """
    lines: list[str] = []
    for family in families:
        if family.help:
            lines.append(f"# HELP {family.name} " + family.help.replace("\\", r"\\").replace("\n", r"\n"))
        lines.append(f"# TYPE {family.name} {family.type}")
        for pairs, value in family.samples:
            suffix, labels = (pairs[0][1], pairs[1:]) if pairs and not pairs[0][0] else ("", pairs)
            lines.append(f"{series_text(family.name + suffix, labels)} {format_value(value)}")
    lines.append("")
    return "\n".join(lines).encode("utf-8", "replace")
