"""What should have happened and has not: found once, told elsewhere, over when it is; and the sign of life outwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import event, update

from hypercare.auditor.store import load_findings
from hypercare.incidents.commands import Acknowledge
from hypercare.kernel.tables import timers
from hypercare.model.events import AuditCleared, AuditFound, HeartbeatChanged
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.oncall.tables import escalations
from hypercare.ports import HttpResponse

FILE = Path("/virtual/hypercare.yml")
HYPERCARE = """
prometheus: prometheus.yml
alertmanager: alertmanager.yml
people:
  - name: ana
    contact: [{channel: webhook, url: "http://phone/"}]
  - name: ops
    contact: [{channel: webhook, url: "http://phone/"}, {channel: slack, url: "http://slack/hook"}]
escalations:
  - {name: default, steps: [{notify: ana}, {wait: 20m}]}
oncall: {auditor: {notify: ops, unowned_after: 10m}}
collect: {host: {enabled: false}, self: {enabled: false}}
HEART
"""
PROMETHEUS = """
global: {scrape_interval: 15s, evaluation_interval: 15s}
rule_files: [rules.yml]
scrape_configs: [{job_name: shop, static_configs: [{targets: ["a:80"]}]}]
"""
RULES = """
groups:
  - name: g
    rules:
      - {alert: Down, expr: up == 0, labels: {severity: critical}, annotations: {summary: it is down}}
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
"""
ALERTMANAGER = "{route: {receiver: none, group_wait: 1s}, receivers: [{name: none}]}"


@pytest.fixture
def house(stage):
    def make(heart="", status=200):
        texts = {"hypercare.yml": HYPERCARE.replace("HEART", heart), "prometheus.yml": PROMETHEUS}
        texts |= {"rules.yml": RULES, "alertmanager.yml": ALERTMANAGER}
        one = stage(FILE, files={FILE.with_name(n): t.encode() for n, t in texts.items()})
        one.status, one.got, one.events = {"phone": status, "slack": 200, "beat": 200}, [], []

        def host(name):
            def take(request, now):
                one.got.append((now - one.begun, name, request))
                return HttpResponse(one.status[name], {}, b"ok", 0.01, now), 10

            one.world.host(name, take)

        for name in one.status:
            host(name)
        one.app.kernel.observe(lambda at, e: one.events.append((at - one.begun, e)))
        one.begun = one.clock.now()
        one.target("a:80").gauge("x", 1)
        return one.start()

    return make


def seen(one, kind):
    return [(at, e) for at, e in one.events if isinstance(e, kind)]


def down(one):
    one.target("a:80").up = False
    one.sim.run_for(30 * SECOND)
    (incident,) = one.incidents()
    return incident


def test_nothing_is_found_where_everything_works(house):
    one = house()
    incident = down(one)
    one.call(Acknowledge(incident.id, "ana"))
    one.sim.run_for(2 * HOUR)
    assert seen(one, AuditFound) == []


def test_as_long_as_no_row_changes_nothing_is_asked_but_now_and_then(house):
    one = house()
    one.sim.run_for(HOUR)
    asked = []
    event.listen(one.app.state.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    one.sim.run_for(HOUR)
    looks = [text for text in asked if "audit_findings" in text]
    # Every ten minutes, and after whatever else was written meanwhile.
    assert 5 <= len(looks) < 20
    incident = down(one)
    one.sim.run_for(10 * MINUTE)
    assert len([text for text in asked if "audit_findings" in text]) >= len(looks) + 9
    assert one.incidents() == (incident,)


def test_a_page_that_does_not_arrive_is_told_on_another_channel_once_and_so_is_its_end(house):
    one = house(status=503)
    incident = down(one)
    one.sim.run_for(15 * MINUTE)
    ((at, found),) = seen(one, AuditFound)
    assert (found.check, found.subject) == ("page", f"incident:{incident.id}")
    assert "the page to ana via webhook has not arrived after" in found.text
    assert 5 * MINUTE < at - (incident.opened_at - one.begun) <= 6 * MINUTE
    (told,) = [r for _, name, r in one.got if name == "slack"]
    assert b"has not arrived" in told.body
    one.status["phone"] = 200
    one.sim.run_for(10 * MINUTE)
    assert [e.key for _, e in seen(one, AuditCleared)] == [found.key]
    assert len([r for _, name, r in one.got if name == "slack"]) == 2
    with one.app.state.read() as db:
        assert load_findings(db) == ()
        (kept,) = load_findings(db, all=True)
    assert kept.told == "ops via slack"
    kinds = [e.kind for e in one.timeline(incident)]
    assert kinds.count("audit_found") == kinds.count("audit_cleared") == 1


def test_nobody_was_reached(house):
    one = house(status=400)
    down(one)
    one.sim.run_for(5 * MINUTE)
    ((_, found),) = seen(one, AuditFound)
    assert found.check == "unreached"
    assert "nobody was reached; ana via webhook" in found.text


def test_an_incident_without_an_owner(house):
    one = house()
    incident = down(one)
    one.sim.run_for(29 * MINUTE)
    assert seen(one, AuditFound) == []
    one.sim.run_for(3 * MINUTE)
    ((_, found),) = seen(one, AuditFound)
    assert found.check == "owner"
    assert found.text.startswith("#1 it is down: nobody has acknowledged after 3")
    one.call(Acknowledge(incident.id, "ana"))
    one.sim.run_for(2 * MINUTE)
    assert len(seen(one, AuditCleared)) == 1


def test_a_step_that_was_lost(house):
    one = house()
    incident = down(one)
    # As if the deadline had gone: nothing in the loop would notice.
    with one.app.state.engine.begin() as db:
        db.execute(timers.delete().where(timers.c.kind == "oncall.escalate"))
        late = one.clock.now() - 3 * MINUTE
        db.execute(update(escalations).where(escalations.c.incident_id == incident.id).values(next_at=late))
    one.sim.run_for(MINUTE + SECOND)
    ((_, found),) = seen(one, AuditFound)
    assert found.check == "step"
    assert "step 2 of policy default is" in found.text
    assert "overdue" in found.text


HEART = 'heartbeat: {url: "http://beat/ping/abc", every: 1m, watchdog: Watchdog}'


def test_the_heartbeat_goes_out_while_everything_works(house):
    one = house(HEART)
    one.sim.run_for(10 * MINUTE + SECOND)
    beats = [(at, r.method, r.url) for at, name, r in one.got if name == "beat"]
    assert beats == [(n * MINUTE, "GET", "http://beat/ping/abc") for n in range(1, 11)]
    status = one.app.auditor.heartbeats.status["heartbeat"]
    assert (status.withheld, status.error) == ((), "")
    assert status.answered_at - one.begun == 10 * MINUTE + 10


def test_it_is_withheld_while_delivery_is_stuck_and_says_why(house):
    one = house(HEART.replace("}", ", method: POST}"), status=503)
    down(one)
    one.sim.run_for(10 * MINUTE)
    ((_, changed),) = seen(one, HeartbeatChanged)
    assert changed.reasons[0].startswith("a notification waits for its delivery since 5m")
    before = len([n for _, n, _ in one.got if n == "beat"])
    one.sim.run_for(5 * MINUTE)
    assert len([n for _, n, _ in one.got if n == "beat"]) == before
    one.status["phone"] = 200
    one.sim.run_for(10 * MINUTE)
    assert seen(one, HeartbeatChanged)[-1][1].reasons == ()
    body = json.loads([r for _, name, r in one.got if name == "beat"][-1].body)
    assert body["heartbeat"] == "heartbeat"


def test_it_is_withheld_while_the_rules_stand_still(house):
    one = house(HEART)
    one.sim.run_for(5 * MINUTE)
    one.app.kernel.on_timer("rules.tick", lambda *_: None)
    one.sim.run_for(5 * MINUTE)
    ((_, changed),) = seen(one, HeartbeatChanged)
    assert changed.reasons[0].startswith("the rules of group g were last evaluated 1m")


def test_without_the_watchdog_there_is_no_beat(house):
    one = house(HEART.replace("watchdog: Watchdog", "watchdog: Other"))
    one.sim.run_for(5 * MINUTE)
    ((_, changed),) = seen(one, HeartbeatChanged)
    assert changed.reasons == ("the alert Other does not arrive in routing",)


def test_a_receiver_that_refuses_is_shown(house):
    one = house(HEART)
    one.status["beat"] = 500
    one.sim.run_for(5 * MINUTE)
    status = one.app.auditor.heartbeats.status["heartbeat"]
    assert (status.error, status.answered_at) == ("HTTP 500", None)
