"""Kinds of errors that a release brings: found in its watch, named, and told from those that were there before."""

from __future__ import annotations

import pytest

from hypercare.deploys import store
from hypercare.deploys.commands import StartWatch
from hypercare.model.time import HOUR, MINUTE

CONFIG = """
platform: shop
prometheus: prometheus.yml
alertmanager: false
services: [{name: api}]
collect: {host: {enabled: false}, self: {enabled: false}}
deployments:
  plans:
    - name: p
      evaluate_every: 1m
      sample_every: 5m
      baseline: {kind: before, length: 3h}
      phases: [{name: whole, until: 6h, every: 1h}]
      checks:
        - name: new errors
          expr: sum by (type) (errors_total{service="$service"})
          traffic: sum(rate(requests_total{service="$service"}[5m]))
          pattern: type
          events: 10
          warning: 0.1%
          critical: 5%
"""
PROMETHEUS = """
global: {scrape_interval: 1m, evaluation_interval: 1m}
scrape_configs: [{job_name: api, static_configs: [{targets: ["api:80"], labels: {service: api}}]}]
"""


class House:
    def __init__(self, stage, tmp_path, data=None):
        (tmp_path / "hypercare.yml").write_text(CONFIG)
        (tmp_path / "prometheus.yml").write_text(PROMETHEUS)
        self.make = lambda start=None: stage(
            tmp_path / "hypercare.yml", data=data, **({"start": start} if start else {})
        )
        self.stage = self.make()
        self.begin()

    def begin(self):
        self.api = self.stage.target("api:80")
        self.api.counter("requests_total", 10)
        self.api.counter('errors_total{type="timeout"}', 0.02)
        self.stage.start()

    def run(self, span):
        self.stage.sim.run_for(span)

    def findings(self):
        with self.stage.app.state.read() as db:
            watch = store.load_watches(db)[0]
            return watch, store.load_findings(db, watch.id)


@pytest.fixture
def house(stage, tmp_path):
    return House(stage, tmp_path)


def test_a_new_kind_is_found_and_an_old_one_is_not(house):
    h = house
    h.api.counter('errors_total{type="quota"}', 0.05)
    h.run(HOUR)
    h.api.counter('errors_total{type="quota"}', 0.0)
    h.run(4 * HOUR)
    h.stage.call(StartWatch("api", "v2", "ci"))
    h.run(HOUR)
    # It occurred in another hour of the baseline.
    h.api.counter('errors_total{type="quota"}', 0.2)
    h.run(HOUR)
    assert not h.findings()[1]
    h.api.counter('errors_total{type="KeyError"}', 0.1)
    # With a past of five hours a few moments may be chance yet.
    h.run(40 * MINUTE)
    _, [found] = h.findings()
    assert (found.method, found.level, found.until) == ("pattern", "warning", None)
    assert found.reason.startswith("new: 'KeyError': ")
    assert found.query == 'sum by (type) (errors_total{service="api"})'
    h.api.counter('errors_total{type="KeyError"}', 0.0)
    h.run(3 * HOUR + 30 * MINUTE)
    watch, [found] = h.findings()
    assert found.until is not None, "it has passed"
    assert (watch.status, watch.verdict) == ("running", "CONCERNS")


def test_many_of_them_fail_the_release(house):
    h = house
    h.run(4 * HOUR)
    h.stage.call(StartWatch("api", "v2", "ci"))
    h.api.counter('errors_total{type="KeyError"}', 2.0)
    h.run(15 * MINUTE)
    assert [(f.method, f.level) for f in h.findings()[1]] == [("pattern", "critical")]
    h.run(6 * HOUR)
    assert h.findings()[0].verdict == "FAILURE"


def test_without_a_past_nothing_is_new_and_nothing_is_sure(house):
    h = house
    h.run(10 * MINUTE)
    h.stage.call(StartWatch("api", "v1", "ci"))
    h.api.counter('errors_total{type="KeyError"}', 2.0)
    h.run(6 * HOUR + MINUTE)
    watch, found = h.findings()
    assert not found
    assert watch.verdict == "INCONCLUSIVE"


def test_a_restart_forgets_nothing(stage, tmp_path):
    h = House(stage, tmp_path, data=tmp_path / "data")
    h.run(4 * HOUR)
    h.stage.call(StartWatch("api", "v2", "ci"))
    h.api.counter('errors_total{type="KeyError"}', 0.1)
    h.run(30 * MINUTE)
    before = h.findings()[1]
    assert len(before) == 1
    h.stage.app.close()
    h.stage.app.close = lambda: None
    h.stage = h.make(start=h.stage.clock.now() + MINUTE)
    h.begin()
    h.api.counter('errors_total{type="KeyError"}', 0.1)
    h.run(30 * MINUTE)
    after = h.findings()[1]
    assert [(f.since, f.reason, f.until) for f in after] == [(f.since, f.reason, f.until) for f in before]
