"""Seconds from the start of the process to the first 200 of /-/ready."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from benchmarks import dataset
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, progress
from benchmarks.watching import HYPERCARE, prometheus_yml

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.lab import Server


def run(scale: Scale) -> list[Figure]:
    """The median of five starts, with an empty data folder and with two hours of 10,000 series."""
    times = scale(5, 2)
    with Lab() as lab:
        lab.write({"hypercare.yml": HYPERCARE, "prometheus.yml": prometheus_yml([])})
        progress(f"{times} starts each, without data")
        empty = _median(times, lambda n: lab.hypercare(f"h{n}"), lambda n: lab.prometheus(f"p{n}"))
        progress("writing 4.8 million samples")
        made = dataset.groups(int(time.time() * 1000))
        dataset.into_hypercare(lab.folder / "full-h", made)
        peer = lab.prometheus("full-p")
        if peer is not None:
            peer.ready()
            dataset.into_prometheus(peer.url, made)
            peer.stop()
        progress(f"{times} starts each, with data")
        full = _median(times, lambda _: lab.hypercare("full-h"), lambda _: lab.prometheus("full-p"))
    return [
        Figure("start to ready", *empty, limit=2, note=f"median of {times}, empty data folder"),
        Figure("start to ready with 10,000 series x 2 h", *full, note=f"median of {times}; samples in the log of both"),
    ]


def _median(
    times: int, ours: Callable[[int], Server], theirs: Callable[[int], Server | None]
) -> tuple[float, str, float | None]:
    """Medians of ours and the peer's, started in turn."""
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(times):
        for start, seconds in zip((ours, theirs), took, strict=True):
            server = start(n)
            if server is not None:
                seconds.append(server.ready())
                server.stop()
    return statistics.median(took[0]), "s", statistics.median(took[1]) if took[1] else None
