"""Two replicas on one PostgreSQL: the leader is killed, and the next page leaves from the other."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, free_port, progress, wait_for
from benchmarks.receiver import Receiver

HYPERCARE = """
platform: failover
alertmanager: alertmanager.yml
state: {url}
collect: {{host: {{enabled: false}}}}
"""
ALERTMANAGER = """
route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 5s, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}"}}]}}]
"""


def run(scale: Scale) -> list[Figure]:
    """An alert is accepted by the leader, which is killed at once: who tells of it, and when?"""
    from hypercare.demo import database

    receiver = Receiver()
    # PostgreSQL runs as another user where we are root: its files must be within its reach.
    with tempfile.TemporaryDirectory(prefix="hypercare-bench-pg-") as folder, Lab() as lab:
        Path(folder).chmod(0o755)
        prepared = database.prepare_files(Path(folder), free_port())
        user = {"user": prepared.user, "group": prepared.user} if prepared.user else {}
        server = subprocess.Popen(
            prepared.command(), cwd=prepared.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user
        )
        try:
            wait_for(lambda: database.is_ready(prepared), 60, "PostgreSQL")
            lab.write({
                "hypercare.yml": HYPERCARE.format(url=prepared.url),
                "alertmanager.yml": ALERTMANAGER.format(url=receiver.url),
            })  # fmt: skip
            took = [_once(lab, receiver, n) for n in range(scale(5, 1))]
        finally:
            server.terminate()
            server.wait(30)
            receiver.close()
    keys = [key for _, key, _ in receiver.arrived]
    how = f"{len(took)} kills (kill -9) of the leader, right after it took an alert; two replicas, group_wait 1 s"
    return [
        Figure("leader killed to next page, median", statistics.median(took), "s", note=how),
        Figure("leader killed to next page, worst", max(took), "s", None, 10, how),
        Figure("notifications that came twice", len(keys) - len(set(keys)), "", None, 0, how),
    ]


def _once(lab: Lab, receiver: Receiver, n: int) -> float:
    replicas = [lab.hypercare(f"data-{n}-{i}") for i in range(2)]
    for replica in replicas:
        replica.ready()
    leader = wait_for(lambda: [r for r in replicas if _leads(r)], 60, "a leader")[0]
    progress(f"kill {n + 1}")
    name = f"Failover{n}"
    alert = json.dumps([{"labels": {"alertname": name}}]).encode()
    request = urllib.request.Request(f"{leader.url}/api/v2/alerts", alert, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()
    leader.process.kill()
    killed = time.time()
    told = wait_for(
        lambda: [at for at, _, b in receiver.arrived if b["groupLabels"].get("alertname") == name], 60, "it"
    )
    for replica in replicas:
        replica.stop()
    return float(told[0] - killed)


def _leads(server: Server) -> bool:
    try:
        return bool(json.loads(server.body("/api/hypercare/v1/replicas"))["leads"])
    except (OSError, urllib.error.URLError):
        return False
