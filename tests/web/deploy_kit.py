"""A shop with a short plan for deployments, in virtual time; used by the tests of pages and of reports."""

from __future__ import annotations

from hypercare.deploys import store
from hypercare.deploys.commands import StartWatch
from hypercare.ports import HttpResponse

TEXT = """
platform: shop
prometheus:
  global: {scrape_interval: 30s, evaluation_interval: 30s}
  rule_files: [rules.yml]
  scrape_configs: [{job_name: api, static_configs: [{targets: ["api:80"], labels: {service: api}}]}]
alertmanager: false
services: [{name: api}]
people: [{name: ana, contact: [{channel: console}]}]
collect: {host: {enabled: false}}
actions: [{name: roll-back, http: {url: "http://deployer/roll-back"}}]
deployments:
  plans:
    - name: quick
      notify: [ana]
      baseline: {kind: BASELINE, length: 1h}
      rollback: roll-back
      evaluate_every: 30s
      sample_every: 1m
      sign_off: 5m
      phases: [{name: intensive, until: 20m, every: 10m}, {name: standard, until: 1h, every: 20m}]
      extensions: 0
      checks:
        - {name: memory, expr: 'max(process_resident_memory_bytes{service="$service"})', leak: true, unit: bytes, critical: 2GB, tolerance: 30%}
        - {name: llm cost, expr: 'sum(llm_cost_rate{color="$color"}) or sum(llm_cost_rate{color=""})', unit: $/h}
        - name: http errors
          expr: (sum(rate(http_requests_total{service="$service",status="500"}[2m])) or vector(0)) / sum(rate(http_requests_total{service="$service"}[2m]))
          traffic: sum(rate(http_requests_total{service="$service"}[2m]))
          ratio: true
          target: 0.1%
          warning: 1%
          critical: 5%
          for: 1m
          actions: [roll-back]
      criteria: [{name: complaints, ask: "how many customers <b>complained</b>?"}]
"""


class DeployShop:
    """A shop whose releases are watched."""

    def __init__(self, make, baseline="before", **given):
        self.shop = make(text=TEXT.replace("BASELINE", baseline), rules="groups: []", **given)
        self.api = self.shop.targets[0]
        self.good()
        self.shop.world.host("deployer", self._roll_back)

    def _roll_back(self, _, now):
        self.good()
        return HttpResponse(200, {"content-type": "text/plain"}, b"rolled back", 0.02, now), 20

    def good(self):
        self.api.counter('http_requests_total{status="200"}', 20.0)
        self.api.counter('http_requests_total{status="500"}', 0.02)
        self.api.gauge("process_resident_memory_bytes", 5e8, noise=5e6)
        self.api.gauge('llm_cost_rate{color="blue"}', 2.0)
        self.api.gauge('llm_cost_rate{color="green"}', 3.0)

    def bad(self):
        self.api.counter('http_requests_total{status="500"}', 3.0)

    def run(self, minutes):
        self.shop.run(60 * minutes)

    def call(self, command):
        future = self.shop.app.kernel.call(command)
        self.shop.sim.run_for(0)
        return future.result(timeout=0)

    def deploy(self, version="v2", **more):
        return self.call(StartWatch("api", version, "ci", color="green", other_color="blue", **more))

    def watch(self, ref="api"):
        with self.shop.app.state.read() as db:
            return store.load_watch(db, ref)
