"""``kill -9`` of a whole ``hypercare serve`` at seeded moments under full ingestion.

Scrapes of many targets every second, remote write in both versions with samples that come late, OTLP with native
histograms, pushes, rules and alerts, blocks of four seconds that are merged and expire. It is killed some time after it
is ready, while it starts, or within a system call that changes the disk. After each start everything is read back over
HTTP: no value is wrong, what was acknowledged is there, of what was scraped a second at most is lost, alerts go on.

``KILLS=100 SEED=7 pytest tests/e2e/test_kill_serve.py`` (or ``make kills``).
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
from kill_kit.checking import Judge
from kill_kit.senders import Sender, otlp, pushed, remote_write

pytestmark = pytest.mark.e2e
KILLS = int(os.environ.get("KILLS", "4"))
SEED = int(os.environ.get("SEED", "1"))
LOSS = float(os.environ.get("KILLS_LOSS", "3"))
"""Seconds that may be lost: one, and what a loaded machine lets a thread wait."""
TARGETS, KEPT = 20, 60
KIT = Path(__file__).parent / "kill_kit"
FILES = {
    "hypercare.yml": """
platform: kills
prometheus: prometheus.yml
storage: {{retention: {retention}s}}
metrics: {{out_of_order_time_window: 10m}}
collect: {{host: {{enabled: false}}}}
web: {{admin_api: true}}
""",
    "prometheus.yml": """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: kills
    static_configs: [{targets}]
    relabel_configs:
      - {{source_labels: [target], target_label: __metrics_path__, replacement: "/t/$1"}}
""",
    "rules.yml": """
groups:
  - name: kills
    rules:
      - record: copy:kills_seq
        expr: kills_seq
      - alert: Fires
        expr: max_over_time(kills_seq{{target="0"}}[1m]) > 0  # a scrape may time out on a busy machine
        for: 2s
      - alert: Waits
        expr: max_over_time(kills_seq{{target="1"}}[1m]) > 0
        for: 1h
""",
}


class Watched:
    """The server that is killed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen | None = None
        self.output = folder / "output.log"

    def start(self, in_call: int = 0) -> None:
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(KIT / "serving.py"), "serve", "--config", str(self.folder / "hypercare.yml"),
                 "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"],
                stdout=log, stderr=log, cwd=self.folder, env={**os.environ, "KILL_IN_CALL": str(in_call)},
            )  # fmt: skip

    def ready(self, seconds: float = 150) -> bool:
        """Wait until it is; false where it died."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).status == 200
            except OSError:
                time.sleep(0.03)
        return False

    def died(self, seconds: float) -> bool:
        """Whether it dies by itself within a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return True
            time.sleep(0.005)
        return False

    def kill(self) -> float:
        """Kill it; when that was."""
        self.process.kill()
        when = time.time()
        assert self.process.wait() == -signal.SIGKILL, self.text()[-4000:]
        return when

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def complaints(self) -> list[str]:
        """What should not stand in its log."""
        return re.findall(r"^.*(?:Traceback|metrics store|rolled back|ERROR).*$", self.text(), re.MULTILINE)


@pytest.fixture
def stage(tmp_path, port):
    """Files, targets, senders, the server."""
    outside, own = port(), port()
    listed = ", ".join(f'{{targets: ["127.0.0.1:{outside}"], labels: {{target: "{n}"}}}}' for n in range(TARGETS))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.format(retention=KEPT + 40, targets=listed))
    exporter = subprocess.Popen([sys.executable, str(KIT / "exporter.py"), str(outside)])
    senders = {
        "v1": Sender("v1", own, partial(remote_write, "v1")),
        "v2": Sender("v2", own, partial(remote_write, "v2")),
        "otlp": Sender("otlp", own, otlp),
        "pushed": Sender("pushed", own, pushed, pause=0.25),
    }
    server = Watched(tmp_path, own)
    judge = Judge(f"http://127.0.0.1:{own}", f"http://127.0.0.1:{outside}", TARGETS, senders, KEPT)
    yield server, judge
    for sender in senders.values():
        sender.stop()
    for process in (exporter, server.process):
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def one_kill(server: Watched, judge: Judge, chance: random.Random, before: dict[str, tuple[str, str]]) -> None:
    """Start, judge, and kill in one of three ways."""
    way = chance.choice(("running", "running", "starting", "call", "call"))
    if time.time() - judge.judged > KEPT / 3:
        way = "running"  # nothing may expire before it was judged
    if way == "starting":
        server.start()
        if not server.died(chance.uniform(0.05, 1.8)):
            judge.kills.append(server.kill())
        return
    server.start(chance.randrange(1, 250) if way == "call" else 0)
    if server.ready():
        run = chance.uniform(0.1, 3.5)
        if way == "running":
            judge.judge()
            for name, (state, since) in judge.alerts().items():
                assert since == before.setdefault(name, (state, since))[1], f"{name} began anew"
        if not server.died(run + (3 if way == "call" else 0)):
            judge.kills.append(server.kill())
            return
    assert way == "call", server.text()[-4000:]
    judge.kills.append(time.time())
    assert server.process.wait() == -signal.SIGKILL, server.text()[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(600 + 30 * KILLS)
def test_kill_9_of_a_whole_server_loses_a_second_at_most_and_no_value_is_wrong(stage):
    server, judge = stage
    chance = random.Random(SEED)
    server.start()
    assert server.ready(), server.text()
    for sender in judge.senders.values():
        sender.start()
    end = time.monotonic() + 120
    while judge.alerts().get("Fires", ("",))[0] != "firing" or "Waits" not in judge.alerts():
        assert time.monotonic() < end, judge.alerts()
        time.sleep(0.2)
    time.sleep(1.5)  # the state of an alert may be a second old as well
    before = judge.alerts()
    judge.kills.append(server.kill())
    began = time.monotonic()
    for number in range(KILLS):
        one_kill(server, judge, chance, before)
        if number % 10 == 9:
            print(f"{number + 1} kills, {judge.samples:,} samples judged, at most {judge.worst * 1000:.0f} ms lost")
    server.start()
    assert server.ready(), server.text()
    time.sleep(4)  # so that nothing is on its way
    judge.judge()
    assert {name: since for name, (_, since) in judge.alerts().items()} == {n: s for n, (_, s) in before.items()}
    assert judge.alerts()["Fires"][0] == "firing"
    for sender in judge.senders.values():
        sender.stop()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) in {0, -signal.SIGTERM}, server.text()[-4000:]
    assert server.complaints() == []
    blocks = exported_as_told(server.folder)
    print(f"{len(judge.kills)} kills in {time.monotonic() - began:.0f} s (seed {SEED}), {judge.samples:,} samples judged, "
          f"at most {judge.worst * 1000:.0f} ms lost, {judge.unanswered} scrapes timed out or came too late, {blocks} blocks at the end")  # fmt: skip
    assert judge.worst <= LOSS


def exported_as_told(folder: Path) -> int:
    """Check the store without a server, and judge its export; returns how many blocks there are."""
    command = [sys.executable, "-m", "hypercare", "tsdb"]
    told = json.loads(subprocess.run([*command, "check", "data", "--json"], cwd=folder, check=True,
                                     capture_output=True).stdout)  # fmt: skip
    subprocess.run([*command, "export", "data", "-o", "out.gz", "--match", '{job="kills",__name__=~"kills_.*"}'],
                   cwd=folder, check=True, capture_output=True)  # fmt: skip
    rows: dict[int, dict] = defaultdict(lambda: defaultdict(dict))
    for line in gzip.decompress((folder / "out.gz").read_bytes()).decode().splitlines():
        found = re.fullmatch(r"(\w+)\{(.*)\} (\S+) (\S+)", line)
        if found is None:
            assert line.startswith("#"), line
            continue
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[2]))
        own = (("__name__", found[1]), *((n, labels[n]) for n in sorted(labels) if n in {"column", "epoch"}))
        stamp = round(float(found[4]) * 1000)
        if found[3] != "NaN":  # the end of a series
            rows[int(labels["target"])][stamp][own] = float(found[3])
    Judge.rows_are_whole(rows)
    assert len(rows) == TARGETS
    return len(told["blocks"])
