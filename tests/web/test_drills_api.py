"""Drills with real ways to people: marked, measured, ended; nothing is done but paging."""

from __future__ import annotations

BASE = "/api/hypercare/v1/drills"


def test_a_drill_pages_is_taken_measured_and_ends(shop):
    name = shop.post(BASE, body={"severity": "critical"}).json()["id"]
    shop.run(90)
    found = shop.get(f"{BASE}/{name}").json()
    assert (found["taken_by"], found["over"]) == ("", False)
    incident = shop.get(f"/api/hypercare/v1/incidents/{found['incident']}").json()
    assert incident["title"].startswith("[DRILL]")
    assert found["lines"][0]["what"] == "incident opened"
    assert any(line["what"].startswith("step 1 reached") and line["in_time"] for line in found["lines"])
    assert found["lines"][-1]["what"] == "acknowledged"
    assert found["lines"][-1]["achieved_ms"] is None
    shop.post(f"/api/hypercare/v1/incidents/{found['incident']}/ack", body={"by": "ana"})
    found = shop.get(f"{BASE}/{name}").json()
    assert found["taken_by"] == "ana"
    assert found["lines"][-1]["achieved_ms"] > 0
    shop.post(f"{BASE}/{name}/end", body={"by": "ana"})
    assert shop.get(f"{BASE}/{name}").json()["over"]
    alerts = shop.get("/api/v2/alerts").json()
    assert not [a for a in alerts if a["labels"].get("drill") == name]


def test_a_drill_that_there_is_not(shop):
    assert shop.get(f"{BASE}/12").status == 404
    assert shop.post(BASE, body={"severity": "critical", "wait_seconds": 1}).status in {400, 422}
