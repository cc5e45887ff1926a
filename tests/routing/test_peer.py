"""The same timelines through Debian's Alertmanager (real seconds) and through ours (virtual time): the same notifications."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
import yaml
from routing_kit import FakeIntegration, House, matcher

from hypercare.config.alertmanager import AlertmanagerConfig
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.time import SECOND, format_rfc3339
from hypercare.routing.commands import ExpireSilence, PutSilence, ReceiveAlerts
from hypercare.routing.from_config import settings_from
from ports_kit import free_port

BINARY = shutil.which("prometheus-alertmanager")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="prometheus-alertmanager is not installed (apt install it)"),
]

CONFIG = {
    "route": {
        "receiver": "ops",
        "group_by": ["alertname"],
        "group_wait": "2s",
        "group_interval": "4s",
        "repeat_interval": "1h",
        "routes": [
            {"receiver": "pager", "match": {"severity": "critical"}, "continue": True},
            {"receiver": "chat", "match_re": {"severity": "warning|info"}, "group_by": ["cluster"]},
        ],
    },
    "inhibit_rules": [
        {"source_match": {"severity": "critical"}, "target_match": {"severity": "info"}, "equal": ["cluster"]}
    ],
    "receivers": [{"name": name} for name in ("ops", "pager", "chat")],
}

# Second, what, which alert (name, instance, severity, cluster).
CRITICAL, WARNING = ("Down", "a", "critical", "eu"), ("Slow", "a", "warning", "eu")
TIMELINES: dict[str, list[tuple[float, str, Any]]] = {
    "group, new alert, partial end, end": [
        (0, "fire", CRITICAL),
        (1, "fire", ("Down", "b", "critical", "eu")),
        (3.5, "fire", ("Down", "c", "critical", "eu")),
        (8, "resolve", CRITICAL),
        (11.5, "resolve", ("Down", "b", "critical", "eu")),
        (12, "resolve", ("Down", "c", "critical", "eu")),
    ],
    "ends within group_wait": [(0, "fire", WARNING), (1, "resolve", WARNING), (4, "fire", ("Full", "x", "none", "us"))],
    "flaps between two flushes": [
        (0, "fire", WARNING),
        (3, "resolve", WARNING),
        (4.5, "fire", WARNING),
        (10.5, "resolve", WARNING),
    ],
    "silence in group_wait, expired later": [
        (0, "fire", WARNING),
        (0.5, "silence", "alertname=Slow"),
        (7.5, "expire", "alertname=Slow"),
        (11.5, "resolve", WARNING),
    ],
    "inhibited until the source ends": [
        (0, "fire", CRITICAL),
        (0, "fire", ("Note", "a", "info", "eu")),
        (0, "fire", ("Note", "a", "info", "us")),
        (3.5, "resolve", CRITICAL),
    ],
    "old when first seen": [(0, "fire_old", WARNING), (1, "fire", ("Slow", "b", "warning", "eu"))],
}
LENGTH = 17.0


def labels(key: tuple[str, str, str, str]) -> dict[str, str]:
    return dict(zip(("alertname", "instance", "severity", "cluster"), key, strict=True))


class Peer:
    """A real Alertmanager with webhooks that lead to us."""

    def __init__(self, folder: Any) -> None:
        self.got: list[tuple[str, list[str], list[str]]] = []
        outer = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                by = {"firing": [], "resolved": []}
                for alert in body["alerts"]:
                    by[alert["status"]].append("/".join(alert["labels"].get(n, "") for n in ("alertname", "instance")))
                outer.got.append((body["receiver"], sorted(by["firing"]), sorted(by["resolved"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.hook.server_address[1]}/"
        config = {
            **CONFIG,
            "receivers": [{"name": r["name"], "webhook_configs": [{"url": url}]} for r in CONFIG["receivers"]],
        }
        (folder / "am.yml").write_text(yaml.safe_dump(config))
        self.url = f"http://127.0.0.1:{free_port()}"
        arguments = [f"--web.listen-address={self.url[7:]}", "--cluster.listen-address=", f"--storage.path={folder}"]
        self.process = subprocess.Popen(
            [BINARY, f"--config.file={folder}/am.yml", *arguments], stderr=(folder / "log").open("w")
        )
        self.silences: dict[str, str] = {}
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                self.ask("GET", "/-/ready")
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail((folder / "log").read_text())

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def do(self, what: str, argument: Any) -> None:
        now = time.time_ns() // 1_000_000
        if what == "silence":
            name, value = argument.split("=")
            found = {"name": name, "value": value, "isRegex": False, "isEqual": True}
            times = {"startsAt": format_rfc3339(now), "endsAt": format_rfc3339(now + 3600 * SECOND)}
            answer = self.ask(
                "POST", "/api/v2/silences", {"matchers": [found], "createdBy": "t", "comment": "t", **times}
            )
            self.silences[argument] = json.loads(answer)["silenceID"]
        elif what == "expire":
            self.ask("DELETE", f"/api/v2/silence/{self.silences[argument]}")
        else:
            posted = {"labels": labels(argument)}
            if what == "resolve":
                posted["endsAt"] = format_rfc3339(now)
            else:
                posted["startsAt"] = format_rfc3339(now - (60 * SECOND if what == "fire_old" else 0))
            self.ask("POST", "/api/v2/alerts", [posted])

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.hook.shutdown()
        self.hook.server_close()


class Ours:
    """The same words for a house under virtual time."""

    def __init__(self) -> None:
        config = AlertmanagerConfig.model_validate(CONFIG)
        self.house = House(
            settings_from(config, {r["name"]: (FakeIntegration(r["name"]),) for r in CONFIG["receivers"]})
        )
        self.silences: dict[str, str] = {}

    def do(self, what: str, argument: Any) -> None:
        now = self.house.clock.now()
        if what == "silence":
            put = PutSilence(((matcher(argument),),), now, now + 3600 * SECOND)
            self.silences[argument] = self.house.call(put)
        elif what == "expire":
            self.house.call(ExpireSilence(self.silences[argument]))
        else:
            starts_at = {"resolve": 0, "fire": now, "fire_old": now - 60 * SECOND}[what]
            ends_at = now if what == "resolve" else None
            self.house.call(
                ReceiveAlerts((Alert(Labels(labels(argument).items()), starts_at=starts_at, ends_at=ends_at),))
            )

    @property
    def got(self) -> list[tuple[str, list[str], list[str]]]:
        return [
            (e.target.split("/")[1], sorted(e.payload["firing"]), sorted(e.payload["resolved"]))
            for _, e in self.house.told
        ]


def play_for_real(name: str, folder: Any) -> tuple[list[tuple[str, list[str], list[str]]], list[float]]:
    """What was told, and the second of each event: on a busy machine they come later than planned."""
    folder.mkdir()
    peer = Peer(folder)
    came: list[float] = []
    try:
        begun = time.monotonic()
        for at, what, argument in TIMELINES[name]:
            time.sleep(max(0.0, begun + at - time.monotonic()))
            peer.do(what, argument)
            # Groups begin, and are flushed, as counted from the first.
            begun = begun if came else time.monotonic()
            came.append(time.monotonic() - begun)
        time.sleep(max(0.0, begun + LENGTH - time.monotonic()))
    finally:
        peer.close()
    return peer.got, came


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """All timelines side by side, each with an Alertmanager of its own."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with concurrent.futures.ThreadPoolExecutor(len(TIMELINES)) as pool:
        found = {n: pool.submit(play_for_real, n, folder / str(i)) for i, n in enumerate(TIMELINES)}
        return {name: future.result() for name, future in found.items()}


@pytest.mark.parametrize("name", TIMELINES)
def test_same_notifications(name, theirs):
    ours, (told, came) = Ours(), theirs[name]
    elapsed = 0.0
    for at, (_, what, argument) in zip(came, TIMELINES[name], strict=True):
        ours.house.run(round((at - elapsed) * 1000))
        elapsed = at
        ours.do(what, argument)
    ours.house.run(round((LENGTH - elapsed) * 1000))
    # Receivers are told side by side there: the order holds for each receiver.
    for receiver in ("ops", "pager", "chat"):
        assert [g for g in ours.got if g[0] == receiver] == [g for g in told if g[0] == receiver]
    assert ours.got
