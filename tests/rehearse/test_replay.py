"""Recorded samples pass again: from every kind of source the same story, and the one that a backtest tells."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from backtest_kit import happened, play
from test_remote import RULES, START, exposition, prometheus, ready, samples  # noqa: F401 - a fixture

from hypercare.model.errors import InputError
from hypercare.model.histograms import Histogram, HistogramSeries
from hypercare.model.ingest import FloatSeries, WriteBatch
from hypercare.model.labels import Labels
from hypercare.model.time import HOUR, format_rfc3339, parse_rfc3339
from hypercare.rehearse.stories import expectations, facts, telling
from hypercare.rehearse.stories.reading import read
from hypercare.rehearse.stories.stage import Stage
from hypercare.sim.ports import VirtualFiles
from hypercare.tsdb import Options, Tsdb
from hypercare.tsdbtools import import_file
from ports_kit import free_port

CONFIG = """
platform: recorded
prometheus: scraping.yml
storage: {retention: 100y}
collect: {host: {enabled: false}, self: {enabled: false}}
people: [{name: ana, contact: [{channel: webhook, url: "http://phone-ana/"}]}]
escalations: [{name: default, steps: [{notify: [ana], after: 0s}]}]
"""


def furnish(folder):
    (folder / "hypercare.yml").write_text(CONFIG)
    # What a scrape of ours brought would stand beside what was recorded.
    scraped = "scrape_configs: [{job_name: x, static_configs: [{targets: ['a:1']}]}]\n"
    (folder / "scraping.yml").write_text("rule_files: [rules.yml]\n" + scraped)
    (folder / "rules.yml").write_text(RULES)
    (folder / "wide.csv").write_text(wide(samples()))
    return folder


@pytest.fixture
def home(tmp_path):
    return furnish(tmp_path)


def wide(source, stamp=str):
    columns = [
        (labels, matrix.times.tolist(), matrix.values[:, c].tolist())
        for matrix in source.select((), 0, 1 << 60)
        for c, labels in enumerate(matrix.labels)
    ]
    names = [str(labels).replace('"', '""').replace(", ", ",") for labels, _, _ in columns]
    lines = ["time," + ",".join(f'"{name}"' for name in names)]
    for row, at in enumerate(columns[0][1]):
        lines.append(",".join([stamp(at), *(repr(values[row]) for _, _, values in columns)]))
    return "\n".join(lines) + "\n"


def long(source):
    lines = ["job;metric;value;instance;timestamp"]
    for matrix in source.select((), 0, 1 << 60):
        for column, labels in enumerate(matrix.labels):
            for at, value in zip(matrix.times.tolist(), matrix.values[:, column].tolist(), strict=True):
                cells = labels.get("job"), labels.name, repr(value), labels.get("instance"), format_rfc3339(at)
                lines.append(";".join(cells))
    return "\n".join(lines) + "\n"


def rehearse(home, replay, more="", send=None):
    path = home / "scenario.yml"
    path.write_text(f"replay: {json.dumps(replay)}\n{more}")
    stage = Stage(read(path, VirtualFiles(), {}, send=send))
    stage.run()
    found = facts.facts_of(stage.events)
    judged = expectations.judge(stage.book.scenario.expect, found, stage.book.scenario.start)
    summary = telling.summary(stage, found, judged)
    stage.close()
    assert summary["failed_steps"] == 0
    return stage, found, summary


def fired(found):
    return [(fact.at, fact.get("alert"), fact.get("instance")) for fact in found if fact.kind == "alert.firing"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The log and the facts of the wide table."""
    stage, found, summary = rehearse(furnish(tmp_path_factory.mktemp("wide")), {"files": "wide.csv"})
    assert len(fired(found)) > 5
    assert summary["recorded"]["samples"] == 4 * 720
    return stage.log.lines, found


def test_a_replay_fires_what_a_backtest_fires_when_it_does(expected):
    _, played, _ = play(RULES, source=samples(), start=START, minutes=179)
    steps = [(s.at, s.alert.labels.get("alertname"), s.alert.labels.get("instance")) for s in played.steps if s.change.value == "fired"]  # fmt: skip
    assert sorted(fired(expected[1])) == sorted(steps)
    assert len(happened(played)) > len(steps)


@pytest.mark.parametrize("kind", ["seconds", "gzip", "long", "openmetrics", "folder", "two files"])
def test_every_kind_of_file_tells_the_same(kind, home, expected):
    source = samples()
    files = ["given"]
    if kind == "seconds":
        (home / "given").write_text(wide(source, lambda at: f"{at / 1000:.3f}"))
    elif kind == "gzip":
        import gzip

        (home / "given").write_bytes(gzip.compress(wide(source, format_rfc3339).encode()))
    elif kind == "long":
        (home / "given").write_text(long(source))
    elif kind == "two files":
        lines = long(source).splitlines()
        (home / "a.csv").write_text("\n".join([lines[0], *lines[1::2]]))
        (home / "b.csv").write_text("\n".join([lines[0], *lines[2::2]]))
        files = ["a.csv", "b.csv"]
    else:
        (home / "given.om").write_text(exposition(source, millis=False) + "# EOF\n")
        files = ["given.om"]
        if kind == "folder":
            import_file(home / "given.om", home / "data" / "metrics", START + 48 * HOUR)
            files = ["data"]
    stage, _, _ = rehearse(home, {"files": files})
    assert stage.log.lines == expected[0]


@contextlib.contextmanager
def hypercare(home):
    (home / "given.om").write_text(exposition(samples(), millis=False) + "# EOF\n")
    import_file(home / "given.om", home / "served" / "metrics", START + 48 * HOUR)
    port = free_port()
    (home / "serve.yml").write_text("storage: {retention: 100y}\ncollect: {host: {enabled: false}}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercare", "serve", "--config", "serve.yml", "--data", "served", "--listen", f"127.0.0.1:{port}"],
        cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ready(f"http://127.0.0.1:{port}/-/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def run_command(home, *options):
    known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
    return subprocess.run(
        [sys.executable, "-m", "hypercare", "replay", "--config", "hypercare.yml", *options],
        cwd=home, capture_output=True, text=True, check=False, env=known,
    )  # fmt: skip


@pytest.mark.peer
@pytest.mark.parametrize("peer", ["prometheus", "hypercare"])
def test_a_servers_samples_tell_the_same(peer, request, home, expected):
    with hypercare(home) if peer == "hypercare" else contextlib.nullcontext() as own:
        url = own or request.getfixturevalue("prometheus")
        span = ("--start", str(START // 1000), "--end", str(START // 1000 + 719 * 15))
        done = run_command(home, "--from", url, "--match", '{job="x"}', *span, "--log", "log", "--quiet")
        assert done.returncode == 0, done.stderr
        assert (home / "log").read_text().splitlines() == expected[0]
        assert "replayed: 2,880 samples of 4 series" in done.stdout
        stepped = run_command(home, "--from", url, *span, "--match", "load", "--step", "1m", "--json")
        assert json.loads(stepped.stdout)["recorded"]["samples"] == 2 * 180
    gone = run_command(home, "--from", f"http://127.0.0.1:{free_port()}", *span)
    assert gone.returncode == 3
    assert "no history from" in gone.stderr


def test_a_shifted_replay_is_the_same_later(home, expected):
    _, later, summary = rehearse(home, {"files": "wide.csv", "shift_to": format_rfc3339(START + 5 * HOUR)})
    assert [(at - 5 * HOUR, *rest) for at, *rest in fired(later)] == fired(expected[1])
    assert summary["recorded"]["first"] == START
    assert parse_rfc3339(summary["from"]) == START + 5 * HOUR


@pytest.mark.parametrize("kind", ["wide.csv", "data"])
def test_a_part_without_a_sample_is_an_error(kind, home):
    (home / "given.om").write_text(exposition(samples(), millis=False) + "# EOF\n")
    import_file(home / "given.om", home / "data" / "metrics", START + 48 * HOUR)
    with pytest.raises(InputError, match="nothing was recorded between"):
        rehearse(home, {"files": kind, "begin": format_rfc3339(START + 5 * HOUR)})
    begin, end = START + HOUR, START + 2 * HOUR
    _, _, summary = rehearse(home, {"files": kind, "begin": format_rfc3339(begin), "end": format_rfc3339(end)})
    assert (summary["recorded"]["first"], summary["recorded"]["samples"]) == (begin, 4 * 241)


def test_what_other_rules_wrote_is_left_out(home):
    lines = wide(samples()).splitlines()
    more = [f"{lines[0]},job:load:sum{{job='x'}},\"ALERTS{{alertname='High',alertstate='firing'}}\"", *(f"{line},99,1" for line in lines[1:])]  # fmt: skip
    (home / "wide.csv").write_text("\n".join(more))
    _, found, summary = rehearse(home, {"files": "wide.csv"})
    assert summary["recorded"]["of_rules"] == 2 * 720
    assert summary["recorded"]["refused"] == 0
    first = next(at for at, alert, _ in fired(found) if alert == "High")
    assert first > START + 5 * 60_000


def test_native_histograms_of_a_folder_come_at_their_times(home):
    times = START + 15_000 * np.arange(600, dtype=np.int64)
    values = tuple(Histogram(count=float(n), sum=1.0, zero_count=float(n)) for n in range(600))
    db = Tsdb.open(home / "data" / "metrics", Options(retention=2**61))
    series = HistogramSeries(Labels.of(__name__="h", job="x"), times, values)
    steady = FloatSeries(Labels.of(__name__="up", job="x"), times[::4], np.ones(150))
    db.write(WriteBatch("remote_write", (steady,), (series,)), START + HOUR)
    db.close()
    (home / "rules.yml").write_text(
        "groups: [{name: g, interval: 15s, rules: [{alert: Many, expr: histogram_count(h) >= 400}]}]"
    )
    _, found, summary = rehearse(home, {"files": "data"})
    (at, _, _) = fired(found)[0]
    assert START + 400 * 15_000 <= at < START + 401 * 15_000
    assert summary["recorded"]["samples"] == 600 + 150


def test_people_answer_a_recorded_outage_and_expectations_are_judged(home):
    rows = [f"{(START + i * 15_000) / 1000},{0 if 200 <= i < 320 else 1}" for i in range(480)]
    (home / "up.csv").write_text("\n".join(["time,\"up{job='api',service='api'}\"", *rows]))
    rule = "groups: [{name: g, interval: 1m, rules: [{alert: Down, expr: up == 0, for: 1m, labels: {severity: critical}}]}]"
    (home / "rules.yml").write_text(rule)
    more = """
people: {ana: {answers: 3m, repairs: 10m}}
expect:
  - {alert: Down, at: 52m, within: 2m}
  - {page: ana, count: 1}
  - {incident: acknowledged, person: ana, at: 56m, within: 3m}
  - {incident: resolved, from: 1h20m, by: 1h35m}
"""
    stage, found, _ = rehearse(home, {"files": "up.csv"}, more)
    judged = expectations.judge(stage.book.scenario.expect, found, stage.book.scenario.start)
    assert [j.text + ": " + j.explanation for j in judged if not j.met] == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("replay: {}", "one of files, from is required", ""),
        ("replay: {files: wide.csv, from: 'http://a'}", "at most one of files, from", "remove one"),
        ("replay: {file: wide.csv}", "unknown key 'file'", "the key is called files"),
        ("replay: {files: none.csv}", "cannot be read: No such file", ""),
        ("replay: {files: wide.csv, match: up}", "match is for a server", ""),
        ("replay: {from: 'http://a'}", "no server can be asked here", "replay files"),
        ("start: 2026-01-05T08:00:00Z\nreplay: {files: wide.csv}", "says itself when it begins", "shift_to"),
        ("replay: {files: wide.csv}\nhappens: [{at: 1h, service: api, down: true}]", "only a deploy", ""),
        (
            "replay: {files: wide.csv}\nhappens: [{at: 9h, service: api, deploy: {version: v2}}]",
            "after the end",
            "2h59m",
        ),
        ("replay: {files: wide.csv}\nservices: {api: {}}", "at most one of services, replay", "remove one"),
    ],
)
def test_what_a_scenario_cannot_mean_is_said(text, message, hint, home):
    (home / "scenario.yml").write_text(text)
    with pytest.raises(InputError) as caught:
        read(home / "scenario.yml", VirtualFiles(), {})
    problem = next(p for p in caught.value.problems if message in p.message)
    assert hint in problem.hint
