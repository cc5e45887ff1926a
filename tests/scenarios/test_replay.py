"""Recorded hours under the virtual clock: a watch judges them, and a real data set passes as it is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).parents[3] / "shared" / "conformance")
PETSHOP = HOME / "petshop" / "dataset" / "low_traffic"
RELEASED = 1_767_600_000
CONFIG = """
prometheus: prometheus.yml
people: [{name: ana, contact: [{channel: webhook, url: "http://phone-ana/"}]}]
escalations: [{name: default, steps: [{notify: [ana], after: 0s}]}]
deployments:
  plans:
    - name: short
      phases: [{name: all, until: 6h, every: 1h}]
      evaluate_every: 1m
      sample_every: 5m
      baseline: {kind: before, length: 12h}
      sign_off: 0s
      rollback: roll-back
      checks:
        - {name: latency, expr: 'latency{service="$service",statistic="Average"}', unit: s, critical: 1s, actions: [roll-back]}
actions:
  - {name: roll-back, command: [/opt/shop/roll-back.sh, --to, $previous]}
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "hypercare.yml").write_text(CONFIG)
    (tmp_path / "prometheus.yml").write_text("global: {evaluation_interval: 1m}\n")
    (tmp_path / "table.yml").write_text("rename: {microservice: service}\n")
    return tmp_path


def replay(home, *options):
    return subprocess.run(
        [sys.executable, "-m", "hypercare", "replay", *map(str, options)], cwd=home, capture_output=True, text=True, check=False
    )  # fmt: skip


def recorded(path, bad_from=None):
    """A day of a latency a minute, the last half of it after a release."""
    noise = random.Random(4)
    lines = ["time,\"latency{service='shop',statistic='Average'}\""]
    for minute in range(-720, 420):
        bad = bad_from is not None and minute >= bad_from
        lines.append(f"{RELEASED + minute * 60},{noise.gauss(0.3, 0.01) + (2 if bad else 0):.5f}")
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(("bad_from", "verdict"), [(None, "SUCCESS"), (90, "FAILURE")])
def test_a_watch_judges_recorded_hours(bad_from, verdict, home):
    recorded(home / "in.csv", bad_from)
    released = "2026-01-05T08:00:00Z"
    done = replay(
        home, "in.csv", "--deploy", "shop", "v2", "--previous", "v1", "--at", released, "--plan", "short",
        "--log", "log", "--report", "report.md", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert list(summary["verdicts"])[-1] == verdict
    assert summary["recorded"]["samples"] == 1140
    events = [json.loads(line) for line in (home / "log").read_text().splitlines()]
    found = [e for e in events if e["event"] == "deploy.finding" and e["level"] == "critical"]
    asked = [e for e in events if e["event"] == "action.wanted"]
    if bad_from is None:
        assert found == asked == []
    else:
        assert "2026-01-05T09:30:00.000Z" <= found[0]["at"] <= "2026-01-05T09:31:00.000Z"
        # What was recorded goes on failing: by the finding, and by the verdict once more.
        assert {e["action"] for e in asked} == {"roll-back"}
        assert "v2 went out" in (home / "report.md").read_text()


def test_options_that_do_not_fit_are_refused(home):
    recorded(home / "in.csv")
    for options, words in (
        (["--deploy", "shop", "v2", "--plan", "shirt"], "did you mean short?"),
        (["--deploy", "shop", "v2", "--at", "30h"], "after the end"),
        (["--deploy", "shop", "v2", "--at", "2025-01-05T08:00:00Z"], "before the recording"),
        (["--label", "job"], "expected name=value"),
        (["--config", "none.yml"], "none.yml"),
        (["--from", "http://a"], "at most one of files, from"),
    ):
        done = replay(home, "in.csv", *options)
        assert done.returncode == 2, (options, done.stdout, done.stderr)
        assert words in " ".join(done.stderr.replace("│", " ").split())
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(not PETSHOP.is_dir(), reason=f"no data set in {PETSHOP}")
def test_a_real_data_set_passes_as_it_is(home):
    options = ["--table", "table.yml", "--deploy", "PetSite", "v2", "--at", "30h", "--until", "37h", "--quiet"]
    logs = []
    for name in ("one", "two"):
        done = replay(home, PETSHOP / "noissue" / "metrics.csv", *options, "--log", name)
        assert done.returncode == 0, done.stderr
        logs.append((home / name).read_bytes())
    assert logs[0] == logs[1]
    assert "of 287 series of 2023-08-21T09:00:00.000Z" in done.stdout
    assert "SUCCESS" in done.stdout
    assert "FAILURE" not in done.stdout
    issue = next(iter(sorted(PETSHOP.glob("test/issue_*/metrics.csv"))))
    done = replay(home, issue, "--table", "table.yml", "--quiet", "--json")
    assert json.loads(done.stdout)["recorded"]["last"] - json.loads(done.stdout)["recorded"]["first"] == 1_200_000
