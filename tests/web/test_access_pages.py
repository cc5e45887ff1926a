"""The pages of users, of one's own account, and of the audit log."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher

from hypercare.access.passwords import Passwords

PASSWORD = "correct horse battery"
HTML = {"accept": "text/html"}


@pytest.fixture
def house(make):
    shop = make()
    shop.web.state.gate.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    assert "No users yet" in shop.get("/users").text
    made = shop.post("/users", form={"name": "ana", "role": "admin", "password": PASSWORD})
    assert made.headers["location"] == "/users"
    enter(shop, "ana")
    shop.post("/users", form={"name": "ben", "role": "responder", "password": PASSWORD})
    return shop


def enter(shop, name):
    shop.cookies = {}
    assert shop.post("/login", form={"name": name, "password": PASSWORD}).status == 303


def test_users(house):
    page = house.get("/users").text
    assert "ben is responder." in page
    assert re.search("made <time[^>]*>just now</time> by ana", page)
    for form, said in (
        ({"act": "role", "role": "viewer"}, "Done."),
        ({"act": "disable"}, "Done."),
        ({"act": "enable"}, "Done."),
        ({"act": "logout"}, "Done."),
    ):
        assert house.post("/users/ben/act", form=form).status == 303
        assert said in house.get("/users").text
    house.post("/users/ana/act", form={"act": "disable"})
    assert "last administrator" in house.get("/users").text
    house.post("/users", form={"name": "ben", "role": "viewer", "password": PASSWORD})
    assert "already" in house.get("/users").text
    house.post("/users", form={"name": "carl", "role": "root", "password": PASSWORD})
    assert "no role root" in house.get("/users").text
    assert house.post("/users/ben/act", form={"act": "promote"}).status == 400


def test_an_account(house):
    enter(house, "ben")
    page = house.get("/account").text
    assert "responder" in page
    assert 'value="admin"' not in page, "no scope beyond the role"
    assert house.get("/users", headers=HTML).status == 403
    assert house.get("/audit", headers=HTML).status == 403
    assert "/audit" not in page
    made = house.post("/account/tokens", form={"name": "laptop", "scopes": ["read", "ingest"], "days": 0})
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    [token] = re.findall(r"hc_[0-9a-f]{64}", made.text)
    assert token not in house.get("/account").text
    head = {"authorization": f"Bearer {token}", "cookie": "a=b"}
    assert house.get("/api/v1/query?query=1", headers=head).status == 200
    [token_id] = re.findall(r"/account/tokens/([0-9a-f]+)/revoke", house.get("/account").text)
    house.post(f"/account/tokens/{token_id}/revoke")
    assert house.get("/api/v1/query?query=1", headers=head).status == 401
    house.post("/account/password", form={"old": "wrong", "new": "another horse"})
    assert "old password is not right" in house.get("/account").text
    house.post("/account/password", form={"old": PASSWORD, "new": "another horse"})
    assert "is changed" in house.get("/account").text
    assert house.post("/account/logout").headers["location"] == "/login"
    assert house.get("/account").status == 401


def test_nobody_in_person_has_no_account(make):
    shop = make()
    assert shop.get("/account").status == 403


def test_the_audit_log(house):
    house.get("/audit")
    page = house.get("/audit?action=add_user").text
    assert "name=ben" in page
    assert "log in" not in page.split("journal")[-1]
    assert "Nothing was changed" in house.get("/audit?who=nobody").text
    for _ in range(101):
        house.post("/users/ben/act", form={"act": "logout"})
    [older] = re.findall(r'href="(/audit\?before=\d+[^"]*)"', house.get("/audit").text)
    assert "name=ben" in house.get(older.replace("&amp;", "&")).text


def test_a_refused_page_is_rendered_whatever_the_browser_sends(house):
    """Wrong passwords beyond the limit, with a browser's accept header: a refusal, not a failure."""
    house.cookies = {}
    head = {**HTML, "authorization": "Basic YW5hOndyb25n"}
    found = [house.get("/nosuch", headers=head).status for _ in range(12)]
    assert found[-1] == 429
    assert house.get("/login", headers=head).status == 200


def feeds(shop):
    return re.findall(r'<a href="(/[^"]*\.ics[^"]*)">', shop.get("/oncall").text)


def test_calendar_programs_subscribe_without_a_log_in(house):
    enter(house, "ben")
    every, primary = feeds(house)
    assert feeds(house) == [every, primary], "the address stays the same"
    house.cookies = {}
    assert house.get("/api/hypercare/v1/oncall/calendar.ics").status == 401
    answer = house.get(primary)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert "ana on call: primary" in answer.text
    assert house.get(every).status == 200
    # An address opens nothing else, and no other link opens it.
    assert house.get(primary.replace("/c/", "/a/").removesuffix(".ics")).status == 403
    assert house.get(primary[:-8] + "AAAA.ics").status == 403
    assert house.get("/c/x.ics").status == 403

    enter(house, "ana")
    assert set(feeds(house)).isdisjoint({every, primary})
    house.post("/users/ben/act", form={"act": "disable"})
    house.cookies = {}
    assert house.get(primary).status == 403
    assert "may not log in any more" in house.get(every).text


def test_where_nobody_logs_in_the_address_of_the_api_does(shop):
    base = "/api/hypercare/v1/oncall/calendar.ics"
    assert feeds(shop) == [base, f"{base}?schedule=primary"]
