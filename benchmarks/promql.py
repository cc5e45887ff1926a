"""Queries over two hours of 10,000 series, through the HTTP API, beside Prometheus with the same samples."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from benchmarks import dataset
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, both, progress
from benchmarks.watching import HYPERCARE, prometheus_yml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUERIES = {
    "rate, sum by": "sum by (code) (rate(http_requests_total[5m]))",
    "ratio": 'sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))',
    "quantile of a histogram": "histogram_quantile(0.95, sum by (job, le) (rate(request_duration_seconds_bucket[5m])))",
    "raw series of a target": 'http_requests_total{instance="10.0.0.42:80"}',
    "sum of a gauge": "sum by (instance) (queue_depth)",
    "max over time": "max by (job) (max_over_time(queue_depth[10m]))",
    "average over time, all series": "avg_over_time(queue_depth[5m])",
    "top five": "topk(5, sum by (instance, handler) (rate(http_requests_total[5m])))",
}
HOUR = 3600


def run(scale: Scale) -> list[Figure]:
    """Each kind at one instant and over the last hour at 15 s; the answers of both must agree."""
    times = scale(7, 2)
    with Lab() as lab:
        lab.write({"hypercare.yml": HYPERCARE, "prometheus.yml": prometheus_yml([])})
        # Between the rows of any target, so that the edges of windows, which versions treat differently, do not matter.
        end = int(time.time()) // 15 * 15 - 15
        progress("writing 4.8 million samples")
        made = dataset.groups(end * 1000)
        dataset.into_hypercare(lab.folder / "hypercare-data", made)
        ours, theirs = lab.hypercare(), lab.prometheus()
        for server in both(ours, theirs):
            server.ready()
        if theirs is not None:
            dataset.into_prometheus(theirs.url, made)
        progress(f"{2 * len(QUERIES)} queries, {times} times each")
        at = {"instant": {"time": end - 2.345}, "range": {"start": end - HOUR - 2.345, "end": end - 2.345, "step": 15}}
        return [figure for kind, when in at.items() for figure in _kind(kind, when, ours, theirs, times)]


def _kind(kind: str, when: dict[str, float], ours: Server, theirs: Server | None, times: int) -> list[Figure]:
    path = "/api/v1/query" if kind == "instant" else "/api/v1/query_range"
    found = []
    for what, query in QUERIES.items():
        took: dict[str, list[float]] = {"hypercare": [], "prometheus": []}
        answers: dict[str, Any] = {}
        for n in range(times + 1):
            for server in both(ours, theirs):
                began = time.perf_counter()
                body = server.body(path, query=query, **when)
                # The first one fills caches on both sides.
                if n:
                    took[server.name].append((time.perf_counter() - began) * 1000)
                else:
                    answers[server.name] = json.loads(body)["data"]["result"]
        if theirs is not None:
            _must_agree(query, answers["hypercare"], answers["prometheus"])
        peer = statistics.median(took["prometheus"]) if theirs is not None else None
        found.append(
            Figure(f"{kind}, {what}", statistics.median(took["hypercare"]), "ms", peer, note=f"{what} is `{query}`")
        )
    mean = Figure(
        f"{kind} queries, geometric mean of {len(QUERIES)} kinds", _geometric([f.value for f in found]), "ms",
        _geometric([f.peer for f in found if f.peer]) if theirs is not None else None,
        note="10,000 series x 2 h at 15 s, a range is one hour at 15 s; over HTTP, medians, one client",
    )  # fmt: skip
    return [mean, *found]


def _geometric(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def _must_agree(query: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Speed of a wrong answer is of no interest.

    Raises:
        AssertionError: the answers differ.

    """
    # Which of several equal ones topk takes is not defined.
    name_of = (lambda _: "any") if query.startswith("topk") else (lambda labels: json.dumps(labels, sort_keys=True))
    a, b = _points(ours, name_of), _points(theirs, name_of)
    assert a.keys() == b.keys(), f"{query}: {len(a)} points, the peer has {len(b)}"
    for at, values in a.items():
        pairs = zip(sorted(values), sorted(b[at]), strict=True)
        assert all(math.isclose(x, y, rel_tol=1e-9) for x, y in pairs), f"{query}: {at}: {values} is not {b[at]}"


def _points(
    result: list[dict[str, Any]], name_of: Callable[[dict[str, str]], str]
) -> dict[tuple[str, float], list[float]]:
    points = defaultdict[tuple[str, float], list[float]](list)
    for series in result:
        for at, value in series.get("values") or [series["value"]]:
            points[name_of(series["metric"]), float(at)].append(float(value))
    return points
