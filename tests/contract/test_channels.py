"""One suite for all channels, against real HTTP and SMTP servers on loopback: accepted, later, never."""

from __future__ import annotations

import dataclasses
import http.server
import json
import socketserver
import threading
from typing import Any

import pytest

from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.mailer import SmtpMailer
from hypercare.channels import page
from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.notification import Notification, Page
from hypercare.channels.registry import CHANNELS, INTEGRATIONS
from hypercare.config.alertmanager import alertmanager_model
from hypercare.config.people import Person
from hypercare.kernel import Delivered, Effect, Permanent, Retry
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.time import SECOND
from hypercare.sim.clock import VirtualClock
from hypercare.sim.ports import virtual_ports
from hypercare.sim.world import World

T0 = 1_750_000_000_000


class HttpServer:
    """Answers as told and keeps what it got."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                outer.got.append((self.path, dict(self.headers), self.rfile.read(size)))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class SmtpServer:
    """Enough SMTP for one mail a connection; ``verdict`` answers the content."""

    def __init__(self) -> None:
        self.verdict = b"250 queued"
        self.got: list[bytes] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: bytes) -> None:
                self.wfile.write(line + b"\r\n")

            def handle(self) -> None:
                self.say(b"220 here")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.say(b"354 go on")
                        lines = list(iter(self.rfile.readline, b".\r\n"))
                        outer.got.append(b"".join(lines))
                        self.say(outer.verdict)
                    elif verb == b"QUIT":
                        self.say(b"221 bye")
                        return
                    else:
                        self.say(b"250 fine")

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Rig:
    """All channels behind real ports."""

    def __init__(self) -> None:
        self.web, self.smtp = HttpServer(), SmtpServer()
        self.io, self.mailer = IoLoop("contract"), SmtpMailer()
        clock = VirtualClock(T0)
        virtual = virtual_ports(clock, World(clock))
        self.ports = dataclasses.replace(virtual, http=HttpClient(self.io), mailer=self.mailer)
        self.dispatcher = Dispatcher(self.ports)
        self.point_at(self.web.url, self.smtp.address)

    def point_at(self, url: str, smtp: str) -> None:
        receiver = {
            "name": "oncall",
            "webhook_configs": [{"url": f"{url}/hook"}],
            "slack_configs": [{"api_url": f"{url}/slack", "send_resolved": True}],
            "pagerduty_configs": [{"routing_key": "rk", "url": f"{url}/pd"}],
            "email_configs": [{"to": "ada@x.org"}],
            "console_configs": [{}],
        }
        shared = {"smtp_from": "hc@x.org", "smtp_smarthost": smtp, "smtp_require_tls": False}
        raw = {"global": shared, "route": {"receiver": "oncall"}, "receivers": [receiver]}
        ways = [
            {"channel": "webhook", "url": f"{url}/hook"},
            {"channel": "slack", "url": f"{url}/slack"},
            {"channel": "email", "to": "ada@x.org"},
            {"channel": "console"},
        ]
        people = (Person.model_validate({"name": "ada", "contact": ways}),)
        self.dispatcher.take(alertmanager_model(INTEGRATIONS).model_validate(raw), people)
        self.ways = {way["channel"]: f"person/ada/{n}" for n, way in enumerate(ways)}

    def send(self, channel: str, key: str = "key-1", *, paged: bool = False) -> Any:
        target, payload = self.effect(channel, paged=paged)
        done = threading.Event()
        found: list[Any] = []

        def reply(outcome: Any) -> None:
            found.append(outcome)
            done.set()

        self.dispatcher.deliver(Effect(key, channel, target, "group:x", payload), reply)
        assert done.wait(20)
        return found[0]

    def effect(self, channel: str, *, paged: bool) -> tuple[str, Any]:
        if paged:
            return self.ways[channel], page.render(channel, Page("7", "Down", "P1", "api", "all of it", T0))
        integration = next(i for i in self.dispatcher.integrations["oncall"] if i.channel == channel)
        alert = Alert(Labels.of(alertname="Down", service="api"), starts_at=T0)
        told = Notification("oncall", "{}:{}", Labels(), (alert,), T0, "http://hc")
        return integration.target, json.loads(json.dumps(integration.render(told)))

    def refuse(self, channel: str, *, for_good: bool) -> None:
        if channel == "email":
            self.smtp.verdict = b"554 never" if for_good else b"451 later"
        else:
            self.web.status = 400 if for_good else 503
            self.web.headers = {} if for_good else {"Retry-After": "7"}

    def close(self) -> None:
        self.web.close()
        self.smtp.close()
        self.mailer.close()
        self.io.close()


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


REMOTE = sorted(set(CHANNELS) - {"console"})


@pytest.mark.parametrize("channel", sorted(CHANNELS))
def test_what_is_accepted_is_delivered(rig, channel):
    assert isinstance(rig.send(channel), Delivered)
    if channel == "email":
        assert b"X-Idempotency-Key: key-1" in rig.smtp.got[0]
    elif channel == "console":
        assert "Down" in rig.ports.console.lines[0]
    else:
        [(_, headers, body)] = rig.web.got
        assert headers["Idempotency-Key"] == "key-1"
        assert json.loads(body)


@pytest.mark.parametrize("channel", ["webhook", "slack", "email", "console"])
def test_pages_take_the_same_way(rig, channel):
    assert isinstance(rig.send(channel, paged=True), Delivered)


@pytest.mark.parametrize("channel", REMOTE)
def test_a_server_in_trouble_is_tried_again(rig, channel):
    rig.refuse(channel, for_good=False)
    outcome = rig.send(channel)
    assert isinstance(outcome, Retry)
    assert outcome.after == (None if channel == "email" else 7 * SECOND)


@pytest.mark.parametrize("channel", REMOTE)
def test_a_refusal_is_for_good(rig, channel):
    rig.refuse(channel, for_good=True)
    assert isinstance(rig.send(channel), Permanent)


@pytest.mark.parametrize("channel", REMOTE)
def test_nobody_there_is_tried_again(rig, channel):
    rig.point_at("http://127.0.0.1:9", "127.0.0.1:9")
    assert isinstance(rig.send(channel), Retry)


@pytest.mark.parametrize("channel", REMOTE)
def test_the_same_key_gives_the_same_content(rig, channel):
    rig.send(channel, "again")
    rig.send(channel, "again")
    got = rig.smtp.got if channel == "email" else [body for _, _, body in rig.web.got]
    assert got[0] == got[1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Delivered) for status in (200, 202, 204)),
        *((status, Permanent) for status in (301, 400, 401, 403, 404, 410, 413)),
        *((status, Retry) for status in (408, 429, 500, 502, 503, 504)),
    ],
)
def test_statuses(rig, status, kind):
    rig.web.status, rig.web.body = status, b""
    assert isinstance(rig.send("webhook"), kind)


def test_slack_reports_errors_with_status_200(rig):
    rig.web.body = b"invalid_payload"
    assert rig.send("slack") == Permanent("Slack: invalid_payload")


def test_pagerduty_asks_to_slow_down_with_403(rig):
    rig.web.status = 403
    assert isinstance(rig.send("pagerduty"), Retry)
