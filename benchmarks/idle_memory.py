"""Memory of a server that watches 10,000 series and is otherwise left alone."""

from __future__ import annotations

from benchmarks.figure import Figure, Scale
from benchmarks.watching import watch


def run(scale: Scale) -> list[Figure]:
    """After three minutes of 100 targets of 100 series every 15 s."""
    seen = watch(100, 100, warm_up=scale(90, 20), window=scale(90, 15))
    ours, theirs = seen["hypercare"], seen.get("prometheus")
    return [
        Figure(
            "10,000 series / 15 s: resident memory after 3 min", ours.rss, "MB", theirs.rss if theirs else None, 150
        ),
        Figure(
            "10,000 series / 15 s: share of one core",
            100 * ours.cpu_share,
            "%",
            100 * theirs.cpu_share if theirs else None,
        ),
    ]
