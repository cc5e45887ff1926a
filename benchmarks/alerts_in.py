"""Alerts through ``/api/v2/alerts``: how many a second are accepted, each on the disk before its request is answered."""

from __future__ import annotations

import http.client
import json
import time

from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, address, wait_for
from hypercare.model.time import SECOND, format_rfc3339

HYPERCARE = """
platform: alerts
alertmanager: alertmanager.yml
collect: {host: {enabled: false}}
"""
ALERTMANAGER = """
route: {receiver: none, group_by: [group], group_wait: 5m, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: none}]
"""
GROUPS, BATCH = 500, 500


def run(scale: Scale) -> list[Figure]:
    """New alerts in batches over one connection, then the same ones again as a Prometheus sends them every minute."""
    count = scale(50_000, 2_000)
    with Lab() as lab:
        lab.write({"hypercare.yml": HYPERCARE, "alertmanager.yml": ALERTMANAGER})
        server = lab.hypercare()
        server.ready()
        now = int(time.time() * SECOND)
        bodies = [_batch(start, min(BATCH, count - start), now) for start in range(0, count, BATCH)]
        fresh = _post(server, bodies)
        again = _post(server, bodies)
        held = wait_for(lambda: len(json.loads(server.body("/api/v2/alerts"))), 60, "the alerts")
        if held != count:
            msg = f"{held} alerts are held of {count}"
            raise AssertionError(msg)
    note = f"{count} alerts in {GROUPS} groups, {BATCH} a request, one connection; SQLite with every request committed"
    return [
        Figure("time for 1,000 new alerts", fresh * 1e6 / count, "ms", limit=200, note=note),
        Figure("time for 1,000 alerts sent again", again * 1e6 / count, "ms", limit=200, note=note),
    ]


def _batch(start: int, count: int, now: int) -> bytes:
    alerts = [
        {
            "labels": {"alertname": "Load", "severity": "warning", "group": str(i % GROUPS), "instance": f"host-{i}"},
            "annotations": {"summary": f"host-{i} is under load"},
            "startsAt": format_rfc3339(now),
            "endsAt": format_rfc3339(now + 600 * SECOND),
            "generatorURL": "http://prometheus.example/graph",
        }
        for i in range(start, start + count)
    ]
    return json.dumps(alerts).encode()


def _post(server: Server, bodies: list[bytes]) -> float:
    """Seconds until all are accepted."""
    connection = http.client.HTTPConnection(address(server), timeout=60)
    began = time.monotonic()
    for body in bodies:
        connection.request("POST", "/api/v2/alerts", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            msg = f"{answer.status}: {text[:200]!r}"
            raise AssertionError(msg)
    took = time.monotonic() - began
    connection.close()
    return took
