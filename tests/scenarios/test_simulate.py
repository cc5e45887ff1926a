"""Scenario files: whole stories that pass, the same log whatever the process, and errors that help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hypercare.model.errors import InputError
from hypercare.rehearse.stories import expectations, facts, telling
from hypercare.rehearse.stories.reading import read
from hypercare.rehearse.stories.stage import Stage
from hypercare.sim.ports import VirtualFiles

FILES = Path(__file__).parent / "files"
SHORT = """
title: short
config: {config}
length: 3h
services:
  api: {{traffic: {{rate: 30/s}}}}
people:
  ana: {{answers: 2m, spread: 0.3, repairs: 10m}}
happens:
  - {{at: 30m, service: api, errors: 0.4}}
  - {{at: 2h, service: api, latency: 20, for: 10m}}
expect:
  - {{incident: opened, service: api, at: 34m, within: 5m}}
  - {{page: ana, count: 1}}
  - {{never: true, page: ben}}
"""


def play(path):
    stage = Stage(read(path, VirtualFiles(), {}))
    stage.run()
    found = facts.facts_of(stage.events)
    judged = expectations.judge(stage.book.scenario.expect, found, stage.book.scenario.start)
    summary = telling.summary(stage, found, judged)
    stage.close()
    return stage, judged, summary


@pytest.fixture
def short(tmp_path):
    path = tmp_path / "short.yml"
    path.write_text(SHORT.format(config=FILES / "hypercare.yml"))
    return path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["four_weeks", "watch"])
def test_stories_end_as_expected(name):
    stage, judged, summary = play(FILES / f"{name}.yml")
    assert [j.text + ": " + j.explanation for j in judged if not j.met] == []
    assert summary["failed_steps"] == 0
    assert len(telling.story(stage, facts.facts_of(stage.events))) > 10


def test_every_process_writes_the_same_log(short, tmp_path):
    texts = []
    for number, hash_seed in enumerate(("0", "1", "4711")):
        log = tmp_path / f"log{number}"
        command = [sys.executable, "-m", "hypercare", "simulate", str(short), "--log", str(log), "--json"]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, check=True)
        assert json.loads(done.stdout)["incidents"] == 1
        texts.append(log.read_bytes())
    assert texts[0] == texts[1] == texts[2]
    other = Stage(read(short, VirtualFiles(), {}), seed=2)
    other.run()
    assert other.log.lines != texts[0].decode().splitlines()
    other.close()


def test_an_expectation_that_is_not_met_says_what_was_seen(short):
    short.write_text(short.read_text() + "  - {page: ana, by: 10m}\n  - {alert: Down, count: 1}\n")
    _, judged, _ = play(short)
    assert [j.met for j in judged] == [True, True, True, False, False]
    assert judged[3].explanation.startswith("seen only at 3")
    assert judged[4].explanation == "never seen"
    done = subprocess.run(
        [sys.executable, "-m", "hypercare", "simulate", str(short), "--quiet"], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"3 of 5 expectations met" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "hint"),
    [
        ("length: 3h", "length: 3", 4, "not a valid duration", "write 3s for seconds"),
        ("rate: 30/s", "rate: fast", 6, "expected a rate such as 20/s", "without a unit"),
        ("answers: 2m", "answrs: 2m", 8, "unknown key 'answrs'", "did you mean answers?"),
        ("ana: {answers", "ann: {answers", 8, "'ann' is not in people", "did you mean ana?"),
        ("at: 2h, service: api", "at: 2h, service: apo", 11, "no service of the scenario", "did you mean api?"),
        ("at: 2h,", "at: 4h,", 11, "after the end of the scenario", "make length longer"),
        ("page: ben", "page: bex", 15, "no person 'bex'", "did you mean ben?"),
        ("  api: {tra", "  app: {tra", 6, "no target of the configuration", "write targets"),
        ("spread: 0.3", "spread: -1", 8, "at least 0", ""),
    ],
)
def test_errors_name_place_and_way_out(short, old, new, line, message, hint):
    text = short.read_text()
    assert old in text
    short.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read(short, VirtualFiles(), {})
    problem = next(p for p in caught.value.problems if message in p.message)
    assert problem.line == line
    assert hint in problem.hint


def test_all_problems_are_told_at_once(short):
    short.write_text(short.read_text().replace("page: ana", "page: anna").replace("page: ben", "page: bem"))
    with pytest.raises(InputError) as caught:
        read(short, VirtualFiles(), {})
    assert len(caught.value.problems) == 2
