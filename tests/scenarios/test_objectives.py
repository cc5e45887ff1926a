"""An objective of a service, under the virtual clock: its budget is recorded, its burning is told, a watch looks at it."""

from __future__ import annotations

from hypercare.deploys import store
from hypercare.deploys.commands import CancelWatch, StartWatch
from hypercare.model.time import DAY, HOUR, MINUTE
from hypercare.reports.overview import overview

CONFIG = """
platform: shop
prometheus: prometheus.yml
alertmanager: alertmanager.yml
services:
  - name: api
    slo:
      error_rate: 1%
      errors: sum(rate(requests_total{code="500"}[$window]))
      total: sum(rate(requests_total[$window]))
people: [{name: ana, contact: [{channel: console}]}]
collect: {host: {enabled: false}}
deployments:
  plans:
    - name: short
      phases: [{name: all, until: 2h, every: 30m}]
      evaluate_every: 1m
      sample_every: 2m
      baseline: {kind: fixed}
      checks: [{name: load, expr: 'sum(rate(requests_total[5m]))', compare: false}]
"""
FILES = {
    "hypercare.yml": CONFIG,
    "prometheus.yml": """
global: {scrape_interval: 30s, evaluation_interval: 30s}
scrape_configs: [{job_name: api, static_configs: [{targets: ["api:80"], labels: {service: api}}]}]
""",
    "alertmanager.yml": """
route: {receiver: hook, group_by: [alertname], group_wait: 1s}
receivers: [{name: hook, webhook_configs: [{url: "http://hook/"}]}]
""",
}


def test_a_budget_is_kept_and_its_burning_is_told(stage, inbox, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    one = stage(tmp_path / "hypercare.yml")
    hook = inbox(one.world, "hook")
    api = one.target("api:80")

    def errors(share):
        api.counter('requests_total{code="200"}', 20 * (1 - share))
        api.counter('requests_total{code="500"}', 20 * share)

    errors(0.002)
    one.start()

    def now():
        with one.app.state.read() as db:
            (line,) = overview(one.app, db, one.app.ports.clock.now()).services[0].budgets
        return line

    assert (now().name, now().percent, now().left) == ("errors", 99.0, None)
    one.sim.run_for(40 * MINUTE)
    assert abs(now().left - 0.8) < 0.05
    assert abs(now().burn - 0.2) < 0.05
    assert hook.json() == []

    watch = one.call(StartWatch("api", "v2", "ci"))
    assert [check.name for check in watch.plan.all_checks()] == ["load", "error budget: errors"]
    errors(0.4)
    one.sim.run_for(HOUR + 5 * MINUTE)
    told = [(a["labels"]["service"], a["labels"]["slo"], a["labels"]["severity"])
            for body in hook.json() for a in body["alerts"] if a["labels"]["alertname"] == "ErrorBudgetBurn"]  # fmt: skip
    assert ("api", "errors", "critical") in told
    assert now().left < 0
    assert now().burn > 14.4
    with one.app.state.read() as db:
        found = store.load_findings(db, watch.id)
    assert ("error budget: errors", "burn", "critical") in [(f.check, f.method, f.level) for f in found]


def test_watches_that_ended_long_ago_are_forgotten(stage, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(
            text.replace("scrape_interval: 30s, evaluation_interval: 30s", "scrape_interval: 1h")
        )
    file = tmp_path / "hypercare.yml"
    plans = CONFIG.partition("deployments:")[2]
    file.write_text(
        f"platform: shop\nstorage: {{history: 1d}}\ncollect: {{host: {{enabled: false}}, self: {{interval: 1h}}}}\ndeployments:{plans}"
    )
    one = stage(file)
    one.start()
    for service, version in (("api", "v1"), ("api", "v2"), ("web", "v1")):
        one.call(StartWatch(service, version, "ci"))
        one.call(CancelWatch(service, "ci"))
    one.call(StartWatch("api", "v3", "ci"))
    one.call(CancelWatch("api", "ci"))
    one.sim.run_for(DAY + 2 * HOUR)
    with one.app.state.read() as db:
        assert [(w.service, w.version) for w in store.load_watches(db)] == [("api", "v3"), ("web", "v1")]
        assert db.exec_driver_sql("SELECT count(DISTINCT watch_id) FROM deploy_journal").scalar() == 2
