"""Schedules made through the API: versions, confirmation of gaps, one mechanism for both kinds, refusals."""

from __future__ import annotations

import json

import pytest

BASE = "/api/hypercare/v1/oncall"
NIGHTS = {
    "timezone": "Europe/Berlin",
    "rotation": {"people": ["ana", "ben"], "every": "weekly", "start": "2026-01-05T09:00"},
    "layers": [
        {"name": "office", "people": ["ben"], "every": "daily", "start": "2026-01-05T09:00",
         "restrictions": [{"days": "weekdays", "from": "09:00", "until": "17:00"}]},
    ],
}  # fmt: skip
USES = """
  - {name: nights, steps: [{notify: ["schedule:nights"]}]}
"""


def save(shop, name="nights", definition=NIGHTS, **more):
    return shop.request("PUT", f"{BASE}/schedules/{name}", body={"definition": definition, "by": "ana", **more})


def line(shop, name):
    text = shop.file.read_text()
    return 1 + text[: text.index(f"- {{name: {name}")].count("\n")


def uses_nights(shop):
    text = shop.file.read_text()
    shop.file.write_text(text.replace("collect:", USES.strip("\n") + "\ncollect:"))


def test_a_schedule_is_kept_and_seen_by_everything(shop):
    made = save(shop, comment="as agreed", accept_gaps=True)
    assert (made.status, made.json()) == (200, {"name": "nights", "version": 1})
    now = {s["schedule"]: s["person"] for s in shop.get(f"{BASE}?at=2026-01-07T12:00:00Z").json()["now"]}
    assert now == {"primary": "ana", "nights": "ben"}
    shifts = shop.get(f"{BASE}/shifts?schedule=nights&from=2026-01-05T08:00:00Z&to=2026-01-06T00:00:00Z").json()
    assert [(s["person"], s["source"]) for s in shifts] == [("ben", "office"), ("ana", "rotation")]
    assert shop.get(f"{BASE}/coverage?schedule=nights&from=2026-01-06T00:00:00Z").json()["covered"] is True
    assert "nights" in shop.get(f"{BASE}/calendar.ics?schedule=nights").text
    assert shop.get(f"{BASE}/fairness?schedule=nights&from=2026-01-06T00:00:00Z").status == 200
    span = {"from": "2026-01-06T23:00:00Z", "until": "2026-01-07T01:00:00Z"}
    assert shop.post(f"{BASE}/overrides", body={"schedule": "nights", "person": "ben", **span}).status == 200
    at = shop.get(f"{BASE}?at=2026-01-07T00:00:00Z").json()["now"]
    assert {s["schedule"]: s["person"] for s in at}["nights"] == "ben"
    kinds = {s["name"]: (s["origin"], s["place"], s["saved_by"]) for s in shop.get(f"{BASE}/schedules").json()}
    assert kinds["nights"] == ("page", "", "ana")
    assert (kinds["primary"][0], f"hypercare.yml, line {line(shop, 'primary')}" in kinds["primary"][1]) == (
        "file",
        True,
    )


def test_versions_are_looked_at_and_restored(shop):
    save(shop, accept_gaps=True)
    other = {**NIGHTS, "rotation": {**NIGHTS["rotation"], "people": ["ben"]}}
    assert save(shop, definition=other, version=1, accept_gaps=True).json()["version"] == 2
    assert save(shop, definition=other, version=2, accept_gaps=True).json()["version"] == 2, "nothing has changed"
    stale = save(shop, version=1, accept_gaps=True)
    assert (stale.status, "version 2 of 'nights' meanwhile" in stale.json()["error"]) == (409, True)
    old = shop.get(f"{BASE}/schedules/nights?version=1").json()
    assert old["definition"]["rotation"]["people"] == ["ana", "ben"]
    body = {"version": 1, "by": "ben", "accept_gaps": True}
    assert shop.post(f"{BASE}/schedules/nights/restore", body=body).json()["version"] == 3
    versions = shop.get(f"{BASE}/schedules/nights/versions").json()
    assert [(v["version"], v["how"], v["saved_by"]) for v in versions] == [
        (3, "restored", "ben"), (2, "saved", "ana"), (1, "saved", "ana")
    ]  # fmt: skip
    assert shop.get(f"{BASE}/schedules/nights").json()["definition"] == old["definition"]
    assert shop.get(f"{BASE}/schedules/nights?version=9").status == 404
    actions = [row["action"] for row in shop.get("/api/v1/audit").json()]
    assert actions.count("save_schedule") == 4, "what was refused, too"
    assert "restore_schedule" in actions


def test_gaps_are_told_to_the_minute_and_want_a_second_word(shop):
    holes = {
        **NIGHTS,
        "rotation": None,
        "layers": [{**NIGHTS["layers"][0], "restrictions": {"from": "09:00", "until": "08:47"}}],
    }
    tried = shop.post(f"{BASE}/schedules/nights/preview", body={"definition": holes}).json()
    assert tried["covered"] is False
    assert {"schedule": "nights", "from_at": "2026-01-06T07:47:00.000Z", "until": "2026-01-06T08:00:00.000Z",
            "reason": "no layer has anybody and there is no fallback"} in tried["gaps"]  # fmt: skip
    assert [(m["person"], m["loses"]) for m in tried["moved"]] == [("ben", [])]
    refused = save(shop, definition=holes)
    assert (refused.status, "2026-01-06T07:47:00.000Z" in refused.json()["error"]) == (409, True)
    assert shop.get(f"{BASE}/schedules/nights").status == 404, "a preview keeps nothing"
    assert save(shop, definition=holes, accept_gaps=True).status == 200
    better = shop.post(f"{BASE}/schedules/nights/preview", body={"definition": {**holes, "fallback": ["ana"]}}).json()
    assert (better["covered"], [m["person"] for m in better["moved"]]) == (True, ["ana"])
    assert {tuple(o["schedules"]) for o in better["overlaps"]} == {("primary", "nights")}


def test_both_kinds_never_share_a_name(shop):
    taken = save(shop, "primary", accept_gaps=True)
    assert (taken.status, f"hypercare.yml, line {line(shop, 'primary')}" in taken.json()["error"]) == (409, True)
    save(shop, accept_gaps=True)
    text = shop.file.read_text()
    shop.file.write_text(text.replace("name: primary", "name: nights").replace("schedule:primary", "schedule:nights"))
    reload = shop.post("/-/reload")
    assert (
        reload.status,
        f"hypercare.yml:{line(shop, 'nights')}:" in reload.text,
        "was made on the page" in reload.text,
    ) == (
        400,
        True,
        True,
    )
    assert shop.get(f"{BASE}/schedules/primary").status == 200, "the old configuration goes on"
    assert shop.request("DELETE", f"{BASE}/schedules/nights?by=ana").status == 200
    assert shop.post("/-/reload").status == 200
    assert shop.get(f"{BASE}/schedules/nights").json()["origin"] == "file"
    back = shop.post(f"{BASE}/schedules/nights/restore", body={"version": 1, "accept_gaps": True})
    assert (back.status, "is changed there" in back.json()["error"]) == (409, True)


def test_what_is_in_use_is_not_deleted_and_comes_back(shop):
    uses_nights(shop)
    unknown = shop.post("/-/reload")
    assert (unknown.status, "unknown schedule 'nights'" in unknown.text) == (400, True)
    save(shop, accept_gaps=True)
    assert shop.post("/-/reload").status == 200
    policy = shop.get(f"{BASE}/for?policy=nights&at=2026-01-07T12:00:00Z").json()
    assert policy["steps"][0]["people"] == ["ben"]
    refused = shop.request("DELETE", f"{BASE}/schedules/nights")
    assert refused.status == 409
    assert "step 1 of the escalation nights (" in refused.json()["error"]
    assert refused.json()["error"].endswith(f"hypercare.yml, line {line(shop, 'nights')})")
    assert shop.get(f"{BASE}/schedules/nights").json()["used_by"][0].startswith("step 1 of the escalation nights")
    shop.file.write_text(shop.file.read_text().replace(USES, "\n"))
    assert shop.post("/-/reload").status == 200
    assert shop.request("DELETE", f"{BASE}/schedules/nights").json()["version"] == 2
    assert [s["schedule"] for s in shop.get(BASE).json()["now"]] == ["primary"]
    assert [s["name"] for s in shop.get(f"{BASE}/schedules?deleted=true").json()] == ["primary", "nights"]
    assert shop.post(f"{BASE}/schedules/nights/restore", body={"version": 1, "accept_gaps": True}).status == 200
    assert len(shop.get(BASE).json()["now"]) == 2


def test_after_a_restart_it_is_there(make):
    first = make()
    save(first, accept_gaps=True)
    first.app.close()
    again = make()
    assert again.app.oncall.plan.schedule("nights") is not None
    first.close = lambda: None


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ({}, "one of rotation, layers is required"),
        ({"rotation": {"people": ["zoe"], "start": "2026-01-05"}}, "rotation.people.1: unknown person 'zoe'"),
        ({"rotation": {"people": ["ana"], "start": "soon"}}, "rotation.start: expected a date and time, found 'soon'"),
        ({"rotation": {"people": ["ana"], "start": "1066-01-05"}}, "a date between 1980 and 2200"),
        ({"rotation": {"people": ["ana"], "start": "2026-01-05", "every": "9000d"}}, "a turn lasts a year at most"),
        ({"name": "other", "rotation": {"people": ["ana"], "start": "2026-01-05"}}, "it is called 'other'"),
        ({"timezone": "Europe/Berln", "rotation": {"people": ["ana"], "start": "2026-01-05"}}, "did you mean Europe/Berlin?"),
        ({"layers": [{"name": "\ud800", "people": ["ana"], "start": "2026-01-05"}]}, "printable characters"),
    ],
)  # fmt: skip
def test_refusals(shop, definition, told):
    refused = save(shop, definition=definition)
    assert (refused.status, told in refused.json()["error"]) == (400, True), refused.text


def test_yaml_both_ways(shop):
    text = "oncall:\n  schedules:\n    - {name: nights, rotation: {people: [ana], start: 2026-01-01T00:00}}\n"
    assert shop.request("PUT", f"{BASE}/schedules/nights", body={"yaml": text}).status == 200
    found = shop.get(f"{BASE}/schedules/nights/yaml")
    assert found.headers["content-type"].startswith("text/plain")
    assert shop.request("PUT", f"{BASE}/schedules/nights", body={"yaml": found.text}).json()["version"] == 1
    bad = shop.request("PUT", f"{BASE}/schedules/nights", body={"yaml": "a: [", "definition": None})
    assert (bad.status, "the text:" in bad.json()["error"]) == (400, True)
    assert shop.request("PUT", f"{BASE}/schedules/nights", body={}).status == 400
    assert json.loads(json.dumps(shop.get(f"{BASE}/schedules/primary").json()))["yaml"].startswith("oncall:")


def test_a_change_is_tried_and_a_shift_taken_over(shop):
    body = {"schedule": "primary", "person": "ben", "from": "2026-01-06T09:00:00Z", "until": "2026-01-06T17:00:00Z"}
    tried = shop.post(f"{BASE}/preview", body=body).json()
    assert (tried["changes"], tried["before"][0]["person"], tried["after"][0]["person"]) == (True, "ana", "ben")
    assert shop.get(f"{BASE}/changes").json() == []
    assert shop.post(f"{BASE}/preview", body={**body, "person": "zoe"}).status == 400
    taken = shop.post(f"{BASE}/take-over", body={"schedule": "primary", "person": "ben", "by": "ana"}).json()
    assert (taken["person"], taken["created_by"], taken["end_at"]) == ("ben", "ana", "2026-01-12T00:00:00.000Z")
    assert shop.post(f"{BASE}/take-over", body={"schedule": "primary", "person": "ben"}).status == 409
    assert shop.post(f"{BASE}/take-over", body={"schedule": "nosuch", "person": "ben"}).status == 404


def test_an_escalation_under_way_keeps_its_schedule(make):
    shop = make()
    assert save(shop, accept_gaps=True).status == 200
    text = shop.file.read_text()
    shop.file.write_text(text.replace("schedule:primary", "schedule:nights"))
    assert shop.post("/-/reload").status == 200
    shop.break_it()
    # The policy is gone; the escalation that began by it goes on.
    shop.file.write_text(text.replace("name: default", "name: other"))
    assert shop.post("/-/reload").status == 200
    refused = shop.request("DELETE", f"{BASE}/schedules/nights")
    assert (refused.status, "the escalation default of incident" in refused.json()["error"]) == (409, True)
    (incident,) = shop.get("/api/hypercare/v1/incidents").json()
    shop.post(f"/api/hypercare/v1/incidents/{incident['number']}/resolve", body={"by": "ana"})
    assert shop.request("DELETE", f"{BASE}/schedules/nights").status == 200
