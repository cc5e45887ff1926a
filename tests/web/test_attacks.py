"""Attacks on a real server process, over real sockets: each is tried and refused, and the server goes on."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import socket
import threading
import time
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlencode

import cramjam
import pytest
from argon2 import PasswordHasher
from process_kit import Server
from starlette.exceptions import HTTPException

from hypercare.web import guard

pytestmark = pytest.mark.e2e
TOKEN = "tok-admin-55"
_HASH = PasswordHasher().hash("ana-secret-1")
CONFIG = """
platform: shop
alertmanager:
  route: {{receiver: hook, group_wait: 1s, group_by: [alertname]}}
  receivers: [{{name: hook, webhook_configs: [{{url: "http://127.0.0.1:{sink}/metadata"}}]}}]
channels: {{outgoing: {{deny_private: true}}}}
collect: {{host: {{enabled: false}}}}
people: [{{name: ana, contact: [{{channel: console}}]}}]
web:
  token: {token}
  users: [{{name: ana, role: admin, password_hash: "{hash}"}}, {{name: eve, role: viewer, password_hash: "{hash}"}}]
"""
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**ADMIN, "Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = "<script>alert(1)</script>{{7*7}}{{ .Foo }}{% raw %}${7*7}\"'><img src=x onerror=alert(1)>"


class Scan(HTMLParser):
    """What a browser would run: handlers in attributes, scripts that are not ours, addresses that are code."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            code = name in {"href", "src", "action"} and (value or "").strip().lower().startswith(
                ("javascript:", "data:")
            )
            foreign = tag == "script" and name == "src" and not (value or "").startswith("/static/")
            if name.startswith("on") or code or foreign:
                self.found.append((tag, name, value))


class Sink:
    """Counts who comes."""

    def __init__(self):
        self.hits = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                sink.hits.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def sink():
    one = Sink()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory, sink):
    port = sink.server.server_address[1]
    one = Server(tmp_path_factory.mktemp("attacked"), CONFIG.format(sink=port, token=TOKEN, hash=_HASH))
    yield one
    assert "Traceback" not in one.stop()


@pytest.fixture(autouse=True)
def alive(server):
    yield
    assert server.ask("GET", "/-/healthy")[0] == 200


def enter(server, name="ana", password="ana-secret-1", to="/", **headers):
    body = urlencode({"name": name, "password": password, "next": to})
    return server.ask("POST", "/login", body, {**FORM, "Origin": server.url, **headers})


def session(server, name="ana"):
    status, _, _ = enter(server, name)
    assert status == 303
    [cookie] = [c for c in server.cookies if c.startswith("hypercare_session=")]
    return cookie.split(";")[0], cookie


# -- sessions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Referer": "http://evil.example/"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)  # fmt: skip
def test_forms_of_other_sites(server, headers):
    cookie, _ = session(server)
    for path, body in (
        ("/users", "name=mallory&role=admin&password=0123456789"),
        ("/silences", "x=y"),
        ("/-/reload", ""),
    ):
        assert server.ask("POST", path, body, {**FORM, "Cookie": cookie, **headers})[0] == 403, path
    assert "mallory" not in server.ask("GET", "/users", headers=ADMIN)[2]


def test_a_planted_session_is_not_taken_up(server):
    planted = "hypercare_session=" + "a" * 64
    enter(server, Cookie=planted)
    [cookie] = [c for c in server.cookies if c.startswith("hypercare_session=")]
    assert "a" * 64 not in cookie
    assert server.ask("GET", "/users", headers={"Cookie": planted})[0] == 401
    for flag in ("HttpOnly", "SameSite=lax", "Path=/"):
        assert flag in cookie


def test_a_stolen_session_ends_with_the_log_out(server):
    cookie, _ = session(server)
    assert server.ask("GET", "/users", headers={"Cookie": cookie})[0] == 200
    assert server.ask("POST", "/logout", "", {"Cookie": cookie, "Origin": server.url})[0] == 303
    assert server.ask("GET", "/users", headers={"Cookie": cookie})[0] == 401


def test_over_https_the_cookie_is_secure_and_of_this_host(server):
    """A proxy on loopback says that the browser came over HTTPS."""
    body = urlencode({"name": "ana", "password": "ana-secret-1"})
    head = {**FORM, "X-Forwarded-Proto": "https", "Origin": server.url}
    assert server.ask("POST", "/login", body, head)[0] == 303
    [cookie] = [c for c in server.cookies if "session=" in c]
    assert cookie.startswith("__Host-hypercare_session=")
    assert "Secure" in cookie


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/%0d%0aX: y",
    ],
)
def test_log_in_leads_nowhere_else(server, to):
    status, headers, _ = enter(server, to=to)
    assert status == 303
    assert headers["location"].startswith("/")
    assert not headers["location"].startswith(("//", "/\\"))
    assert "evil.example" not in headers["location"]
    assert "x" not in headers


def test_names_cannot_be_told_from_answers_nor_from_time(server):
    known, unknown = [], []
    address = 0
    for _ in range(4):
        for name, times in (("eve", known), (f"nobody{address}", unknown)):
            address += 1
            began = time.perf_counter()
            found = enter(server, name, "wrong-password", **{"X-Forwarded-For": f"198.51.100.{address}"})
            times.append(time.perf_counter() - began)
            assert (found[0], found[1]["location"], found[2]) == (303, "/login?next=/", "")
            assert [c.split(";")[0] for c in server.cookies] == [
                "hypercare_message=" + server.cookies[0].split(";")[0].partition("=")[2]
            ]
    # Not a limit on speed: both take a hash, where a short cut would be a hundred times quicker.
    # The quickest of each, as a busy machine may hold up any of them.
    assert min(unknown) > min(known) / 5


def test_guessing_ends(server):
    found = [enter(server, f"guest{i}", "wrong-password", **{"X-Forwarded-For": "203.0.113.9"})[0] for i in range(12)]
    assert found == [303] * 10 + [429] * 2
    basic = base64.b64encode(b"ana:ana-secret-1").decode()
    status, headers, _ = server.ask(
        "GET", "/api/v1/labels", headers={"Authorization": f"Basic {basic}", "X-Forwarded-For": "203.0.113.9"}
    )
    assert (status, headers["retry-after"]) == (429, "300")


# -- what comes in labels and names ---------------------------------------------------------------------------


def test_labels_are_never_code(server):
    """Neither in templates (Go's or Jinja's) nor in HTML, on any page that shows them."""
    labels = {"alertname": EVIL, "severity": "critical", "service": EVIL, "instance": EVIL, EVIL: EVIL}
    notes = {
        "summary": EVIL,
        "description": '{{ range $i, $_ := . }}{{ end }}{{ define "x" }}',
        "runbook_url": "javascript:alert(1)",
    }
    assert server.ask("POST", "/api/v2/alerts", json.dumps([{"labels": labels, "annotations": notes}]), JSON)[0] == 200
    end = time.monotonic() + 120
    while "&lt;script&gt;" not in server.ask("GET", "/incidents", headers=ADMIN)[2]:
        assert time.monotonic() < end, "no incident opens"
        time.sleep(0.1)
    assert (
        server.ask("POST", "/api/hypercare/v1/incidents/1/notes", json.dumps({"text": EVIL, "by": EVIL}), JSON)[0]
        == 200
    )
    alerts = json.loads(server.ask("GET", "/api/v2/alerts", headers=ADMIN)[2])
    pages = ["/", "/alerts", "/incidents", "/incidents/1", "/oncall", "/targets", "/channels", "/users", "/audit", "/nosuch" + quote(EVIL),
             f"/login?next={quote(EVIL)}", f"/alerts/{alerts[0]['fingerprint']}", "/fragments/overview", "/fragments/alerts", "/fragments/incident/1",
             f"/audit?who={quote(EVIL)}", f"/incidents/{quote(EVIL, safe='')}"]  # fmt: skip
    for path in pages:
        status, headers, text = server.ask("GET", path, headers={**ADMIN, "Accept": "text/html"})
        assert status in {200, 404}, (path, status)
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        scan = Scan()
        scan.feed(text)
        assert scan.found == [], path
        assert headers["x-content-type-options"] == "nosniff"


def test_webhooks_do_not_reach_what_is_private(server, sink):
    """Notifications to loopback, with ``channels.outgoing.deny_private``: refused when the connection is made."""
    alert = [{"labels": {"alertname": "Ssrf", "severity": "warning"}}]
    assert server.ask("POST", "/api/v2/alerts", json.dumps(alert), JSON)[0] == 200
    end = time.monotonic() + 120
    while True:
        told = json.loads(server.ask("GET", "/api/hypercare/v1/deliveries", headers=ADMIN)[2])
        if any(d["channel"] == "webhook" and d["error"] for d in told):
            break
        assert time.monotonic() < end, told
        time.sleep(0.2)
    assert sink.hits == []


# -- sizes and bytes ------------------------------------------------------------------------------------------


def test_oversized_bodies(server):
    for path in ("/api/v2/alerts", "/api/v1/write", "/login", "/api/hypercare/v1/admin/users"):
        told = server.raw(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99999999999\r\n\r\nx".encode()
        )
        assert b" 413 " in told.split(b"\r\n")[0], path
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = f"POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(head.encode())
        try:
            for _ in range(40):
                link.sendall(chunk)
        except OSError:
            pass  # hung up on, which is what we want
        else:
            assert b" 413 " in link.recv(65536)


def test_a_body_that_never_comes_holds_nobody_up(server):
    head = f"POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n".encode()
    links = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(60)]
    for link in links:
        link.sendall(head)
    assert server.ask("GET", "/api/v1/query?query=1", headers=ADMIN)[0] == 200
    for link in links:
        link.close()


def test_a_slow_body_ends(monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)

    async def attack():
        async def receive():
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"x", "more_body": True}

        read = guard._counted(receive)
        try:
            for _ in range(100):
                await read()
        except HTTPException as refused:
            return refused.status_code
        return 200

    assert asyncio.run(attack()) == 408


@pytest.mark.parametrize("kind", ["gzip", "zstd", "snappy"])
def test_bombs(server, kind):
    plain = b"\0" * (200 << 20)
    if kind == "gzip":
        packed, path, name = gzip.compress(plain, 9), "/api/v1/otlp/v1/metrics", "gzip"
    elif kind == "zstd":
        packed, path, name = bytes(cramjam.zstd.compress(plain)), "/api/v1/otlp/v1/metrics", "zstd"
    else:
        packed, path, name = bytes(cramjam.snappy.compress_raw(plain)), "/api/v1/write", "snappy"
    assert len(packed) < 10 << 20
    head = {**ADMIN, "Content-Encoding": name, "Content-Type": "application/x-protobuf"}
    status, _, text = server.ask("POST", path, packed, head)
    assert status in {400, 413}, text
    # A size that lies: the whole is said to be four gigabytes.
    assert server.ask(
        "POST", "/api/v1/write", b"\xff\xff\xff\xff\x0f" + b"\0" * 100, {**head, "Content-Encoding": "snappy"}
    )[0] in {400, 413}


# -- paths, hosts, headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/static/../auth.py", "/static/..%2f..%2fauth.py", "/static/%2e%2e/%2e%2e/etc/passwd", "/static//etc/passwd", "/static/..%5cauth.py",
     "/fragments/..%2f..%2fauth", "/api/hypercare/v1/runbooks/..%2f..%2fhypercare.yml", "/api/hypercare/v1/runbooks/%2e%2e",
     "/runbooks/..%2fhypercare.yml", "/runbooks/%2fetc%2fpasswd", "/status/../hypercare.yml"],
)  # fmt: skip
def test_paths_stay_inside(server, path):
    status, _, text = server.ask("GET", path, headers=ADMIN)
    assert status in {400, 401, 404, 405, 422}, (path, status)
    for inside in ("root:", "import ", TOKEN, "platform: shop"):
        assert inside not in text, path


def test_the_host_header_leads_nobody_astray(server):
    for host in ("evil.example", "evil.example:80", "localhost@evil.example", "127.0.0.1.evil.example"):
        told = server.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode())
        [where] = re.findall(rb"(?im)^location: (\S+)", told)
        assert where == b"/login?next=/", host
        assert b"evil.example" not in told
    told = server.raw(
        b"GET /incidents/ HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer "
        + TOKEN.encode()
        + b"\r\nConnection: close\r\n\r\n"
    )
    assert b"root:" not in told


def test_nothing_sent_becomes_a_header(server):
    for path in (
        "/nosuch%0d%0aSet-Cookie:%20evil=1",
        "/login?next=/%0d%0aSet-Cookie:%20evil=1",
        "/incidents/1%0d%0aX-Evil:1",
    ):
        for accept in ("text/html", "*/*"):
            _, headers, _ = server.ask("GET", path, headers={**ADMIN, "Accept": accept})
            assert "x-evil" not in headers
            assert not any("evil" in c for c in server.cookies)


def test_pages_cannot_be_framed_nor_run_what_is_not_ours(server):
    for path in ("/", "/login", "/users", "/nosuch", "/static/style.css", "/api/v1/labels", "/metrics"):
        _, headers, _ = server.ask("GET", path, headers={**ADMIN, "Accept": "text/html"})
        policy = headers["content-security-policy"]
        for part in (
            "default-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "object-src 'none'",
            "form-action 'self'",
        ):
            assert part in policy, path
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] in {"same-origin", "no-referrer"}


def test_two_lengths_are_one_too_many(server):
    """Request smuggling: a length and chunks, or two lengths that differ."""
    base = f"POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    for tricks in (
        "Content-Length: 2\r\nContent-Length: 40\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ):
        told = server.raw(
            f"{base}{tricks}Connection: close\r\n\r\n0\r\n\r\nGET /users HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert told.count(b"HTTP/1.1 ") <= 1, told
        assert b" 200 " not in told.split(b"\r\n")[0], told
