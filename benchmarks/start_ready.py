"""Seconds from the start of the process to the first 200 of /-/ready."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

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
        empty = starts(times, lambda n: lab.hypercare(f"h{n}"), lambda n: lab.prometheus(f"p{n}"))
        progress("writing 4.8 million samples")
        made = dataset.groups(int(time.time() * 1000))
        dataset.into_hypercare(lab.folder / "full-h", made)
        peer = lab.prometheus("full-p")
        if peer is not None:
            peer.ready()
            dataset.into_prometheus(peer.url, made)
            peer.stop()
        progress(f"{times} starts each, with data")
        full = starts(times, lambda _: lab.hypercare("full-h"), lambda _: lab.prometheus("full-p"))
    return [
        *figures("start to ready", empty, 2, f"medians of {times}, empty data folder"),
        *figures(
            "start to ready with 10,000 series x 2 h", full, None, f"medians of {times}; samples in the log of both"
        ),
    ]


class Starts(NamedTuple):
    """What the starts of one server took, seconds."""

    wall: list[float]
    cpu: list[float]


def starts(times: int, ours: Callable[[int], Server], theirs: Callable[[int], Server | None]) -> tuple[Starts, Starts]:
    """Ours and the peer's, started in turn."""
    took = (Starts([], []), Starts([], []))
    for n in range(times):
        for start, seconds in zip((ours, theirs), took, strict=True):
            server = start(n)
            if server is not None:
                seconds.wall.append(server.ready())
                seconds.cpu.append(server.cpu())
                server.stop()
    return took


def figures(what: str, took: tuple[Starts, Starts], limit: float | None, note: str) -> list[Figure]:
    """Processor time stands beside, because wall time grows with whatever else the machine does."""
    (wall, peer_wall), (cpu, peer_cpu) = (
        [statistics.median(values) if values else None for values in both] for both in zip(*took, strict=True)
    )
    assert wall is not None
    assert cpu is not None
    return [
        Figure(what, wall, "s", peer_wall, limit, note),
        Figure(f"{what}: processor time", cpu, "s", peer_cpu, None, note),
    ]
