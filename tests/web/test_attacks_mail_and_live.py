"""Attacks on a real server process: line breaks in what becomes a mail, and listening on after the end of a session."""

from __future__ import annotations

import email
import email.policy
import http.client
import json
import socket
import threading
import time
from urllib.parse import urlencode, urlsplit

import pytest
from argon2 import PasswordHasher
from process_kit import Server

from hypercare.adapters.fakes import FakeMailServer

pytestmark = pytest.mark.e2e
TOKEN = "tok-admin-56"
_HASH = PasswordHasher().hash("ana-secret-1")
CONFIG = """
platform: shop
alertmanager:
  global: {{smtp_smarthost: "{mail}", smtp_from: hypercare@shop.example, smtp_require_tls: false}}
  route:
    receiver: mail
    group_wait: 1s
    group_by: [alertname]
    routes: [{{matchers: [to=~".+"], receiver: chosen}}]
  receivers:
    - name: mail
      email_configs:
        - to: team@shop.example
          headers: {{Subject: "{{{{ .CommonAnnotations.summary }}}}", X-Team: "{{{{ .CommonLabels.team }}}}"}}
    - name: chosen
      email_configs: [{{to: "{{{{ .CommonLabels.to }}}}"}}]
collect: {{host: {{enabled: false}}}}
web:
  token: {token}
  users: [{{name: ana, role: admin, password_hash: "{hash}"}}]
"""
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**ADMIN, "Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BREAKS = ("\r\n", "\n", "\r", "\u2028", "\x0b", "\x85", "\x00\r\n")


@pytest.fixture(scope="module")
def mail():
    with FakeMailServer() as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory, mail):
    one = Server(tmp_path_factory.mktemp("mailed"), CONFIG.format(mail=mail.address, token=TOKEN, hash=_HASH))
    yield one
    assert "Traceback" not in one.stop()


def until(condition, what):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def post(server, *alerts):
    status, _, text = server.ask("POST", "/api/v2/alerts", json.dumps(alerts), JSON)
    assert status == 200, text


def test_line_breaks_add_no_header_no_recipient_and_no_second_mail(server, mail):
    """Over a real SMTP conversation: subject, other headers, bodies."""
    for number, broken in enumerate(BREAKS):
        evil = (
            f"x{broken}Bcc: mallory@evil.example{broken}{broken}body{broken}.{broken}MAIL FROM:<mallory@evil.example>"
        )
        evil += f"{broken}RCPT TO:<mallory@evil.example>{broken}DATA{broken}Subject: forged"
        labels = {"alertname": f"Evil{number}", "team": evil, "bad": evil}
        post(server, {"labels": labels, "annotations": {"summary": evil, "description": evil}})
    until(lambda: len(mail.mails) >= len(BREAKS), "a mail for each")
    time.sleep(0.5)
    assert len(mail.mails) == len(BREAKS)
    for envelope, content in zip(mail.envelopes, mail.mails, strict=True):
        assert [line.split()[1] for line in envelope] == [b"FROM:<hypercare@shop.example>", b"TO:<team@shop.example>"]
        # As a lenient reader takes it: any line ending ends a line of the head.
        head = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")[0].decode()
        names = [line.split(":")[0].lower() for line in head.splitlines() if line[:1].strip()]
        assert not {"bcc", "cc", "mail from", "rcpt to"} & set(names), names
        assert names.count("subject") == names.count("to") == names.count("from") == names.count("x-team") == 1
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        assert not parsed.defects
        assert parsed["subject"].startswith("x")
        assert "forged" in parsed["subject"], "it stands within the line"
        assert parsed["to"] == "team@shop.example"


def test_a_recipient_with_a_line_break_is_refused_and_said_so(server, mail):
    before = len(mail.mails)
    post(server, {"labels": {"alertname": "Chosen", "to": "ben@shop.example\r\nBcc: mallory@evil.example"}})

    def failed():
        rows = json.loads(server.ask("GET", "/api/hypercare/v1/deliveries?state=failed", headers=ADMIN)[2])
        return [row for row in rows if "must not have line breaks" in (row["error"] or "")]

    until(failed, "a delivery that failed")
    assert len(mail.mails) == before


# -- the stream of events --------------------------------------------------------------------------------------


class Listener:
    """Reads the stream of events in a thread; ``ended`` is set when the server ends it."""

    def __init__(self, server, **headers):
        where = urlsplit(server.url)
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self.connection.request("GET", "/api/hypercare/v1/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.lines: list[bytes] = []
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        until(lambda: self.lines, "a welcome")

    def _read(self):
        try:
            while line := self.answer.readline():
                self.lines.append(line)
        except (OSError, http.client.HTTPException):
            return
        self.ended.set()

    def close(self):
        if self.connection.sock is not None:
            self.connection.sock.shutdown(socket.SHUT_RDWR)


def log_in(server):
    body = urlencode({"name": "ana", "password": "ana-secret-1", "next": "/"})
    assert server.ask("POST", "/login", body, {**FORM, "Origin": server.url})[0] == 303
    [cookie] = [c for c in server.cookies if c.startswith("hypercare_session=")]
    return cookie.split(";")[0]


def test_the_stream_ends_with_the_session(server):
    cookie, other = log_in(server), log_in(server)
    left, stays = Listener(server, Cookie=cookie), Listener(server, Cookie=other)
    assert server.ask("POST", "/logout", "", {"Cookie": cookie, "Origin": server.url})[0] == 303
    assert left.ended.wait(30)
    heard = len(left.lines)
    post(server, {"labels": {"alertname": "After"}})
    until(lambda: any(b"alerts.received" in line for line in stays.lines), "the other one hears on")
    assert len(left.lines) == heard
    assert not stays.ended.is_set()
    stays.close()


def test_the_stream_ends_with_the_token(server):
    body = json.dumps({"name": "watcher", "owner": "ana", "scopes": ["read"]})
    status, _, text = server.ask("POST", "/api/hypercare/v1/admin/tokens", body, JSON)
    assert status in {200, 201}, text
    made = json.loads(text)
    listener = Listener(server, Authorization=f"Bearer {made['token']}")
    status, _, text = server.ask("DELETE", f"/api/hypercare/v1/admin/tokens/{made['id']}", headers=ADMIN)
    assert status == 204, text
    assert listener.ended.wait(30)
