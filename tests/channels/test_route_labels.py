"""Labels of routes: inherited, templated, in templates, in webhooks' messages, and in secrets that are templates."""

from __future__ import annotations

import json
from pathlib import Path

from hypercare.app import build
from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.time import SECOND, parse_rfc3339
from hypercare.ports import HttpResponse
from hypercare.routing.commands import ReceiveAlerts
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports

CONFIG = """
collect: {host: {enabled: false}}
alertmanager:
  templates: [/t/*.tmpl]
  route:
    receiver: all
    group_by: [alertname]
    group_wait: 1s
    labels: {team: platform, room: "#{{ routeLabels \\"team\\" }}-{{ .CommonLabels.env }}", key: "key-{{ .GroupLabels.alertname }}"}
    routes:
      - {matchers: [alertname="Db"], receiver: all, labels: {team: data}}
      - {matchers: [alertname="Bad"], receiver: all, labels: {team: "{{ .Nothing }}", room: "{{ routeLabels \\"room\\" }}"}}
  receivers:
    - name: all
      webhook_configs: [{url: "http://hook/x"}]
      slack_configs: [{api_url: "http://slack/x", channel: '{{ routeLabels "room" }}', title: '{{ template "ours" . }}'}]
      pagerduty_configs: [{routing_key: '{{ routeLabels "key" }}', url: "http://pagerduty/v2"}]
"""
TEMPLATE = (
    '{{ define "ours" }}{{ range .RouteLabels.SortedPairs }}{{ .Name }} {{ end }}/ {{ .NotificationReason }}{{ end }}'
)


def told(alertname, text=CONFIG):
    clock = VirtualClock(parse_rfc3339("2026-01-05T08:00:00Z"))
    world = World(clock, 1)
    files = {Path("/c/hypercare.yml"): text.encode(), Path("/t/a.tmpl"): TEMPLATE.encode()}
    ports = virtual_ports(clock, world, 1, files=files)
    got = {}

    def answer(request, now):
        got[request.url.split("/")[2]] = json.loads(request.body)
        return HttpResponse(200, {}, b"ok", 0.01, now), 10

    for host in ("hook", "slack", "pagerduty"):
        world.host(host, answer)
    app = build(load(Path("/c/hypercare.yml"), ports.files, {}, INTEGRATIONS), ports)
    sim = Simulation(app.kernel, world, clock)
    app.start()
    sim.run_for(0)
    app.kernel.call(ReceiveAlerts((Alert(Labels.of(alertname=alertname, env="eu"), starts_at=clock.now()),)))
    sim.run_for(5 * SECOND)
    app.close()
    return got


def test_inherited_and_templated():
    got = told("Db")
    assert got["hook"]["routeLabels"] == {"key": "key-Db", "room": "#data-eu", "team": "data"}
    assert got["slack"]["channel"] == "#data-eu"
    assert got["slack"]["attachments"][0]["title"] == "key room team / first notification"
    assert got["pagerduty"]["routing_key"] == "key-Db"
    assert told("Other")["hook"]["routeLabels"]["room"] == "#platform-eu"


def test_a_faulty_one_swallows_no_alert():
    got = told("Bad")
    assert got["hook"]["routeLabels"]["room"] == '{{ routeLabels "room" }}', "it refers to itself"
    assert got["hook"]["alerts"][0]["labels"]["alertname"] == "Bad"
    assert set(got) == {"hook", "slack", "pagerduty"}


def test_without_labels_the_message_is_that_of_alertmanager_0_25():
    lines = [line for line in CONFIG.splitlines() if "labels: {" not in line and "matchers" not in line]
    plain = "\n".join(lines).replace("    routes:\n", "").replace("'{{ routeLabels \"key\" }}'", "k")
    plain = plain.replace("'{{ routeLabels \"room\" }}'", "'#x'")
    assert "routeLabels" not in told("Db", plain)["hook"]
