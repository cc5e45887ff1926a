"""TempoNest's release, whole: its plan, its thresholds, its responses, under the virtual clock."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hypercare.actions.store import load_runs
from hypercare.deploys import store
from hypercare.deploys.commands import AnswerCriterion, StartWatch
from hypercare.model.time import HOUR, MINUTE
from hypercare.sim.processes import Behaviour

sys.path.insert(0, str(Path(__file__).parent))
from temponest_world import HOME, TempoNest

BEFORE = 3 * HOUR


class Release:
    """A release of agents v1.8.0 over a platform some hours old."""

    def __init__(self, stage, inbox, tmp_path, coarse, more="", early=False):
        root = tmp_path / "temponest"
        shutil.copytree(HOME, root)
        if coarse:
            # Two days in seconds: the same plan, looked at less often.
            _replace(root / "prometheus.yml", ("_interval: 30s", "_interval: 3m"))
            _replace(
                root / "hypercare.yml",
                ("evaluate_every: 30s", "evaluate_every: 10m"),
                ("sample_every: 5m", "sample_every: 10m"),
            )
            _replace(root / "hypercare.yml", ("[2m]", "[10m]"), ("[5m]", "[10m]"), ("[30m:30s]", "[30m:3m]"))
        _replace(
            root / "hypercare.yml", ("baseline: {kind: before, length: 24h}", "baseline: {kind: before, length: 3h}")
        )
        if early:
            _replace(root / "hypercare.yml", ("verdicts: [24h, 48h]", "verdicts: [2h, 48h]"))
        if more:
            (root / "hypercare.yml").write_text((root / "hypercare.yml").read_text() + more)
        self.stage = stage(root / "hypercare.yml")
        self.chat = inbox(self.stage.world, "chat.temponest.example")
        self.world = TempoNest(self.stage)
        self.processes = self.stage.ports.processes
        self.stage.start()
        self.run(BEFORE)
        self.stage.call(StartWatch("agents", "v1.8.0", "ci", previous="v1.7.0"))

    def run(self, span):
        self.stage.sim.run_for(span)

    @property
    def watch(self):
        with self.stage.app.state.read() as db:
            return store.load_watches(db)[0]

    def of(self, load):
        with self.stage.app.state.read() as db:
            return load(db, self.watch.id)

    def runs(self):
        with self.stage.app.state.read() as db:
            return [(run.action, run.state) for run in reversed(load_runs(db))]

    def answer(self, *names):
        for name in names:
            self.stage.call(AnswerCriterion("agents", name, "pass", "lead"))

    def hours(self, at):
        return (at - self.watch.started_at) / HOUR


def _replace(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture
def release(stage, inbox, tmp_path):
    def make(coarse=True, more="", early=False):
        return Release(stage, inbox, tmp_path, coarse, more, early)

    return make


def test_a_clean_release_succeeds_and_blue_waits_to_be_retired(release):
    r = release()
    r.run(20 * HOUR)
    r.answer("customer complaints", "confidence")
    r.run(28 * HOUR + 15 * MINUTE)
    verdicts = [(r.hours(v.at), v.verdict) for v in r.of(store.load_verdicts)]
    assert verdicts == [(24, "SUCCESS"), (48, "SUCCESS")], r.of(store.load_findings)
    assert len(r.of(store.load_checkpoints)) == 16 + 10 + 6
    assert r.runs() == [("retire-blue", "waiting")]
    assert r.watch.status == "done"


def test_an_error_burst_in_the_first_hour_is_rolled_back_within_minutes(release):
    r = release(coarse=False)
    healed = lambda _: r.world.healthy()  # noqa: E731
    r.processes.script("roll-back", Behaviour(takes=20_000, output=b"back on v1.7.0", changes=healed))
    r.run(30 * MINUTE)
    burst = r.stage.clock.now()
    r.world.serve("agents", failing=0.2)
    r.run(6 * MINUTE)
    critical = next(f for f in r.of(store.load_findings) if f.level == "critical")
    assert (critical.check, critical.service) == ("server errors · agents", "agents")
    assert critical.at - burst <= 4.5 * MINUTE
    assert r.runs() == [("roll-back", "done")]
    assert r.processes.started[0].argv[-2:] == ("--to", "v1.7.0")
    r.run(12 * MINUTE)
    assert (r.watch.status, r.watch.verdict) == ("done", "FAILURE")
    assert [a.state for a in r.of(store.load_requests)] == ["helped"]


def test_a_roll_back_that_fails_pages(release):
    r = release(coarse=False)
    r.processes.script("roll-back", Behaviour(exit_code=3, output=b"no image v1.7.0"))
    r.run(10 * MINUTE)
    r.world.serve("auth", failing=0.2)
    r.run(8 * MINUTE)
    assert r.runs() == [("roll-back", "failed")]
    titles = [incident.title for incident in r.stage.incidents()]
    assert any("roll-back failed" in title for title in titles)
    assert r.watch.status == "running"


def test_a_slow_leak_ends_in_concerns_and_then_in_a_roll_back(release):
    r = release()
    healed = lambda _: r.world.memory("agents", 650)  # noqa: E731
    r.processes.script("roll-back", Behaviour(changes=healed))
    r.world.memory("agents", 650, an_hour=20)
    r.run(20 * HOUR)
    r.answer("customer complaints", "confidence")
    r.run(4 * HOUR + 15 * MINUTE)
    first = r.of(store.load_verdicts)[0]
    assert first.verdict == "CONCERNS"
    leak = next(f for f in r.of(store.load_findings) if f.method == "trend")
    assert leak.check == "memory · agents"
    assert "reaches 2 GB in" in leak.reason
    r.run(16 * HOUR)
    assert [name for name, _ in r.runs()] == ["restart", "roll-back"]
    assert (r.watch.status, r.watch.verdict) == ("done", "FAILURE")
    assert [a.state for a in r.of(store.load_requests)] == ["in vain", "helped"], r.of(store.load_journal)[-12:]
    assert r.world.machine.exposition(r.stage.clock.now()).count(b"agents") == 2


def test_no_traffic_is_inconclusive_not_a_success(release):
    r = release(early=True)
    r.world.healthy(traffic=0.002)
    r.answer("customer complaints", "confidence")
    r.run(2 * HOUR + 15 * MINUTE)
    last = r.of(store.load_verdicts)[-1]
    unknown = {o["name"]: o["reason"] for o in last.outcomes if o["state"] == "unknown"}
    assert last.verdict in {"INCONCLUSIVE", "FAILURE"}
    assert any("too little traffic" in reason for reason in unknown.values())
    assert last.verdict == "INCONCLUSIVE" or any(
        o["name"] == "throughput" for o in last.outcomes if o["state"] == "fail"
    )


def test_a_metrics_source_that_is_away_is_inconclusive(release):
    r = release(more='\nmetrics: {backend: "http://prometheus.temponest.example"}\n', early=True)
    r.run(2 * HOUR + 15 * MINUTE)
    last = r.of(store.load_verdicts)[-1]
    assert last.verdict == "INCONCLUSIVE"
    away = [o for o in last.outcomes if "the source is away" in o["reason"]]
    assert len(away) > 30
    assert not any(o["state"] == "pass" for o in last.outcomes)
