"""One suite for all channels, against their fakes behind real sockets: accepted, later, never, lost on the way."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

import pytest

from hypercare.adapters.fakes import FakeMailServer, FakeServer
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.mailer import SmtpMailer
from hypercare.channels import page
from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.fake import Reply, Trouble, broken, late, lying, refused, slow_down
from hypercare.channels.fakes import FAKES
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


class Impatient:
    """An HTTP port that waits for less long than a person would."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http
        self.timeout = 20_000

    def submit(self, request: Any, reply: Any) -> None:
        self.http.submit(dataclasses.replace(request, timeout=self.timeout), reply)


class ImpatientMailer:
    def __init__(self) -> None:
        self.mailer = SmtpMailer()
        self.timeout = 20_000

    def submit(self, mail: Any, reply: Any) -> None:
        self.mailer.submit(dataclasses.replace(mail, timeout=self.timeout), reply)


class Rig:
    """All channels behind real ports."""

    def __init__(self) -> None:
        self.fakes = {name: make() for name, make in FAKES.items()}
        self.servers = {name: FakeServer(fake) for name, fake in self.fakes.items()}
        self.smtp = FakeMailServer()
        self.io = IoLoop("contract")
        self.http, self.mailer = Impatient(HttpClient(self.io)), ImpatientMailer()
        clock = VirtualClock(T0)
        virtual = virtual_ports(clock, World(clock))
        self.ports = dataclasses.replace(virtual, http=self.http, mailer=self.mailer)
        self.dispatcher = Dispatcher(self.ports)
        self.point_at({name: server.url for name, server in self.servers.items()}, self.smtp.address)

    def point_at(self, urls: dict[str, str], smtp: str) -> None:
        receiver = {
            "name": "oncall",
            "webhook_configs": [{"url": f"{urls['webhook']}/hook"}],
            "slack_configs": [{"channel": "#ops", "send_resolved": True}],
            "pagerduty_configs": [{"routing_key": "rk", "url": f"{urls['pagerduty']}/v2/enqueue"}],
            "email_configs": [{"to": "ada@x.org"}],
            "console_configs": [{}],
            "discord_configs": [{"webhook_url": f"{urls['discord']}/api/webhooks/1"}],
            "msteams_configs": [{"webhook_url": f"{urls['msteams']}/webhookb2/1"}],
            "msteamsv2_configs": [{"webhook_url": f"{urls['msteamsv2']}/workflows/1"}],
            "opsgenie_configs": [{"api_key": "fake-key", "responders": [{"name": "ops", "type": "team"}]}],
            "telegram_configs": [{"bot_token": "1:fake", "chat_id": -7}],
        }
        shared = {
            "smtp_from": "hc@x.org", "smtp_smarthost": smtp, "smtp_require_tls": False, "slack_app_token": "xoxb-fake",
            "slack_app_url": f"{urls['slack']}/api/chat.postMessage", "opsgenie_api_url": f"{urls['opsgenie']}/",
            "opsgenie_api_key": "fake-key", "telegram_api_url": urls["telegram"], "telegram_bot_token": "1:fake",
            "pagerduty_url": f"{urls['pagerduty']}/v2/enqueue",
        }  # fmt: skip
        raw = {"global": shared, "route": {"receiver": "oncall"}, "receivers": [receiver]}
        ways = [
            {"channel": "webhook", "url": f"{urls['webhook']}/hook"},
            {"channel": "slack", "to": "UADA"},
            {"channel": "email", "to": "ada@x.org"},
            {"channel": "console"},
            {"channel": "pagerduty", "routing_key": "rk"},
            {"channel": "discord", "url": f"{urls['discord']}/api/webhooks/1"},
            {"channel": "msteams", "url": f"{urls['msteams']}/webhookb2/1"},
            {"channel": "msteamsv2", "url": f"{urls['msteamsv2']}/workflows/1"},
            {"channel": "opsgenie", "to": "ada@x.org"},
            {"channel": "telegram", "to": "77"},
        ]
        people = (Person.model_validate({"name": "ada", "contact": ways}),)
        self.dispatcher.take(alertmanager_model(INTEGRATIONS).model_validate(raw), people)
        self.ways = {way["channel"]: f"person/ada/{n}" for n, way in enumerate(ways)}

    def send(self, channel: str, key: str = "key-1", *, paged: bool = False, ended: bool = False) -> Any:
        target, payload = self.effect(channel, paged=paged, ended=ended)
        done = threading.Event()
        found: list[Any] = []

        def reply(outcome: Any) -> None:
            found.append(outcome)
            done.set()

        self.dispatcher.deliver(Effect(key, channel, target, "group:x", payload), reply)
        assert done.wait(60)
        assert len(found) == 1
        return found[0]

    def effect(self, channel: str, *, paged: bool, ended: bool) -> tuple[str, Any]:
        if paged:
            told = Page("7", "Down", "P1", "api", "all of it", T0, ack_url="https://hc.x.org/a/t")
            return self.ways[channel], page.render(channel, told)
        integration = next(i for i in self.dispatcher.integrations["oncall"] if i.channel == channel)
        alert = Alert(Labels.of(alertname="Down", service="api"), starts_at=T0 - 1000, ends_at=T0 if ended else None)
        notified = Notification("oncall", "{}:{}", Labels(), (alert,), T0, "http://hc")
        return integration.target, json.loads(json.dumps(integration.render(notified)))

    def trouble(self, channel: str, trouble: Trouble, mail: bytes = b"", delay: float = 0.0) -> None:
        if channel == "email":
            self.smtp.verdicts.append(mail)
            self.smtp.delay = delay
        else:
            self.fakes[channel].trouble(trouble)

    def arrived(self, channel: str) -> list[bytes]:
        return self.smtp.mails if channel == "email" else [r.body for r in self.fakes[channel].requests]

    def close(self) -> None:
        for server in self.servers.values():
            server.close()
        self.smtp.close()
        self.mailer.mailer.close()
        self.io.close()


@pytest.fixture(scope="module")
def shared():
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def rig(shared):
    yield shared
    for fake in shared.fakes.values():
        fake.requests.clear()
        fake._troubles.clear()
    shared.smtp.mails.clear()
    shared.smtp.verdicts.clear()
    shared.smtp.delay = 0.0
    shared.ports.console.lines.clear()
    shared.http.timeout = shared.mailer.timeout = 20_000
    shared.point_at({name: server.url for name, server in shared.servers.items()}, shared.smtp.address)


REMOTE = sorted(set(CHANNELS) - {"console", "apprise"})
HTTP = sorted(set(REMOTE) - {"email"})


@pytest.mark.parametrize("channel", [*REMOTE, "console"])
def test_what_is_accepted_is_delivered(rig, channel):
    assert isinstance(rig.send(channel), Delivered)
    if channel == "console":
        assert "Down" in rig.ports.console.lines[0]
        return
    [body] = rig.arrived(channel)
    assert b"Down" in body
    if channel == "email":
        assert b"X-Idempotency-Key: key-1" in body
    else:
        assert dict(rig.fakes[channel].requests[0].headers)["Idempotency-Key"] == "key-1"


@pytest.mark.parametrize("channel", REMOTE)
def test_the_end_is_accepted_too(rig, channel):
    assert isinstance(rig.send(channel), Delivered)
    assert isinstance(rig.send(channel, "key-2", ended=True), Delivered)


@pytest.mark.parametrize("channel", [*REMOTE, "console"])
def test_pages_take_the_same_way_and_can_be_acknowledged(rig, channel):
    assert isinstance(rig.send(channel, paged=True), Delivered)
    said = "".join(rig.ports.console.lines) if channel == "console" else rig.arrived(channel)[0].decode()
    assert "https://hc.x.org/a/t" in said.replace("=\r\n", "")


@pytest.mark.parametrize("channel", REMOTE)
def test_a_server_in_trouble_is_tried_again(rig, channel):
    rig.trouble(channel, broken(), b"451 later")
    outcome = rig.send(channel)
    assert isinstance(outcome, Retry)
    assert ("we are ill" in outcome.error) or channel == "email"
    assert isinstance(rig.send(channel), Delivered)


@pytest.mark.parametrize("channel", HTTP)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_slow_down_says_for_how_long(rig, channel, status):
    rig.trouble(channel, slow_down(7, status))
    outcome = rig.send(channel)
    assert isinstance(outcome, Retry)
    assert outcome.after == 7 * SECOND


@pytest.mark.parametrize("channel", REMOTE)
@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_a_refusal_is_for_good(rig, channel, status):
    rig.trouble(channel, refused(status), b"554 never")
    outcome = rig.send(channel)
    assert isinstance(outcome, Permanent)
    assert "never" in outcome.error


@pytest.mark.parametrize("channel", REMOTE)
def test_no_answer_in_time_is_tried_again(rig, channel):
    rig.http.timeout = rig.mailer.timeout = 300
    rig.trouble(channel, late(1500), b"250 queued", 1.5)
    assert isinstance(rig.send(channel), Retry)


@pytest.mark.parametrize("channel", REMOTE)
def test_a_slow_answer_is_waited_for(rig, channel):
    rig.trouble(channel, late(400), b"250 queued", 0.4)
    assert isinstance(rig.send(channel), Delivered)


@pytest.mark.parametrize("channel", REMOTE)
def test_nobody_there_is_tried_again(rig, channel):
    rig.point_at(dict.fromkeys(FAKES, "http://127.0.0.1:9"), "127.0.0.1:9")
    assert isinstance(rig.send(channel), Retry)


@pytest.mark.parametrize("channel", REMOTE)
def test_a_receiver_that_accepts_and_hangs_up_is_tried_again_with_the_same_key(rig, channel):
    rig.trouble(channel, lying())
    assert isinstance(rig.send(channel, "again"), Retry)
    assert isinstance(rig.send(channel, "again"), Delivered)
    first, second = rig.arrived(channel)
    assert first == second


@pytest.mark.parametrize("channel", HTTP)
def test_answers_that_are_no_answers_fell_nobody(rig, channel):
    for body in (b"", b"\xff\xfe", b"[" * 10_000, b"null", b'{"ok": 3}', b'{"parameters": 7, "retry_after": "x"}'):
        for status in (200, 429, 500):
            reply = Reply(status, body, (("content-type", "application/json"),))
            rig.trouble(channel, Trouble(reply))
            outcome = rig.send(channel)
            assert isinstance(outcome, Delivered | Retry | Permanent)
            assert isinstance(outcome, Retry) or status == 200


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Delivered) for status in (200, 202, 204)),
        *((status, Permanent) for status in (301, 400, 401, 403, 404, 410, 413)),
        *((status, Retry) for status in (408, 429, 500, 502, 503, 504)),
    ],
)
def test_statuses(rig, status, kind):
    rig.trouble("webhook", Trouble(Reply(status)))
    assert isinstance(rig.send("webhook"), kind)


def test_slack_reports_errors_with_status_200(rig):
    rig.trouble("slack", Trouble(Reply(200, b"invalid_payload")))
    assert rig.send("slack") == Permanent("Slack: invalid_payload")
    rig.trouble("slack", Trouble(Reply.of({"ok": False, "error": "ratelimited"})))
    assert rig.send("slack") == Retry("Slack: ratelimited")


def test_pagerduty_asks_to_slow_down_with_403(rig):
    rig.trouble("pagerduty", Trouble(Reply(403)))
    assert isinstance(rig.send("pagerduty"), Retry)


def test_waits_in_bodies_and_dates(rig):
    rig.trouble("telegram", Trouble(Reply.of({"ok": False, "parameters": {"retry_after": 35}}, 429)))
    assert rig.send("telegram").after == 35 * SECOND
    rig.trouble("discord", Trouble(Reply.of({"message": "slow", "retry_after": 1.5}, 429)))
    assert rig.send("discord").after == 1500
    rig.trouble("webhook", Trouble(Reply(503, b"", (("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),))))
    assert rig.send("webhook").after == 0
    rig.trouble("webhook", Trouble(Reply(503, b"", (("retry-after", "soon"),))))
    assert rig.send("webhook").after is None
    for channel in ("msteams", "msteamsv2"):
        rig.trouble(
            channel,
            Trouble(Reply(200, b"Webhook message delivery failed: Microsoft Teams endpoint returned HTTP error 429")),
        )
        assert isinstance(rig.send(channel), Retry)
