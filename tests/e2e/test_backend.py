"""A real Prometheus and a real VictoriaMetrics answer the queries of our rules and of our API."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
from waiting_kit import comes_to_hold

pytestmark = pytest.mark.peer

SCRAPE = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{target}"], labels: {{service: shop}}}}]
"""
RULES = "rule_files: [rules.yml, recorded.yml]\nglobal: {evaluation_interval: 1s}\n"
RECORDED = "groups: [{name: recorded, rules: [{record: 'truth:recorded', expr: up_truth}]}]\n"
COMMANDS = {
    "prometheus": ["prometheus", "--config.file={folder}/scrape.yml", "--storage.tsdb.path={folder}/theirs",
                   "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=error"],
    "victoria-metrics": ["victoria-metrics", "-promscrape.config={folder}/scrape.yml", "-storageDataPath={folder}/theirs",
                         "-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR", "-search.disableCache", "-search.latencyOffset=1s"],
}  # fmt: skip


@pytest.mark.parametrize("name", list(COMMANDS))
def test_rules_over_the_data_of_another_server(name, serve, outside, wait, port, tmp_path):
    assert shutil.which(name), f"install Debian's {name}"
    theirs = port()
    (tmp_path / "scrape.yml").write_text(SCRAPE.format(target=outside.port))
    command = [part.format(folder=tmp_path, port=theirs) for part in COMMANDS[name]]

    def peer():
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    running = peer()
    server = serve(
        files={"prometheus.yml": RULES, "recorded.yml": RECORDED},
        more=f"\nmetrics: {{backend: {{url: 'http://127.0.0.1:{theirs}', timeout: 2s}}}}\n",
    )

    def rule():
        return server.get("/api/v1/rules")["data"]["groups"][0]["rules"][0]

    try:
        server.start()
        found = wait(
            lambda: rule()["health"] == "ok" and there(server, "up_truth"), what="an answer of the other server"
        )
        # Nothing is scraped here: what the API answers comes from there.
        assert found[0]["metric"]["service"] == "shop"
        comes_to_hold(lambda: _look_ups(server))
        # What is recorded here is found there.
        wait(lambda: there(server, "truth:recorded"), what="the recording, written to the other server")
        outside.metrics = "up_truth 0\n"
        wait(lambda: rule()["state"] == "firing", what="the alert")
        wait(lambda: outside.to("/hook"), what="its notification")
        wait(lambda: there(server, 'ALERTS{alertstate="firing"}'), what="ALERTS there")
        # What is drawn is drawn from there: the evidence of the incident, the charts of the service; so is the check.
        graph = wait(lambda: [e for e in evidence(server) if e["kind"] == "graph"], what="the graph of the incident")[0]
        assert (graph["data"]["expr"], graph["data"]["threshold"]) == ("last_over_time(up_truth[5m])", 0)
        assert graph["data"]["series"][0]["values"][-1] == 0
        drawn = '<code class="query">last_over_time(up_truth[5m]) == 0</code>'
        wait(lambda: drawn in page(server, "/services/shop"), what="its chart")
        limits = [line for line in server.get("/api/hypercare/v1/check")["lines"] if line["kind"] == "threshold"]
        assert {line["name"]: line["status"] for line in limits}.get("error rate", "ok") == "ok"
        running.kill()
        running.wait()
        wait(lambda: "No data because the source is away: " in page(server, "/services/shop"), what="the page says so")
        wait(lambda: "no data because the source is away" in rule().get("lastError", ""), what="the rule says so")
        assert rule()["state"] == "firing"
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(server, "up_truth")
        assert refused.value.code == 503
        assert json.load(refused.value)["errorType"] == "unavailable"
        outside.metrics = "up_truth 1\n"
        running = peer()
        wait(lambda: rule()["state"] == "inactive", what="the end of the alert")
        assert outside.to("/hook")[0]["status"] == "firing"
    finally:
        running.kill()
        running.wait()


def _look_ups(server):
    assert "shop" in there(server, path="label/job/values")
    assert there(server, path="series?match[]=up_truth")[0]["__name__"] == "up_truth"


def there(server, expr="", path=""):
    """The same, or nothing where the other server took longer than ours waits for it."""
    try:
        return ask(server, expr) if expr else server.get(f"/api/v1/{path}")["data"]
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return []


def ask(server, expr):
    body = urllib.parse.urlencode({"query": expr}).encode()
    with urllib.request.urlopen(f"{server.url}/api/v1/query", body, timeout=60) as answer:
        return json.load(answer)["data"]["result"]


def evidence(server):
    found = server.get("/api/hypercare/v1/incidents")
    return server.get(f"/api/hypercare/v1/incidents/{found[0]['number']}/evidence") if found else []


def page(server, path):
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        return answer.read().decode()
