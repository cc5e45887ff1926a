"""Rules that another server answers: away, slow, partial, and back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hypercare.channels.registry import INTEGRATIONS
from hypercare.config import load
from hypercare.model.samples import STALE
from hypercare.model.time import MINUTE, SECOND
from hypercare.ports import HttpResponse, PortError
from hypercare.rules import check_template
from hypercare.rules.answers import AWAY

sys.path.insert(0, str(Path(__file__).parent))
from elsewhere_kit import Elsewhere

CONFIG = """
metrics:
  backend: {url: "http://tsdb.test:9090/prom/", timeout: 5s, basic_auth: {username: hc, password: secret}}
prometheus:
  global: {evaluation_interval: 15s}
  rule_files: [rules.yml]
alertmanager:
  route: {receiver: hook, group_wait: 1s, group_by: [alertname]}
  receivers: [{name: hook, webhook_configs: [{url: "http://hook.test/"}]}]
collect: {host: false, self: false}
"""
RULES = """
groups:
  - name: g
    rules:
      - alert: Slow
        expr: latency_seconds > 1
        for: 30s
        annotations: {others: '{{ with query (print "count(latency_seconds{job=\\"" .Labels.job "\\"})") }}{{ . | first | value }}{{ end }}'}
      - record: job:latency:max
        expr: max by (job) (latency_seconds)
"""


@pytest.fixture
def scene(stage, tmp_path, inbox):
    (tmp_path / "hypercare.yml").write_text(CONFIG)
    (tmp_path / "rules.yml").write_text(RULES)
    made = stage(tmp_path / "hypercare.yml")
    hook, there = inbox(made.world, "hook.test"), Elsewhere(made)
    made.start()

    def passes(seconds, value):
        """Let time pass while the other server has this latency."""
        for _ in range(seconds // 5):
            if value is not None:
                there.tell(value, job="api", instance="a")
            made.sim.run_for(5 * SECOND)

    return made, there, hook, passes


def test_a_fault_seen_by_the_other_server_fires_and_resolves(scene):
    stage, there, hook, passes = scene
    passes(60, 0.2)
    assert stage.states("Slow") == set()
    passes(90, 3.0)
    assert stage.states("Slow") == {"firing"}
    assert stage.errors() == {}
    (sent,) = hook.json()
    assert sent["alerts"][0]["annotations"] == {"others": "1"}
    url, query, at, password = there.asked[0]
    assert (url, query, password) == ("http://tsdb.test:9090/prom/api/v1/query", "latency_seconds > 1", "secret")
    # Asked for the scheduled instant, whenever that was.
    assert at * 1000 % (15 * SECOND) == stage.app.rules.snapshot.groups[0].last_evaluation % (15 * SECOND)
    # Recordings and ALERTS are in our own store, from where they go out by remote write to the same server.
    stored = stage.app.engine.instant(stage.app.tsdb.snapshot(), '{__name__=~"job:.*|ALERTS"}', stage.clock.now())
    assert sorted(labels.get("__name__") for labels in stored.labels) == ["ALERTS", "job:latency:max"]
    assert there.written
    passes(60, 0.2)
    assert stage.states("Slow") == set()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PortError("refused", "connection refused"), f"{AWAY}: connection refused"),
        (HttpResponse(503, {}, b"down for maintenance", 0.1, 0), f"{AWAY}: HTTP 503: down for maintenance"),
        (
            HttpResponse(
                200, {}, b'{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}', 0.1, 0
            ),
            f"{AWAY} in part",
        ),
    ],
    ids=["refused", "503", "partial"],
)
def test_a_source_that_is_away_resolves_nothing(scene, answer, said):
    stage, there, hook, passes = scene
    passes(90, 3.0)
    assert stage.states("Slow") == {"firing"}
    there.answer = answer
    passes(600, None)
    assert stage.states("Slow") == {"firing"}
    assert {error[: len(said)] for error in stage.errors().values()} == {said}
    assert len(stage.errors()) == 2
    assert stage.app.backend.away
    there.answer = None
    passes(30, 0.1)
    assert stage.states("Slow") == set()
    assert stage.errors() == {}
    assert not stage.app.backend.away
    assert [sent["status"] for sent in hook.json()] == ["firing"]
    passes(300, 0.1)
    assert [sent["status"] for sent in hook.json()] == ["firing", "resolved"]


def test_a_slow_source_leaves_evaluations_out_and_ends_in_a_time_out(scene):
    stage, there, _hook, passes = scene
    passes(90, 3.0)
    there.delay = 60 * SECOND
    passes(300, 3.0)
    # Every query ends at its time-out of 5 s: late, but none is left out.
    assert {error.split(":")[0] for error in stage.errors().values()} == {AWAY}
    assert stage.states("Slow") == {"firing"}
    there.delay = 4 * SECOND
    passes(60, 3.0)
    assert stage.errors() == {}
    assert stage.app.rules.missed == 0


def test_going_back_to_the_own_store(scene, tmp_path):
    stage, there, _hook, passes = scene
    passes(90, 3.0)
    there.delay = 4 * SECOND
    path = tmp_path / "hypercare.yml"
    path.write_text(CONFIG.replace("metrics:", "metrics: {}\n#").replace("  backend", "#"))
    asked = len(there.asked)
    taken = stage.app.reload(lambda: load(path, stage.ports.files, {}, INTEGRATIONS, check_template))
    stage.sim.run_for(0)
    taken.result(timeout=0)
    passes(5 * MINUTE // SECOND, 3.0)
    assert len(there.asked) - asked <= 4
    # Our store knows nothing of the latency: the alert is over once that is sure.
    assert stage.states("Slow") == set()


def test_stale_markers_of_the_other_server_are_its_own_affair(scene):
    stage, there, _hook, passes = scene
    passes(90, 3.0)
    there.tell(STALE, job="api", instance="a")
    passes(45, None)
    assert stage.states("Slow") == set()
