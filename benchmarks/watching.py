"""Ours and the peers scraping the same farm at the same time."""

from __future__ import annotations

import dataclasses
import time
from itertools import pairwise
from typing import Any

from benchmarks.lab import Lab, Server, progress

INTERVAL = 15
HYPERCARE = "platform: farm\nprometheus: prometheus.yml\ncollect: {host: {enabled: false}}\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of one server over the window.

    Attributes:
        missed: scrapes that a target should have had and did not, or that failed.
        skipped: what the server itself counts as left out.
        scrapes: those that succeeded.
        cpu: processor seconds per million scraped samples.
        cpu_share: processor time per wall time.
        rss: resident memory at the end, MB.

    """

    missed: int
    skipped: float
    scrapes: int
    cpu: float
    cpu_share: float
    rss: float


def prometheus_yml(targets: list[str], interval: int = INTERVAL) -> str:
    """One job with all targets."""
    listed = ", ".join(f"'{target}'" for target in targets)
    return (
        f"global: {{scrape_interval: {interval}s, evaluation_interval: {interval}s}}\n"
        f"scrape_configs:\n  - job_name: farm\n    static_configs: [{{targets: [{listed}]}}]\n"
    )


def missed(matrix: list[dict[str, Any]], targets: int, begin: float, end: float, interval: int) -> tuple[int, int]:
    """Scrapes that are missing or failed between two instants, and those that succeeded.

    Rows may come a little early or late: only what is missing by more than half an interval counts.
    """
    gone = succeeded = 0
    for series in matrix:
        times = [t for t, _ in series["values"]]
        good = sum(value == "1" for _, value in series["values"])
        at_edges = int((times[0] - begin) / interval - 0.5) + int((end - times[-1]) / interval - 0.5)
        between = sum(round((b - a) / interval) - 1 for a, b in pairwise(times))
        gone += max(at_edges, 0) + max(between, 0) + len(times) - good
        succeeded += good
    never = targets - len(matrix)
    return gone + never * int((end - begin) / interval), succeeded


def watch(
    targets: int, series: int, warm_up: int, window: int, interval: int = INTERVAL, *, gzip: bool = False
) -> dict[str, Watched]:
    """Scrape for a while and look at ours and the peers that are installed, by the names of the programs."""
    with Lab() as lab:
        addresses = lab.farm(targets, series, gzip=gzip)
        lab.write({"hypercare.yml": HYPERCARE, "prometheus.yml": prometheus_yml(addresses, interval)})
        started = (lab.hypercare(), lab.prometheus(), lab.victoria(config="prometheus.yml"))
        servers = [server for server in started if server is not None]
        for server in servers:
            server.ready("/health" if server.name == "victoria" else "/-/ready")
        progress(f"{targets} targets: warming up for {warm_up} s, then {window} s")
        time.sleep(warm_up)
        begin = time.time()
        before = [(server.cpu(), _skipped(server)) for server in servers]
        time.sleep(window)
        end = time.time()
        after = [(server.cpu(), server.rss(), _skipped(server)) for server in servers]
        time.sleep(2)  # what VictoriaMetrics has just taken in shows after a second
        seen = {}
        for server, (cpu, left_out), (cpu_after, rss, left_out_after) in zip(servers, before, after, strict=True):
            matrix = server.get("query", query=f'up{{job="farm"}}[{window}s]', time=f"{end:.3f}")["result"]
            gone, good = missed(matrix, targets, begin, end, interval)
            spent = cpu_after - cpu
            seen[server.name] = Watched(
                gone, left_out_after - left_out, good, spent / (good * series or 1) * 1e6, spent / window, rss
            )
        return seen


def _skipped(server: Server) -> float:
    if server.name != "hypercare":
        return 0.0
    return sum(server.metric(f"hypercare_scrapes_{kind}_total") for kind in ("skipped", "missed", "failed"))
