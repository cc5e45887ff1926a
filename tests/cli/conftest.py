"""`hypercare serve` as a process on loopback, and the command line against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ports_kit import free_port

HYPERCARE = """
platform: shop
prometheus:
  global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
  rule_files: [rules.yml]
  scrape_configs:
    - job_name: api
      static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: api}}}}]
alertmanager:
  route: {{receiver: quiet, group_by: [alertname], group_wait: 1s, group_interval: 1s}}
  receivers: [{{name: quiet, webhook_configs: [{{url: "http://127.0.0.1:{port}/hook"}}]}}]
services: [{{name: api, tier: 1, owner: team}}]
people: [{{name: ana, contact: [{{channel: console}}]}}]
oncall: {{schedules: [{{name: primary, rotation: {{people: [ana], every: 1w, start: "2026-01-05T00:00:00"}}}}]}}
collect: {{host: {{enabled: false}}}}
"""
RULES = """
groups:
  - name: shop
    rules:
      - alert: Broken
        # A scrape that comes too late on a busy machine ends the series, and is not the end of the fault.
        expr: last_over_time(truth[5m]) == 0
        for: 1s
        labels: {severity: critical, service: api}
        annotations: {summary: "no \\e[31mtruth\\e[0m", runbook_url: "https://wiki.example/broken"}
"""


class Target:
    """One target whose truth can be changed; counts what is posted to it."""

    def __init__(self):
        self.truth, self.posts = 1, 0
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f"truth {target.truth}\n".encode())

            def do_POST(self):
                target.posts += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            # With a short queue, connections are tried again a second later by the system.
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def until(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


@pytest.fixture(scope="module")
def target():
    one = Target()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def platform(tmp_path_factory, target):
    """A folder with a platform's configuration."""
    folder = tmp_path_factory.mktemp("platform")
    (folder / "hypercare.yml").write_text(HYPERCARE.format(port=target.port))
    (folder / "rules.yml").write_text(RULES)
    return folder


@pytest.fixture
def other_target(tmp_path):
    """A target of its own, which no server watches, and the configuration of its platform."""
    one = Target()
    (tmp_path / "hypercare.yml").write_text(HYPERCARE.format(port=one.port))
    (tmp_path / "rules.yml").write_text(RULES)
    yield one, tmp_path / "hypercare.yml"
    one.server.shutdown()


@pytest.fixture(scope="module")
def cli(platform):
    """Run a command: gives its exit code, output and errors."""

    def run(*arguments, url="", seconds=120, **env):
        known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
        return subprocess.run(
            [sys.executable, "-m", "hypercare", *arguments], capture_output=True, text=True, timeout=seconds, check=False,
            env={**known, "HYPERCARE_URL": url or "http://127.0.0.1:1", **env}, cwd=platform,
        )  # fmt: skip

    run.until = until
    return run


@pytest.fixture(scope="module")
def server(platform, cli):
    """A running server; gives a `cli` that talks to it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (platform / "output.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercare", "serve", "--data", str(platform / "data"), "--listen", f"127.0.0.1:{port}"],
            stdout=log, stderr=log, cwd=platform,
        )  # fmt: skip

    def ready():
        assert process.poll() is None, (platform / "output.log").read_text()
        try:
            return urllib.request.urlopen(f"{url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    until(ready, "the server")

    def ask(*arguments, **kwargs):
        return cli(*arguments, url=url, **kwargs)

    def good(*arguments, **kwargs):
        """What a command says once it ends well: a scrape that came too late is no news of the command."""
        return until(lambda: (ended := ask(*arguments, **kwargs)).returncode == 0 and ended, f"success of {arguments}")

    ask.url, ask.until, ask.good = url, until, good
    # Whichever test comes first on this worker, it finds two scrapes.
    until(lambda: ask("query", "count_over_time(truth[1m]) > 1").stdout.startswith("series"), "the second scrape")
    yield ask
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
