"""1,000 targets of 100 series every 15 s: is a scrape missed, and what does it cost."""

from __future__ import annotations

from benchmarks.figure import Figure, Scale
from benchmarks.watching import watch


def run(scale: Scale) -> list[Figure]:
    """Ours and the peers, at the same time on the same targets."""
    window = scale(90, 30)
    seen = watch(1000, 100, warm_up=scale(40, 20), window=window)
    ours, theirs, victoria = seen["hypercare"], seen.get("prometheus"), seen.get("victoria")
    how = f"{window} s after warm-up, all servers at the same time on the same targets"
    return [
        Figure("1,000 targets x 100 series / 15 s: scrapes missed or failed", ours.missed,
               f"of {ours.scrapes + ours.missed}", theirs.missed if theirs else None, 0, how),
        Figure("1,000 targets: scrapes left out or failed by our own count", ours.skipped, "", None, 0),
        Figure("1,000 targets: CPU per million samples", ours.cpu, "s", theirs.cpu if theirs else None),
        Figure("1,000 targets: CPU per million samples, against VictoriaMetrics", ours.cpu, "s",
               victoria.cpu if victoria else None),
        Figure("1,000 targets: share of one core", 100 * ours.cpu_share, "%", 100 * theirs.cpu_share if theirs else None),
        Figure("1,000 targets: resident memory", ours.rss, "MB", theirs.rss if theirs else None),
    ]  # fmt: skip
