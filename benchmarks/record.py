"""``python -m benchmarks.record FILE [--minutes 60] [--every 15]``: record what real exporters say under a small load.

Debian's node, redis and postgres exporters, a Redis and a PostgreSQL with clients whose rates wander, and a hypercare that
watches all of them. Every body is kept in full; :mod:`benchmarks.recorded` reads the file.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.lab import Lab, free_port, progress, wait_for
from benchmarks.recorded import Recorder
from hypercare.demo import database

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.lab import Server

RULES = """
groups:
- name: platform
  rules:
  - {record: "job:up:avg", expr: "avg by (job) (up)"}
  - {record: "instance:cpu:rate5m", expr: "sum by (instance, mode) (rate(node_cpu_seconds_total[5m]))"}
  - {record: "redis:commands:rate5m", expr: "sum by (cmd) (rate(redis_commands_total[5m]))"}
  - {alert: Down, expr: "up == 0", for: 1m, labels: {severity: critical}}
  - {alert: Busy, expr: "1 - avg(rate(node_cpu_seconds_total{mode='idle'}[5m])) > 0.9", for: 5m, labels: {severity: warning}}
"""


def main() -> None:
    """Record for a while and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=15)
    args = parser.parse_args()
    with Lab() as lab, contextlib.ExitStack() as stack:
        urls = _platform(lab, stack)
        recorder = Recorder()
        progress(f"recording {', '.join(urls)} for {args.minutes:g} min")
        begin = time.monotonic()
        for turn in range(int(args.minutes * 60 / args.every)):
            time.sleep(max(begin + turn * args.every - time.monotonic(), 0))
            for name, url in urls.items():
                at = int(time.time() * 1000)
                with urllib.request.urlopen(url, timeout=30) as answer:
                    recorder.add(name, at, answer.read())
            if turn % 20 == 0:
                recorder.write(args.file)
        recorder.write(args.file)
    progress(f"{args.file}: {args.file.stat().st_size} bytes, {recorder.shape()}")


def _platform(lab: Lab, stack: contextlib.ExitStack) -> dict[str, str]:
    """Start everything; addresses by the name of the exporter."""
    ports = {name: free_port() for name in ("redis-server", "postgres-server", "node", "redis", "postgres")}
    redis = ["redis-server", "--port", str(ports["redis-server"]), "--save", "", "--dir", str(lab.folder)]
    lab.run("redis-server", redis, ports["redis-server"])
    files = _postgres(lab, stack, ports["postgres-server"])
    address = f"127.0.0.1:{ports['node']}"
    servers: dict[str, Server] = {
        "node": lab.run("node", ["prometheus-node-exporter", f"--web.listen-address={address}"], ports["node"]),
        "redis": lab.run(
            "redis",
            ["prometheus-redis-exporter", f"-redis.addr=redis://127.0.0.1:{ports['redis-server']}",
             f"-web.listen-address=127.0.0.1:{ports['redis']}"],
            ports["redis"],
        ),
        "postgres": lab.run(
            "postgres",
            ["env", f"DATA_SOURCE_NAME={files.url}?sslmode=disable", "prometheus-postgres-exporter",
             f"--web.listen-address=127.0.0.1:{ports['postgres']}"],
            ports["postgres"],
        ),
    }  # fmt: skip
    jobs = "".join(
        f"  - {{job_name: {name}, static_configs: [{{targets: ['127.0.0.1:{ports[name]}']}}]}}\n" for name in servers
    )
    lab.write({
        "rules.yml": RULES,
        "prometheus.yml": f"global: {{scrape_interval: 15s, evaluation_interval: 15s}}\nrule_files: [rules.yml]\nscrape_configs:\n{jobs}",
        "hypercare.yml": "platform: recorded\nprometheus: prometheus.yml\n",
    })  # fmt: skip
    servers["hypercare"] = lab.hypercare()
    for server in servers.values():
        server.ready("/metrics")
    stop = threading.Event()
    for load in (_redis_load(ports["redis-server"]), _postgres_load(files.url)):
        thread = threading.Thread(target=_drive, args=(load, stop), daemon=True)
        thread.start()
        stack.callback(thread.join)
    stack.callback(stop.set)
    return {name: f"{server.url}/metrics" for name, server in servers.items()}


def _postgres(lab: Lab, stack: contextlib.ExitStack, port: int) -> database.Database:
    files = database.prepare_files(lab.folder, port)
    identity: dict[str, Any] = {}
    if files.user:
        entry = pwd.getpwnam(files.user)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    with (lab.folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(files.command(), stdout=log, stderr=log, cwd=files.home, **identity)

    def end() -> None:
        process.send_signal(signal.SIGINT)  # does not wait for clients
        process.wait(30)
        if os.geteuid() == 0:
            shutil.rmtree(files.home, ignore_errors=True)

    stack.callback(end)
    wait_for(lambda: database.is_ready(files), 60, "PostgreSQL takes connections")
    database.prepare_schema(files)
    return files


def _drive(step: Callable[[random.Random], None], stop: threading.Event) -> None:
    """Call a step at a rate that wanders between 2 and 80 a second."""
    chance = random.Random(3)
    rate = 20.0
    while not stop.is_set():
        rate = min(max(rate * chance.lognormvariate(0, 0.05), 2.0), 80.0)
        step(chance)
        stop.wait(chance.expovariate(rate))


def _redis_load(port: int) -> Callable[[random.Random], None]:
    connection = socket.create_connection(("127.0.0.1", port))
    answers = connection.makefile("rb")

    def step(chance: random.Random) -> None:
        key = int(chance.paretovariate(0.7)) % 5000
        command = chance.choices(
            (f"GET k{key}", f"SET k{key} {'v' * chance.randrange(400)}x", f"INCR n{key % 50}", f"SETEX s{key} 60 session",
             f"LPUSH q{key % 5} job", f"RPOP q{key % 5}", f"HSET h{key % 20} f{key} 1", "PING"),
            (50, 15, 10, 8, 5, 5, 5, 2),
        )[0]  # fmt: skip
        connection.sendall(f"{command}\r\n".encode())
        head = answers.readline()
        if head.startswith(b"$") and not head.startswith(b"$-1"):
            answers.readline()

    return step


def _postgres_load(url: str) -> Callable[[random.Random], None]:
    connection = psycopg.connect(url, autocommit=True)

    def step(chance: random.Random) -> None:
        turn = chance.random()
        if turn < 0.6:
            connection.execute("SELECT title, body FROM documents WHERE id = %s", (chance.randrange(500),)).fetchall()
        elif turn < 0.8:
            connection.execute("INSERT INTO workflows (kind, input, status) VALUES ('rag', 'x', 'queued')")
        elif turn < 0.95:
            connection.execute(
                "UPDATE workflows SET status = 'success', finished_at = now() WHERE id = "
                "(SELECT id FROM workflows WHERE status = 'queued' ORDER BY id LIMIT 1)"
            )
        elif turn < 0.99:
            connection.execute(
                "INSERT INTO usage (tenant, requests) VALUES (%s, 1) "
                "ON CONFLICT (tenant) DO UPDATE SET requests = usage.requests + 1",
                (f"tenant-{chance.randrange(20)}",),
            )
        else:
            connection.execute("SELECT count(*) FROM documents WHERE body LIKE '%%model%%'").fetchall()

    return step


if __name__ == "__main__":
    main()
