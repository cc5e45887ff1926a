"""What a benchmark finds, and the table of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeAlias


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One number. Lower is better for all of them, so that every ratio reads the same.

    Attributes:
        what: was measured.
        value: ours.
        unit: of both values.
        peer: the same of the peer, in the same run on the same machine; none where there is no peer.
        limit: what we promise, inclusive; none where we promise nothing.
        note: how it was measured, or what to know about it.

    """

    what: str
    value: float
    unit: str
    peer: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's; below 1 we need less."""
        return self.value / self.peer if self.peer else None

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.limit is None or self.value <= self.limit


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: a quick run shows that a benchmark works, not what it is about.

    Attributes:
        quick: few repetitions and short waits; the figures mean little.

    """

    quick: bool = False

    def __call__(self, full: int, quick: int) -> int:
        """The one or the other."""
        return quick if self.quick else full


Benchmark: TypeAlias = Callable[[Scale], list[Figure]]
Row: TypeAlias = tuple[str, Figure]
_HEAD = ("figure", "hypercare", "peer", "ratio", "promise", "command")


def number(value: float) -> str:
    """Three digits that count."""
    if value != value:  # noqa: PLR0124 - NaN
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cells(name: str, f: Figure) -> tuple[str, ...]:
    def with_unit(value: float) -> str:
        return f"{number(value)} {f.unit}".rstrip()

    promise = "" if f.limit is None else f"≤ {with_unit(f.limit)}: {'kept' if f.kept else 'NOT KEPT'}"
    ratio = "" if f.ratio is None else f"{number(f.ratio)}"
    peer = "" if f.peer is None else with_unit(f.peer)
    return (f.what, with_unit(f.value), peer, ratio, promise, f"python -m benchmarks {name}")


def table(rows: Iterable[Row], *, markdown: bool) -> str:
    """All figures; notes stand below, once each."""
    rows = list(rows)
    lines = [_HEAD, *(_cells(name, figure) for name, figure in rows)]
    if markdown:
        lines = [(*line[:-1], f"`{line[-1]}`") if line is not _HEAD else line for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    bar, edge = (" | ", "| {} |") if markdown else ("  ", "{}")
    out = [edge.format(bar.join(c.ljust(w) for c, w in zip(line, widths, strict=True))).rstrip() for line in lines]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|" if markdown else "  ".join("-" * w for w in widths)
    out.insert(1, rule)
    return "\n".join([*out, "", *_notes(rows)]).rstrip()


def _notes(rows: list[Row]) -> list[str]:
    """One line a benchmark and note; the note of all figures of a benchmark is not repeated for each."""
    found = dict[tuple[str, str], list[str]]()
    for name, figure in rows:
        if figure.note:
            found.setdefault((name, figure.note), []).append(figure.what)
    return [f"- {name if len(of) > 1 else of[0]}: {note}" for (name, note), of in found.items()]
