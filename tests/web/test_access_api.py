"""Users, sessions, tokens and the journal, over HTTP."""

from __future__ import annotations

import base64
import json

import pytest
from argon2 import PasswordHasher

from hypercare.access.passwords import Passwords
from hypercare.access.sessions import network

PASSWORD = "correct horse battery"
ADMIN = "/api/hypercare/v1/admin"
ME = "/api/hypercare/v1/me"


def basic(name, password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def add(shop, name, role="viewer", password=PASSWORD, **kwargs):
    return shop.post(f"{ADMIN}/users", body={"name": name, "role": role, "password": password}, **kwargs)


def enter(shop, name, password=PASSWORD, **kwargs):
    return shop.post("/login", form={"name": name, "password": password, "next": "/"}, **kwargs)


@pytest.fixture
def house(make):
    """Three users, and ana, the administrator, logged in."""
    shop = make()
    shop.web.state.gate.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    assert add(shop, "ana", "admin").status == 201
    assert enter(shop, "ana").status == 303
    assert add(shop, "ben", "responder").status == 201
    assert add(shop, "eve").status == 201
    return shop


def as_(shop, name):
    shop.cookies = {}
    assert enter(shop, name).headers["location"] == "/"
    return shop


def audit(shop, **parameters):
    query = "&".join(f"{k}={v}" for k, v in parameters.items())
    return shop.get(f"/api/v1/audit?{query}").json()


def test_the_first_user_closes_the_door_and_is_an_administrator(make):
    shop = make()
    assert shop.get("/api/hypercare/v1/status").status == 200
    assert shop.get(ME).json() == {"name": "", "role": "admin", "via": "open", "scopes": None}
    refused = add(shop, "eve", "viewer")
    assert refused.status == 409
    assert "administrator first" in refused.text
    assert add(shop, "ana", "admin").status == 201
    assert shop.get("/api/hypercare/v1/status").status == 401
    assert add(shop, "mallory", "admin").status == 401
    enter(shop, "ana")
    assert shop.get(ME).json() == {"name": "ana", "role": "admin", "via": "session", "scopes": None}


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        ("carl", "short", 400), ("carl", "x" * 1001, 422), ("", PASSWORD, 422), ("a/b", PASSWORD, 400),
        ("<b>", PASSWORD, 400), (" carl", PASSWORD, 400), ("a\nb", PASSWORD, 400), ("x" * 101, PASSWORD, 422),
        ("ana", PASSWORD, 409), ("carl", "carl12345", 400), ("carl", "my name carl", 400), ("Carl Ü.", PASSWORD, 201),
        ("carl@shop.example", PASSWORD, 201), ("carl", "", 201), ("carl", "\ud800" * 12, 422),
    ],
)  # fmt: skip
def test_who_can_be_made(house, name, password, status):
    answer = add(house, name, password=password)
    assert answer.status == status, answer.text
    assert password == "" or password not in answer.text


def test_a_role_and_a_password_hold_at_once(house):
    ben = basic("ben")
    assert house.post("/api/v2/alerts", body=[], headers={**ben, "cookie": "a=b"}).status == 200
    assert house.request("PATCH", f"{ADMIN}/users/ben", body={"role": "viewer"}).json()["role"] == "viewer"
    assert house.post("/api/v2/alerts", body=[], headers={**ben, "cookie": "a=b"}).status == 403
    assert house.request("PATCH", f"{ADMIN}/users/ben", body={"password": "another horse"}).status == 200
    assert house.get(ME, headers={**ben, "cookie": "a=b"}).status == 401, "kept for a minute, but not beyond a change"
    assert house.get(ME, headers={**basic("ben", "another horse"), "cookie": "a=b"}).status == 200
    assert house.request("PATCH", f"{ADMIN}/users/nobody", body={"role": "viewer"}).status == 404
    assert house.request("PATCH", f"{ADMIN}/users/ben", body={}).status == 400


def test_disabling_ends_sessions_and_tokens(house):
    admin = dict(house.cookies)
    as_(house, "ben")
    ben = dict(house.cookies)
    token = house.post(f"{ME}/tokens", body={"name": "laptop", "scopes": ["read"]}).json()["token"]
    house.cookies = admin
    assert house.request("PATCH", f"{ADMIN}/users/ben", body={"disabled": True}).status == 200
    assert house.get(ME, headers=bearer(token) | {"cookie": "a=b"}).status == 401
    house.cookies = ben
    assert house.get(ME).status == 401
    house.cookies = {}
    assert enter(house, "ben").headers["location"].startswith("/login")
    house.cookies = admin
    assert house.request("PATCH", f"{ADMIN}/users/ben", body={"disabled": False}).status == 200
    assert house.get(ME, headers=bearer(token) | {"cookie": "a=b"}).status == 200
    house.cookies = ben
    assert house.get(ME).status == 401, "an ended session stays ended"


def test_somebody_stays_administrator(house):
    for body in ({"role": "viewer"}, {"disabled": True}):
        refused = house.request("PATCH", f"{ADMIN}/users/ana", body=body)
        assert refused.status == 409
        assert "last administrator" in refused.text
    house.request("PATCH", f"{ADMIN}/users/ben", body={"role": "admin"})
    assert house.request("PATCH", f"{ADMIN}/users/ana", body={"role": "viewer"}).status == 200
    assert house.get(f"{ADMIN}/users").status == 403, "holds for the session under way"


def test_a_session_has_a_new_name_after_every_log_in(house):
    """Whoever plants a cookie in a browser does not know the one after the log-in; and the old one ends."""
    first = dict(house.cookies)
    enter(house, "ben")
    second = dict(house.cookies)
    assert first["hypercare_session"] != second["hypercare_session"]
    house.cookies = first
    assert house.get(ME).status == 401
    house.cookies = {"hypercare_session": "planted"}
    enter(house, "ben")
    assert house.cookies["hypercare_session"] != "planted"


def test_log_out_everywhere(house):
    here = dict(house.cookies)
    for _ in range(2):
        as_(house, "ben")
    there = dict(house.cookies)
    house.cookies = here
    [ben] = [u for u in house.get(f"{ADMIN}/users").json() if u["name"] == "ben"]
    assert len(ben["sessions"]) == 2
    assert ben["sessions"][0]["address"] == "127.0.0.1"
    assert house.post(f"{ADMIN}/users/ben/logout").json() == {"ended": 2}
    house.cookies = there
    assert house.get(ME).status == 401


def test_ones_own_password(house):
    as_(house, "ben")
    other = dict(house.cookies)
    as_(house, "ben")
    assert house.post(f"{ME}/password", body={"old": "wrong", "new": "another horse"}).status == 403
    assert house.post(f"{ME}/password", body={"old": PASSWORD, "new": "short"}).status == 400
    assert house.post(f"{ME}/password", body={"old": PASSWORD, "new": "another horse"}).status == 204
    assert house.get(ME).status == 200, "the session that asked goes on"
    house.cookies = other
    assert house.get(ME).status == 401
    house.cookies = {}
    assert enter(house, "ben").headers["location"].startswith("/login")
    assert enter(house, "ben", "another horse").headers["location"] == "/"


def test_sessions_and_tries_survive_a_restart(tmp_path):
    from web_kit import Shop

    shop = Shop(tmp_path)
    add(shop, "ana", "admin")
    enter(shop, "ana")
    session = dict(shop.cookies)
    for _ in range(10):
        shop.cookies = {}
        enter(shop, "ana", "guess guess", client="10.0.0.9")
    shop.close()
    again = Shop(tmp_path)
    again.cookies = {}
    assert enter(again, "ana", client="10.0.0.9").status == 429
    again.cookies = session
    assert again.get(ME).json()["name"] == "ana"
    again.close()


def test_an_account_is_guarded_against_many_addresses_but_not_from_home(house):
    house.cookies = {}
    assert enter(house, "ben", client="10.9.9.9").status == 303
    for i in range(30):
        house.cookies = {}
        enter(house, "ben", "guess guess", client=f"10.0.{i}.1")
    house.cookies = {}
    assert enter(house, "ben", client="10.0.200.1").status == 429
    assert enter(house, "eve", client="10.0.200.1").headers["location"] == "/"
    house.cookies = {}
    assert enter(house, "ben", client="10.9.9.9").headers["location"] == "/", "from where they always come"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""), ("unix", "unix"),
    ],
)  # fmt: skip
def test_what_counts_as_one_address(address, counted):
    assert network(address) == counted


# -- tokens ---------------------------------------------------------------------------------------------------


def token(shop, scopes, expires="90d", **more):
    answer = shop.post(f"{ADMIN}/tokens", body={"name": "t", "scopes": scopes, "expires": expires, **more})
    assert answer.status == 201, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["query"], {"query"}), (["metrics"], {"metrics"}), (["ingest"], {"alerts"}), (["read"], {"query", "metrics", "status"}),
        (["respond"], {"query", "metrics", "status", "alerts", "silence"}),
        (["admin"], {"query", "metrics", "status", "alerts", "silence", "users"}),
        (["query", "ingest"], {"query", "alerts"}),
    ],
)  # fmt: skip
def test_what_scopes_reach(house, scopes, allowed):
    secret = token(house, scopes)["token"]
    house.cookies = {}
    silence = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": "2026-01-05T08:00:00Z", "endsAt": "2026-01-06T08:00:00Z", "createdBy": "x", "comment": "y",
    }  # fmt: skip

    def ways(head):
        return {
            "query": house.get("/api/v1/query?query=1", headers=head).status,
            "metrics": house.get("/metrics", headers=head).status,
            "status": house.get("/api/hypercare/v1/status", headers=head).status,
            "alerts": house.post("/api/v2/alerts", body=[{"labels": {"a": "b"}}], headers=head).status,
            "silence": house.post("/api/v2/silences", body=silence, headers=head).status,
            "users": house.get(f"{ADMIN}/users", headers=head).status,
        }

    for head in (bearer(secret), basic("grafana", secret)):
        found = ways(head)
        assert {k for k, v in found.items() if v == 200} == allowed
        assert all(v == 403 for k, v in found.items() if k not in allowed)
    assert house.get("/metrics", headers=bearer(secret[:-1])).status == 401


def test_a_token_is_shown_once_and_known_by_its_beginning(house):
    made = token(house, ["query"])
    assert made["token"].startswith(made["prefix"])
    listed = house.get(f"{ADMIN}/tokens")
    assert made["token"] not in listed.text
    assert [t["prefix"] for t in listed.json()] == [made["prefix"]]
    with house.app.state.read() as db:
        rows = str(db.exec_driver_sql("SELECT * FROM api_tokens").all())
    assert made["token"] not in rows
    assert made["token"] not in house.get("/api/v1/audit/export").text


def test_a_token_ends(house):
    made = token(house, ["query"], expires="1h")
    admin, house.cookies = dict(house.cookies), {}
    head = bearer(made["token"])
    assert house.get("/api/v1/query?query=1", headers=head).status == 200
    house.run(1)
    house.cookies = admin
    assert house.get(f"{ADMIN}/tokens").json()[0]["used_at"] is not None
    house.cookies = {}
    house.clock.advance_to(house.clock.now() + 3_600_000)
    assert house.get("/api/v1/query?query=1", headers=head).status == 401
    house.cookies = admin
    other = token(house, ["query"], expires="")
    assert other["expires_at"] is None
    assert house.request("DELETE", f"{ADMIN}/tokens/{other['id']}").status == 204
    assert house.request("DELETE", f"{ADMIN}/tokens/{other['id']}").status == 404
    house.cookies = {}
    assert house.get("/api/v1/query?query=1", headers=bearer(other["token"])).status == 401


def test_nobody_gives_out_more_than_they_may(house):
    as_(house, "ben")
    assert house.post(f"{ME}/tokens", body={"name": "x", "scopes": ["admin"]}).status == 403
    assert house.post(f"{ADMIN}/tokens", body={"name": "x", "scopes": ["read"]}).status == 403
    made = house.post(f"{ME}/tokens", body={"name": "x", "scopes": ["read", "ingest"]}).json()
    assert made["owner"] == "ben"
    house.cookies = {}
    assert (
        house.post(f"{ME}/tokens", body={"name": "y", "scopes": ["respond"]}, headers=bearer(made["token"])).status
        == 403
    )
    assert (
        house.post(f"{ME}/password", body={"old": PASSWORD, "new": "z" * 12}, headers=bearer(made["token"])).status
        == 403
    )
    as_(house, "eve")
    assert house.request("DELETE", f"{ME}/tokens/{made['id']}").status == 404, "only one's own"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"scopes": []}, 422), ({"scopes": ["root"]}, 422), ({"expires": "soon"}, 400), ({"expires": "20y"}, 400),
        ({"name": " "}, 400), ({"name": ""}, 422), ({"owner": "nobody"}, 404),
    ],
)  # fmt: skip
def test_tokens_that_cannot_be(house, more, status):
    assert house.post(f"{ADMIN}/tokens", body={"name": "t", "scopes": ["read"], **more}).status == status


# -- the journal ----------------------------------------------------------------------------------------------


def test_every_change_is_written_down(house):
    house.break_it()
    agent = {"user-agent": "curl/8"}
    assert house.post("/api/hypercare/v1/incidents/1/ack", body={"note": "on it"}, headers=agent).status == 200
    assert house.post("/api/hypercare/v1/incidents/7/ack", body={}).status == 404
    rows = audit(house, action="acknowledge")
    assert [(r["who"], r["result"].split(":")[0]) for r in rows] == [("ana", "refused"), ("ana", "ok")]
    one = rows[1]
    assert one["detail"] == {"id": "1", "by": "ana", "note": "on it"}
    assert (one["role"], one["via"], one["address"], one["agent"]) == ("admin", "session", "127.0.0.1", "curl/8")
    assert one["request"] == "POST /api/hypercare/v1/incidents/1/ack"
    made = audit(house, action="add_user")
    assert {r["detail"]["name"] for r in made} == {"ana", "ben", "eve"}
    assert {r["via"] for r in made} == {"open", "session"}
    assert "argon2" not in house.get("/api/v1/audit/export").text


def test_the_whole_of_what_people_do_is_there(house):
    silence = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False}],
        "startsAt": "2026-01-05T08:00:00Z", "endsAt": "2026-01-06T08:00:00Z", "createdBy": "x", "comment": "y",
    }  # fmt: skip
    house.post("/api/v2/silences", body=silence)
    house.post("/-/reload")
    house.post("/api/v1/admin/tsdb/clean_tombstones")
    as_(house, "eve")
    assert house.post("/api/v2/silences", body=silence).status == 403
    house.cookies = {}
    enter(house, "eve", "guess guess")
    as_(house, "ana")
    rows = audit(house, limit=1000)
    actions = {(r["who"], r["action"], r["result"].split(":")[0]) for r in rows}
    assert actions >= {
        ("ana", "put_silence", "ok"), ("ana", "apply", "ok"), ("eve", "log_in", "ok"), ("eve", "log_in", "refused"),
        ("eve", "request", "refused"),
    }  # fmt: skip
    [silenced] = [r for r in rows if r["action"] == "put_silence"]
    assert 'a="b"' in str(silenced["detail"]), silenced


def test_sending_samples_and_alerts_is_no_change(house):
    before = len(audit(house))
    house.post("/api/v2/alerts", body=[{"labels": {"a": "b"}}])
    house.request("PUT", "/metrics/job/x", data=b"a 1\n")
    house.post("/api/v1/query", form={"query": "1"})
    assert len(audit(house)) == before


def test_the_journal_pages_filters_and_exports(house):
    whole = audit(house, limit=1000)
    assert [r["seq"] for r in whole] == sorted((r["seq"] for r in whole), reverse=True)
    assert audit(house, limit=2) == whole[:2]
    assert audit(house, limit=2, before=whole[1]["seq"]) == whole[2:4]
    assert all(r["who"] == "ana" for r in audit(house, who="ana"))
    assert audit(house, since="2027-01-01T00:00:00Z") == []
    assert audit(house, until="2025-01-01T00:00:00Z") == []
    assert house.get("/api/v1/audit?since=never").status == 400
    lines = house.get("/api/v1/audit/export").text.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [r["seq"] for r in reversed(whole)]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE audit SET who = 'mallory' WHERE seq = 2", "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 2", "UPDATE audit SET detail = '{}' WHERE seq = 2",
    ],
)  # fmt: skip
def test_a_change_of_the_journal_shows(house, harm):
    whole = house.get("/api/v1/audit/verify").json()
    assert whole["whole"] is True
    assert len(whole["hash"]) == 64
    with house.app.state.engine.begin() as db:
        db.exec_driver_sql(harm)
    found = house.get("/api/v1/audit/verify").json()
    assert found["whole"] is False
    assert found["first_broken"] in {2, 3}


def test_a_change_and_its_row_are_one(house, monkeypatch):
    """Where the row cannot be written, nothing changes."""
    from sqlalchemy.exc import OperationalError

    def fail(*_):
        raise OperationalError("insert", {}, Exception("disk full"))

    monkeypatch.setattr("hypercare.access.audit.insert", fail)
    with pytest.raises(OperationalError):
        add(house, "carl")
    monkeypatch.undo()
    assert "carl" not in house.get(f"{ADMIN}/users").text
    house.app.kernel.failures = 0
