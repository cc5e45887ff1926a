"""What every endpoint demands: nothing is open that is not on this list, and whoever lacks the role is refused."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher
from fastapi.routing import APIRoute
from starlette.routing import Mount

from hypercare.access import Area, Need, Role, Scope
from hypercare.web.api.prometheus import prometheus_endpoints

_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USERS = f"""
web:
  users:
    - {{name: ana, role: admin, password_hash: "{_CHEAP.hash("ana-secret")}"}}
    - {{name: ben, role: responder, password_hash: "{_CHEAP.hash("ben-secret")}"}}
    - {{name: eve, role: viewer, password_hash: "{_CHEAP.hash("eve-secret")}"}}
"""
# Whoever adds a line here says in the endpoint why it is safe.
OPEN = {
    ("GET", "/-/healthy"),
    ("GET", "/-/ready"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/login/oidc"),
    ("GET", "/login/oidc/callback"),
    ("GET", "/a/{token}"),
    ("GET", "/c/{token}.ics"),
    ("POST", "/a/{token}"),
    ("GET", "/d/{token}"),
    ("POST", "/d/{token}"),
    ("POST", "/api/hypercare/v1/inbound/slack/actions"),
    ("POST", "/api/hypercare/v1/inbound/slack/commands"),
    ("POST", "/api/hypercare/v1/inbound/slack/events"),
    ("POST", "/api/hypercare/v1/inbound/pagerduty"),
}
# Prometheus' API reads by POST, too; leaving is for everybody who came in.
VIEWERS_CHANGE = {("POST", "/logout")}
OWN_ACCOUNT = ("/api/hypercare/v1/me/", "/account/")


def routes(web):
    """(method, path with example parts) of everything that the application answers."""
    found = set()
    waiting = [(route, "") for route in web.router.routes]
    while waiting:
        route, prefix = waiting.pop()
        if isinstance(route, APIRoute):
            found |= {(method, prefix + route.path) for method in route.methods}
        elif hasattr(route, "original_router"):
            context = getattr(route, "include_context", None)
            waiting += [(inner, prefix + getattr(context, "prefix", "")) for inner in route.original_router.routes]
        elif isinstance(route, Mount):
            assert route.path == "/static", f"what is mounted at {route.path}?"
        else:
            found |= {(method, route.path) for method in route.methods}
    found |= {(method, e.path) for e in prometheus_endpoints() for method in e.methods}
    return sorted(found)


def example(path):
    return re.sub(r"\{[^}]+\}", "x", path)


def test_the_enumeration_finds_every_operation_of_the_description(shop):
    described = {(method.upper(), path) for path, methods in shop.web.openapi()["paths"].items() for method in methods}
    known = {(method, re.sub(r":path\}", "}", path)) for method, path in routes(shop.web)}
    assert described <= known
    assert len(known) > len(described) + 15, "pages are not described"


def test_nothing_is_open_that_is_not_on_the_list(make):
    closed = make(USERS)
    demands = closed.web.state.demands
    found = {(m, p) for m, p in routes(closed.web) if demands.of(m, example(p)).role is Role.NOBODY}
    assert found == OPEN
    assert all(demands.of(m, p).why for m, p in found)


def test_every_endpoint_refuses_whom_it_must(make):
    """401 without a name, 403 without the role; a GET never changes anything for which a viewer is too little."""
    closed = make(USERS)
    demands = closed.web.state.demands
    for user, role in (("", Role.NOBODY), ("eve", Role.VIEWER), ("ben", Role.RESPONDER)):
        closed.cookies = {}
        if user:
            closed.post("/login", form={"name": user, "password": f"{user}-secret"})
        for method, path in routes(closed.web):
            need = demands.of(method, example(path))
            if need.role <= role:
                continue
            answer = closed.request(method, example(path))
            assert answer.status == (403 if user else 401), (method, path, user, answer.text[:200])


def test_changes_need_more_than_a_viewer(shop):
    demands = shop.web.state.demands
    reading_by_post = {e.path for e in prometheus_endpoints() if e.need.area is Area.QUERY}
    for method, path in routes(shop.web):
        need = demands.of(method, example(path))
        if method in {"GET", "HEAD"}:
            continue
        if (
            path.startswith(OWN_ACCOUNT)
            or path in reading_by_post
            or (method, path) in VIEWERS_CHANGE
            or (method, path) in OPEN
        ):
            continue
        assert need.role >= Role.RESPONDER, (method, path)
    for method, path in (
        ("POST", "/-/reload"),
        ("POST", "/api/v1/admin/tsdb/delete_series"),
        ("GET", "/api/hypercare/v1/admin/users"),
        ("POST", "/-/quit"),
    ):
        assert demands.of(method, path).role is Role.ADMIN, path


@pytest.mark.parametrize(
    ("scopes", "opens"),
    [
        ({Scope.READ}, "rq"), ({Scope.QUERY}, "q"), ({Scope.METRICS}, "m"), ({Scope.INGEST}, "i"),
        ({Scope.RESPOND}, "rqimc"), ({Scope.ADMIN}, "rqimca"), ({Scope.METRICS, Scope.INGEST}, "mi"), (set(), ""),
        (None, "rqimca"),
    ],
)  # fmt: skip
def test_scopes(scopes, opens):
    needs = {
        "r": Need(Role.VIEWER),
        "q": Need(Role.VIEWER, Area.QUERY),
        "m": Need(Role.VIEWER, Area.METRICS),
        "i": Need(Role.RESPONDER, Area.INGEST),
        "c": Need(Role.RESPONDER),
        "a": Need(Role.ADMIN),
    }
    if scopes and Scope.READ in scopes:
        opens += "m"
    assert {k for k, need in needs.items() if need.met_by(Role.ADMIN, scopes)} == set(opens)
    assert not any(need.met_by(Role.NOBODY, scopes) for need in needs.values())
    assert not needs["a"].met_by(Role.RESPONDER, scopes), "a token gives nobody more than they may"


def test_what_the_configuration_opens(make):
    closed = make(USERS + "  open: [metrics, ingest]\n")
    assert closed.get("/metrics").status == 200
    assert closed.post("/api/v2/alerts", body=[{"labels": {"a": "b"}}]).status == 200
    assert closed.get("/api/v2/alerts").status == 401
    assert closed.get("/api/v1/query?query=1").status == 401
    assert closed.post("/-/reload").status == 401


def test_a_cookie_changes_nothing_without_a_page_of_ours(make):
    closed = make(USERS)
    closed.post("/login", form={"name": "ana", "password": "ana-secret"})
    cookie = {"cookie": f"hypercare_session={closed.cookies['hypercare_session']}"}
    head = {"host": closed.host, **cookie, "content-length": "2", "content-type": "application/json"}

    def send(**more):
        return closed.ask("POST", "/api/v2/alerts", "", {**head, **more}, [b"[]"]).status

    assert send() == 403
    assert send(referer="http://evil.example/") == 403
    assert send(referer="http://[bad") == 403
    assert send(referer=f"http://{closed.host}/alerts") == 200
    assert send(origin=f"http://{closed.host}") == 200
