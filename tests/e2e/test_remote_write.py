"""Remote write beside the real thing: Debian's Prometheus, vmagent and VictoriaMetrics."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from urllib.parse import quote

import pytest

pytestmark = [pytest.mark.peer, pytest.mark.e2e]
PEER = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{sender: peer}}}}
scrape_configs:
  - job_name: theirs
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
REMOTE = "remote_write: [{{url: 'http://127.0.0.1:{port}/api/v1/write'}}]\n"


@pytest.fixture
def peers(tmp_path):
    running = []

    def start(*command):
        assert shutil.which(command[0]), f"install Debian's {command[0]}"
        log = (tmp_path / f"{command[0]}-{len(running)}.log").open("wb")
        running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def ask(port, expr):
    """The answer of another server to an instant query; nothing where it is away."""
    with contextlib.suppress(OSError, urllib.error.HTTPError):
        url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(expr)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]["result"]
    return []


def test_a_real_prometheus_writes_to_us(serve, outside, peers, wait, port, tmp_path):
    outside.metrics = "# TYPE theirs_total counter\ntheirs_total 7\n# TYPE idle gauge\nidle 0\n"
    server = serve().start()
    (tmp_path / "peer.yml").write_text(PEER.format(port=outside.port) + REMOTE.format(port=server.port))
    peers("prometheus", "--config.file=peer.yml", "--storage.tsdb.path=peer-data",
          f"--web.listen-address=127.0.0.1:{port()}")  # fmt: skip
    found = wait(lambda: server.query('theirs_total{sender="peer"}'), what="samples of the peer")
    assert (found[0]["metric"]["job"], found[0]["value"][1]) == ("theirs", "7")
    wait(lambda: server.query('idle{sender="peer"} == 0'), what="its value of zero")
    wait(lambda: server.query('up{sender="peer"} == 1'), what="its own up")
    outside.metrics = "other 1\n"
    wait(lambda: not server.query('theirs_total{sender="peer"}'), what="the end of a series")


def test_vmagent_writes_to_us(serve, outside, peers, wait, port, tmp_path):
    outside.metrics = "theirs_total 7\nidle 0\n"
    server = serve().start()
    (tmp_path / "peer.yml").write_text(PEER.format(port=outside.port))
    peers("vmagent", "-promscrape.config=peer.yml", f"-remoteWrite.url=http://127.0.0.1:{server.port}/api/v1/write",
          "-remoteWrite.flushInterval=1s", f"-httpListenAddr=127.0.0.1:{port()}",
          f"-remoteWrite.tmpDataPath={tmp_path}/vm")  # fmt: skip
    found = wait(lambda: server.query('theirs_total{sender="peer"}'), what="samples of vmagent")
    assert found[0]["value"][1] == "7"
    wait(lambda: server.query('idle{sender="peer"} == 0'), what="its value of zero")


SENDING = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, external_labels: {{sender: us}}}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
remote_write:
  - url: http://127.0.0.1:{port}/api/v1/write
    name: far
    queue_config: {{batch_send_deadline: 1s, max_backoff: 1s}}
"""
COUNT = 'count_over_time(up_truth{sender="us"}[10m])'


def count(answer):
    return int(float(answer[0]["value"][1])) if answer else 0


def prometheus(peers, port):
    return peers("prometheus", "--config.file=peer.yml", "--storage.tsdb.path=peer-data",
                 "--web.enable-remote-write-receiver", f"--web.listen-address=127.0.0.1:{port}")  # fmt: skip


def victoria(peers, port):
    return peers("victoria-metrics", "-storageDataPath=vm-data", f"-httpListenAddr=127.0.0.1:{port}",
                 "-search.latencyOffset=0s")  # fmt: skip


@pytest.mark.parametrize("start", [prometheus, victoria])
def test_a_real_server_gets_all_we_have_though_both_sides_fail(serve, outside, peers, wait, port, tmp_path, start):
    theirs = port()
    (tmp_path / "peer.yml").write_text("global: {}\n")
    server = serve(files={"prometheus.yml": SENDING.format(target=outside.port, port=theirs)}).start()
    wait(lambda: count(server.query("count_over_time(up_truth[10m])")) > 3, what="samples while the other is away")
    server.kill()
    server.start()
    peer = start(peers, theirs)
    wait(lambda: count(ask(theirs, COUNT)) > 5, what="samples at the other server")
    # Not killed: VictoriaMetrics has no log of its own and loses its last seconds then.
    peer.terminate()
    peer.wait(60)
    before = count(server.query("count_over_time(up_truth[10m])"))
    wait(lambda: count(server.query("count_over_time(up_truth[10m])")) > before + 2, what="more samples")
    server.kill()
    peer = start(peers, theirs)
    server.start()
    wait(lambda: count(ask(theirs, COUNT)) > before + 6, what="samples from before and after")
    # Nothing is missing: what either has of a span that both have seen whole is the same.
    at = server.query("up_truth[10m]")[0]["values"][-1][0] - 3
    ours = dict(server.get(f"/api/v1/query?query={quote('up_truth[10m]')}&time={at}")["data"]["result"][0]["values"])
    assert wait(lambda: (n := count(ask_at(theirs, COUNT, at))) >= len(ours) and n, what="all samples") == len(ours)
    text = urllib.request.urlopen(f"{server.url}/metrics", timeout=60).read().decode()
    assert 'prometheus_remote_storage_samples_total{remote_name="far"' in text


def ask_at(port, expr, at):
    with contextlib.suppress(OSError, urllib.error.HTTPError):
        url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(expr)}&time={at}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]["result"]
    return []
