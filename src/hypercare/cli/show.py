"""Tables and times for the terminal."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLES = {
    "ok": "green", "up": "green", "resolved": "green", "warning": "yellow", "acknowledged": "yellow", "active": "red",
    "suppressed": "dim", "critical": "bold red", "open": "bold red", "down": "bold red", "unknown": "magenta",
    "firing": "red", "P0": "bold red", "P1": "red", "P2": "yellow", "P3": "cyan",
}  # fmt: skip
# What a terminal would obey rather than show: labels and notes come from anywhere.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, *, lines: bool = False) -> str:
    """The text without what a terminal would obey; ``lines`` keeps line breaks and tabs."""
    return (_CONTROL_IN_LINES if lines else _CONTROL).sub(lambda found: " " if found[0] in "\n\t" else "\ufffd", text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A plain table; one sentence where there are no rows.

    On a terminal coloured by the words in it and folded to its width, elsewhere one line a row.
    """
    body = [[clean(cell) for cell in row] for row in rows]
    if not body:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        _plain(columns, body)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in body:
        drawn.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    console.print(drawn)


def _plain(columns: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, cells)) for cells in zip(columns, *body, strict=True)]
    for row in (columns, *body):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def as_json(value: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def local(text: str | None) -> str:
    """An RFC 3339 instant in local time, short."""
    if not text or text.startswith("0001"):
        return "-"
    return dt.datetime.fromisoformat(text).astimezone().strftime("%a %d %b %H:%M:%S")
