"""The demo service that the compliance queries ask about: three instances, every five seconds, made from a seed."""

from __future__ import annotations

import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, STALE

STEP = 5_000
REQUESTS = (("GET", "/api/foo", "200"), ("GET", "/api/bar", "500"), ("POST", "/api/foo", "200"))


def _walk(rng, base, size, steps):
    """A random walk that falls back to its base when it leaves base ± 50 %."""
    out, value = np.empty(steps), base
    for i, move in enumerate(rng.uniform(-size, size, steps)):
        value += move
        if abs(value - base) > base / 2:
            value = base
        out[i] = value
    return out


def _gauges(rng, times, out):
    n, mib = len(times), 2**20
    parts = [np.rint(_walk(rng, base * mib, 30 * mib, n)) for base in (1200, 2500, 165)]
    for kind, values in zip(("used", "cached", "buffers"), parts, strict=True):
        out[("demo_memory_usage_bytes", ("type", kind))] = values
    out[("demo_memory_usage_bytes", ("type", "free"))] = 8192 * mib - sum(parts)
    out[("demo_num_cpus",)] = np.full(n, 4.0)
    out[("demo_disk_usage_bytes",)] = 16e9 + np.cumsum(rng.uniform(0.25e6, 0.75e6, n) * 5)
    out[("demo_disk_total_bytes",)] = np.full(n, 160e9)
    runs = np.maximum.accumulate(
        np.where((times // STEP % 12 == 0) & (rng.random(n) > 0.25), times / 1000, times[0] / 1000)
    )
    out[("demo_batch_last_success_timestamp_seconds",)] = runs


def _counters(rng, times, buckets, out):
    n = len(times)
    for mode, speed in (("user", 1.2), ("system", 0.8), ("idle", 2.0)):
        values = np.cumsum(rng.uniform(speed - 0.4, speed + 0.4, n) * 5)
        # One restart, so that there is a reset to see.
        values[n // 3 :] -= values[n // 3]
        out[("demo_cpu_usage_seconds_total", ("mode", mode))] = values
    bounds = np.array(buckets)
    for method, path, status in REQUESTS:
        pairs = (("method", method), ("path", path), ("status", status))
        counts = np.cumsum(
            rng.poisson(12, (n, len(bounds) + 1)) * np.exp(-((np.arange(len(bounds) + 1) - 12) ** 2) / 40), axis=0
        )
        whole = np.cumsum(np.rint(counts), axis=1)
        for i, bound in enumerate([*map(repr, bounds.tolist()), "+Inf"]):
            out[("demo_api_request_duration_seconds_bucket", ("le", bound), *pairs)] = whole[:, i]
        out[("demo_api_request_duration_seconds_count", *pairs)] = whole[:, -1]
        out[("demo_api_request_duration_seconds_sum", *pairs)] = whole[:, -1] * 0.012


def demo(start, end, buckets):
    """(labels, times, values) of every instance."""
    times = np.arange(start, end + 1, STEP, dtype=np.int64)
    found = []
    for port in range(3):
        rng = np.random.default_rng(port)
        out = {}
        _gauges(rng, times, out)
        _counters(rng, times, buckets, out)
        even = times // 60_000 % 2 == 0
        ends = ~even & np.concatenate(([False], even[:-1]))
        out[("demo_intermittent_metric",)] = np.where(even, 1.0, np.where(ends, STALE, ABSENT))
        common = {"job": "demo", "instance": f"demo.promlabs.com:{10000 + port}"}
        labels = [Labels.of({"__name__": name, **common, **dict(pairs)}) for name, *pairs in out]
        # A stack would do, if it kept the bits of those NaNs that say that there is no sample: it does.
        found.append((labels, times, np.stack(list(out.values()), axis=1)))
    return found
