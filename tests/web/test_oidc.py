"""Log-in by OpenID Connect: a real hypercare process and a real provider, also one that lies."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from oidc_provider import CLIENT, SECRET, Provider

from ports_kit import free_port

pytestmark = pytest.mark.e2e


class Browser:
    """Follows nothing by itself; keeps cookies."""

    def __init__(self, port):
        self.port, self.cookies = port, {}

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        for header in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = header.partition("=")
            value = rest.split(";")[0].strip('"')
            self.cookies[name] = value
            if not value or "Max-Age=0" in header:
                self.cookies.pop(name)
        connection.close()
        return answer

    def to(self, answer):
        parts = urlsplit(answer.headers["Location"])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.fixture(scope="module")
def provider():
    one = Provider()
    yield one
    one.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory, provider):
    folder = tmp_path_factory.mktemp("oidc")
    found = free_port()
    (folder / "hypercare.yml").write_text(f"""
platform: shop
collect: {{host: {{enabled: false}}}}
web:
  external_url: http://127.0.0.1:{found}
  token: tok-admin-55
  oidc:
    issuer: {provider.issuer}
    client_id: {CLIENT}
    client_secret: {SECRET}
    roles: {{admin: root, responder: [ops, sre], viewer: staff}}
""")
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercare", "serve", "--listen", f"127.0.0.1:{found}"],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{found}/-/ready", timeout=2)
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
    yield found
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    told = (folder / "log").read_text()
    assert SECRET not in told
    assert "Traceback" not in told


@pytest.fixture
def honest(provider):
    provider.lie, provider.claims = "", {}
    yield provider
    provider.lie, provider.claims = "", {}


def there(browser, provider, to="/alerts"):
    """As far as the provider's answer: where it sends the browser."""
    sent = browser.get(f"/login/oidc?next={to}")
    assert sent.status == 303
    assert sent.headers["Location"].startswith(f"{provider.issuer}/auth?")
    at = http.client.HTTPConnection(urlsplit(provider.issuer).netloc, timeout=30)
    at.request("GET", sent.headers["Location"].removeprefix(provider.issuer))
    back = at.getresponse()
    at.close()
    return browser.to(back)


def log_in(browser, provider):
    return browser.get(there(browser, provider))


def who(browser):
    answer = browser.get("/api/hypercare/v1/me")
    return answer.text if answer.status == 200 else answer.status


def why(port):
    told = Browser(port).get("/api/v1/audit?limit=1", Authorization="Bearer tok-admin-55")
    return re.search(r'"result":"([^"]*)"', told.text)[1]


def test_log_in(port, honest):
    browser = Browser(port)
    assert "/login/oidc?next=" in browser.get("/login").text
    answer = log_in(browser, honest)
    assert (answer.status, answer.headers["Location"]) == (303, "/alerts"), why(port)
    assert '"name":"uma","role":"responder"' in who(browser)
    assert "hypercare_oidc" not in browser.cookies
    honest.claims = {"groups": ["staff"]}
    again = Browser(port)
    log_in(again, honest)
    assert '"role":"viewer"' in who(again)
    assert '"role":"viewer"' in who(browser), "the role follows the claims, in every session"
    told = Browser(port).get("/api/v1/audit?action=log_in&who=uma", Authorization="Bearer tok-admin-55").text
    assert '"via":"oidc"' in told


def test_the_users_information_fills_in(port, honest):
    honest.claims = {"groups": None, "preferred_username": None}
    browser = Browser(port)
    assert log_in(browser, honest).headers["Location"] == "/alerts", why(port)
    assert '"name":"uma","role":"responder"' in who(browser)
    honest.lie = "userinfo"
    assert log_in(Browser(port), honest).headers["Location"] == "/login"
    assert "somebody else" in why(port)


@pytest.mark.parametrize(
    ("lie", "claims", "reason"),
    [
        ("none", {}, "not signed by"), ("hs256", {}, "not signed by"), ("key", {}, "no key"), ("changed", {}, "no key"),
        ("crit", {}, "extensions"), ("", {"nonce": "other"}, "another log-in"), ("", {"nonce": None}, "another log-in"),
        ("", {"aud": "other"}, "another client"), ("", {"aud": ["x", CLIENT], "azp": "x"}, "another client"),
        ("", {"iss": "http://evil.example"}, "another issuer"), ("", {"exp": 1}, "expired"), ("", {"exp": "later"}, "expired"),
        ("", {"exp": None}, "expired"), ("", {"iat": 9_999_999_999}, "future"), ("", {"sub": ""}, "names nobody"),
        ("", {"groups": ["guests"]}, "gives uma a role"), ("", {"sub": "s-2"}, "belongs to a user"),
        ("", {"sub": "s-3", "preferred_username": "<b>"}, "cannot be used"),
    ],
)  # fmt: skip
def test_what_does_not_prove_anybody(port, honest, lie, claims, reason):
    log_in(Browser(port), honest)  # uma, subject s-1, is known
    honest.lie, honest.claims = lie, claims
    browser = Browser(port)
    answer = log_in(browser, honest)
    assert answer.headers["Location"] == "/login"
    assert reason in why(port)
    assert who(browser) == 401
    assert not any(name.endswith("session") for name in browser.cookies)


def test_a_provider_that_calls_itself_something_else(port, honest):
    honest.lie = "metadata"
    assert Browser(port).get("/login/oidc").headers["Location"] == "/login"
    assert "calls itself" in why(port)


def test_a_log_in_belongs_to_the_browser_that_began_it(port, honest):
    """Nobody can make somebody else log in as them (log-in CSRF), nor use an answer twice."""
    mallory, victim = Browser(port), Browser(port)
    back = there(mallory, honest)
    assert victim.get(back).headers["Location"] == "/login"
    assert who(victim) == 401
    there(victim, honest)
    assert victim.get(back).headers["Location"] == "/login", "with a log-in of their own under way"
    state = dict(mallory.cookies)
    assert mallory.get(back).headers["Location"] == "/alerts"
    mallory.cookies = state
    assert mallory.get(back).headers["Location"] == "/login", "a second time"


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x", "?error=access_denied&state=x", "?code=x&state=" + "y" * 3000]
)
def test_answers_that_nobody_asked_for(port, honest, query):
    assert Browser(port).get(f"/login/oidc/callback{query}").headers["Location"] == "/login"


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/%5Cevil.example"])
def test_log_in_leads_nowhere_else(port, honest, to):
    browser = Browser(port)
    assert browser.get(there(browser, honest, to)).headers["Location"] == "/"
