"""On-call through the API: who and when, proof, load, changes, calendars."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

BASE = "/api/hypercare/v1/oncall"
WEEK = "from=2026-01-05T00:00:00Z&to=2026-01-19T00:00:00Z"


def test_who_at_an_instant(shop):
    (now,) = shop.get(f"{BASE}?at=2026-01-13T00:00:00Z").json()["now"]
    assert (now["person"], now["since"], now["next_person"]) == ("ben", "2026-01-12T00:00:00.000Z", "ana")
    assert shop.get(f"{BASE}?at=2026-01-13T02:00:00%2B03:00").json()["now"][0]["person"] == "ben"


def test_who_would_be_paged(shop):
    found = shop.get(f"{BASE}/for?label=service=api&label=severity=critical&at=2026-01-11T23:58:00Z").json()
    quoted = shop.get(f"{BASE}/for?label=service=%22api%22&label=severity=critical&at=2026-01-11T23:58:00Z").json()
    assert quoted == found
    assert found["policy"] == "default"
    assert [(s["after_seconds"], s["notify"], s["people"]) for s in found["steps"]] == [
        (0, ["schedule:primary"], ["ana"]),
        (300, ["ben"], ["ben"]),
    ]


def test_shifts_coverage_and_load(shop):
    shifts = shop.get(f"{BASE}/shifts?{WEEK}").json()
    assert [(s["person"], s["start_at"][:10], s["source"]) for s in shifts] == [
        ("ana", "2026-01-05", "rotation"),
        ("ben", "2026-01-12", "rotation"),
    ]
    assert [s["person"] for s in shop.get(f"{BASE}/shifts?{WEEK}&person=ben&schedule=primary").json()] == ["ben"]
    proof = shop.get(f"{BASE}/coverage?{WEEK}").json()
    assert (proof["covered"], proof["gaps"], proof["console_only"]) == (True, [], ["ana", "ben"])
    early = shop.get(f"{BASE}/coverage?from=2026-01-04T23:59:00Z&to=2026-01-05T01:00:00Z").json()
    assert early["covered"] is False
    assert [(g["from_at"], g["until"]) for g in early["gaps"]] == [
        ("2026-01-04T23:59:00.000Z", "2026-01-05T00:00:00.000Z")
    ]
    load = shop.get(f"{BASE}/fairness?{WEEK}").json()["people"]
    assert [(p["person"], p["hours"], p["night_hours"], p["weekend_hours"], p["pages"]) for p in load] == [
        ("ana", 168, 63, 48, 0),
        ("ben", 168, 63, 48, 0),
    ]


def test_pages_count(broken):
    load = broken.get(f"{BASE}/fairness?{WEEK}").json()["people"]
    assert {p["person"]: p["pages"] for p in load} == {"ana": 1, "ben": 0}


def test_an_override_a_swap_and_back(shop):
    body = {
        "schedule": "primary",
        "person": "ben",
        "from": "2026-01-05T07:00:00Z",
        "until": "2026-01-05T10:00:00Z",
        "by": "ana",
    }
    change = shop.post(f"{BASE}/overrides", body=body).json()
    assert (change["kind"], change["created_by"], change["start_at"]) == ("override", "ana", "2026-01-05T07:00:00.000Z")
    assert shop.get(BASE).json()["now"][0]["person"] == "ben"
    swap = {
        "schedule": "primary",
        "people": ["ana", "ben"],
        "from": "2026-01-05T00:00:00Z",
        "until": "2026-01-19T00:00:00Z",
    }
    second = shop.post(f"{BASE}/swaps", body=swap).json()
    assert [c["id"] for c in shop.get(f"{BASE}/changes").json()] == [change["id"], second["id"]]
    assert shop.request("DELETE", f"{BASE}/changes/{change['id']}").status == 200
    assert [s["person"] for s in shop.get(f"{BASE}/shifts?{WEEK}").json()] == ["ben", "ana"]
    # A reload of the configuration keeps what people have changed.
    assert shop.post("/-/reload").status == 200
    assert [s["person"] for s in shop.get(f"{BASE}/shifts?{WEEK}").json()] == ["ben", "ana"]
    assert shop.request("DELETE", f"{BASE}/changes/{change['id']}").status == 409
    assert len(shop.get(f"{BASE}/changes?all=true").json()) == 2


def test_a_calendar_out_and_in(shop):
    answer = shop.get(f"{BASE}/calendar.ics?person=ben")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.text.count("BEGIN:VEVENT") == 13
    assert "SUMMARY:ben on call: primary" in answer.text
    uids = [line for line in answer.text.split("\r\n") if line.startswith("UID")]
    shop.run(3 * 86400 // 100)
    assert [
        line for line in shop.get(f"{BASE}/calendar.ics?person=ben").text.split("\r\n") if line.startswith("UID")
    ] == uids
    text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260105T070000Z\nDURATION:PT5H\nSUMMARY:ben\nEND:VEVENT\nEND:VCALENDAR\n"
    made = shop.post(f"{BASE}/import", body={"schedule": "primary", "calendar": text, "by": "ana"}).json()
    assert [(c["person"], c["uid"]) for c in made] == [("ben", "1")]
    assert shop.get(BASE).json()["now"][0]["person"] == "ben"
    wrong = shop.post(f"{BASE}/import", body={"schedule": "primary", "calendar": text.replace("ben", "zoe")})
    assert (wrong.status, "line 4: cannot tell whose shift 'zoe' is" in wrong.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("?at=tomorrow", 400, "at: expected an instant"),
        ("?at=0001-01-01T00:00:00Z", 400, "between 1980 and 2200"),
        ("?at=9999-12-31T23:59:59Z", 400, "between 1980 and 2200"),
        ("/shifts?from=2026-01-05T00:00:00Z&to=2026-01-05T00:00:00Z", 400, "a span ends after it begins"),
        ("/coverage?from=2026-01-05T00:00:00Z&to=2096-01-05T00:00:00Z", 400, "within three years"),
        ("/coverage?schedule=x", 404, "there is no schedule 'x'"),
        ("/fairness?schedule=x", 404, "there is no schedule 'x'"),
        ("/calendar.ics?person=zoe", 404, "'zoe' is not among the people"),
        ("/for?policy=zoe", 404, "there is no policy 'zoe'"),
        ("/for?label=a=" + quote("\ud800", errors="surrogatepass"), 200, ""),
        ("/for?label=api", 400, "not a label with its value: 'api'; expected such as service=api"),
        ("/for?label==api", 400, "not a label with its value"),
    ],
)  # fmt: skip
def test_refusals(shop, path, status, text):
    answer = shop.get(BASE + path)
    assert answer.status == status, answer.text
    assert text in answer.json().get("error", "")


def test_a_change_that_cannot_be(shop):
    body = {"schedule": "primary", "person": "zoe", "from": "2026-01-05T07:00:00Z", "until": "2026-01-05T10:00:00Z"}
    assert json.loads(shop.post(f"{BASE}/overrides", body=body).body) == {"error": "'zoe' is not among the people"}
    assert shop.post(f"{BASE}/overrides", body={**body, "until": "soon"}).status == 400
    assert shop.post(f"{BASE}/swaps", body={**body, "people": ["ana"]}).status in {400, 422}
