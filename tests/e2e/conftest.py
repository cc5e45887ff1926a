"""Real processes on loopback: hypercare itself, a target that can be broken, a receiver that remembers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from waiting_kit import wait_for

from ports_kit import free_port


class Outside:
    """One HTTP server: /metrics is the target's truth, everything posted is remembered."""

    def __init__(self):
        self.metrics = "up_truth 1\n"
        self.posts = []
        self.status = 200
        outside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = outside.metrics.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outside.posts.append((time.time(), self.path, dict(self.headers), json.loads(body)))
                self.send_response(outside.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            # With a short queue, connections are tried again a second later by the system.
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def to(self, path):
        return [body for _, p, _, body in self.posts if p == path]


class Server:
    """One `hypercare serve`."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.arguments = arguments
        self.process = None
        self.output = folder / "output.log"

    def start(self):
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hypercare", "serve", "--config", str(self.folder / "hypercare.yml"),
                 "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}", *self.arguments],
                stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
            )  # fmt: skip
        wait_for(lambda: self.process.poll() is not None or self.ready(), 150, f"ready\n{self.output.read_text()}")
        assert self.process.poll() is None, self.output.read_text()
        return self

    def ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def query(self, expr):
        from urllib.parse import quote

        return self.get(f"/api/v1/query?query={quote(expr)}")["data"]["result"]

    def cli(self, *arguments, check=False):
        return subprocess.run(
            [sys.executable, "-m", "hypercare", *arguments], capture_output=True, text=True, timeout=120, check=check,
            env={**os.environ, "HYPERCARE_URL": self.url, "COLUMNS": "200"}, cwd=self.folder,
        )  # fmt: skip

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


HYPERCARE = """
platform: test
prometheus: prometheus.yml
alertmanager: alertmanager.yml
services: [{{name: shop, tier: 1, owner: team}}]
people:
  - {{name: ana, contact: [{{channel: webhook, url: "http://127.0.0.1:{port}/page/ana"}}]}}
  - {{name: ben, contact: [{{channel: webhook, url: "http://127.0.0.1:{port}/page/ben"}}]}}
escalations:
  - name: default
    steps:
      - {{notify: [ana], after: 0s}}
      - {{notify: [ben], after: {second}}}
incidents: {{quiet_time: 2s}}
collect: {{host: {{enabled: false}}}}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: shop}}}}]
"""
RULES = """
groups:
  - name: shop
    rules:
      - alert: Broken
        # A scrape that comes too late on a busy machine ends the series, and is not the end of the fault.
        expr: last_over_time(up_truth[5m]) == 0
        for: 1s
        labels: {severity: critical}
        annotations: {summary: "the shop is broken", runbook_url: "https://wiki.example/broken"}
"""
ALERTMANAGER = """
route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}
receivers:
  - name: hook
    webhook_configs: [{{url: "http://127.0.0.1:{port}/hook", send_resolved: true}}]
"""


@pytest.fixture
def outside():
    one = Outside()
    yield one
    one.server.shutdown()


@pytest.fixture
def serve(tmp_path, outside):
    """Write a platform's files and make servers for it."""
    made = []

    def make(second="3s", files=(), folder=tmp_path, **extra):
        texts = {
            "hypercare.yml": HYPERCARE.format(port=outside.port, second=second) + extra.get("more", ""),
            "prometheus.yml": PROMETHEUS.format(port=outside.port),
            "alertmanager.yml": ALERTMANAGER.format(port=outside.port),
            "rules.yml": RULES,
            **dict(files),
        }
        for name, text in texts.items():
            (folder / name).write_text(text)
        made.append(Server(folder, *extra.get("arguments", ())))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def wait():
    return wait_for


@pytest.fixture
def port():
    return free_port
