"""A backtest over what a simulated server recorded says what that server did: each transition, each notification."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import is_absent, is_stale
from hypercare.model.time import HOUR, MINUTE, SECOND, format_rfc3339
from hypercare.rehearse.history import StoreHistory
from hypercare.rehearse.run import Order, run
from hypercare.tsdbtools import read_only, store_directory

ROOT = Path("/virtual")
HYPERCARE = """
platform: shop
prometheus: prometheus.yml
alertmanager: alertmanager.yml
services: [{name: api, tier: 1, owner: team}, {name: llm, tier: 2, owner: team}]
people:
  - {name: ana, timezone: Europe/Madrid, contact: [{channel: webhook, url: "http://phone/"}]}
  - {name: ravi, timezone: Asia/Kolkata, contact: [{channel: webhook, url: "http://phone/"}]}
oncall:
  schedules:
    - {name: primary, timezone: Europe/Madrid, rotation: {people: [ana, ravi], every: 1d, start: "2026-01-05T12:00:00"}}
escalations: [{name: default, steps: [{notify: "schedule:primary"}, {notify: everyone, after: 10m}], repeat: 1}]
collect: {host: {enabled: false}}
"""
PROMETHEUS = """
global: {scrape_interval: 15s, evaluation_interval: 30s, external_labels: {region: eu}}
rule_files: [rules.yml]
alerting:
  alert_relabel_configs: [{source_labels: [severity], regex: info, action: drop}]
scrape_configs:
  - job_name: shop
    static_configs:
      - {targets: ["api-1:80", "api-2:80"], labels: {service: api}}
      - {targets: ["llm:80"], labels: {service: llm}}
"""
ALERTMANAGER = """
route:
  {receiver: chat, group_by: [alertname], group_wait: 30s, group_interval: 2m, repeat_interval: 1h,
   routes: [{matchers: ['severity="critical"'], receiver: pager, continue: true}, {matchers: ['team=~".*"'], receiver: chat}]}
inhibit_rules: [{source_matchers: ['alertname="Down"'], target_matchers: ['alertname="Errors"'], equal: [service]}]
receivers: [{name: chat, webhook_configs: [{url: "http://chat/"}]}, {name: pager, webhook_configs: [{url: "http://pager/"}]}]
"""
RULES = """
groups:
  - name: shop
    rules:
      - {record: "service:requests:rate2m", expr: "sum by (service) (rate(http_requests_total[2m]))"}
      - {record: "service:errors:ratio2m", expr: 'sum by (service) (rate(http_requests_total{code="500"}[2m])) / service:requests:rate2m'}
      - {alert: Errors, expr: "service:errors:ratio2m > 0.05", for: 2m, keep_firing_for: 3m, labels: {severity: critical}, annotations: {summary: "{{ $labels.service }} {{ $value | humanizePercentage }}"}}
      - {alert: Down, expr: up == 0, for: 1m, labels: {severity: critical}, annotations: {summary: "{{ $labels.instance }}"}}
  - name: slow
    interval: 1m
    rules:
      - {alert: Queue, expr: queue_depth > 400, for: 5m, labels: {severity: warning}, annotations: {summary: "{{ $value }}"}}
      - {alert: Gone, expr: 'absent(special{service="api"})', for: 2m, labels: {severity: warning}}
      - {alert: Note, expr: queue_depth > 300, labels: {severity: info}}
      - {alert: Both, expr: 'count(ALERTS{alertstate="firing",alertname!="Both"}) > 1', labels: {severity: warning}}
"""
FILES = {
    ROOT / "hypercare.yml": HYPERCARE,
    ROOT / "prometheus.yml": PROMETHEUS,
    ROOT / "alertmanager.yml": ALERTMANAGER,
    ROOT / "rules.yml": RULES,
}


def live(stage):
    """Four hours with faults."""
    targets = {name: stage.target(f"{name}:80") for name in ("api-1", "api-2", "llm")}
    for n, target in enumerate(targets.values()):
        target.counter('http_requests_total{code="200"}', 20 + n)
        target.counter('http_requests_total{code="500"}', 0.1)
        target.gauge("queue_depth", 100, noise=60)
        target.gauge("special", 1)
    stage.start()
    stage.sim.run_for(20 * MINUTE)
    targets["api-1"].counter('http_requests_total{code="500"}', 15)
    stage.sim.run_for(13 * MINUTE + 7 * SECOND)
    targets["api-1"].counter('http_requests_total{code="500"}', 0.1)
    stage.sim.run_for(20 * MINUTE)
    targets["llm"].up = False
    stage.sim.run_for(25 * MINUTE)
    targets["llm"].up = True
    targets["llm"].restart()
    targets["llm"].gauge("queue_depth", 420, noise=40)
    stage.sim.run_for(40 * MINUTE)
    for name in ("api-1", "api-2"):
        targets[name].remove("special")
        targets[name].counter('http_requests_total{code="500"}', 3)
    stage.sim.run_for(15 * MINUTE)
    targets["api-2"].up = False
    stage.sim.run_for(10 * MINUTE)
    targets["api-2"].up = True
    targets["api-1"].gauge("special", 1)
    stage.sim.run_for(35 * MINUTE)
    for name in ("api-1", "api-2"):
        targets[name].counter('http_requests_total{code="500"}', 0.1)
    targets["llm"].gauge("queue_depth", 100, noise=10)
    stage.sim.run_for(62 * MINUTE)


@pytest.fixture
def lived(stage, inbox, tmp_path):
    made = stage(ROOT / "hypercare.yml", data=tmp_path, files={p: t.encode() for p, t in FILES.items()})
    inbox(made.world, "phone", "chat", "pager")
    live(made)
    assert not made.errors()
    return made


def events(stage, kind):
    return [event for event in map(json.loads, stage.log.lines) if event["event"] == kind]


def backtest(stage, tmp_path, **options):
    with read_only(store_directory(tmp_path)) as db:
        assert not db.problems
        start = stage.app.started_at
        order = Order(stage.config.rules, start, stage.clock.now(), 30 * SECOND, 0, stage.config, **options)
        return run(order, StoreHistory(db.snapshot()), "here")


@pytest.mark.parametrize("exact", [False, True])
def test_the_same_transitions_and_notifications_as_the_server(lived, tmp_path, exact):
    # The server runs on: the store is read from a copy.
    lived.app.tsdb.flush(lived.clock.now())
    report = backtest(lived, tmp_path, exact=exact)
    same_transitions(lived, report)
    same_ticks(lived, report)
    same_notifications(lived, report)


def same_transitions(lived, report):
    really = [
        (
            event["at"],
            sorted((sorted(a["labels"].items()), a["ends_at"] is not None, a["starts_at"]) for a in event["alerts"]),
        )
        for event in events(lived, "alerts.received")
    ]
    rehearsed = [
        (
            format_rfc3339(at),
            sorted((sorted(a.labels.as_dict().items()), a.ends_at is not None, a.starts_at) for a in alerts),
        )
        for at, alerts in report.played.news
    ]
    assert rehearsed == really
    assert {story.rule.spec.name: bool(story.fired) for story in report.stories} == dict.fromkeys(
        ("Errors", "Down", "Queue", "Gone", "Note", "Both"), True
    )


def same_notifications(lived, report):
    notified = [(e["at"], e["receiver"], len(e["firing"]), len(e["resolved"])) for e in events(lived, "group.notified")]
    paged = [(e["at"], e["person"], e["channel"], e["step"] + 1) for e in events(lived, "page.sent")]
    told = report.routed.told
    assert [(format_rfc3339(t.at), t.who, t.firing, t.resolved) for t in told if t.kind == "receiver"] == notified
    assert [(format_rfc3339(t.at), t.who, t.channel, t.step) for t in told if t.kind == "person"] == paged
    assert len(notified) > 15
    assert len(paged) > 5
    assert {who for _, who, _, _ in paged} == {"ana", "ravi"}


def same_ticks(lived, report):
    """Pending and firing at every tick, as in the server's own ALERTS series."""
    ticks = {}
    for matrix in lived.app.tsdb.snapshot().select(
        (Matcher("__name__", MatchOp.EQUAL, "ALERTS"),), 0, lived.clock.now()
    ):
        here = ~(is_stale(matrix.values) | is_absent(matrix.values))
        for column, labels in enumerate(matrix.labels):
            key = labels.without(("__name__",))
            ticks.setdefault(key, set()).update(matrix.times[here[:, column]].tolist())
    spans = {}
    for story in report.stories:
        group = next(s for s in report.backtest._specs if story.rule.spec in s.rules)
        for span in story.spans:
            edges = [
                ("pending", span.pending_at, span.fired_at or span.ended_at),
                ("firing", span.fired_at, span.ended_at),
            ]
            for state, low, high in edges:
                if low is not None:
                    last = lived.clock.now() + 1 if high is None else high
                    at = range(group.due(low), last, group.interval)
                    spans.setdefault(span.labels.with_({"alertstate": state}), set()).update(at)
    assert {k: sorted(v) for k, v in spans.items() if v} == {k: sorted(v) for k, v in ticks.items()}


def test_acknowledgements_and_what_is_missing(lived, tmp_path):
    lived.app.tsdb.flush(lived.clock.now())
    alone = backtest(lived, tmp_path)
    answered = backtest(lived, tmp_path, ack_after=2 * MINUTE)
    pages = [[t for t in r.routed.told if t.kind == "person"] for r in (alone, answered)]
    assert 0 < len(pages[1]) < len(pages[0])
    assert all(t.step == 1 for t in pages[1])
    assert "2m after the first page" in answered.routed.assumption

    with read_only(store_directory(tmp_path)) as db:
        start = lived.app.started_at
        past = StoreHistory(db.snapshot())
        empty = run(Order(lived.config.rules, start - 9 * HOUR, start - 6 * HOUR, 30 * SECOND), past, "here")
        partial = run(Order(lived.config.rules, start - 2 * HOUR, start + HOUR, 30 * SECOND), past, "here")
    assert not empty.has_data
    assert partial.has_data
    assert partial.unknown[0][0] == start - 2 * HOUR
    assert abs(partial.unknown[0][1] - start) < MINUTE
    since = {gap.selector: gap.since for gap in partial.gaps}
    assert abs(since["up"] - start) < MINUTE
