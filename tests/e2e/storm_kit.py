"""A storm of alerts over real servers that are killed: a receiver in a process of its own remembers all it accepted.

The judge explains every repeat. Either the receiver lied (it accepted, and said that it had not), or a kill came after
the request had arrived and before its mark can have been written; no kill may explain more than one. Only of what a
receiver had kept unanswered for longer than others wait for it (``kernel/line.py``) there may be one at each receiver.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from hypercare.kernel.line import CROWD, EVERYWHERE
from ports_kit import free_port

if TYPE_CHECKING:
    from pathlib import Path

RECEIVER = """
import collections, json, random, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
port, file, kind, chance = int(sys.argv[1]), open(sys.argv[2], "ab", buffering=0), sys.argv[3], random.Random(7)
late, refused = collections.deque(maxlen=100), collections.Counter()

def beat():
    while True:
        began = time.monotonic()
        time.sleep(0.01)
        late.append(time.monotonic() - began - 0.01)

threading.Thread(target=beat, daemon=True).start()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        began, held_up = time.time(), sum(list(late))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, draw = 200, chance.random()
        # As long as a quick receiver takes over a network: half of it before it has accepted, half after.
        pause = draw * 0.015
        time.sleep(0.2 + draw if kind == "slow" else pause)
        closes = kind == "lying" and draw < 0.2
        if kind == "lying" and 0.2 <= draw < 0.4:
            status = 500
        key = self.headers["Idempotency-Key"]
        # Not the same one again and again: with a sixth refusal the pauses alone are a minute, with a seventh two.
        if kind == "failing" and draw < 0.4 and refused[key] < 4:
            refused[key] += 1
            status = 503
        else:
            row = {"began": began, "held_up": held_up, "at": time.time(), "lied": closes or status != 200, "path": self.path,
                   "key": key, "body": json.loads(body)}
            file.write(json.dumps(row).encode() + b"\\n")
        time.sleep(pause)
        if closes:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 200

Server(("127.0.0.1", port), Handler).serve_forever()
"""
CLOCK = """
import time
_real, _mono, _state = time.time_ns, time.monotonic, [0.0, 0]
def time_ns():
    if _mono() - _state[0] > 0.1:
        _state[0] = _mono()
        try:
            _state[1] = int(open({file!r}).read() or 0) * 1_000_000_000
        except (OSError, ValueError):
            pass
    return _real() + _state[1]
time.time_ns = time_ns
time.time = lambda: time_ns() / 1e9
"""
ALERTMANAGER = """
route: {{receiver: hook, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 24h}}
receivers: [{{name: hook, webhook_configs: [{{url: "http://127.0.0.1:{port}/hook"}}]}}]
"""
_SERVICE = re.compile(r"svc-\d{4}-x")
_MARKED_WITHIN = 5.0
"""Seconds after which the mark of what was accepted must be there, on a busy machine."""
_SEEN_WITHIN = 1.0
"""Seconds after which a receiver on a busy machine looks at what was sent; who sent it may have been killed meanwhile."""


class Storm:
    """Servers, a receiver, and rounds of alerts; each round is a service of its own, so that each opens an incident."""

    def __init__(
        self, folder: Path, rounds: int, seed: int = 1, kind: str = "honest", database=None, replicas: int = 1
    ):
        self.folder, self.rounds, self.database, self.kind = folder, rounds, database, kind
        # A slow receiver takes most of a second for each.
        self.alerts = 2 if kind == "slow" else 6
        self.seed, self.chance = seed, random.Random(seed)
        self.kills: list[float] = []
        # Of them, when the database went away while all went on.
        self.outages: list[float] = []
        self.records = folder / "records.jsonl"
        self.clock = folder / "clock"
        port = free_port()
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(CLOCK.format(file=str(self.clock)))
        self.receiver = subprocess.Popen([sys.executable, "-c", RECEIVER, str(port), str(self.records), kind])
        (folder / "alertmanager.yml").write_text(ALERTMANAGER.format(port=port))
        people = [
            {"name": n, "contact": [{"channel": "webhook", "url": f"http://127.0.0.1:{port}/page/{n}"}]}
            for n in ("ana", "ben")
        ]
        steps = [{"notify": ["ana"], "after": "0s"}, {"notify": ["ben"], "after": "3s"}]
        config = {
            "platform": "storm", "alertmanager": "alertmanager.yml", "people": people,
            "services": [{"name": _service(n), "tier": 1, "owner": "team"} for n in range(rounds)],
            "escalations": [{"name": "default", "steps": steps}],
            "collect": {"host": {"enabled": False}},
            **({"state": database.make("storm")} if database else {}),
        }  # fmt: skip
        (folder / "hypercare.yml").write_text(json.dumps(config))
        self.ports = [free_port() for _ in range(replicas)]
        self.processes: list[subprocess.Popen | None] = [None] * replicas
        for n in range(replicas):
            self.start(n)
        self.until(lambda: all(self.get(n, "/-/ready") for n in range(replicas)), 90, "all replicas are ready")

    # -- servers -----------------------------------------------------------------------------------------------

    def start(self, n: int) -> None:
        import os

        path = f"{self.folder / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        with (self.folder / f"log{n}").open("ab") as log:
            self.processes[n] = subprocess.Popen(
                [sys.executable, "-m", "hypercare", "serve", "--config", str(self.folder / "hypercare.yml"),
                 "--data", str(self.folder / f"data{n}"), "--listen", f"127.0.0.1:{self.ports[n]}"],
                stdout=log, stderr=log, cwd=self.folder, env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip

    def leader(self) -> tuple[int, ...]:
        """The number of the one that leads; nothing while nobody does."""
        if len(self.ports) == 1:
            return (0,)
        for n in range(len(self.ports)):
            if b'"leads":true' in (self.get(n, "/api/hypercare/v1/replicas") or b""):
                return (n,)
        return ()

    def kill(self, n: int) -> None:
        self.processes[n].kill()
        self.processes[n].wait()
        self.kills.append(time.time())

    def get(self, n: int, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[n]}{path}", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.1)
        logs = "\n".join((self.folder / f"log{n}").read_text()[-3000:] for n in range(len(self.ports)))
        told = what() if callable(what) else what
        raise AssertionError(f"not within {seconds} s: {told}\n{logs}")

    def close(self) -> None:
        for process in (*self.processes, self.receiver):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    # -- the storm ---------------------------------------------------------------------------------------------

    def send(self, number: int) -> None:
        """Alerts of a round, as a Prometheus sends them: to whoever answers, again until somebody has taken them."""
        alerts = [
            {"labels": {"alertname": "Storm", "n": str(i), "service": _service(number), "severity": "critical"}}
            for i in range(self.alerts)
        ]
        for part in (alerts[i : i + 2] for i in range(0, self.alerts, 2)):
            self.until(lambda part=part: self._post(part), 90, f"alerts of round {number} are accepted")

    def _post(self, alerts) -> bool:
        port = self.chance.choice(self.ports)
        # Their end is far away; on the servers' clock, which may be an hour off.
        body = json.dumps([{**each, "endsAt": "2035-01-01T00:00:00Z"} for each in alerts]).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status == 200
        except OSError:
            return False

    def round(self, number: int) -> None:
        """Alerts, and a kill of the leader at some moment; who was killed comes back at once."""
        if self.kind == "slow":
            # Where CROWD wait for one receiver several are sent at once, and a kill may repeat them all: not judged here.
            most = CROWD - 2 * self.alerts
            self.until(lambda: self.waiting(number) <= most, 120, f"at most {most} wait for the slow receiver")
        sender = threading.Thread(target=self.send, args=(number,))
        (victim,) = self.until(self.leader, 90, "somebody leads")
        sender.start()
        time.sleep(self.chance.uniform(0, 0.6))
        self.kill(victim)
        self.start(victim)
        if len(self.ports) == 1:
            self.until(lambda: self.get(0, "/-/ready"), 90, "it is back")
        sender.join()
        # The page of the second step of earlier rounds, and what waits for another try, come in between.
        time.sleep(self.chance.uniform(0, 0.5))

    # -- what came of it ---------------------------------------------------------------------------------------

    def rows(self):
        """All that was accepted, oldest first."""
        lines = self.records.read_text().splitlines() if self.records.exists() else []
        return sorted((json.loads(line) for line in lines), key=lambda row: row["at"])

    def told(self):
        """The keys under which each person and receiver was told of each alert and incident."""
        found: dict[tuple[str, str, str], set[str]] = {}
        for row in self.rows():
            if row["path"] == "/hook":
                places = [(alert["labels"]["service"], alert["labels"]["n"]) for alert in row["body"]["alerts"]]
            else:
                places = [(name, "") for name in sorted(set(_SERVICE.findall(json.dumps(row["body"]))))]
            for place in places:
                found.setdefault((row["path"], *place), set()).add(row["key"])
        return found

    def wanted(self):
        hooks = {("/hook", _service(n), str(i)) for n in range(self.rounds) for i in range(self.alerts)}
        return hooks | {(f"/page/{who}", _service(n), "") for n in range(self.rounds) for who in ("ana", "ben")}

    def waiting(self, number):
        """How many alerts of earlier rounds have not reached the webhook."""
        earlier = {_service(n) for n in range(number)}
        return sum(path == "/hook" and service in earlier for path, service, _ in self.missing())

    def missing(self):
        return sorted(self.wanted() - set(self.told()))

    def judge(self):
        """Wait for the last, then: everybody was told, under one key each, and a kill repeats one at most."""
        self.until(lambda: not self.missing(), 120, lambda: f"everything arrives; missing: {self.missing()}")
        time.sleep(5)
        told = self.told()
        several = {place: keys for place, keys in told.items() if len(keys) > 1}
        assert not several, f"told more than once, under different keys: {several}"
        lies, of_kills = self._repeats()
        for kill, repeats in of_kills.items():
            # Sent before it was seen, by as much as this machine kept a process waiting in the second before.
            fresh = [row for row in repeats if kill - row["began"] + row["held_up"] < EVERYWHERE / 1000]
            told_twice = f"seed {self.seed}: the kill at {kill} repeats {len(repeats)}: {repeats}"
            # A database takes a while to go: which marks it still took is not known to the moment.
            assert len(fresh) <= 1 or kill in self.outages, told_twice
            assert len({row["path"] for row in repeats}) == len(repeats), told_twice
        return {"seed": self.seed, "kills": len(self.kills), "told": len(told), "repeated for lies": lies,
                "kills that repeated one": sum(len(each) == 1 for each in of_kills.values()),
                "kills that repeated more": sum(len(each) > 1 for each in of_kills.values())}  # fmt: skip

    def _repeats(self):
        """How many repeats lies explain, and for each kill the deliveries it made come again."""
        lies, of_kills, last = 0, {}, {}
        for row in self.rows():
            earlier, last[row["key"]] = last.get(row["key"]), row
            if earlier is None:
                continue
            if earlier["lied"]:
                lies += 1
                continue
            after = [kill for kill in self.kills if earlier["began"] - _SEEN_WITHIN <= kill <= row["began"]]
            assert after, f"seed {self.seed}: came twice without a kill, {self.kills}: {earlier} {row}"
            late = after[0] - earlier["at"]
            assert late < _MARKED_WITHIN, (
                f"seed {self.seed}: not marked {late} s after it was accepted: {earlier} {row}"
            )
            of_kills.setdefault(after[0], []).append(earlier)
        return lies, of_kills


def _service(number: int) -> str:
    return f"svc-{number:04d}-x"
