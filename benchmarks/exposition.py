"""Samples per second of reading expositions: ``python benchmarks/exposition.py``.

Bodies of 100 and 10,000 samples of ten a family, as counters with three labels; every value changes at each scrape.
"""

from __future__ import annotations

import time

from hypercare.collectors.exposition import ScrapeCache, Series, parse


def body(samples: int, seed: int, tail: str = "") -> bytes:
    lines = []
    for i in range(samples):
        if i % 10 == 0:
            lines.append(f"# HELP http_requests_{i // 10}_total The number of requests seen here so far.")
            lines.append(f"# TYPE http_requests_{i // 10}_total counter")
        labels = f'method="GET",code="200",handler="/api/v1/items/{i}"'
        lines.append(f"http_requests_{i // 10}_total{{{labels}}} {i * 1234.5 + seed * 17}{tail}")
    return ("\n".join(lines) + "\n").encode()


def rate(samples: int, run, rounds: int) -> float:
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for i in range(rounds):
            run(i)
        best = max(best, samples * rounds / (time.perf_counter() - began))
    return best


def new_cache() -> ScrapeCache:
    columns: dict = {}
    return ScrapeCache(lambda labels: columns.setdefault(labels, len(columns)))


def measure(samples: int) -> None:
    rounds = max(300_000 // samples, 3)
    bodies = [body(samples, seed) for seed in range(4)]
    changing = [*bodies[:2], b"extra 1\n" + bodies[2], bodies[3]]
    stamped = [body(samples, seed, " 1700000000000") for seed in range(4)]
    print(f"{samples} samples a body, {len(bodies[0]) // samples} bytes a sample")

    def again(cache: ScrapeCache, given: list[bytes]) -> float:
        cache.parse(given[0])
        return rate(samples, lambda i: cache.parse(given[i % 4]), rounds)

    def full(i: int) -> int:
        return sum(isinstance(e, Series) for e in parse(bodies[i % 4], openmetrics=False))

    for name, found in (
        ("same series as the last time", again(new_cache(), bodies)),
        ("a series comes or goes each time", again(new_cache(), changing)),
        ("timestamps on every line", again(new_cache(), stamped)),
        ("new target (every line is new)", rate(samples, lambda i: new_cache().parse(bodies[i % 4]), 3)),
        ("full parser", rate(samples, full, 3)),
    ):
        print(f"  {name:38} {found / 1e6:7.2f} M samples/s")


if __name__ == "__main__":
    for count in (100, 10_000):
        measure(count)
