"""``hypercare rules``: exit codes, streams, files, and a backtest of what a running server has collected."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from hypercare.cli import main

pytestmark = pytest.mark.e2e

GOOD = """
groups:
  - name: g
    interval: 1s
    rules:
      - {record: "job:truth:min", expr: "min by (job) (last_over_time(truth[5m]))"}
      - {alert: Lies, expr: "job:truth:min < 2", labels: {severity: critical}, annotations: {summary: "\\e[31m{{ $value }}"}}
      - {alert: Never, expr: truth > 7, for: 1m, labels: {severity: critical}}
      - {alert: Missing, expr: nosuch > 7, for: 1m, labels: {severity: critical}}
"""
TEST = """
rule_files: [good.yml]
tests:
  - name: first
    input_series: [{series: 'truth{job="a"}', values: "1 1 3 3"}]
    promql_expr_test: [{expr: "job:truth:min", eval_time: 3m, exp_samples: [{labels: 'job:truth:min{job="a"}', value: 3}]}]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yml").write_text(GOOD.replace("truth > 7", "truth >").replace("$value", "$valu"))
    (tmp_path / "twice.yml").write_text(GOOD.replace("Never", "Lies").replace("truth > 7, for: 1m", "truth > 7"))
    (tmp_path / "test.yml").write_text(TEST)
    (tmp_path / "failing.yml").write_text(TEST.replace("value: 3", "value: 4"))
    return tmp_path


def run(folder, *arguments, stdin="", **env):
    known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
    return subprocess.run(
        [sys.executable, "-m", "hypercare", "rules", *arguments], cwd=folder, input=stdin, capture_output=True, text=True,
        timeout=240, check=False, env={**known, **env},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (("check", "good.yml"), 0, "SUCCESS: 4 rules found in 1 group"),
        (("check", "*od.yml", "good.yml"), 0, "Checking good.yml"),
        (("check", "bad.yml"), 1, "bad.yml:8:"),
        (("check", "bad.yml", "nosuch.yml", "no*.yml"), 1, "no file fits this pattern"),
        (("check", "twice.yml"), 0, "duplicate rule: Lies"),
        (("check", "twice.yml", "--lint-fatal"), 3, "FAILED"),
        (("check", "twice.yml", "--lint-fatal", "--lint", "none"), 0, "SUCCESS"),
        (("check", "good.yml", "--lint", "odd"), 2, "unknown lint 'odd'"),
        (("check",), 2, "FILE"),
        (("test", "test.yml"), 0, "SUCCESS: 1 test passed"),
        (("test", "test.yml", "--debug"), 0, "DEBUG: first"),
        (("test", "failing.yml"), 1, "1 of 1 tests failed"),
        (("test", "failing.yml", "--diff"), 1, '- job:truth:min{job="a"} 4'),
        (("test", "failing.yml", "--run", "nothing"), 0, "1 not asked for"),
        (("test", "failing.yml", "--run", "["), 2, "not a regular expression"),
        (("test", "nosuch.yml"), 1, "no such file"),
        (("backtest", "bad.yml"), 1, "bad.yml:8:"),
        (("backtest", "good.yml", "--from", "soon"), 2, "not an instant"),
        (("backtest", "good.yml", "--from", "-1h", "--to", "-2h"), 2, "--to is not after --from"),
        (("backtest", "good.yml", "--interval", "1x"), 2, "not a valid duration"),
        (("backtest", "good.yml", "--source", "nosuch"), 1, "no such directory"),
        (("backtest", "good.yml", "--source", "."), 1, "there is no metrics store here"),
        (("backtest", "good.yml", "--source", "ftp://x"), 2, "neither a directory nor an http address"),
        (("backtest", "good.yml", "--source", "http://127.0.0.1:1"), 3, "no history from http://127.0.0.1:1"),
        (("backtest",), 2, "name a rule file"),
        (("backtest", "good.yml", "--config", "good.yml"), 1, "good.yml:2:1"),
    ],
)  # fmt: skip
def test_what_it_says_and_how_it_ends(folder, arguments, code, shown, monkeypatch, capfd):
    """In this process: starting one for each would take a minute."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("HYPERCARE_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["rules", *arguments])
    told = capfd.readouterr()
    assert ended.value.code == code, told
    assert shown in told.out + told.err
    assert "Traceback" not in told.err
    assert "\x1b" not in told.out


def test_the_standard_input(folder):
    assert "<stdin>" in run(folder, "check", "-", stdin=GOOD).stdout
    assert run(folder, "test", "-", stdin=TEST).returncode == 0


def test_junit(folder):
    assert run(folder, "test", "failing.yml", "--junit", "out.xml").returncode == 1
    assert 'failures="1"' in (folder / "out.xml").read_text()
    assert run(folder, "test", "test.yml", "--junit", "no/where.xml").returncode == 1


def test_backtest_of_a_running_server_by_http_and_by_its_directory(server, platform, folder):
    server.until(lambda: server("query", "count_over_time(truth[1h]) > 8").stdout.startswith("series"), "some samples")
    rules = str(folder / "good.yml")
    common = ("backtest", rules, "--from", "10m", "--config", str(platform / "hypercare.yml"))
    by_http = server("rules", *common, "--json")
    assert by_http.returncode == 0, by_http.stderr
    told = json.loads(by_http.stdout)
    alerts = {alert["alert"]: alert for alert in told["alerts"]}
    assert alerts["Lies"]["fired"] == 1
    assert alerts["Lies"]["spans"][0]["ended"] is None
    assert alerts["Never"]["fired"] == 0
    assert alerts["Missing"]["no_data_for"] == ["nosuch"]
    assert [by["who"] for by in told["notifications"]["by"]] == ["quiet", "ana"]
    assert told["no_data"][0][0] == told["from"]

    page = folder / "out.html"
    by_folder = server("rules", *common, "--source", str(platform / "data"), "--html", str(page))
    assert by_folder.returncode == 0, by_folder.stderr
    for words in ("no data for nosuch", "no data at all from", "still firing", "quiet", "ana", f"written: {page}"):
        assert words in by_folder.stdout
    assert "\x1b" not in by_folder.stdout
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "Missing" in text
    # The server was not disturbed.
    assert server("query", "truth").returncode == 0

    none = server("rules", "backtest", rules, "--from", "2020-01-01", "--to", "2020-01-02")
    assert none.returncode == 1
    assert "no data: the source has nothing of this time" in none.stdout
    assert "never" not in none.stdout.lower()


def test_ctrl_c_ends_it_cleanly(folder):
    """A source that never answers."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercare", "rules", "backtest", "good.yml", "--source", f"http://127.0.0.1:{silent.getsockname()[1]}"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        silent.settimeout(60)
        silent.accept()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "stopped" in errors
