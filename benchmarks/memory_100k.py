"""Resident memory with 100,000 active series: after an hour of them, and after some minutes of real scraping."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.dataset import STEP, Group, into_receivers
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, both, progress
from benchmarks.watching import HYPERCARE, prometheus_yml, watch

_TARGETS = 100
_REQUEST_ROWS = 20
_HOW = (
    "an hour cannot be scraped faster than it passes, so it comes by remote write, into both servers from the same requests: "
    "1,000 series a target, rows 15 s apart that end now, five minutes of a target a request; the caches of a scraper are "
    "measured apart, on a farm of as many targets"
)


def run(scale: Scale) -> list[Figure]:
    """240 rows and three minutes, or 20 rows of a tenth and some seconds."""
    targets, rows = scale(_TARGETS, 10), scale(240, 20)
    fed = _fed(targets, rows)
    seen = watch(targets, 1000, warm_up=scale(120, 20), window=scale(60, 15))
    series = f"{targets * 1000:,} series"
    peer, scraped_peer = fed[1], seen["prometheus"].rss if "prometheus" in seen else None
    return [
        Figure(f"{series}: resident memory after {rows // 4} min of samples", fed[0], "MB", peer, peer, _HOW),
        Figure(
            f"{series}: resident memory after {scale(180, 35)} s of scraping",
            seen["hypercare"].rss,
            "MB",
            scraped_peer,
            scraped_peer,
        ),
    ]


def _fed(targets: int, rows: int) -> tuple[float, float | None]:
    with Lab() as lab:
        lab.write({"hypercare.yml": HYPERCARE, "prometheus.yml": prometheus_yml([])})
        ours, theirs = lab.hypercare(), lab.prometheus()
        servers = list(both(ours, theirs))
        for server in servers:
            server.ready()
        progress(f"{targets * 1000 * rows:,} samples by remote write")
        end = int(time.time() * 1000) // STEP * STEP
        made = [_target(n, rows, end) for n in range(targets)]
        into_receivers([server.url for server in servers], made, _REQUEST_ROWS)
        # Both tidy up now and then.
        time.sleep(30)
        for server in servers:
            seen = server.get("query", query='count({job="memory"})', time=end / 1000)["result"]
            assert int(seen[0]["value"][1]) == targets * 1000, (server.name, seen)
        return ours.rss(), theirs.rss() if theirs is not None else None


def _target(n: int, rows: int, end: int) -> Group:
    """Half of the series are counters, a quarter gauges with two decimals, a quarter constants, as in the farm."""
    rng = np.random.default_rng(n)
    times = end - STEP * np.arange(rows - 1, -1, -1, dtype=np.int64)
    counters = np.cumsum(rng.poisson(rng.uniform(0, 40, 500), (rows, 500)), axis=0)
    gauges = np.round(rng.normal(50, 10, (rows, 250)), 2)
    values = np.hstack([counters, gauges, np.tile(np.arange(250), (rows, 1))]).astype(float)
    labels = tuple(
        {
            "__name__": f"app_work_{k // 10}_total" if k < 500 else f"app_level_{k // 10}",
            "method": "GET", "code": "200", "handler": f"/api/v1/things/{k % 10}", "instance": f"10.0.0.{n}:9100",
            "job": "memory",
        }
        for k in range(1000)
    )  # fmt: skip
    return Group(f"memory/{n}", labels, times, values)
