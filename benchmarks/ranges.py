"""Twenty kinds of query over a day of 10,000 series, beside Prometheus and VictoriaMetrics with the same samples.

Over HTTP, one client, the servers in turn. VictoriaMetrics keeps results of range queries and so answers most of a
repeated one from memory; measured is its work (``nocache=1``), what it takes with its results kept is told beside.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks import dataset
from benchmarks.figure import Figure, Scale
from benchmarks.kinds import EXTRAPOLATING, KINDS
from benchmarks.lab import Lab, Server, progress

if TYPE_CHECKING:
    from collections.abc import Callable

_HYPERCARE = "platform: bench\nprometheus: prometheus.yml\ncollect: {host: {enabled: false}}\n"
_SPANS = {"2 h at 15 s": (7_200, 15), "24 h at 60 s": (86_400, 60)}
_HOUR_OF_ROWS = 240


def run(scale: Scale) -> list[Figure]:
    """Every kind over both spans and at one instant; all answers must agree."""
    hours, targets = scale(25, 2), scale(100, 8)
    spans = {"1 h at 15 s": (3_600, 15)} if scale.quick else _SPANS
    with Lab() as lab:
        lab.write({"hypercare.yml": _HYPERCARE, "prometheus.yml": "global: {scrape_interval: 15s}\n"})
        # Between the rows of any target, so that the edges of windows, which versions treat differently, do not matter.
        end = int(time.time()) // 15 * 15 - 15
        progress(f"writing {targets * hours * _HOUR_OF_ROWS * 100 / 1e6:.0f} million samples")
        made = dataset.groups(end * 1000, targets, hours * _HOUR_OF_ROWS)
        dataset.into_hypercare(lab.folder / "hypercare-data", made)
        ours = lab.hypercare()
        prometheus = lab.prometheus(extra=("--query.max-samples=500000000",))
        victoria = lab.victoria()
        servers = [server for server in (ours, prometheus, victoria) if server is not None]
        for server in servers:
            server.ready("/health" if server is victoria else "/-/ready")
        dataset.into_receivers([server.url for server in servers[1:]], made)
        del made
        time.sleep(5)  # what VictoriaMetrics has just taken in shows after a second
        figures: list[Figure] = []
        for span, (seconds, step) in spans.items():
            progress(f"{len(KINDS)} kinds of range query, {span}")
            when = {"start": end - seconds - 2.345, "end": end - 2.345, "step": step}
            figures += _kinds(f"range, {span}", "query_range", when, servers, scale(2 if step > 15 else 5, 1))
        progress(f"{len(KINDS)} kinds of instant query")
        figures += _kinds("instant", "query", {"time": end - 2.345}, servers, scale(9, 2))
        return figures


def _kinds(what: str, path: str, when: dict[str, float], servers: list[Server], times: int) -> list[Figure]:
    took: dict[str, dict[str, float]] = {server.name: {} for server in servers}
    kept: dict[str, float] = {}
    for kind, query in KINDS.items():
        measured = _one(kind, path, {"query": query, **when}, servers, times)
        for name, value in measured.items():
            took[name][kind] = value
        victoria = next((server for server in servers if server.name == "victoria"), None)
        if victoria is not None and path == "query_range":
            kept[kind] = min(_ask(victoria, path, {"query": query, **when})[0] for _ in range(max(2, times)))
    return _figures(what, took, kept, instant=path == "query")


def _one(kind: str, path: str, given: dict[str, Any], servers: list[Server], times: int) -> dict[str, float]:
    """Medians in ms, by server."""
    took: dict[str, list[float]] = {server.name: [] for server in servers}
    answers: dict[str, list[Any]] = {}
    for n in range(times + 1):
        for server in servers:
            own = {**given, "nocache": 1} if server.name == "victoria" else given
            spent, body = _ask(server, path, own)
            # The first one reads from disk on all sides.
            if n:
                took[server.name].append(spent)
            else:
                answers[server.name] = json.loads(body)["data"]["result"]
    for name, answer in answers.items():
        if name != "hypercare":
            _must_agree(kind, answers["hypercare"], answer, exact=name == "prometheus")
    return {name: statistics.median(values) for name, values in took.items()}


def _ask(server: Server, path: str, given: dict[str, Any]) -> tuple[float, bytes]:
    began = time.perf_counter()
    body = server.body(f"/api/v1/{path}", **given)
    return (time.perf_counter() - began) * 1000, body


def _figures(what: str, took: dict[str, dict[str, float]], kept: dict[str, float], *, instant: bool) -> list[Figure]:
    ours = took["hypercare"]
    means = {name: _geometric(list(values.values())) for name, values in took.items()}
    found = []
    if "prometheus" in took:
        limit = means["prometheus"] * (0.2 if instant else 0.1)
        title = f"{what}: geometric mean of {len(ours)} kinds"
        note = "10,000 series at 15 s; over HTTP, one client, medians, the servers in turn"
        found.append(Figure(f"{title}, beside Prometheus", means["hypercare"], "ms", means["prometheus"], limit, note))
        if "victoria" in took:
            with_results = f"; {_geometric(list(kept.values())):.1f} ms from results it has kept" if kept else ""
            note += f"; VictoriaMetrics with nocache=1{with_results}"
            limit_vm = None if instant else means["victoria"]
            found.append(
                Figure(f"{title}, beside VictoriaMetrics", means["hypercare"], "ms", means["victoria"], limit_vm, note)
            )
    for kind, value in ours.items():
        victoria = took.get("victoria", {}).get(kind)
        beside = "" if victoria is None else f" (VictoriaMetrics {victoria:.3g} ms)"
        found.append(Figure(f"{what}: {kind}{beside}", value, "ms", took.get("prometheus", {}).get(kind)))
    return found


def _geometric(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def _must_agree(kind: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]], *, exact: bool) -> None:
    """Speed of a wrong answer is of no interest.

    Raises:
        AssertionError: the answers differ by more than the languages do.

    """
    named: Callable[[dict[str, str]], str] = lambda labels: json.dumps(labels, sort_keys=True)  # noqa: E731
    if "top" in kind:
        # Which of several equal ones are taken is not defined, and VictoriaMetrics takes the best of the whole span.
        if not exact:
            return
        named = lambda _: "any"  # noqa: E731
    a, b = _points(ours, named), _points(theirs, named)
    if exact:
        assert a.keys() == b.keys(), f"{kind}: {len(a)} points, the peer has {len(b)}"
    common = sorted(a.keys() & b.keys())
    assert len(common) >= 0.9 * len(a), f"{kind}: {len(common)} of {len(a)} points in common"
    if exact:
        for at in common:
            pairs = zip(sorted(a[at]), sorted(b[at]), strict=True)
            assert all(math.isclose(x, y, rel_tol=1e-9) for x, y in pairs), f"{kind}: {at}: {a[at]} is not {b[at]}"
        return
    apart = [abs(x - y) / max(abs(x), abs(y), 1e-9) for at in common for x, y in zip(a[at], b[at], strict=True)]
    most = 0.1 if kind in EXTRAPOLATING else 1e-6
    middle = statistics.median(apart)
    assert middle <= most, f"{kind}: VictoriaMetrics' answer is {middle:.1%} apart"


def _points(
    result: list[dict[str, Any]], named: Callable[[dict[str, str]], str]
) -> dict[tuple[str, float], list[float]]:
    points: dict[tuple[str, float], list[float]] = {}
    for series in result:
        # VictoriaMetrics keeps the metric name where Prometheus drops it.
        labels = named({k: v for k, v in series["metric"].items() if k != "__name__"})
        for at, value in series.get("values") or [series["value"]]:
            points.setdefault((labels, float(at)), []).append(float(value))
    return points
