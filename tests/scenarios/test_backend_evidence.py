"""Graphs of incidents whose metrics another server has: kept as at the opening, however late it answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hypercare.incidents.room_store import load_evidence
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.ports import HttpResponse, PortError
from hypercare.rules.answers import AWAY

sys.path.insert(0, str(Path(__file__).parent))
from elsewhere_kit import Elsewhere

CONFIG = """
metrics: {backend: {url: "http://tsdb.test:9090", basic_auth: {username: hc, password: secret}}}
prometheus: {global: {evaluation_interval: 15s}, rule_files: [rules.yml]}
alertmanager:
  route: {receiver: hook, group_wait: 1s, group_by: [alertname]}
  receivers: [{name: hook, webhook_configs: [{url: "http://hook.test/"}]}]
collect: {host: false, self: false}
incidents: {open: ['alertname="Slow"']}
"""
RULES = """
groups:
  - {name: g, rules: [{alert: Slow, expr: latency_seconds > 1 and errors_ratio > 0.1, for: 30s, labels: {service: api}}]}
"""
AWAY_NOW = PortError("refused", "connection refused")
REFUSED = HttpResponse(400, {}, b'{"status":"error","errorType":"bad_data","error":"too many points"}', 0.01, 0)


class Scene:
    def __init__(self, stage, inbox, tmp_path):
        self._make, self._inbox, self._path = stage, inbox, tmp_path
        (tmp_path / "hypercare.yml").write_text(CONFIG)
        (tmp_path / "rules.yml").write_text(RULES)
        self.there = None
        self.begin()

    def begin(self, **start):
        self.stage = self._make(self._path / "hypercare.yml", data=self._path / "data", **start)
        old, self.there = self.there, Elsewhere(self.stage)
        if old is not None:
            self.there.source = old.source
        self._inbox(self.stage.world, "hook.test")
        self.stage.start()

    def again(self):
        """The same a minute later, from what is on disk."""
        self.stage.app.close()
        self.stage.app.close = lambda: None
        self.begin(start=self.stage.clock.now() + MINUTE)

    def passes(self, seconds, latency=None, answer=None):
        for _ in range(seconds // 5):
            if latency is not None:
                for instance, value in (("a", latency), ("b", 0.1)):
                    self.there.tell(value, instance=instance)
                    self.there.tell(0.5, instance=instance, name="errors_ratio")
            self.there.ranges = answer
            self.stage.sim.run_for(5 * SECOND)

    def graphs(self):
        (incident,) = self.stage.incidents()
        with self.stage.app.state.read() as db:
            found = [each for each in load_evidence(db, incident.id) if each.kind == "graph"]
        return incident, [each.data for each in found], [each.title for each in found]

    def told(self):
        (incident,) = self.stage.incidents()
        return [entry.text for entry in self.stage.timeline(incident) if "evidence" in entry.text]


@pytest.fixture
def scene(stage, inbox, tmp_path):
    return Scene(stage, inbox, tmp_path)


def test_both_sides_of_the_expression_are_kept(scene):
    scene.passes(600, 0.25)
    scene.passes(90, 3.0)
    incident, (latency, errors), titles = scene.graphs()
    assert titles == ["Slow", "Slow"]
    assert (latency["expr"], latency["op"], latency["threshold"]) == ("latency_seconds", ">", 1.0)
    assert (errors["expr"], errors["threshold"]) == ("errors_ratio", 0.1)
    # The alert's own series first; nothing before there were samples, then the fault.
    assert [one["labels"]["instance"] for one in latency["series"]] == ["a", "b"]
    values = latency["series"][0]["values"]
    assert values[0] is None
    assert set(values) == {None, 0.25, 3.0}
    assert values[-1] == 3.0
    assert latency["start"] + latency["step"] * (len(values) - 1) == incident.opened_at
    assert scene.told() == ["evidence kept: graphs to come, 0 deployments, 0 other alerts", "evidence kept: 2 graphs"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_source_that_is_away_at_the_opening_is_asked_again(scene, restarted):
    scene.passes(120, 0.25)
    scene.passes(5 * MINUTE // SECOND, 3.0, AWAY_NOW)
    incident, none, _ = scene.graphs()
    assert not none
    if restarted:
        scene.again()
    scene.passes(5 * MINUTE // SECOND, 0.25)
    _, graphs, _ = scene.graphs()
    # As at the opening, not as when it came back.
    assert [g["series"][0]["values"][-1] for g in graphs] == [3.0, 0.5]
    assert {g["start"] + g["step"] * (len(g["series"][0]["values"]) - 1) for g in graphs} == {incident.opened_at}
    asked = len(scene.there.asked)
    scene.passes(10 * MINUTE // SECOND)
    assert not [query for _, query, at, _ in scene.there.asked[asked:] if query == "errors_ratio"]
    assert scene.told().count("evidence kept: 2 graphs") == 1


@pytest.mark.parametrize(
    ("answer", "said"), [(AWAY_NOW, AWAY), (REFUSED, "the source refuses the query: bad_data: too many points")]
)
def test_without_an_answer_the_graph_says_why(scene, answer, said):
    scene.passes(120, 0.25)
    scene.passes((HOUR + 10 * MINUTE) // SECOND if answer is AWAY_NOW else 120, 3.0, answer)
    _, graphs, _ = scene.graphs()
    assert [g["error"][: len(said)] for g in graphs] == [said, said]
    assert [g["series"] for g in graphs] == [[], []]
