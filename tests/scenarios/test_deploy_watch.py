"""Deployments under watch, whole: good and bad releases, the source away, restarts, people who answer or do not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from hypercare.deploys import store
from hypercare.deploys.commands import AnswerCriterion, CancelWatch, SignCheckpoint, StartWatch
from hypercare.kernel import CommandError
from hypercare.model.events import ActionEnded, ActionWanted, IncidentWanted, WatchFound
from hypercare.model.samples import SampleMatrix
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.ports import HttpResponse
from hypercare.reports.deployment_story import CHECKPOINTS, METRICS, Stories
from hypercare.rules.answers import AWAY, Answer

CONFIG = """
platform: shop
prometheus: prometheus.yml
alertmanager: false
services: [{name: api}]
people: [{name: ana, contact: [{channel: webhook, url: "http://phone/"}]}]
collect: {host: {enabled: false}}
actions: [{name: roll-back, http: {url: "http://deployer/roll-back"}}]
deployments:
  plans:
    - name: default
      notify: [ana]
      baseline: {kind: BASELINE, length: 3h}
      rollback: roll-back
      evaluate_every: 30s
      sample_every: 2m
      phases:
        - {name: intensive, until: 1h, every: 15m}
        - {name: active, until: 3h, every: 30m}
        - {name: standard, until: 6h, every: 1h}
      extend: 3h
      use: [{name: http, services: [api]}]
      checks:
        - {name: memory, expr: 'max(process_resident_memory_bytes{service="api"})', leak: true, critical: 2GB, tolerance: 30%}
        - name: http errors
          expr: (sum(rate(http_requests_total{service="$service",status="500"}[2m])) or vector(0)) / sum(rate(http_requests_total{service="$service"}[2m]))
          traffic: sum(rate(http_requests_total{service="$service"}[2m]))
          minimum_traffic: 0.5
          ratio: true
          services: [api]
          warning: 1%
          critical: 5%
          for: 2m
          actions: [roll-back]
      criteria: [CRITERIA]
"""
PROMETHEUS = """
global: {scrape_interval: 30s, evaluation_interval: 30s}
scrape_configs: [{job_name: api, static_configs: [{targets: ["api:80"], labels: {service: api}}]}]
"""


class House:
    """A platform with one service, young."""

    def __init__(self, stage, inbox, tmp_path, baseline="before", criteria="", data=None, rollback="done"):
        root = tmp_path / "conf"
        root.mkdir(exist_ok=True)
        text = CONFIG.replace("BASELINE", baseline).replace("CRITERIA", criteria)
        (root / "hypercare.yml").write_text(text)
        (root / "prometheus.yml").write_text(PROMETHEUS)
        self.make = lambda start=None: stage(root / "hypercare.yml", data=data, **({"start": start} if start else {}))
        self.stage = self.make()
        self.phone = inbox(self.stage.world, "phone")
        self.wanted, self.found = [], []
        self.rollback = rollback
        self._prepare()

    def _prepare(self):
        self.api = self.stage.target("api:80")
        self.good()
        self.stage.world.host("deployer", self._roll_back)
        kernel = self.stage.app.kernel
        kernel.subscribe(ActionWanted, self._on_wanted)
        kernel.subscribe(WatchFound, lambda _, event: self.found.append(event))
        kernel.subscribe(IncidentWanted, lambda _, event: self.wanted.append(event.title))
        self.stage.start()

    def _on_wanted(self, _, event):
        self.wanted.append(event.action)

    def _roll_back(self, _, now):
        if self.rollback == "done":
            self.good()
        status = 500 if self.rollback == "failed" else 200
        return HttpResponse(status, {"content-type": "text/plain"}, b"", 0.02, now), 20

    def good(self, rate=20.0):
        self.api.counter('http_requests_total{status="200"}', rate)
        self.api.counter('http_requests_total{status="500"}', rate / 1000)
        self.api.histogram("http_request_duration_seconds", "", rate=rate, mean=0.2)
        self.api.gauge("process_resident_memory_bytes", 5e8, noise=5e6)

    def run(self, span):
        self.stage.sim.run_for(span)

    def deploy(self, **more):
        return self.stage.call(StartWatch("api", more.pop("version", "v2"), "ci", **more))

    def watch(self):
        with self.stage.app.state.read() as db:
            return store.load_watches(db)[0]

    def of(self, load):
        with self.stage.app.state.read() as db:
            return load(db, self.watch().id)

    def told(self):
        return [entry["title"] for entry in self.phone.json()]


@pytest.fixture
def house(stage, inbox, tmp_path):
    def make(**given):
        return House(stage, inbox, tmp_path, **given)

    return make


def test_a_clean_release(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(6 * HOUR + MINUTE)
    watch = h.watch()
    assert [f.reason for f in h.of(store.load_findings) if f.level != "note"] == []
    assert (watch.status, watch.verdict) == ("done", "SUCCESS")
    points = h.of(store.load_checkpoints)
    assert len(points) == 4 + 4 + 3
    assert all(p.taken_at == p.due_at for p in points)
    assert all(p.missed_at == p.due_at + 30 * MINUTE for p in points[:-1])
    assert points[3].readings["http p95"]["value"] == pytest.approx(0.6, rel=0.3)
    assert points[3].readings["http p95"]["baseline"] == pytest.approx(0.6, rel=0.3)
    verdicts = h.of(store.load_verdicts)
    assert [(v.at - watch.started_at, v.verdict, v.final) for v in verdicts] == [
        (3 * HOUR, "SUCCESS", False),
        (6 * HOUR, "SUCCESS", True),
    ]
    assert {o["state"] for o in verdicts[-1].outcomes} == {"pass"}
    assert h.wanted == []
    assert "api v2: SUCCESS after 6h" in h.told()[-1]
    assert sum("Checkpoint" in title for title in h.told()) == 11


def test_an_error_burst_is_rolled_back_within_minutes(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    started = h.deploy().started_at
    h.run(HOUR)
    h.api.counter('http_requests_total{status="500"}', 3.0)
    burst = h.stage.clock.now()
    h.run(5 * MINUTE)
    critical = next(f for f in h.of(store.load_findings) if f.level == "critical")
    assert critical.check == "http errors"
    assert critical.method == "limit"
    # Two scrapes, the time the rate needs to pass the bound, and `for`.
    assert critical.at - burst <= 2 * 30 * SECOND + 2 * MINUTE + 60 * SECOND
    assert h.wanted == ["roll-back"]
    h.run(11 * MINUTE)
    watch = h.watch()
    assert (watch.status, watch.verdict) == ("done", "FAILURE")
    assert [r.state for r in h.of(store.load_requests)] == ["helped"]
    assert watch.ended_at - started < 80 * MINUTE
    assert any("http errors critical" in title for title in h.told())


def test_a_roll_back_that_fails_pages(house):
    h = house(rollback="failed")
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(30 * MINUTE)
    h.api.counter('http_requests_total{status="500"}', 3.0)
    h.run(10 * MINUTE)
    assert h.wanted[0] == "roll-back"
    assert "roll-back failed" in h.wanted[1]
    assert h.watch().status == "running"
    assert h.of(store.load_requests)[0].state == "failed"


def test_a_roll_back_that_does_not_help_pages(house):
    h = house(rollback="")
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(30 * MINUTE)
    h.api.counter('http_requests_total{status="500"}', 3.0)
    h.run(6 * MINUTE)
    request = h.of(store.load_requests)[0]
    h.stage.app.kernel.post(_Done(request.id))
    h.stage.app.kernel.on_message(_Done, lambda ctx, m: ctx.publish(ActionEnded(m.id, "roll-back", "done", "ok")))
    h.run(11 * MINUTE)
    assert h.of(store.load_requests)[0].state == "in vain"
    assert "did not help" in h.wanted[-1]


class _Done:
    def __init__(self, request_id):
        self.id = request_id


def test_a_slow_leak_ends_in_concerns_and_more_time(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.api.gauge("process_resident_memory_bytes", 5e8, noise=5e6, slope=3e7 / 3600)
    h.run(6 * HOUR + MINUTE)
    watch = h.watch()
    assert (watch.status, watch.verdict, watch.extensions) == ("running", "CONCERNS", 1)
    assert any(f.check == "memory" for f in h.of(store.load_findings))
    assert watch.ends_at == watch.started_at + 9 * HOUR
    dues = tuple(point.due_at - watch.started_at for point in h.of(store.load_checkpoints))
    assert h.stage.app.deploys.observed[watch.id].looks == dues


def test_no_traffic_at_night_is_inconclusive(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.good(rate=0.01)
    h.run(6 * HOUR + MINUTE)
    watch = h.watch()
    assert (watch.status, watch.verdict) == ("done", "INCONCLUSIVE")
    unknown = [o for o in h.of(store.load_verdicts)[-1].outcomes if o["state"] == "unknown"]
    assert any("too little traffic" in o["reason"] for o in unknown)


def test_a_target_that_is_gone_is_inconclusive_or_worse(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(HOUR)
    h.api.up = False
    h.run(3 * HOUR)
    assert h.watch().verdict in {"INCONCLUSIVE", "FAILURE"}


def test_people_are_asked_and_answer(house):
    h = house(criteria="{name: complaints, ask: 'how many customers complained?'}")
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(15 * MINUTE)
    signed = h.stage.call(SignCheckpoint("api", "ana", notes="quiet"))
    assert signed.service == "api"
    point = h.of(store.load_checkpoints)[0]
    assert (point.signed_by, point.notes, point.missed_at) == ("ana", "quiet", None)
    with pytest.raises(CommandError, match="ana has signed checkpoint 1 already"):
        h.stage.call(SignCheckpoint("api", "ben", number=1))
    h.run(6 * HOUR)
    assert h.watch().verdict == "INCONCLUSIVE"
    with pytest.raises(CommandError, match="nobody is asked 'complaint'"):
        h.stage.call(AnswerCriterion("api", "complaint", "pass", "ana"))
    after = h.stage.call(AnswerCriterion("api", "complaints", "pass", "ana", "none"))
    assert after.verdict == "SUCCESS"


def test_a_second_release_replaces_the_first_only_when_asked(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    with pytest.raises(CommandError, match=r"api v2 is being watched \(#1\)"):
        h.deploy(version="v3")
    second = h.deploy(version="v3", replace=True)
    assert (second.number, second.version) == (2, "v3")
    assert h.stage.call(CancelWatch("2", "ana", "wrong")).status == "cancelled"


def test_a_restart_between_checkpoints_repeats_and_loses_nothing(house, tmp_path):
    h = house(data=tmp_path / "data")
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(37 * MINUTE)
    h.api.counter('http_requests_total{status="500"}', 0.5)
    h.run(20 * MINUTE)
    before = h.of(store.load_findings), h.of(store.load_checkpoints)
    assert any(f.until is None for f in before[0])
    h.stage.app.close()
    h.stage.app.close = lambda: None
    again = h.make(start=h.stage.clock.now() + MINUTE)
    h.stage = again
    h._prepare()
    h.api.counter('http_requests_total{status="500"}', 0.5)
    h.run(5 * MINUTE)
    after = h.of(store.load_findings), h.of(store.load_checkpoints)
    assert [(f.check, f.method, f.since) for f in after[0]] == [(f.check, f.method, f.since) for f in before[0]]
    assert [(p.taken_at, p.readings) for p in after[1]][:3] == [(p.taken_at, p.readings) for p in before[1]][:3]
    h.run(40 * MINUTE)
    points = h.of(store.load_checkpoints)
    assert all(p.taken_at is not None for p in points if p.due_at <= h.stage.clock.now())
    assert len({p.number for p in points}) == 11


def as_matrix(series):
    return SampleMatrix((series.labels,), series.times, series.values.reshape(-1, 1), dense=True)


def test_curves_of_an_ended_watch_come_from_whoever_has_the_metrics(house):
    h = house()
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(2 * HOUR)
    h.stage.call(CancelWatch("1", "ana", "enough"))
    app = h.stage.app
    own = Stories(app).of(h.watch()).checks
    assert {c.source for c in own} == {METRICS}
    away = Answer(error=f"{AWAY}: refused")

    def told(questions, seconds):
        found = {q: app.engine.instant(app.tsdb.snapshot(), q.query, q.at).series for q in questions}
        return {q: Answer(matrices=tuple(map(as_matrix, series))) for q, series in found.items()}

    app.backend = SimpleNamespace(settings=True, look=lambda questions, _: dict.fromkeys(questions, away))
    stories = Stories(app)
    assert {c.source for c in stories.of(h.watch()).checks} == {CHECKPOINTS}
    # The other server is back: what was seen while it was away is not kept.
    app.backend.look = told
    theirs = stories.of(h.watch()).checks
    assert {c.source for c in theirs} == {METRICS}
    for mine, yours in zip(own, theirs, strict=True):
        np.testing.assert_array_equal(mine.during.values, yours.during.values)
        np.testing.assert_array_equal(mine.during.traffic, yours.during.traffic)


def test_a_new_value_of_the_version_label_starts_a_watch(stage, tmp_path):
    (tmp_path / "hypercare.yml").write_text(
        "platform: shop\nprometheus: prometheus.yml\nalertmanager: false\ncollect: {host: {enabled: false}}\n"
        "deployments: {version_label: version, plans: [{name: p, checks: [{name: up, expr: min(up), critical: 2}]}]}\n"
    )
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 10s}\nscrape_configs:\n"
        "  - job_name: api\n    file_sd_configs: [{files: [targets.json], refresh_interval: 10s}]\n"
    )
    listed = tmp_path / "targets.json"

    def out(version):
        labels = {"service": "api", "version": version}
        one.ports.files.write(listed, json.dumps([{"targets": ["api:80"], "labels": labels}]).encode())

    listed.write_text("[]")
    one = stage(tmp_path / "hypercare.yml")
    out("v1")
    one.target("api:80").gauge("x", 1)
    one.start()

    def watched():
        with one.app.state.read() as db:
            return [(w.version, w.status, w.by) for w in store.load_watches(db)]

    one.sim.run_for(3 * MINUTE)
    assert watched() == []
    out("v2")
    one.sim.run_for(3 * MINUTE)
    assert watched() == [("v2", "running", "hypercare")]
    out("v3")
    one.sim.run_for(8 * MINUTE)
    assert watched() == [("v3", "running", "hypercare"), ("v2", "cancelled", "hypercare")]


def test_a_verdict_does_not_ask_for_a_roll_back_that_is_under_way(house):
    h = house(rollback="")
    h.run(3 * HOUR + 10 * MINUTE)
    h.deploy()
    h.run(2 * HOUR + 54 * MINUTE)
    h.api.counter('http_requests_total{status="500"}', 3.0)
    h.run(7 * MINUTE)
    assert h.of(store.load_verdicts)[-1].verdict == "FAILURE"
    assert h.wanted.count("roll-back") == 1
