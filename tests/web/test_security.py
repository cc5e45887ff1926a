"""Who may come in, and what other people's pages, labels and requests cannot do."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher

from hypercare.web.forms import inside
from hypercare.web.guard import MAX_BODY

_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HTML = {"Accept": "text/html"}
USERS = f"""
web:
  token: sesame
  users:
    - {{name: ana, role: admin, password_hash: "{_CHEAP.hash("ana-secret")}"}}
    - {{name: ben, role: responder, password_hash: "{_CHEAP.hash("ben-secret")}"}}
    - {{name: eve, role: viewer, password_hash: "{_CHEAP.hash("eve-secret")}"}}
"""


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def closed(make):
    shop = make(USERS)
    shop.break_it()
    return shop


def enter(shop, name, password, **kwargs):
    return shop.post("/login", form={"name": name, "password": password, "next": "/alerts"}, **kwargs)


# -- log-in ---------------------------------------------------------------------------------------------------


def test_without_a_name_there_is_only_the_door(closed):
    for path in (
        "/",
        "/incidents/1",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/api/v1/query?query=1",
        "/fragments/overview",
    ):
        assert closed.get(path).status == 401, path
        page = closed.get(path, headers=HTML)
        assert (page.status, page.headers["location"].split("?")[0]) == (303, "/login"), path
    assert closed.get("/incidents?a=b", headers=HTML).headers["location"] == "/login?next=/incidents%3Fa%3Db"
    assert closed.post("/api/v2/alerts", body=[]).status == 401
    assert closed.post("/-/reload").status == 401
    for path in ("/-/healthy", "/-/ready", "/login", "/static/style.css"):
        assert closed.get(path).status == 200, path
    for path in ("/loginx", "/-/readyx", "/static", "//static/style.css", "/login/../incidents"):
        assert closed.get(path).status == 401, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer sesame"}, 200),
        ({"Authorization": "bearer  sesame"}, 200),
        ({"Authorization": "Bearer sesam"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer ÿ"}, 401),
        (basic("ana", "ana-secret"), 200),
        (basic("ana", "sesame"), 401),  # the token does not make anybody ana
        (basic("anyone", "sesame"), 200),
        (basic("ana", "wrong"), 401),
        (basic("nobody", "ana-secret"), 401),
        ({"Authorization": "Basic !!!"}, 401),
        ({"Authorization": "Basic /w=="}, 401),
        ({"Authorization": "Digest x"}, 401),
        ({"Cookie": "hypercare_session=x"}, 401),
        ({"Cookie": "hypercare_session="}, 401),
    ],
)
def test_ways_to_show_who_one_is(closed, headers, status):
    for _ in range(2):
        assert closed.get("/api/v1/query?query=1", headers=headers).status == status


def test_a_session(closed):
    answer = enter(closed, "ana", "ana-secret")
    assert (answer.status, answer.headers["location"]) == (303, "/alerts")
    [cookie] = [c for c in answer.cookies if c.startswith("hypercare_session")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = closed.get("/", headers=HTML)
    assert page.status == 200
    assert "ana" in page.text
    assert "Log out" in page.text
    session = dict(closed.cookies)
    assert closed.post("/logout").headers["location"] == "/login"
    assert "hypercare_session" not in closed.cookies
    closed.cookies = session
    assert closed.get("/").status == 401, "a stolen cookie ends with the session"


def test_a_session_ends(closed):
    enter(closed, "ana", "ana-secret")
    hour = 3_600_000
    closed.clock.advance_to(closed.clock.now() + 12 * hour - 1)
    assert closed.get("/").status == 200, "used within twelve hours"
    closed.run(1)
    closed.clock.advance_to(closed.clock.now() + 11 * hour)
    assert closed.get("/").status == 200, "each use counts anew"
    closed.clock.advance_to(closed.clock.now() + 13 * hour)
    assert closed.get("/").status == 401
    enter(closed, "ana", "ana-secret")
    for _ in range(15):
        closed.run(1)
        closed.clock.advance_to(closed.clock.now() + 11 * hour)
        assert closed.get("/").status == 200
    closed.clock.advance_to(closed.clock.now() + 4 * hour)
    assert closed.get("/").status == 401, "a week is the end of it"


def test_a_session_ends_with_the_password_and_follows_the_role(closed):
    text = closed.file.read_text()
    enter(closed, "ben", "ben-secret")
    closed.file.write_text(text.replace("name: ben, role: responder", "name: ben, role: viewer"))
    assert closed.post("/-/reload", headers={"Authorization": "Bearer sesame", "Cookie": "a=b"}).status == 200
    assert closed.post("/incidents/1/act", form={"act": "ack"}).status == 403
    closed.file.write_text(re.sub(r"(?m)^.*name: ben.*\n(?=.*name: eve)", "", text))
    assert closed.post("/-/reload", headers={"Authorization": "Bearer sesame", "Cookie": "a=b"}).status == 200
    assert closed.get("/").status == 401


def test_a_session_by_token_ends_with_the_token(closed):
    assert enter(closed, "carl", "sesame").headers["location"] == "/alerts"
    assert closed.get("/").status == 200
    closed.file.write_text(closed.file.read_text().replace("token: sesame", "token: other"))
    assert closed.post("/-/reload").status == 200
    assert closed.get("/").status == 401


def test_wrong_tries_are_limited_by_address_and_time(closed):
    for _ in range(10):
        assert enter(closed, "ana", "guess", client="10.0.0.1").headers["location"].startswith("/login")
    closed.cookies = {}
    limited = enter(closed, "ana", "ana-secret", client="10.0.0.1")
    assert limited.status == 429
    assert "too many tries" in limited.text
    assert enter(closed, "nobody", "x", client="10.0.0.1").text == limited.text
    assert closed.get("/", headers=basic("eve", "eve-secret"), client="10.0.0.1").status == 429
    assert enter(closed, "ana", "ana-secret", client="10.0.0.2").headers["location"] == "/alerts"
    closed.cookies = {}
    closed.run(301)
    assert enter(closed, "ana", "ana-secret", client="10.0.0.1").headers["location"] == "/alerts"


# -- roles ----------------------------------------------------------------------------------------------------

SILENCE = {
    "matchers": [{"name": "a", "value": "b", "isRegex": False}],
    "startsAt": "2026-01-05T08:00:00Z", "endsAt": "2026-01-06T08:00:00Z", "createdBy": "x", "comment": "y",
}  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "reloads"), [("ana", 200, 200), ("ben", 200, 403), ("eve", 403, 403)])
def test_what_the_roles_may(closed, name, changes, reloads):
    head = basic(name, f"{name}-secret")
    assert closed.get("/api/hypercare/v1/status", headers=head).status == 200
    assert closed.post("/api/v1/query", form={"query": "1"}, headers=head).status == 200
    assert closed.post("/api/v2/alerts", body=[{"labels": {"a": "b"}}], headers=head).status == changes
    assert closed.post("/api/v2/silences", body=SILENCE, headers=head).status == changes
    assert closed.post("/api/hypercare/v1/incidents/1/ack", body={}, headers=head).status == changes
    acted = closed.post("/incidents/1/act", form={"act": "note", "text": "x"}, headers=head)
    assert acted.status == (303 if changes == 200 else 403)
    assert closed.post("/-/reload", headers=head).status == reloads
    page = closed.get("/incidents/1", headers=head).text
    assert ("Resolve</button>" in page) == (changes == 200)


def test_nobody_acts_under_a_name_that_is_not_theirs(closed):
    closed.post(
        "/api/hypercare/v1/incidents/1/notes", body={"by": "ana", "text": "n1"}, headers=basic("ben", "ben-secret")
    )
    closed.post("/incidents/1/act", form={"act": "note", "by": "ana", "text": "n2"}, headers=basic("ben", "ben-secret"))
    closed.post(
        "/api/hypercare/v1/incidents/1/notes",
        body={"by": "carl", "text": "n3"},
        headers={"Authorization": "Bearer sesame"},
    )
    timeline = closed.get("/api/hypercare/v1/incidents/1", headers={"Authorization": "Bearer sesame"}).json()[
        "timeline"
    ]
    assert [(t["text"], t["by"]) for t in timeline if t["kind"] == "note"] == [
        ("n1", "ben"),
        ("n2", "ben"),
        ("n3", "carl"),
    ]


# -- other sites' pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:9600"}, 200),
        ({"Origin": "https://127.0.0.1:9600"}, 200),
        ({"Origin": "https://ops.example"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9600.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9601"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "127.0.0.1:9600"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_forms_of_other_sites(make, headers, status):
    shop = make("web: {external_url: 'https://ops.example'}\n")
    assert shop.post("/api/v2/alerts", body=[], headers=headers).status == status
    assert shop.post("/-/reload", headers=headers).status == status
    deleted = shop.request("DELETE", "/api/v2/silence/x", headers=headers).status
    assert deleted == (404 if status == 200 else 403)
    assert shop.get("/api/v2/alerts", headers=headers).status == 200, "reading is kept from other sites by the browser"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9600", 200), ("LOCALHOST", 200), ("localhost.", 200), ("hypercare.localhost:9600", 200),
        ("127.0.0.1", 200), ("[::1]:9600", 200), ("10.1.2.3:80", 200), ("ops.example", 200), ("OPS.example:443", 200),
        ("evil.example", 403), ("evil.example:9600", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403),
        ("evillocalhost", 403), ("[::1", 403), ("127.0.0.1@evil.example", 403), ("2130706433", 403),
    ],
)  # fmt: skip
def test_an_open_server_goes_by_its_own_names_only(make, host, status):
    shop = make("web: {external_url: 'https://ops.example'}\n")
    shop.host = host
    assert shop.post("/api/v2/alerts", body=[]).status == status
    assert shop.get("/api/v1/query?query=1").status == status


def test_a_closed_server_goes_by_any_name(closed):
    closed.host = "ops.internal"
    assert closed.get("/api/v1/query?query=1", headers={"Authorization": "Bearer sesame"}).status == 200


@pytest.mark.parametrize(
    ("given", "leads"),
    [
        ("/", "/"), ("/incidents/1?x=y#z", "/incidents/1?x=y#z"), ("", "/"), ("//evil.example", "/"), ("/\\evil.example", "/"),
        ("https://evil.example", "/"), ("javascript:alert(1)", "/"), ("/\t/evil.example", "/"), ("/\n/evil.example", "/"),
        ("\\/evil.example", "/"), (" //evil.example", "/"), ("///evil.example", "/"), ("/ok\r\nSet-Cookie: a=b", "/"),
    ],
)  # fmt: skip
def test_where_redirects_lead(closed, given, leads):
    assert inside(given) == leads
    answer = closed.post("/login", form={"name": "ana", "password": "ana-secret", "next": given})
    assert answer.headers["location"] == leads
    assert 'value="//' not in closed.get("/login?next=//evil.example").text


@pytest.mark.parametrize(
    ("referer", "leads"),
    [
        ("http://127.0.0.1:9600/alerts?x=1", "/alerts"), ("http://127.0.0.1:9600", "/incidents/1"),
        ("http://evil.example/alerts", "/incidents/1"), ("http://evil.example//127.0.0.1:9600//evil.example/", "/incidents/1"),
        ("http://127.0.0.1:9600//evil.example/", "/incidents/1"), ("http://[bad", "/incidents/1"), ("", "/incidents/1"),
    ],
)  # fmt: skip
def test_where_forms_lead_back(broken, referer, leads):
    answer = broken.post("/incidents/1/act", form={"act": "note", "text": "x"}, headers={"Referer": referer})
    assert (answer.status, answer.headers["location"]) == (303, leads)


def test_what_is_sent_does_not_become_a_header(broken):
    who = "a\r\nSet-Cookie: evil=1; → ü"
    answer = broken.post("/incidents/1/act", form={"act": "ack", "by": who})
    assert answer.status == 303
    assert all("\r" not in c and "\n" not in c for c in answer.cookies)
    assert set(answer.headers) >= {"location"}
    assert "evil" not in answer.headers
    assert "→ ü" in broken.get("/incidents/1").text
    answer = broken.get("/nosuch%0d%0aX-Evil:1", headers=HTML)
    assert answer.status == 404
    assert "x-evil" not in answer.headers


def test_words_on_a_page_do_not_come_from_its_address(broken):
    assert "call 0900" not in broken.get("/?message=call+0900").text
    broken.post("/incidents/1/act", form={"act": "resolve"})
    broken.post("/incidents/1/act", form={"act": "resolve"})
    assert "already" in broken.get("/incidents/1").text
    assert "already" not in broken.get("/incidents/1").text.split("Timeline")[0], "said once"


# -- what stands in labels and notes --------------------------------------------------------------------------


class _Scan(HTMLParser):
    """Scripts, handlers and addresses of a page, as a browser would find them."""

    def __init__(self):
        super().__init__()
        self.scripts, self.handlers, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.handlers += [
            n
            for n in attrs
            if n.startswith("on") or (n.startswith("hx-") and n not in {"hx-get", "hx-trigger", "hx-swap"})
        ]
        if tag == "script":
            self.scripts.append(attrs.get("src"))
        self.links += [v for n, v in attrs.items() if n in {"href", "src", "action"}]


NASTY = "<script>alert(1)</script>{{7*7}}${7*7}\"'><img src=x onerror=alert(1)>"


def test_nothing_in_alerts_and_notes_is_run(make):
    shop = make(rules="groups: []")
    labels = {"alertname": NASTY, "severity": "critical", "service": "api", NASTY: NASTY, "job": NASTY}
    notes = {"summary": NASTY, "runbook_url": "javascript:alert(1)//http://x"}
    assert shop.post("/api/v2/alerts", body=[{"labels": labels, "annotations": notes}]).status == 200
    shop.run(20)
    assert shop.post("/incidents/1/act", form={"act": "note", "text": NASTY, "by": NASTY}).status == 303
    shop.post("/api/v2/silences", body=SILENCE | {"comment": NASTY, "createdBy": NASTY})
    for path in (
        "/",
        "/incidents",
        "/incidents/1",
        "/alerts",
        "/targets",
        "/oncall",
        "/graph?g0.expr=" + quote(NASTY),
        "/fragments/overview",
        "/fragments/incident/1",
    ):
        answer = shop.get(path)
        assert answer.status == 200, path
        scan = _Scan()
        scan.feed(answer.text)
        assert set(scan.scripts) <= {f"/static/{n}.js" for n in ("htmx-4.0.1.min", "live", "keys", "hash")}, path
        assert scan.handlers == [], path
        assert all(link.startswith(("/", "#", "https://wiki.example/", "http://")) for link in scan.links), scan.links
        assert "49" not in re.sub(r"\d\d:\d\d", "", answer.text.split("<main")[-1]) or "{{7*7}}" in answer.text, path
    assert "{{7*7}}" in shop.get("/incidents/1").text


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd", "/static/", "/static/%00",
     "/static/..\\server.py", "/static/style.css/../../server.py", "/static/" + "x" * 5000],
)  # fmt: skip
def test_only_static_files_are_static(shop, path):
    answer = shop.get(path)
    assert answer.status in {400, 404}, answer.status
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


def test_headers_for_browsers(shop):
    for path in ("/", "/login", "/docs", "/nosuch", "/static/style.css", "/api/v1/query?query=1"):
        answer = shop.get(path, headers=HTML)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert shop.get("/").headers["cache-control"] == "no-store"


def test_pages_obey_their_own_policy(broken):
    for path in ("/", "/incidents/1", "/alerts", "/docs", "/login"):
        text = broken.get(path).text
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert not re.search(r"(src|href)=\"(https?:)?//(?!wiki\.example|api:)", text), path


# -- size -----------------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large(shop):
    answer = shop.ask("POST", "/api/v2/alerts", "", {"host": "localhost", "content-length": str(MAX_BODY + 1)}, [b"["])
    assert answer.status == 413
    for length in ("-1", "x", "9" * 30):
        assert (
            shop.ask("POST", "/api/v2/alerts", "", {"host": "localhost", "content-length": length}, [b"["]).status
            == 413
        )


@pytest.mark.parametrize("path", ["/api/v2/alerts", "/api/v1/query", "/api/hypercare/v1/incidents/1/notes"])
def test_a_body_that_grows_too_large(shop, path):
    chunk = b" " * (1 << 20)
    kind = "application/x-www-form-urlencoded" if path.startswith("/api/v1") else "application/json"
    answer = shop.ask("POST", path, "", {"host": "localhost", "content-type": kind}, [chunk] * 11)
    assert answer.status == 413
