"""History over HTTP: portions, ends of series, refusals; and real servers that answer as the samples say."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qsl

import numpy as np
import pytest
from backtest_kit import MINUTE, happened, play, rule_file

from hypercare.model.labels import Labels
from hypercare.model.time import parse_rfc3339
from hypercare.ports import HttpResponse, PortError
from hypercare.promql import Engine, parse
from hypercare.promql.testing import SeriesSource
from hypercare.rehearse.backtest import Backtest
from hypercare.rehearse.history import SourceError, StoreHistory, bring
from hypercare.rehearse.needs import needs_of
from hypercare.rehearse.remote import RemoteHistory, read_matrix
from hypercare.rules.spec import Surroundings, from_files
from ports_kit import free_port

# Prometheus 2 answers as wanted only for times that are not too near to the epoch.
START = 1_767_600_000_000
RULES = """
groups:
  - name: g
    interval: 1m
    rules:
      - {record: "job:load:sum", expr: sum by (job) (load)}
      - {alert: High, expr: "job:load:sum > 8", for: 3m, keep_firing_for: 2m, labels: {severity: page}}
      - {alert: Rising, expr: "rate(hits[5m]) > 0.5", for: 1m}
      - {alert: Each, expr: "load > 4"}
"""


def samples():
    rng = np.random.default_rng(5)
    source = SeriesSource()
    for instance in "ab":
        times = START + 15_000 * np.arange(720)
        # Slow waves, so that alerts last; every value exact in decimal.
        load = np.round(4 + 2 * np.sin(np.arange(720) / 40 + ord(instance)) + rng.normal(0, 0.2, 720), 3)
        hits = np.cumsum(rng.poisson(np.where(np.arange(720) // 90 % 2, 12, 3)))
        source.put(
            Labels.of(__name__="load", job="x", instance=instance), zip(times.tolist(), load.tolist(), strict=True)
        )
        source.put(
            Labels.of(__name__="hits", job="x", instance=instance), zip(times.tolist(), map(float, hits), strict=True)
        )
    return source


class Server:
    """Prometheus' query API over samples in memory."""

    def __init__(self, source, most=10**9):
        self.source, self.most, self.engine, self.asked = source, most, Engine(), []

    def __call__(self, request):
        fields = dict(parse_qsl(request.body.decode()))
        self.asked.append(fields)
        if "step" in fields:
            start, end, step = (round(float(fields[k]) * 1000) for k in ("start", "end", "step"))
            found = self.engine.range(self.source, fields["query"], start, end, step)
            series = [
                (labels, found.times[found.present[i]], found.values[i][found.present[i]])
                for i, labels in enumerate(found.labels)
            ]
        else:
            found = self.engine.instant(self.source, fields["query"], round(float(fields["time"]) * 1000))
            series = [(s.labels, s.times, s.values) for s in found.series]
        if sum(len(times) for _, times, _ in series) > self.most:
            error = {
                "status": "error",
                "errorType": "execution",
                "error": "query processing would load too many samples",
            }
            return HttpResponse(422, {}, json.dumps(error).encode(), 0.0, 0)
        result = [
            {
                "metric": s.as_dict(),
                "values": [[t / 1000, repr(float(v))] for t, v in zip(times.tolist(), values, strict=True)],
            }
            for s, times, values in series
            if len(times)
        ]
        body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        return HttpResponse(200, {}, json.dumps(body).encode(), 0.0, 0)


def over(history, text=RULES, minutes=180, start=START):
    test = Backtest(from_files([rule_file(text)], MINUTE), Surroundings())
    end = start + minutes * MINUTE
    past = bring(history, test.needs, start, end, written=test.writes)
    return happened(test.play(past.given, start, end), start), past


def test_a_server_and_a_store_with_the_same_samples_tell_the_same():
    source = samples()
    server = Server(source, most=700)
    here, kept = over(StoreHistory(source))
    there, brought = over(RemoteHistory("http://x", server))
    assert there == here
    assert len({what for _, _, what in here}) == 4
    assert {c.selector: c.samples for c in brought.coverage} == {c.selector: c.samples for c in kept.coverage}
    # What was too much was asked for again in smaller portions.
    assert len(server.asked) > 10


def test_the_end_of_a_series_is_noticed_though_no_marker_is_sent():
    source = SeriesSource()
    source.add("15s", "load 9x19 stale _x10 9x20", 'load{i="2"} 9x100', start=START)
    rules = "groups: [{name: g, interval: 15s, rules: [{alert: High, expr: load > 5}]}]"
    here, _ = over(StoreHistory(source), rules, 20)
    there, _ = over(RemoteHistory("http://x", Server(source), step=15_000), rules, 20)
    assert there == here
    # At the end of each stretch at once, not five minutes later.
    assert min(at for at, _, what in here if what == "resolved") < 5.6


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PortError("refused", "connection refused"), "connection refused"),
        (HttpResponse(401, {}, b"no", 0, 0), "HYPERCARE_TOKEN"),
        (HttpResponse(404, {}, b"<html>nothing here</html>", 0, 0), "HTTP 404: <html>nothing here"),
        (HttpResponse(200, {}, b"{}", 0, 0), "not one of Prometheus' query API"),
        (HttpResponse(200, {}, b'{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}', 0, 0), "query API"),
        (HttpResponse(200, {}, b'{"data":{"resultType":"vector","result":[]}}', 0, 0), "a vector, not with samples"),
        (HttpResponse(422, {}, b'{"error":"too many samples"}', 0, 0), "refuses even"),
    ],
)  # fmt: skip
def test_a_source_that_does_not_answer_is_an_error_with_its_words(answer, words):
    history = RemoteHistory("http://x", lambda _: answer)
    (need,) = needs_of(parse("up"))
    with pytest.raises(SourceError, match="(?s)" + words.replace("(", r"\(")):
        history.fetch(need, START, START + MINUTE)


def test_numbers_of_all_kinds_and_labels_of_any_text():
    odd = {"__name__": "x", "values": "a", "b": '"values":[[1,"2"]]', "c": "]]"}
    values = [[1700000000.123, "NaN"], [1700000001, "+Inf"], [1700000002.5, "-Inf"], [1700000003, "1e-7"], [0, "-0"]]
    body = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": odd, "values": values}] * 2}}
    for separators in ((",", ":"), (", ", ": ")):
        series = read_matrix(json.dumps(body, separators=separators).encode())
        assert len(series) == 2
        labels, times, numbers = series[1]
        assert labels == Labels.of(odd)
        assert times.tolist() == [1700000000123, 1700000001000, 1700000002500, 1700000003000, 0]
        assert [repr(v) for v in numbers.tolist()] == ["nan", "inf", "-inf", "1e-07", "-0.0"]


# -- real servers ----------------------------------------------------------------------------------------------


def exposition(source, *, millis):
    lines = []
    for matrix in source.select((), 0, 1 << 60):
        for column, labels in enumerate(matrix.labels):
            inner = ",".join(f'{n}="{v}"' for n, v in labels if n != "__name__")
            for at, value in zip(matrix.times.tolist(), matrix.values[:, column].tolist(), strict=True):
                lines.append(f"{labels.name}{{{inner}}} {value!r} {at if millis else at / 1000}")
    return "\n".join(lines) + "\n"


def ready(url, process):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            return urllib.request.urlopen(url, timeout=5).read()
        assert process.poll() is None
        time.sleep(0.1)
    pytest.fail("the peer does not come up")


@pytest.fixture
def prometheus(tmp_path):
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("no prometheus here")
    (tmp_path / "in.txt").write_text(exposition(samples(), millis=False) + "# EOF\n")
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "in.txt", "data"], cwd=tmp_path, capture_output=True, check=False
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (tmp_path / "prometheus.yml").write_text("{}")
    port = free_port()
    process = subprocess.Popen(
        ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ready(f"http://127.0.0.1:{port}/-/ready", process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(60)


@pytest.fixture
def victoria(tmp_path):
    if shutil.which("victoria-metrics") is None:
        pytest.skip("no victoria-metrics here")
    port = free_port()
    process = subprocess.Popen(
        ["victoria-metrics", f"-storageDataPath={tmp_path}/vm", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    ready(f"{url}/health", process)
    body = exposition(samples(), millis=True).encode()
    urllib.request.urlopen(f"{url}/api/v1/import/prometheus", body, timeout=60).read()
    urllib.request.urlopen(f"{url}/internal/force_flush", timeout=60).read()
    yield url
    process.terminate()
    process.wait(60)


@pytest.mark.peer
@pytest.mark.parametrize("peer", ["prometheus", "victoria"])
def test_the_command_over_a_real_servers_history(peer, request, tmp_path):
    url = request.getfixturevalue(peer)
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
    ended = subprocess.run(
        [sys.executable, "-m", "hypercare", "rules", "backtest", str(rules), "--source", url, "--json",
         "--from", str(START // 1000), "--to", str(START // 1000 + 10_800)], capture_output=True, text=True, check=False, env=known,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    _, played, _ = play(RULES, source=samples(), start=START, minutes=180)
    fired = [s.at for s in played.steps if s.change.value == "fired"]
    spans = [span for alert in found["alerts"] for span in alert["spans"]]
    assert sorted(parse_rfc3339(s["firing"]) for s in spans if s["firing"]) == sorted(fired)
    ended_at = sorted(s.at for s in played.steps if s.change.value in {"resolved", "no longer pending"})
    assert sorted(parse_rfc3339(s["ended"]) for s in spans if s["ended"]) == ended_at
    assert len(fired) > 5
