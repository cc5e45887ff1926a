"""50 targets of 2,000 series every 5 s: what a scraped sample costs the processor, and is a scrape missed."""

from __future__ import annotations

from benchmarks.figure import Figure, Scale
from benchmarks.watching import watch


def run(scale: Scale) -> list[Figure]:
    """Ours and both peers, at the same time on the same targets."""
    window = scale(90, 30)
    seen = watch(50, 2000, warm_up=scale(30, 15), window=window, interval=5)
    ours, prometheus, victoria = seen["hypercare"], seen.get("prometheus"), seen.get("victoria")
    how = f"{window} s after warm-up, all servers at the same time on the same targets"
    return [
        Figure("50 targets x 2,000 series / 5 s: scrapes missed or failed", ours.missed,
               f"of {ours.scrapes + ours.missed}", prometheus.missed if prometheus else None, 0, how),
        Figure("50 x 2,000: CPU per million samples, against Prometheus", ours.cpu, "s",
               prometheus.cpu if prometheus else None, prometheus.cpu / 2 if prometheus else None,
               "promised: half of Prometheus in the same run"),
        Figure("50 x 2,000: CPU per million samples, against VictoriaMetrics", ours.cpu, "s",
               victoria.cpu if victoria else None),
        Figure("50 x 2,000: resident memory, against Prometheus", ours.rss, "MB",
               prometheus.rss if prometheus else None),
        Figure("50 x 2,000: resident memory, against VictoriaMetrics", ours.rss, "MB",
               victoria.rss if victoria else None),
    ]  # fmt: skip
