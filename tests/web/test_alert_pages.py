"""The pages of alerts and silences."""

from __future__ import annotations

import html
import re

import pytest
from web_kit import Shop

from hypercare.model.time import format_rfc3339

EVIL = "<script>alert(1)</script>\"'"


@pytest.fixture
def shop(tmp_path):
    house = Shop(tmp_path)
    house.post(
        "/api/v2/alerts",
        body=[
            {"labels": {"alertname": "Down", "service": "api", "severity": "critical"}},
            {"labels": {"alertname": "Slow", "service": "web", "note": EVIL}},
        ],
    )
    house.run(2)
    return house


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("", ("Down", "Slow"), ()),
        ("?filter=severity%3D%22critical%22", ("Down",), ("Slow",)),
        ("?filter=service%3D~%22w.*%22", ("Slow",), ("Down",)),
        ("?state=suppressed", (), ("Down", "Slow")),
        ("?receiver=other", (), ("Down", "Slow")),
        ("?receiver=hook&state=active", ("Down", "Slow"), ()),
        ("?filter=%7B%7B", ("is no matcher",), ("Down", "Slow")),
    ],
)
def test_alerts_are_filtered(shop, query, shown, hidden):
    for path in ("/alerts", "/fragments/alerts"):
        answer = shop.get(path + query)
        assert answer.status == 200
        for name in shown:
            assert name in answer.text
        for name in hidden:
            assert f"<strong>{name}</strong>" not in answer.text
        assert "<script>alert" not in answer.text


def test_a_silence_from_the_form_to_its_end(shop):
    form = shop.get("/silences/new?matchers=service%3D%22api%22")
    assert "Fits 1 firing alert now" in form.text
    assert html.escape('service="api"', quote=True).replace("&quot;", "&#34;") in form.text
    assert "no matcher yet" in shop.get("/fragments/silence-preview?matchers=%7B%7B").text
    fields = {"matchers": 'service="api"', "duration": "2h", "comment": EVIL}
    assert shop.post("/silences", form=fields).status == 303
    [silence] = shop.get("/api/v2/silences").json()
    page = shop.get("/silences").text
    assert "fits 1 firing alert now" in page
    assert "<script>alert" not in page
    assert "<strong>Down</strong>" in shop.get("/alerts?state=suppressed").text
    # The same matchers keep the id; others get a new one, and the old silence ends.
    edit = shop.get(f"/silences/new?edit={silence['id']}").text
    assert "Edit silence" in edit
    shop.post("/silences", form={**fields, "duration": "4h", "id": silence["id"]})
    [longer] = shop.get("/api/v2/silences").json()
    assert (longer["id"], longer["startsAt"]) == (silence["id"], silence["startsAt"])
    assert longer["endsAt"] > silence["endsAt"]
    shop.post("/silences", form={**fields, "matchers": 'service=~"api|web"', "id": silence["id"]})
    shop.run(1)
    states = {s["id"]: s["status"]["state"] for s in shop.get("/api/v2/silences").json()}
    assert states.pop(silence["id"]) == "expired"
    [(fresh, state)] = states.items()
    assert state == "active"
    assert shop.post(f"/silences/{fresh}/expire", form={}).status == 303
    shop.run(1)
    assert "Expired (2)" in shop.get("/silences").text
    assert "<strong>Down</strong>" in shop.get("/alerts?state=active").text


def test_an_alert_that_flaps_says_so_and_since_when(shop):
    alert = {"labels": {"alertname": "Queue", "severity": "critical"}}
    for _ in range(3):
        shop.post("/api/v2/alerts", body=[alert])
        shop.run(60)
        shop.post("/api/v2/alerts", body=[{**alert, "endsAt": format_rfc3339(shop.clock.now())}])
        shop.run(60)
    shop.post("/api/v2/alerts", body=[alert])
    shop.run(1)
    badge = '<span class="badge flapping">flapping</span>'
    page = shop.get("/alerts").text
    assert page.count(badge) == shop.get("/").text.count(badge) == 1
    assert re.search("began to flap <time[^>]*>1m ago</time>", page)


def test_a_silence_for_later(shop):
    fields = {"matchers": 'service="api"', "duration": "2h", "comment": "later", "begins": "30m"}
    shop.post("/silences", form=fields)
    assert "Pending" in shop.get("/silences").text
    assert "<strong>Down</strong>" not in shop.get("/alerts?state=suppressed").text
    shop.run(1801)
    assert shop.get("/api/v2/silences").json()[0]["status"]["state"] == "active"


@pytest.mark.parametrize(
    "fields",
    [
        {"matchers": "{{"}, {"matchers": ""}, {"matchers": '[["a"]]'}, {"duration": "soon"}, {"duration": "2y"},
        {"begins": "yesterday"}, {"begins": "1y"}, {"id": "nobody"},
    ],
)  # fmt: skip
def test_forms_that_are_wrong_are_refused(shop, fields):
    good = {"matchers": 'service="api"', "duration": "2h", "comment": "x"}
    assert 400 <= shop.post("/silences", form={**good, **fields}).status < 500
    assert shop.get("/api/v2/silences").json() == []
    assert shop.get("/silences/new?edit=nobody").status == 404
