"""Actions in a scenario's world: one end of a run, as the scenario says; and blue and green side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypercare.model.errors import InputError
from hypercare.rehearse.stories import expectations, facts
from hypercare.rehearse.stories.reading import read
from hypercare.rehearse.stories.stage import Stage
from hypercare.sim.ports import VirtualFiles

FILES = Path(__file__).parent / "files"
CONFIG = """
prometheus: prometheus.yml
people: [{name: ana, contact: [{channel: webhook, url: "http://phone-ana/"}]}]
escalations: [{name: default, steps: [{notify: [ana], after: 0s}]}]
collect: {host: {enabled: false}, self: {enabled: false}}
deployments:
  plans:
    - phases: [{name: all, until: 2h, every: 30m}]
      evaluate_every: 1m
      sample_every: 5m
      sign_off: 0s
      baseline: fixed
      rollback: back
      checks:
        - name: errors
          expr: sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))
          ratio: true
          critical: 0.1
          actions: [back]
actions: [ACTION]
"""
STORY = """
length: 50m
services: {api: {version: v1, traffic: {rate: 20/s}}}
actions: {back: PLAN}
happens: [{at: 10m, service: api, deploy: {version: v2, hides: {errors: 0.5, after: 5m}}}]
"""


def run(path, text=""):
    if text:
        path.write_text(text)
    stage = Stage(read(path, VirtualFiles(), {}))
    stage.run()
    assert stage.app.kernel.failures == 0
    stage.close()
    return stage, [{"t": at, **json.loads(line)} for (at, _), line in zip(stage.events, stage.log.lines, strict=True)]


@pytest.fixture
def play(tmp_path):
    def play(action, plan):
        (tmp_path / "hypercare.yml").write_text(CONFIG.replace("ACTION", action))
        scraped = "scrape_configs: [{job_name: api, static_configs: [{targets: ['api:80']}]}]\n"
        (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1m, evaluation_interval: 1m}\n" + scraped)
        return run(tmp_path / "story.yml", STORY.replace("PLAN", plan))

    return play


KUBECTL = "kubectl: {rollout_undo: deployment/$service, wait: 2m}"


@pytest.mark.parametrize(
    ("action", "plan", "state", "takes", "runs"),
    [
        ("command: [/opt/back.sh]", "{takes: 2m}", "done", 120, "v1"),
        ("command: {run: [/opt/back.sh], exit_codes: [0, 1]}", "{takes: 2m, fails: true}", "failed", 120, "v2"),
        ('http: {url: "http://deployer/back", expected_status: 202}', "{takes: 30s}", "done", 30, "v1"),
        ('http: {url: "http://deployer/back"}', "{takes: 30s, fails: true}", "failed", 30, "v2"),
        ('http: {url: "http://deployer/back"}, timeout: 20s', "{takes: 30s}", "failed", 20, "v2"),
        (KUBECTL, "{takes: 1m}", "done", 60, "v1"),
        ("command: [/opt/back.sh], dry_run: true", "{takes: 2m}", "done", 0, "v2"),
        ("command: [/opt/back.sh]", "{does: nothing, takes: 1s}", "done", 1, "v2"),
    ],
)
def test_a_configured_action_ends_once_and_as_the_scenario_says(action, plan, state, takes, runs, play):
    stage, events = play(f"{{name: back, {action}}}", plan)
    wanted = [e for e in events if e["event"] == "action.wanted"]
    ended = [e for e in events if e["event"] == "action.ended"]
    first = wanted[0]["request_id"]
    assert [e["state"] for e in ended if e["request_id"] == first] == [state]
    assert len({e["request_id"] for e in ended}) == len(ended)
    assert (ended[0]["t"] - wanted[0]["t"]) / 1000 == takes
    assert stage.services["api"].variants[-1].version == runs
    assert sum("back of api" in told.text for told in stage.told) == (0 if "dry" in action else len(ended))


def test_an_action_that_the_configuration_lacks_is_no_part_of_a_scenario(play):
    with pytest.raises(InputError) as caught:
        play("{name: back, command: [/opt/back.sh]}", "{}, bakc: {}")
    (problem,) = (p for p in caught.value.problems if "bakc" in p.message)
    assert "did you mean back?" in problem.hint
    assert problem.line == 4


def test_blue_and_green_at_the_same_time():
    stage, events = run(FILES / "colors.yml")
    judged = expectations.judge(stage.book.scenario.expect, facts.facts_of(stage.events), stage.book.scenario.start)
    assert [j.text + ": " + j.explanation for j in judged if not j.met] == []
    assert [(v.version, v.color, v.share) for v in stage.services["api"].variants] == [("v3", "green", 1.0)]
    assert not any(e["event"] == "incident.opened" for e in events)


def test_what_makes_green_alone_slow_is_found(tmp_path):
    for name in ("hypercare_colors.yml", "prometheus_colors.yml"):
        (tmp_path / name).write_text((FILES / name).read_text())
    text = (FILES / "colors.yml").read_text()
    # As slow as the users make both in that story; no limit says how slow is too slow.
    text = text.replace("hides: {errors: 0.08, latency: 1.5, after: 4h}", "hides: {latency: 2.2, after: 2h}")
    text = text.partition("  # More users")[0] + "  - {at: 3h, say: slow}\n"
    _, events = run(tmp_path / "story.yml", text.replace("length: 18h", "length: 5h"))
    found = [e for e in events if e["event"] == "deploy.finding"]
    assert {e["check"] for e in found} == {"p95"}
    assert found[0]["at"] < "2026-01-05T12:30:00Z"
