"""``hypercare judge``: CSV files, a server's answers, exit codes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from hypercare.cli import main

CONFIG = {
    "name": "shop",
    "metrics": [
        {
            "name": "errors",
            "groups": ["all"],
            "query": {"type": "prometheus", "customInlineTemplate": 'PromQL:errors{version="${scope}"}'},
            "analysisConfigurations": {"canary": {"direction": "increase"}},
        },
        {"name": "load", "groups": ["all"], "query": {"type": "prometheus", "metricName": "load"}},
    ],
    "classifier": {"groupWeights": {"all": 100}, "scoreThresholds": {"pass": 95, "marginal": 50}},
}
TEMPLATE = """
kind: AnalysisTemplate
metadata: {name: t}
spec:
  args: [{name: version}]
  metrics:
    - name: success-rate
      interval: 1m
      failureLimit: 1
      successCondition: result[0] >= 0.95
      provider: {prometheus: {query: 'rate{version="{{args.version}}"}'}}
"""


class Handler(BaseHTTPRequestHandler):
    """Version v2 has ten times the errors; its success rate is bad."""

    def do_GET(self):
        parts = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(parts.query).items()}
        query, bad = given["query"], "v2" in given["query"]
        if "broken" in query:
            return self.answer(400, {"status": "error", "error": "parse error"})
        if parts.path.endswith("query"):
            result = [{"metric": {}, "value": [float(given["time"]), "0.5" if bad else "1"]}]
            return self.answer(200, {"data": {"resultType": "vector", "result": result}})
        start, step = float(given["start"]), float(given["step"])
        factor = 10 if bad else 1
        values = [[start + at * step, str(factor * (5 + at % 7))] for at in range(30)]
        result = [{"metric": {"zone": "a"} if "load" in query else {}, "values": values}]
        return self.answer(200, {"data": {"resultType": "matrix", "result": result}})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "canary.json").write_text(json.dumps(CONFIG))
    (tmp_path / "template.yml").write_text(TEMPLATE)
    rows = [(1 + at % 5, 50 + at % 3) for at in range(20)]
    for name, factor in (("control", 1), ("same", 1), ("worse", 20)):
        lines = [f"{at},{errors * factor},{load}" for at, (errors, load) in enumerate(rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["time,errors,load", *lines]) + "\n")
    return tmp_path


def code(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code


@pytest.mark.parametrize(("experiment", "left", "said"), [("same", 0, "Pass"), ("worse", 1, "Marginal")])
def test_canaries_from_files(folder, capsys, experiment, left, said):
    files = ("--control", folder / "control.csv", "--experiment", folder / f"{experiment}.csv")
    assert code("judge", "kayenta", folder / "canary.json", *files) == left
    assert said in capsys.readouterr().out.splitlines()[-1]
    assert code("judge", "kayenta", folder / "canary.json", *files, "--json") == left
    assert json.loads(capsys.readouterr().out)["score"]["classification"] == said


def test_a_canary_from_a_server(folder, server, capsys):
    given = ("--url", server, "--from", "-30m", "--control-scope", "v1", "--experiment-scope", "v2", "--json")
    assert code("judge", "kayenta", folder / "canary.json", *given) == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["results"]] == ["errors", 'load {zone="a"}']
    assert [each["classification"] for each in found["results"]] == ["High", "Pass"]


@pytest.mark.parametrize(
    ("version", "left", "said"), [("v1", 0, "Successful"), ("v2", 2, "failed (2) > failureLimit (1)")]
)
def test_an_analysis_of_the_past(folder, server, capsys, version, left, said):
    given = ("--url", server, "--from", "-10m", "--arg", f"version={version}")
    assert code("judge", "argo", folder / "template.yml", *given) == left
    assert said in capsys.readouterr().out.splitlines()[-1]


def test_what_cannot_be_asked_is_an_error_and_no_success(folder, server, capsys):
    given = ("--url", server, "--from", "-10m", "--arg", "version=broken", "--json")
    assert code("judge", "argo", folder / "template.yml", *given) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["phase"], found["metricResults"][0]["error"]) == ("Error", 5)


@pytest.mark.parametrize(
    ("words", "left", "said"),
    [
        (["kayenta", "missing.json"], 4, "No such file"),
        (["kayenta", "template.yml"], 4, "template.yml:2:1: expected JSON"),
        (["argo", "canary.json"], 4, "expected one of AnalysisTemplate"),
        (["argo", "template.yml"], 4, "template.yml:11:"),
        (["kayenta", "canary.json", "--control", "control.csv"], 2, "give both"),
        (["kayenta", "canary.json"], 4, "--set scope=VALUE"),
        (["argo", "template.yml", "--arg", "version=v1", "--url", "http://127.0.0.1:1"], 3, "no hypercare answers"),
    ],
)
def test_what_is_wrong_is_said(folder, monkeypatch, capsys, words, left, said):
    monkeypatch.chdir(folder)
    assert code("judge", *words) == left
    assert said in capsys.readouterr().err
