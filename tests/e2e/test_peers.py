"""Beside the real thing: Debian's Prometheus, amtool and promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request

import pytest

pytestmark = pytest.mark.peer


def run(*command):
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


def test_a_real_prometheus_delivers_its_alerts_to_us(serve, outside, wait, port, tmp_path):
    assert shutil.which("prometheus"), "install Debian's prometheus"
    server = serve().start()
    folder = tmp_path / "peer"
    folder.mkdir()
    (folder / "rules.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - {alert: FromPrometheus, expr: vector(1), labels: {severity: warning}, annotations: {summary: hello}}\n"
    )
    (folder / "prometheus.yml").write_text(
        f"global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{server.port}']}}]}}]}}\n"
    )
    theirs = port()
    peer = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{theirs}", "--rules.alert.resend-delay=1s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait(lambda: outside.to("/hook"), what="the notification of a foreign alert")
        told = outside.to("/hook")[0]
        assert [a["labels"]["alertname"] for a in told["alerts"]] == ["FromPrometheus"]
        # While Prometheus sends it again and again: a few seconds after the last time it is over.
        found = wait(
            lambda: json.loads(run("amtool", f"--alertmanager.url={server.url}", "alert", "query", "-o", "json")),
            what="the alert at amtool",
        )
        assert [a["labels"]["alertname"] for a in found] == ["FromPrometheus"]
    finally:
        peer.terminate()
        peer.wait(60)


def test_amtool_silences(serve, outside, wait):
    server = serve().start()
    amtool = ("amtool", f"--alertmanager.url={server.url}")
    silence = run(
        *amtool, "silence", "add", "alertname=Broken", "--comment=known", "--author=ana", "--duration=1h"
    ).strip()
    assert silence in run(*amtool, "silence", "query")
    # The shown configuration hides secrets, and is one that amtool reads all the same.
    (receiver,) = server.get("/api/v2/receivers")
    assert run(*amtool, "config", "routes", "test", "alertname=Broken").strip() == receiver["name"]
    # A field that amtool does not know is there, and it goes on.
    recurring = json.loads(server.post("/api/v2/silences", {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z", "createdBy": "ana", "comment": "backup",
        "recurrence": [{"times": [{"start_time": "02:00", "end_time": "04:00"}]}],
    }))  # fmt: skip
    assert recurring["silenceID"] in run(*amtool, "silence", "query")
    outside.metrics = "up_truth 0\n"
    wait(lambda: "suppressed" in json.dumps(server.get("/api/v2/alerts")), what="a silenced alert")
    assert run(*amtool, "alert", "query", "--silenced").count("Broken") == 1
    assert outside.to("/hook") == []
    run(*amtool, "silence", "expire", silence)
    wait(lambda: outside.to("/hook"), what="notification after the silence")


def test_promtool_queries(serve, wait):
    server = serve().start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    assert "up{" in run("promtool", "query", "instant", server.url, "up")
    assert "up_truth" in run("promtool", "query", "series", "--match=up_truth", server.url)
    assert "shop" in run("promtool", "query", "labels", server.url, "job")
    assert "=>" in run("promtool", "query", "range", "--step=1s", server.url, "up")


def test_promtool_finds_nothing_in_our_own_metrics(serve):
    server = serve().start()
    server.post("/api/hypercare/v1/incidents", {"title": "Broken", "severity": "P1"})
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
        text = answer.read()
    assert b"hypercare_incident_time_to_resolve_seconds_count" in text
    assert b"\nprocess_start_time_seconds " in text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=120, check=False
    )
    assert (checked.stdout + checked.stderr).decode() == ""
