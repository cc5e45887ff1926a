"""Secrets are nowhere in what the server says: distinctive ones everywhere, then every way it speaks is searched."""

from __future__ import annotations

import base64
import json

import pytest
from argon2 import PasswordHasher
from process_kit import Server

pytestmark = pytest.mark.e2e
TOKEN = "sEcReT-web-token"
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("sEcReT-password")
CONFIG = f"""
platform: shop
prometheus:
  scrape_configs:
    - job_name: api
      scrape_interval: 1s
      scrape_timeout: 1s
      basic_auth: {{username: u, password: sEcReT-scrape-password}}
      static_configs: [{{targets: ["127.0.0.1:1"]}}]
    - job_name: bearer
      authorization: {{credentials: sEcReT-scrape-bearer}}
      static_configs: [{{targets: ["127.0.0.1:1"]}}]
    - job_name: oauth
      oauth2: {{client_id: c, client_secret: sEcReT-oauth, token_url: "http://127.0.0.1:1/token"}}
      static_configs: [{{targets: ["127.0.0.1:1"]}}]
    - job_name: url
      static_configs: [{{targets: ["127.0.0.1:1"]}}]
      params: {{token: [x]}}
  remote_write:
    - {{url: "http://u:sEcReT-write-url@127.0.0.1:1/w", basic_auth: {{username: u, password: sEcReT-write}}}}
alertmanager:
  global:
    slack_api_url: "http://127.0.0.1:1/services/sEcReT-slack-url"
    smtp_smarthost: "127.0.0.1:1"
    smtp_from: a@b.example
    smtp_auth_username: u
    smtp_auth_password: sEcReT-smtp
    pagerduty_url: "http://127.0.0.1:1/v2"
  route: {{receiver: all, group_wait: 1s, group_by: [alertname]}}
  receivers:
    - name: all
      webhook_configs: [{{url: "http://u:sEcReT-hook-user@127.0.0.1:1/hook/sEcReT-hook-path?key=sEcReT-hook-query"}}]
      slack_configs: [{{channel: "#ops"}}]
      email_configs: [{{to: x@y.example}}]
      pagerduty_configs: [{{routing_key: sEcReT-pagerduty}}]
collect: {{host: {{enabled: false}}}}
people: [{{name: ana, contact: [{{channel: console}}]}}]
web:
  external_url: http://127.0.0.1:9600
  token: {TOKEN}
  users: [{{name: ana, role: admin, password_hash: "{_HASH}"}}]
  oidc: {{issuer: "http://127.0.0.1:1", client_id: c, client_secret: sEcReT-oidc}}
"""
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**ADMIN, "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("secrets"), CONFIG)
    yield one
    if one.process.poll() is None:
        one.stop()


def leaks(text):
    """What of the configured secrets stands in a text, plainly or in base64."""
    found = [text[max(0, i - 80) : i + 60] for i in _places(text, "sEcReT")]
    for secret in ("sEcReT-scrape", "u:sEcReT", "ana:sEcReT"):
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
        found += [f"base64 of {secret}"] if encoded in text else []
    found += ["argon2"] if "$argon2" in text else []
    return found


def _places(text, word):
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def test_nothing_that_the_server_says_holds_a_secret(server):
    alert = [{"labels": {"alertname": "Broken", "severity": "critical", "service": "api"}}]
    assert server.ask("POST", "/api/v2/alerts", json.dumps(alert), JSON)[0] == 200
    # A user and a token of its own, and what goes wrong on the way.
    made = server.ask(
        "POST",
        "/api/hypercare/v1/admin/users",
        json.dumps({"name": "ben", "role": "viewer", "password": "sEcReT-ben-password"}),
        JSON,
    )
    assert made[0] == 201
    bad = server.ask(
        "POST",
        "/api/hypercare/v1/admin/users",
        json.dumps({"name": "ben", "role": 7, "password": "sEcReT-in-error"}),
        JSON,
    )
    assert bad[0] == 422
    short = server.ask(
        "POST",
        "/api/hypercare/v1/admin/users",
        json.dumps({"name": "cy", "role": "viewer", "password": "sEcReT"}),
        JSON,
    )
    assert short[0] == 400
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": server.url}
    server.ask("POST", "/login", "name=ana&password=sEcReT-wrong", form)
    server.ask("GET", "/api/v1/query?query=1", headers={"Authorization": "Bearer sEcReT-wrong-bearer"})
    server.ask("GET", "/login/oidc")
    # Deliveries fail, and say why.
    import time

    end = time.monotonic() + 120
    while time.monotonic() < end:
        told = server.ask("GET", "/api/hypercare/v1/deliveries", headers=ADMIN)[2]
        if sum(bool(d["error"]) for d in json.loads(told)) >= 3:
            break
        time.sleep(0.2)
    said = {"users": made[2], "error": bad[2], "short": short[2]}
    openapi = json.loads(server.ask("GET", "/openapi.json", headers=ADMIN)[2])
    paths = [p for p, methods in openapi["paths"].items() if "get" in methods and not p.endswith("/events")]
    pages = ["/", "/incidents", "/incidents/1", "/alerts", "/targets", "/oncall", "/users", "/audit", "/channels", "/docs", "/openapi.json",
             "/metrics", "/federate?match[]={__name__=~'.%2b'}", "/login", "/nosuch", "/api/v1/status/config", "/api/v2/status"]  # fmt: skip
    for path in [p.replace("{name}", "job").replace("{ref}", "1") for p in paths] + pages:
        for accept in ("application/json", "text/html"):
            said[f"{path} {accept}"] = server.ask("GET", path, headers={**ADMIN, "Accept": accept})[2]
    assert len(said) > 60
    assert said["/api/v1/status/config application/json"].count("<secret>") > 5
    assert sum(bool(d["error"]) for d in json.loads(told)) >= 3, "the channels had something to say"
    found = {path: leaks(text) for path, text in said.items() if leaks(text)}
    found["log"] = leaks(server.stop())
    assert {k: v[:3] for k, v in found.items() if v} == {}
