"""From a fault to the webhook, and from the end of ``for`` and group_wait to the webhook and to the page."""

from __future__ import annotations

import json
import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, address, progress, wait_for
from hypercare.model.time import parse_rfc3339

FOR, GROUP_WAIT = 2.0, 1.0
HYPERCARE = """
platform: latency
prometheus: prometheus.yml
alertmanager: hypercare-alertmanager.yml
services: [{services}]
people: [{{name: ana, contact: [{{channel: webhook, url: "http://127.0.0.1:{port}/page"}}]}}]
escalations: [{{name: default, steps: [{{notify: [ana], after: 0s}}]}}]
collect: {{host: {{enabled: false}}}}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: outside
    static_configs:
{targets}
"""
RULES = """
groups:
  - name: outside
    rules:
      - {alert: Broken, expr: working == 0, for: 2s, labels: {severity: critical}, annotations: {summary: "it is broken"}}
"""
ALERTMANAGER = """
route: {{receiver: hook, group_by: [alertname, service], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "http://127.0.0.1:{port}/{path}"}}]}}]
"""


class Outside:
    """One HTTP server: /metrics/N is service N, and what is posted is kept with the time of its arrival."""

    def __init__(self, services: int) -> None:
        self.broken: set[int] = set()
        self.arrived: dict[tuple[str, str], float] = {}
        outside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                n = int(self.path.rpartition("/")[2])
                self._answer(f"working {int(n not in outside.broken)}\n".encode())

            def do_POST(self) -> None:
                at = time.time()
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                for n in range(services):
                    if f'"{name(n)}"' in text or f"{name(n)}:" in text or name(n) in json.loads(text):
                        outside.arrived.setdefault((self.path.strip("/"), name(n)), at)
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def name(n: int) -> str:
    """Of a service; none is the beginning of another."""
    return f"service-{n:03d}"


def run(scale: Scale) -> list[Figure]:
    """One fault after another, each of a service of its own, at another phase of the second."""
    trials = scale(20, 3)
    outside = Outside(trials)
    try:
        with Lab() as lab:
            return _measure(lab, outside, trials)
    finally:
        outside.close()


def _measure(lab: Lab, outside: Outside, trials: int) -> list[Figure]:
    targets = "\n".join(
        f'      - {{targets: ["127.0.0.1:{outside.port}"], labels: {{__metrics_path__: /metrics/{n}, service: {name(n)}}}}}'
        for n in range(trials)
    )
    services = ", ".join(f"{{name: {name(n)}, tier: 1, owner: team}}" for n in range(trials))
    lab.write({
        "hypercare.yml": HYPERCARE.format(services=services, port=outside.port),
        "hypercare-alertmanager.yml": ALERTMANAGER.format(port=outside.port, path="ours"),
        "alertmanager.yml": ALERTMANAGER.format(port=outside.port, path="theirs"),
        "rules.yml": RULES,
        "prometheus.yml": PROMETHEUS.format(targets=targets),
    })  # fmt: skip
    ours, theirs = lab.hypercare(), None
    alertmanager = lab.alertmanager()
    if alertmanager is not None:
        alertmanager.ready()
        alerting = f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address(alertmanager)}']}}]}}]}}\n"
        lab.write({"prometheus-peer.yml": PROMETHEUS.format(targets=targets) + alerting})
        theirs = lab.prometheus(config="prometheus-peer.yml")
    ways = {"ours": ours, "page": ours} | ({"theirs": theirs} if theirs is not None else {})
    for server in ways.values():
        server.ready()
    progress(f"{trials} faults, one after another")
    time.sleep(5)
    from_fault: dict[str, list[float]] = {way: [] for way in ways}
    from_due: dict[str, list[float]] = {way: [] for way in ways}
    for n in range(trials):
        # At places all over the second.
        time.sleep(0.3 + 0.37 * n % 1)
        broke = time.time()
        outside.broken.add(n)
        wait_for(lambda n=n: all((way, name(n)) in outside.arrived for way in ways), 30, f"all ways for {name(n)}")  # type: ignore[misc]
        for way, server in ways.items():
            arrived = outside.arrived[way, name(n)]
            from_fault[way].append(arrived - broke)
            from_due[way].append(arrived - _active_at(server, name(n)) - FOR - GROUP_WAIT)
    return _figures(from_fault, from_due, trials)


def _active_at(server: Server, service: str) -> float:
    """When the alert's condition first held, seconds."""
    alerts = server.get("alerts")["alerts"]
    found = next(alert for alert in alerts if alert["labels"].get("service") == service)
    return parse_rfc3339(found["activeAt"]) / 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _figures(from_fault: dict[str, list[float]], from_due: dict[str, list[float]], trials: int) -> list[Figure]:
    how = f"{trials} faults; scrape and evaluation 1 s, for 2 s, group_wait 1 s; peer: Prometheus + Alertmanager"
    peer = "theirs" in from_fault
    found = []
    for label, of, most in (("median", statistics.median, 3.7), ("95th percentile", _p95, 4.2), ("worst", max, None)):
        found += [
            Figure(f"fault to webhook, {label}", of(from_fault["ours"]), "s",
                   of(from_fault["theirs"]) if peer else None, most, how),
            Figure(f"`for` and group_wait served to webhook, {label}", of(from_due["ours"]), "s",
                   of(from_due["theirs"]) if peer else None, 1, how),
            Figure(f"fault to page of the person on call, {label}", of(from_fault["page"]), "s", note=how),
            Figure(f"`for` and group_wait served to page, {label}", of(from_due["page"]), "s", None, 1, how),
        ]  # fmt: skip
    return found
