"""A whole App behind its web server, without sockets: requests go straight into the ASGI application.

The thread of the test steps the kernel while a request waits for it, so that virtual time and real requests agree.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from urllib.parse import urlencode

from hypercare.app import build
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.time import parse_rfc3339
from hypercare.rules import check_template
from hypercare.sim import SimTarget, Simulation, VirtualClock, World, virtual_ports
from hypercare.web import create_web

START = parse_rfc3339("2026-01-05T08:00:00Z")

HYPERCARE = """
platform: shop
prometheus:
  global: {scrape_interval: 10s, evaluation_interval: 10s}
  rule_files: [rules.yml]
  scrape_configs:
    - job_name: api
      static_configs: [{targets: ["api:80", "api:81"]}]
    - job_name: dropped
      relabel_configs: [{action: drop, source_labels: [job]}]
      static_configs: [{targets: ["gone:1"]}]
alertmanager:
  route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 5s}
  receivers: [{name: hook}, {name: other}]
services:
  - {name: api, tier: 1, owner: team, runbook: "https://wiki.example/api"}
people:
  - {name: ana, contact: [{channel: console}]}
  - {name: ben, contact: [{channel: console}]}
oncall:
  schedules:
    - {name: primary, rotation: {people: [ana, ben], every: 1w, start: "2026-01-05T00:00:00"}}
escalations:
  - {name: default, steps: [{notify: ["schedule:primary"], after: 0s}, {notify: [ben], after: 5m}]}
collect: {host: {enabled: false}}
"""
RULES = """
groups:
  - name: shop
    rules:
      - {record: "job:up:sum", expr: sum by (job) (up)}
      - alert: Broken
        expr: truth == 0
        labels: {severity: critical, service: api}
        annotations: {summary: "it is {{ $value }}", runbook_url: "https://wiki.example/broken"}
      - {alert: Slow, expr: truth == 0, for: 1h, labels: {severity: warning}}
"""


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class _Loop:
    """One event loop in a thread, for all requests of all tests."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()


_LOOP = []


class Shop:
    def __init__(self, folder, more="", rules=RULES, data=True, text=HYPERCARE):
        (folder / "hypercare.yml").write_text(text + more)
        (folder / "rules.yml").write_text(rules)
        self.file = folder / "hypercare.yml"
        self.clock = VirtualClock(START)
        self.world = World(self.clock, 1)
        self.ports = virtual_ports(self.clock, self.world, 1)
        self.app = build(self.load(), self.ports, folder / "data" if data else None)
        self.sim = Simulation(self.app.kernel, self.world, self.clock)
        self.targets = [SimTarget(self.world, a) for a in ("api:80", "api:81")]
        for i, target in enumerate(self.targets):
            target.gauge("truth", 1)
            target.counter(f'requests_total{{code="200",n="{i}"}}', 10)
        ready = self.app.start()
        self.sim.run_for(0)
        ready.result(0)
        self.web = create_web(self.app, self.load)
        self.cookies = {}
        self.host = "127.0.0.1:9600"
        if not _LOOP:
            _LOOP.append(_Loop())

    def load(self):
        return load(self.file, self.ports.files, {}, INTEGRATIONS, check_template, open_schedules=True)

    def run(self, seconds):
        self.sim.run_for(seconds * 1000)

    def break_it(self):
        """Let an alert fire and its incident open."""
        self.run(15)
        for target in self.targets:
            target.gauge("truth", 0)
        self.run(25)

    def request(self, method, path, body=None, headers=None, form=None, client="127.0.0.1", data=None):
        raw, _, query = path.partition("?")
        head = {"host": self.host, **{k.lower(): v for k, v in (headers or {}).items()}}
        content = b""
        if form is not None:
            content, kind = urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
            head.setdefault("content-type", kind)
        elif body is not None:
            content = json.dumps(body).encode()
            head.setdefault("content-type", "application/json")
        elif data is not None:
            content = data
        head["content-length"] = str(len(content))
        if self.cookies and "cookie" not in head:
            head["cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if method not in {"GET", "HEAD"} and "cookie" in head and not {"origin", "sec-fetch-site"} & head.keys():
            # As a browser does.
            head["origin"] = f"http://{self.host}"
        return self.ask(method, raw, query, head, [content], client)

    def ask(self, method, raw, query, head, chunks, client="127.0.0.1"):
        from urllib.parse import unquote

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(raw), "raw_path": raw.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in head.items()],
            "client": (client, 1234), "server": ("127.0.0.1", 9600), "state": {}, "extensions": {},
        }  # fmt: skip
        done = asyncio.run_coroutine_threadsafe(self._exchange(scope, chunks), _LOOP[0].loop)
        turns = 0
        while not done.done():
            if not self.app.kernel.step():
                turns += 1
                threading.Event().wait(0.0005)
                assert turns < 40_000, f"no answer to {method} {raw}"
        answer = done.result()
        for cookie in answer.cookies:
            name, _, rest = cookie.partition("=")
            value = rest.split(";")[0].strip('"')
            if "Max-Age=0" in cookie or not value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    async def _exchange(self, scope, chunks):
        parts = list(chunks)
        head, body, cookies = {}, [], []

        async def receive():
            if parts:
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.start":
                head["status"] = message["status"]
                for name, value in message["headers"]:
                    if name.decode().lower() == "set-cookie":
                        cookies.append(value.decode("latin-1"))
                    head[name.decode("latin-1").lower()] = value.decode("latin-1")
            else:
                body.append(message.get("body", b""))

        await self.web(scope, receive, send)
        return Answer(head.pop("status"), head, cookies, b"".join(body))

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def data(self, path):
        answer = self.get(path)
        assert answer.status == 200, answer.text
        return answer.json()["data"]

    def close(self):
        assert self.app.kernel.failures == 0
        self.app.close()
