"""Escalations under way, clocks, findings and heartbeats through the API, the page and the forms."""

from __future__ import annotations

BASE = "/api/hypercare/v1"


def test_an_escalation_with_its_next_step_and_clocks(broken):
    (line,) = broken.get(f"{BASE}/escalations").json()
    assert (line["number"], line["severity"], line["policy"], line["state"], line["round"]) == (
        1,
        "P1",
        "default",
        "running",
        1,
    )
    assert [(s["number"], s["people"], s["done"]) for s in line["steps"]] == [(1, ["ana"], True), (2, ["ben"], False)]
    assert line["steps"][1]["due_at"] == line["next_at"]
    assert [(c["clock"], c["state"]) for c in line["clocks"]] == [
        ("acknowledge", "running"), ("assess", "running"), ("investigate", "running"), ("resolve", "running"),
    ]  # fmt: skip
    text = broken.get("/escalations").text
    assert "Escalations under way" in text
    assert f'datetime="{line["next_at"]}"' in text
    assert 'aria-current="step"' in text


def test_phases_by_hand(broken):
    early = broken.post(f"{BASE}/incidents/1/assess", body={"by": "ana"})
    assert (early.status, early.json()["error"]) == (
        409,
        "nobody has acknowledged the incident yet: acknowledge it first",
    )
    broken.post(f"{BASE}/incidents/1/ack", body={"by": "ana"})
    states = broken.post(f"{BASE}/incidents/1/investigate", body={"by": "ana", "note": "disk full"}).json()
    assert {c["clock"]: (c["state"], c["met_by"]) for c in states} == {
        "acknowledge": ("met", "ana"), "assess": ("met", "ana"), "investigate": ("met", "ana"), "resolve": ("running", ""),
    }  # fmt: skip
    incident = broken.get(f"{BASE}/incidents/1").json()
    assert incident["clocks"] == broken.get(f"{BASE}/incidents/1/clocks").json() == states
    assert [t["text"] for t in incident["timeline"] if t["kind"] == "investigating"] == [
        "investigating, says ana: disk full"
    ]
    assert broken.post(f"{BASE}/incidents/9/assess", body={"by": "ana"}).status == 404


def test_the_form_on_the_page_of_the_incident(broken):
    broken.post(f"{BASE}/incidents/1/ack", body={"by": "ana"})
    page = broken.get("/incidents/1").text
    assert 'value="assess"' in page
    answer = broken.post("/incidents/1/phase", form={"phase": "assess", "by": "ana"})
    assert (answer.status, answer.headers["location"]) == (303, "/incidents/1")
    page = broken.get("/incidents/1").text
    assert 'value="assess"' not in page
    assert 'value="investigate"' in page


def test_nothing_under_way_and_nothing_found(shop):
    assert shop.get(f"{BASE}/escalations").json() == []
    assert shop.get(f"{BASE}/audit/findings").json() == []
    assert shop.get(f"{BASE}/heartbeats").json() == []
    assert shop.get(f"{BASE}/oncall/requests").json() == []
    assert "nobody is being paged" in shop.get("/escalations").text
