"""Alertmanager's API v2. What is refused and how is that of Alertmanager 0.25, looked up there."""

from __future__ import annotations

import json

import pytest

from hypercare.model.time import format_rfc3339

PATH = "/api/v2/alerts"


def at(shop, seconds):
    return format_rfc3339(shop.clock.now() + seconds * 1000)


def names(shop, query=""):
    answer = shop.get(PATH + query)
    assert answer.status == 200, answer.text
    return sorted(a["labels"]["alertname"] for a in answer.json())


@pytest.fixture
def posted(make):
    """Alerts X and Y, once their group was told of."""
    shop = make(rules="groups: []")
    alerts = [
        {"labels": {"alertname": "X", "a": "1"}},
        {"labels": {"alertname": "Y"}, "annotations": {"summary": "s"}, "startsAt": at(shop, -60),
         "endsAt": at(shop, 600), "generatorURL": "http://x/y"},
    ]  # fmt: skip
    answer = shop.post(PATH, body=alerts)
    assert answer.status == 200, answer.text
    shop.run(2)
    return shop


def test_an_alert_as_it_comes_back(posted):
    y = next(a for a in posted.get(PATH).json() if a["labels"]["alertname"] == "Y")
    assert y["annotations"] == {"summary": "s"}
    assert y["generatorURL"] == "http://x/y"
    assert y["startsAt"] == at(posted, -62)
    assert y["endsAt"] == at(posted, 598)
    assert y["receivers"] == [{"name": "hook"}]
    assert y["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert len(y["fingerprint"]) == 16
    x = next(a for a in posted.get(PATH).json() if a["labels"]["alertname"] == "X")
    # No end was sent: five minutes after it was sent last.
    assert (x["startsAt"], x["endsAt"]) == (at(posted, -2), at(posted, 298))


@pytest.mark.parametrize(
    ("alert", "status"),
    [
        ({"labels": {}}, 400),
        ({"labels": {"alertname": ""}}, 400),
        ({"labels": {"alertname": "Z"}, "startsAt": "2026-01-06T00:00:00Z", "endsAt": "2026-01-05T00:00:00Z"}, 400),
        ({"labels": {"alertname": "Z"}, "startsAt": "yesterday"}, 400),
        ({"labels": {"alertname": "Z"}, "startsAt": "9999-12-31T23:59:59-23:00"}, 400),
        ({"labels": {"alertname": "Z"}, "startsAt": "2026-01-05T00:00:00"}, 400),
        ({"labels": {"alertname": 1}}, 400),
        ({"annotations": {}}, 422),
        ({"labels": {"alertname": "Z"}, "startsAt": ""}, 200),
        ({"labels": {"alertname": "Z"}, "startsAt": "0001-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}, 200),
        ({"labels": {"alertname": "Z"}, "startsAt": None, "annotations": None}, 200),
        ({"labels": {"alertname": "Z"}, "unknown": "field"}, 200),
    ],
)
def test_what_is_taken(make, alert, status):
    shop = make(rules="groups: []")
    answer = shop.post(PATH, body=[alert])
    assert answer.status == status, answer.text
    assert names(shop) == (["Z"] if status == 200 else [])
    if status == 422:
        assert answer.json()["code"] == 422
        assert "labels" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{nope", b'{"labels": {"alertname": "Z"}}', b"[1]", b'["\\ud800"]', b"[" * 100_000])
def test_bodies_that_are_no_alerts(make, body):
    shop = make(rules="groups: []")
    answer = shop.post(PATH, data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer.text
    assert isinstance(answer.json()["message"], str)


def test_the_good_ones_among_bad_ones_are_taken(make):
    shop = make(rules="groups: []")
    answer = shop.post(PATH, body=[{"labels": {"alertname": "Good"}}, {"labels": {}}])
    assert answer.status == 400
    assert isinstance(answer.json(), str), "clients read a text"
    assert names(shop) == ["Good"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["X", "Y"]),
        ("?filter=alertname=X", ["X"]),
        ("?filter=alertname%3D%22X%22&filter=a%3D%221%22", ["X"]),
        ('?filter={alertname=~"X|Y"}', ["X", "Y"]),
        ("?filter=alertname!=X", ["Y"]),
        ("?filter=a=", ["Y"]),
        ("?active=false", []),
        ("?silenced=false", ["X", "Y"]),
        ("?receiver=hook", ["X", "Y"]),
        ("?receiver=h.*", ["X", "Y"]),
        ("?receiver=ho", []),
        ("?receiver=a%22", []),
    ],
)
def test_choosing_alerts(posted, query, found):
    assert names(posted, query) == found


@pytest.mark.parametrize("query", ["?filter=alert%20name", "?filter=", "?filter=a=~%22(%22", "?receiver=("])
def test_bad_filters(posted, query):
    for path in (PATH, PATH + "/groups"):
        answer = posted.get(path + query)
        assert answer.status == 400
        assert isinstance(answer.json(), str)


def test_a_new_alert_is_active_before_its_group_was_told_of(make):
    """As in Alertmanager, and what makes ``amtool alert query`` show it at once."""
    shop = make(rules="groups: []")
    shop.post(PATH, body=[{"labels": {"alertname": "X"}}])
    assert shop.get(PATH).json()[0]["status"]["state"] == "active"
    assert names(shop, "?unprocessed=false") == ["X"]
    assert names(shop, "?active=false") == []


def test_groups(posted):
    groups = posted.get(PATH + "/groups").json()
    assert [(g["labels"], g["receiver"]["name"], len(g["alerts"])) for g in groups] == [
        ({"alertname": "X"}, "hook", 1),
        ({"alertname": "Y"}, "hook", 1),
    ]
    assert len(posted.get(PATH + "/groups?filter=a=1").json()) == 1
    assert posted.get(PATH + "/groups?receiver=other").json() == []


def silence(shop, **changes):
    body = {
        "matchers": [{"name": "alertname", "value": "X", "isRegex": False}],
        "startsAt": at(shop, 0), "endsAt": at(shop, 3600), "createdBy": "me", "comment": "c",
    } | changes  # fmt: skip
    return {k: v for k, v in body.items() if v is not ...}


def test_a_silence_from_its_beginning_to_its_end(posted):
    made = posted.post("/api/v2/silences", body=silence(posted))
    assert made.status == 200
    one = made.json()["silenceID"]
    assert posted.get(f"/api/v2/silence/{one}").json() == {
        "id": one, "status": {"state": "active"}, "updatedAt": at(posted, 0), "startsAt": at(posted, 0),
        "endsAt": at(posted, 3600), "createdBy": "me", "comment": "c",
        "matchers": [{"name": "alertname", "value": "X", "isRegex": False, "isEqual": True}],
    }  # fmt: skip
    assert names(posted, "?silenced=false") == ["Y"]
    assert names(posted, "?active=false") == ["X"]
    assert posted.get(PATH + "?active=false").json()[0]["status"]["silencedBy"] == [one]

    longer = silence(posted, id=one, endsAt=at(posted, 7200))
    assert posted.post("/api/v2/silences", body=longer).json() == {"silenceID": one}
    wider = silence(posted, id=one, matchers=[{"name": "alertname", "value": "Y|Z", "isRegex": True}])
    two = posted.post("/api/v2/silences", body=wider).json()["silenceID"]
    assert two != one
    posted.run(1)
    states = [(s["id"], s["status"]["state"]) for s in posted.get("/api/v2/silences").json()]
    assert states == [(two, "active"), (one, "expired")]
    assert names(posted, "?silenced=false") == ["X"]

    assert posted.request("DELETE", f"/api/v2/silence/{two}").status == 200
    posted.run(1)
    assert posted.get(f"/api/v2/silence/{two}").json()["status"]["state"] == "expired"
    assert posted.request("DELETE", f"/api/v2/silence/{two}").status == 200, "ended is ended"
    assert names(posted, "?silenced=false") == ["X", "Y"]
    assert len(posted.get("/api/v2/silences?filter=alertname=X").json()) == 1
    assert posted.get("/api/v2/silences?filter=alertname=nosuch").json() == []


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"matchers": []}, 422, "matchers"),
        ({"matchers": [{"name": "a", "value": "(", "isRegex": True}]}, 400, "regular expression"),
        ({"matchers": [{"name": "a", "value": "", "isRegex": False}]}, 400, "must not match the empty string"),
        ({"matchers": [{"name": "", "value": "x", "isRegex": False}]}, 400, "label name"),
        ({"matchers": [{"name": "a", "value": "b"}]}, 422, "isRegex"),
        ({"comment": ...}, 422, "comment"),
        ({"startsAt": ...}, 422, "startsAt"),
        ({"startsAt": "soon"}, 400, "RFC 3339"),
        ({"endsAt": "2020-01-01T00:00:00Z"}, 400, "past"),
        ({"startsAt": "2026-01-06T00:00:00Z", "endsAt": "2026-01-05T12:00:00Z"}, 400, "end time"),
        ({"id": "00000000-0000-0000-0000-000000000000"}, 404, "not found"),
        ({"id": "junk"}, 404, "not found"),
    ],
)
def test_silences_that_are_refused(posted, changes, status, text):
    answer = posted.post("/api/v2/silences", body=silence(posted, **changes))
    assert answer.status == status, answer.text
    assert text in (answer.json() if status in {400, 404} else answer.json()["message"])
    assert posted.get("/api/v2/silences").json() == []


def test_silences_that_are_not_there(posted):
    for method in ("GET", "DELETE"):
        answer = posted.request(method, "/api/v2/silence/nosuch")
        assert answer.status == 404
        assert "not found" in answer.json()
    assert posted.get("/api/v2/silences?filter=a(").status == 400


def test_status_and_receivers(posted):
    status = posted.get("/api/v2/status").json()
    assert status["cluster"]["status"] == "disabled"
    assert "receiver: hook" in status["config"]["original"]
    assert set(status["versionInfo"]) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert posted.get("/api/v2/receivers").json() == [{"name": "hook"}, {"name": "other"}]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/api/v2/silences", 405), ("GET", "/api/v2/nosuch", 404), ("DELETE", PATH, 405)],
)
def test_what_does_not_exist(posted, method, path, status):
    answer = posted.request(method, path)
    assert (answer.status, answer.json()["code"]) == (status, status)


def test_labels_of_any_text_are_kept(make):
    shop = make(rules="groups: []")
    odd = {"alertname": 'a"b\\c\n<script>{{7*7}}', "ü": "ß"}
    assert shop.post(PATH, body=[{"labels": odd}]).status == 200
    assert shop.get(PATH).json()[0]["labels"] == odd
    assert json.loads(shop.get(PATH + "?filter=%22%C3%BC%22=%C3%9F").text)[0]["labels"] == odd
