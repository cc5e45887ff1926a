"""Targets that send junk, 50 MB, nothing, or one byte a second harm only their own ``up``."""

from __future__ import annotations

import itertools
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.e2e

JOBS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: good
    # A busy machine may keep a thread waiting for a second; with four of them one is looked at every second all the same.
    scrape_interval: 4s
    scrape_timeout: 4s
    static_configs:
      - {{targets: ["127.0.0.1:{good}"], labels: {{__metrics_path__: /a}}}}
      - {{targets: ["127.0.0.1:{good}"], labels: {{__metrics_path__: /b}}}}
      - {{targets: ["127.0.0.1:{good}"], labels: {{__metrics_path__: /c}}}}
      - {{targets: ["127.0.0.1:{good}"], labels: {{__metrics_path__: /d}}}}
    relabel_configs: [{{source_labels: [__metrics_path__], target_label: path}}]
  - job_name: hostile
    body_size_limit: 10MB
    static_configs: [{{targets: [{hostile}]}}]
"""


class Hostile:
    """Answers every connection with one behaviour."""

    def __init__(self, behave):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.behave = behave
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                connection.recv(65536)
                self.behave(connection)
            except OSError:
                return


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"


def junk(c):
    c.sendall(HEAD + b"Content-Length: 26\r\n\r\n\x00\xff\xfe junk{{{ not metrics\n}}")


def fifty_megabytes(c):
    c.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n")
    line = b"x" * 99 + b"\n"
    for _ in range(500):
        c.sendall(line * 1000)


def nothing(c):
    c.shutdown(socket.SHUT_RDWR)


def drip(c):
    c.sendall(HEAD + b"\r\n")
    for _ in range(60):
        c.sendall(b"a")
        time.sleep(1)


def silent(c):
    time.sleep(60)


def not_http(c):
    c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_only_their_own_up_is_harmed(serve, outside, wait):
    hostile = {b.__name__: Hostile(b) for b in (junk, fifty_megabytes, nothing, drip, silent, not_http)}
    jobs = JOBS.format(good=outside.port, hostile=", ".join(f'"127.0.0.1:{h.port}"' for h in hostile.values()))
    server = serve(files={"prometheus.yml": jobs}).start()
    good = f"127.0.0.1:{outside.port}"

    def all_looked_at():
        """Each of the good ones twice, each of the others so often that they have had their time to do harm."""
        found = server.query('count_over_time(up{job="good"}[1h]) >= 2')
        others = server.query('count_over_time(up{job="hostile"}[1h]) >= 4')
        return (len(found), len(others)) == (4, len(hostile))

    wait(all_looked_at, what="scrapes of all")
    up = server.query('max_over_time(up{job=~"good|hostile"}[1h])')
    assert {r["metric"]["instance"]: r["value"][1] for r in up} == {
        good: "1", **{f"127.0.0.1:{one.port}": "0" for one in hostile.values()}
    }  # fmt: skip
    assert {r["value"][1] for r in server.query('min_over_time(up{job="good"}[1h])')} == {"1"}
    for each in server.query('up{job="good"}[1h]'):
        at = [stamp for stamp, _ in each["values"]]
        assert all(b - a < 7 for a, b in itertools.pairwise(at)), "nobody holds up the others"
    errors = {t["scrapeUrl"]: t["lastError"] for t in server.get("/api/v1/targets")["data"]["activeTargets"]}
    assert sum(bool(e) for e in errors.values()) == len(hostile)
    for one in hostile.values():
        one.socket.close()
