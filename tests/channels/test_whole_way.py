"""From configuration files to the wire: kernel, routing, outbox and dispatcher together in a virtual world."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.kernel import Kernel, Outbox
from hypercare.model.alerts import Alert
from hypercare.model.events import AlertsReceived, EffectDelivered, EffectFailed
from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, SECOND
from hypercare.ports import HttpResponse
from hypercare.routing.commands import ReceiveAlerts
from hypercare.routing.from_config import settings_from
from hypercare.routing.service import RoutingService
from hypercare.sim.clock import VirtualClock
from hypercare.sim.ports import virtual_ports
from hypercare.sim.run import Simulation
from hypercare.sim.world import World
from hypercare.state import State

T0 = 1_750_000_000_000

ALERTMANAGER = """
global:
  slack_api_url: http://slack/hook
  smtp_smarthost: mail:587
  smtp_from: alerts@example.org
templates: ['/t/*.tmpl']
route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  receiver: default-receiver
  routes:
    - match: {severity: critical}
      receiver: critical-alerts
      group_wait: 10s
      group_interval: 1m
      repeat_interval: 30m
receivers:
  - name: default-receiver
    email_configs:
      - to: team@example.org
  - name: critical-alerts
    pagerduty_configs:
      - service_key: sk
    slack_configs:
      - channel: '#critical'
        title: '{{ template "our.title" . }}'
    webhook_configs:
      - url: http://hook/x
        send_resolved: true
inhibit_rules:
  - source_match: {severity: critical}
    target_match: {severity: warning}
    equal: ['service']
"""


@dataclasses.dataclass(frozen=True)
class Say:
    event: Any


class Whole:
    def __init__(self) -> None:
        self.clock = VirtualClock(T0)
        self.world = World(self.clock)
        files = {
            Path("/c/hypercare.yml"): b"alertmanager: am.yml\n",
            Path("/c/am.yml"): ALERTMANAGER.encode(),
            Path("/t/a.tmpl"): b'{{ define "our.title" }}{{ .Status }} {{ .CommonLabels.service }}{{ end }}',
        }
        ports = virtual_ports(self.clock, self.world, files=files)
        self.mails = ports.mailer.sent
        self.status = dict.fromkeys(("slack", "hook", "events.pagerduty.com"), 200)
        self.sent: list[tuple[int, str, Any]] = []
        for host in self.status:
            self.world.host(host, self.answer)
        self.config = load(Path("/c/hypercare.yml"), ports.files, {}, INTEGRATIONS)
        dispatcher = Dispatcher(ports)
        dispatcher.configure(self.config)
        self.kernel = Kernel(State.open(None), ports, Outbox(dispatcher))
        routing = RoutingService(
            lambda config: settings_from(config.alertmanager, dispatcher.integrations, "http://hc")
        )
        routing.register(self.kernel)
        self.kernel.on_message(str, lambda ctx, _: routing.configure(ctx, self.config))
        self.kernel.on_message(Say, lambda ctx, m: ctx.publish(m.event))
        self.events: list[tuple[int, Any]] = []
        self.kernel.observe(lambda at, event: self.events.append((at, event)))
        self.kernel.start()
        self.kernel.post("configure")
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.sim.run_for(1)

    def answer(self, request: Any, now: int) -> Any:
        host = request.url.split("/")[2]
        self.sent.append((now - T0, host, json.loads(request.body)))
        return HttpResponse(self.status[host], {}, b"ok", 0.01, now), 10

    def fire(self, *alerts: Alert) -> None:
        self.kernel.post(Say(AlertsReceived(alerts)))

    def alert(self, **labels: str) -> Alert:
        return Alert(Labels.of(labels), starts_at=self.clock.now())

    def of(self, kind: type) -> list[Any]:
        return [e for _, e in self.events if isinstance(e, kind)]


@pytest.fixture
def whole():
    return Whole()


def test_the_routing_of_r5(whole):
    whole.fire(
        whole.alert(alertname="HighApiErrorRate", severity="critical", service="api"),
        whole.alert(alertname="HighApiLatency", severity="warning", service="api"),
        whole.alert(alertname="LowRagRelevance", severity="warning", service="rag"),
    )
    whole.sim.run_for(60 * SECOND)
    assert sorted((at // 1000, host) for at, host, _ in whole.sent) == [
        (10, "events.pagerduty.com"),
        (10, "hook"),
        (10, "slack"),
    ]
    by_host = {host: body for _, host, body in whole.sent}
    assert by_host["slack"]["attachments"][0]["title"] == "firing api"
    assert by_host["events.pagerduty.com"]["service_key"] == "sk"
    assert by_host["hook"]["receiver"] == "critical-alerts"
    assert [b"LowRagRelevance" in mail.message for mail in whole.mails] == [True]
    assert len(whole.of(EffectDelivered)) == 4


def test_a_channel_in_trouble_does_not_hold_up_the_others(whole):
    whole.status["slack"] = 503
    whole.fire(whole.alert(alertname="Down", severity="critical", service="api"))
    whole.sim.run_for(15 * SECOND)
    hosts = [host for _, host, _ in whole.sent]
    assert hosts.count("hook") == hosts.count("events.pagerduty.com") == 1
    assert hosts.count("slack") == 3
    whole.status["slack"] = 200
    whole.sim.run_for(10 * SECOND)
    assert [e.attempts for e in whole.of(EffectDelivered) if e.channel == "slack"] == [4]


def test_a_permanent_failure_is_seen(whole):
    whole.status["hook"] = 404
    whole.fire(whole.alert(alertname="Down", severity="critical", service="api"))
    whole.sim.run_for(1 * MINUTE)
    [failed] = whole.of(EffectFailed)
    assert failed.target == "receiver/critical-alerts/webhook/0"
    assert "HTTP 404" in failed.error


def test_broken_characters_are_refused_by_name(whole):
    future = whole.kernel.call(ReceiveAlerts((whole.alert(alertname="Down", x="\ud800"),)))
    whole.sim.run_for(1)
    assert "not valid UTF-8" in future.result()[0]
    assert whole.kernel.failures == 0
