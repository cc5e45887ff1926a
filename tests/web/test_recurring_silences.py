"""Silences that recur through the APIs, amtool and the pages."""

from __future__ import annotations

import pytest

from hypercare.model.time import format_rfc3339

V1, V2 = "/api/hypercare/v1/silences", "/api/v2/silences"
WEEKLY = {
    "weekdays": ["monday:friday"],
    "times": [{"start_time": "02:00", "end_time": "04:00"}],
    "location": "Europe/Madrid",
}


def at(shop, seconds):
    return format_rfc3339(shop.clock.now() + seconds * 1000)


def v2(shop, **fields):
    matchers = [{"name": "a", "value": "b", "isRegex": False}]
    head = {"matchers": matchers, "startsAt": at(shop, 0), "endsAt": at(shop, 30 * 86400), "createdBy": "ana"}
    return shop.post(V2, body={**head, "comment": "backup", **fields})


def test_our_own_api(make):
    shop = make()
    body = {
        "matchers": ['service="api"', "severity=~warning|info"],
        "duration": "30d",
        "by": "ana",
        "comment": "backup",
    }
    made = shop.post(V1, body={**body, "every": "mon-fri 02:00-04:00", "zone": "Europe/Madrid"})
    assert made.status == 200, made.text
    silence_id = made.json()["id"]
    found = shop.get(f"{V1}/{silence_id}").json()
    assert found["matchers"] == [['service="api"', 'severity=~"warning|info"']]
    assert (found["state"], found["every"], found["recurrence"]) == (
        "pending",
        "mon-fri 02:00-04:00 Europe/Madrid",
        [WEEKLY],
    )
    assert set(found["window"]) == {"startsAt", "endsAt"}
    assert found["window"]["startsAt"].endswith("T01:00:00.000Z")
    assert [s["id"] for s in shop.get(f"{V1}?state=pending").json()] == [silence_id]
    again = shop.post(V1, body={**body, "id": silence_id, "every": ""})
    assert again.json()["id"] != silence_id, "what has begun keeps its recurrence; another takes its place"
    assert "every" not in shop.get(f"{V1}/{again.json()['id']}").json()
    assert shop.request("DELETE", f"{V1}/{again.json()['id']}").status == 200
    shop.run(1)
    assert {s["state"] for s in shop.get(V1).json()} == {"expired"}
    assert shop.get(f"{V1}/nosuch").status == 404


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"every": "someday"}, "at character 1: 'someday' is no weekday"),
        ({"every": "mon", "zone": "Nowhere"}, "Nowhere"),
        ({"every": "mon", "recurrence": [WEEKLY]}, "give either every or recurrence"),
        ({"recurrence": [{"times": "always"}]}, "invalid recurrence: time interval 0, times"),
        ({"recurrence": [{"months": ["nosuch"]}]}, "invalid recurrence: time interval 0, months"),
        ({"duration": ""}, "give either ends_at or duration"),
        ({"duration": "soon"}, "soon"),
        ({"matchers": ["a b"]}, "bad matcher"),
        ({"every": "feb days 30"}, "never comes between"),
        ({"starts_at": "yesterday"}, "not a valid time"),
    ],
)
def test_what_is_refused(make, fields, says):
    shop = make()
    answer = shop.post(V1, body={"matchers": ["a=b"], "duration": "1h", "comment": "c", **fields})
    assert answer.status == 400
    assert says in answer.text
    assert shop.get(V1).json() == []


def test_alertmanagers_api_has_one_more_field(make):
    shop = make()
    made = v2(shop, recurrence=[WEEKLY])
    assert made.status == 200, made.text
    [found] = shop.get(V2).json()
    assert (found["recurrence"], found["status"]["state"]) == ([WEEKLY], "pending")
    # A client that does not know the field changes the end, and nothing else.
    changed = v2(shop, id=made.json()["silenceID"], startsAt=found["startsAt"], endsAt=at(shop, 86400 * 40))
    assert changed.json() == made.json()
    [found] = shop.get(V2).json()
    assert found["recurrence"] == [WEEKLY]
    ordinary = v2(shop)
    assert "recurrence" not in shop.get(f"/api/v2/silence/{ordinary.json()['silenceID']}").json()
    assert v2(shop, recurrence=[{"times": 5}]).status == 400


def test_the_page_makes_one_and_shows_its_next_window(make):
    shop = make()
    form = {"matchers": 'service="api"', "duration": "30d", "comment": "backup", "every": "mon-fri 02:00-04:00",
            "zone": "Europe/Madrid"}  # fmt: skip
    assert shop.request("POST", "/silences", form=form).status == 303
    page = shop.get("/silences").text
    assert "Next window" in page
    assert "mon-fri 02:00-04:00 Europe/Madrid" in page
    [found] = shop.get(V1).json()
    edit = shop.get(f"/silences/new?edit={found['id']}").text
    assert 'value="mon-fri 02:00-04:00 Europe/Madrid"' in edit
    assert shop.request("POST", "/silences", form={**form, "every": "someday"}).status == 400
    audit = shop.get("/api/v1/audit").text
    assert "mon-fri 02:00-04:00 Europe/Madrid" in audit
