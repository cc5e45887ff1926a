"""48 virtual hours of a platform of 28 services: faults, pages, a person who answers; and the same log again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypercare.deploys.commands import StartWatch
from hypercare.incidents.commands import Acknowledge
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.ports import HttpResponse

SERVICES = [f"service-{n:02d}" for n in range(28)]
WATCHED = SERVICES[0]
FAILED = 'http_requests_total{code="500",status="500"}'
ROOT = Path("/virtual")

HYPERCARE = """
platform: two-days
prometheus: prometheus.yml
alertmanager: alertmanager.yml
services:
{services}
people:
  - {{name: ana, timezone: Europe/Madrid, contact: [{{channel: webhook, url: "http://phone-ana/"}}]}}
  - {{name: ben, timezone: Europe/London, contact: [{{channel: webhook, url: "http://phone-ben/"}}]}}
oncall:
  schedules:
    - {{name: primary, timezone: Europe/London, rotation: {{people: [ana, ben], every: 1d, start: "2026-01-05T09:00:00"}}}}
    - {{name: secondary, timezone: Europe/London, rotation: {{people: [ben, ana], every: 1d, start: "2026-01-05T09:00:00"}}}}
escalations:
  - name: default
    steps:
      - {{notify: ["schedule:primary"], after: 0s}}
      - {{notify: ["schedule:secondary"], after: 10m}}
collect: {{host: {{enabled: false}}}}
"""
# The default phases of 48 hours; the checks are those that are ready made.
WATCH = """
deployments:
  plans: [{name: default, use: [http, process], baseline: {kind: before, length: 2h}}]
"""
PROMETHEUS = """
global: {{scrape_interval: 30s, evaluation_interval: 30s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: platform
    static_configs:
{targets}
"""
ALERTMANAGER = """
route: {receiver: chat, group_by: [alertname, service], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
  - name: chat
    webhook_configs: [{url: "http://chat/"}]
"""
# Thirty rules of the usual kinds: 10 recordings, 20 alerts.
RECORDINGS = {
    "service:requests:rate5m": "sum by (service) (rate(http_requests_total[5m]))",
    "service:errors:rate5m": 'sum by (service) (rate(http_requests_total{code="500"}[5m]))',
    "service:errors:ratio5m": "service:errors:rate5m / service:requests:rate5m",
    "service:latency:p95": "histogram_quantile(0.95, sum by (service, le) (rate(http_request_duration_seconds_bucket[5m])))",
    "service:latency:mean": "sum by (service) (rate(http_request_duration_seconds_sum[5m])) / sum by (service) (rate(http_request_duration_seconds_count[5m]))",
    "platform:requests:rate5m": "sum(service:requests:rate5m)",
    "platform:errors:ratio5m": "sum(service:errors:rate5m) / sum(service:requests:rate5m)",
    "service:memory:mb": "process_resident_memory_bytes / 1048576",
    "service:cpu:rate5m": "rate(process_cpu_seconds_total[5m])",
    "platform:up:ratio": "avg(up)",
}
ALERTS = {
    "Down": ("up == 0", "1m", "critical"),
    "HighErrors": ("service:errors:ratio5m > 0.05", "2m", "critical"),
    "VeryHighErrors": ("service:errors:ratio5m > 0.5", "1m", "critical"),
    "Slow": ("service:latency:p95 > 2", "5m", "warning"),
    "VerySlow": ("service:latency:p95 > 8", "5m", "critical"),
    "SlowMean": ("service:latency:mean > 1", "10m", "warning"),
    "MemoryHigh": ("service:memory:mb > 900", "5m", "warning"),
    "MemoryCritical": ("service:memory:mb > 1500", "5m", "critical"),
    "CpuHigh": ("service:cpu:rate5m > 0.9", "10m", "warning"),
    "NoTraffic": ("service:requests:rate5m < 0.01", "10m", "warning"),
    "QueueLong": ("queue_depth > 500", "5m", "warning"),
    "QueueStuck": ("queue_depth > 500 and deriv(queue_depth[10m]) > 0", "15m", "critical"),
    "PlatformErrors": ("platform:errors:ratio5m > 0.05", "2m", "critical"),
    "PlatformPartlyDown": ("platform:up:ratio < 0.9", "2m", "critical"),
    "ConnectionsHigh": ("db_connections / db_connections_max > 0.8", "5m", "warning"),
    "ManyRestarts": ("changes(process_start_time_seconds[1h]) > 3", "1m", "warning"),
    "MemoryLeak": ("predict_linear(process_resident_memory_bytes[1h], 4 * 3600) > 3e9", "30m", "warning"),
    "ErrorsGrow": (
        "service:errors:rate5m > 4 * (service:errors:rate5m offset 1h) and service:errors:rate5m > 1",
        "10m",
        "warning",
    ),
    "FilesHigh": ("process_open_fds / process_max_fds > 0.8", "5m", "warning"),
    "ScrapeSlow": ("scrape_duration_seconds > 5", "5m", "warning"),
}


def rule_file():
    rules = [{"record": name, "expr": expr} for name, expr in RECORDINGS.items()]
    rules += [
        {"alert": name, "expr": expr, "for": wait, "labels": {"severity": severity},
         "annotations": {"summary": "{{ $labels.service }}: " + name + " at {{ $value | humanize }}"}}
        for name, (expr, wait, severity) in ALERTS.items()
    ]  # fmt: skip
    assert len(rules) == 30
    return json.dumps({"groups": [{"name": "platform", "rules": rules}]})


def files(more=""):
    services = "\n".join(f"  - {{name: {s}, tier: 2, owner: team}}" for s in SERVICES)
    targets = "\n".join(f"      - {{targets: ['{s}:80'], labels: {{service: {s}}}}}" for s in SERVICES)
    texts = {
        "hypercare.yml": HYPERCARE.format(services=services) + more,
        "prometheus.yml": PROMETHEUS.format(targets=targets),
        "alertmanager.yml": ALERTMANAGER,
        "rules.yml": rule_file(),
    }
    return {ROOT / name: text.encode() for name, text in texts.items()}


def healthy(target, n):
    target.counter('http_requests_total{code="200",status="200"}', 20 + n)
    target.counter(FAILED, 0.01)
    target.histogram("http_request_duration_seconds", "", 20 + n, 0.2)
    target.gauge("process_resident_memory_bytes", 3e8, noise=5e6)
    target.counter("process_cpu_seconds_total", 0.3)
    target.gauge("process_start_time_seconds", 1.7e9)
    target.gauge("process_open_fds", 100, noise=5)
    target.gauge("process_max_fds", 1024)
    target.gauge("queue_depth", 20, noise=3)
    target.gauge("db_connections", 30, noise=2)
    target.gauge("db_connections_max", 100)


class Phone:
    """A person who acknowledges what they are paged for, after a while, unless they sleep."""

    def __init__(self, stage, name, answers_after):
        self.stage, self.name, self.answers_after = stage, name, answers_after
        self.pages = []
        stage.world.host(f"phone-{name}", self._ring)

    def _ring(self, request, now):
        page = json.loads(request.body)
        self.pages.append((now, page))
        if self.answers_after is not None:
            ref = page["incident"]["id"] if isinstance(page.get("incident"), dict) else page["incident_id"]
            kernel = self.stage.app.kernel
            self.stage.world.after(self.answers_after, lambda: kernel.call(Acknowledge(ref, self.name)))
        return HttpResponse(200, {}, b"", 0.05, now), 50


def operations(target, series):
    """Counters of what such a process does, until its page has so many series."""
    now = target.exposition(0).count(b"\n")
    for n in range(series - now):
        target.counter(f'app_operations_total{{operation="operation-{n:03d}"}}', 0.5 + n % 7)


def platform(stage, inbox, series=0, more="", lead=0):
    """The platform, its people, and what happens to it: so many ms after the start."""
    house = stage(ROOT / "hypercare.yml", seed=7, files=files(more))
    for n, service in enumerate(SERVICES):
        healthy(house.target(f"{service}:80"), n)
        if series:
            operations(house.target(f"{service}:80"), series)
    chat = inbox(house.world, "chat")
    ana, ben = Phone(house, "ana", 3 * MINUTE), Phone(house, "ben", None)
    start = house.clock.now() + lead
    at = lambda hour, act: house.world.at(start + int(hour * HOUR), act)  # noqa: E731 - reads as a plan
    t = house.target
    at(1, lambda: setattr(t("service-03:80"), "up", False))
    at(1.5, lambda: setattr(t("service-03:80"), "up", True))
    at(4, lambda: t("service-07:80").counter(FAILED, 9))
    at(5, lambda: t("service-07:80").counter(FAILED, 0.01))
    at(10, lambda: t("service-11:80").histogram("http_request_duration_seconds", "", 31, 4.0))
    at(12, lambda: t("service-11:80").histogram("http_request_duration_seconds", "", 31, 0.2))
    at(20, lambda: t("service-20:80").gauge("process_resident_memory_bytes", 3e8, slope=5e4))
    at(30, lambda: t("service-20:80").gauge("process_resident_memory_bytes", 3e8))
    at(26, lambda: setattr(t("service-15:80"), "junk", b"<html>502</html>"))
    at(27, lambda: setattr(t("service-15:80"), "junk", None))
    house.start()
    return house, chat, ana, ben


def two_days(stage, inbox, hours):
    house, *others = platform(stage, inbox)
    house.sim.run_for(hours * HOUR)
    return house, *others


def deployed(stage, inbox, lead):
    """The platform with a hundred series a service; what is deployed now is held against the time before."""
    house, *_ = platform(stage, inbox, 100, WATCH, lead)
    house.sim.run_for(lead)
    house.call(StartWatch(WATCHED, "v2", "ci"))
    return house


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_48_hours_and_half_a_day_again_with_the_same_seed_give_the_same_log(stage, inbox):
    house, chat, ana, ben = two_days(stage, inbox, 48)
    assert house.errors() == {}
    snapshot = house.app.tsdb.snapshot()
    scrapes = house.app.engine.instant(snapshot, 'sum(count_over_time(up{job="platform"}[48h]))', house.clock.now())
    assert scrapes.values[0] == pytest.approx(28 * 48 * 120, rel=0.001)
    incidents = {i.title.split(":")[0]: i for i in house.incidents()}
    assert {"service-03", "service-07", "service-15"} <= set(incidents)
    assert house.incidents("unresolved") == ()
    down = incidents["service-03"]
    assert (down.acknowledged_by, down.time_to_acknowledge // MINUTE) == ("ana", 3)
    # Ben was on call from the second morning on and slept: it went to ana after ten minutes.
    junk = incidents["service-15"]
    assert junk.acknowledged_by == "ana"
    assert 13 * MINUTE <= junk.time_to_acknowledge <= 13 * MINUTE + 5 * SECOND
    assert ana.pages
    assert ben.pages
    assert chat.requests
    again, *_ = two_days(stage, inbox, 13)
    assert len(again.log.lines) > 30
    assert again.log.lines == house.log.lines[: len(again.log.lines)]
