"""Our own API: every path, and refusals in plain words."""

from __future__ import annotations

import asyncio
import json

import pytest

BASE = "/api/hypercare/v1"


def test_status(broken):
    body = broken.get(f"{BASE}/status").json()
    assert (body["platform"], body["status"]) == ("shop", "critical")
    assert body["at"] == "2026-01-05T08:00:40.000Z"
    assert [(s["name"], s["status"]) for s in body["services"]] == [("api", "critical")]
    assert [(a["name"], a["service"], a["suppressed_by"]) for a in body["alerts"]] == [("Broken", "api", "")] * 2
    assert [i["number"] for i in body["incidents"]] == [1]
    assert [o["person"] for o in body["oncall"]] == ["ana"]
    assert {t["job"] for t in body["targets"]} == {"api", "hypercare"}


def test_a_target_that_was_not_looked_at_yet_has_no_time(make):
    shop = make()
    [*targets] = shop.get(f"{BASE}/status").json()["targets"]
    assert {t["health"] for t in targets} == {"unknown"}
    assert {t["last_scrape"] for t in targets} == {None}


def test_check(broken):
    body = broken.get(f"{BASE}/check").json()
    assert (body["status"], body["exit_code"]) == ("critical", 2)
    assert "text" not in body
    assert broken.get(f"{BASE}/check?text=true").json()["text"].startswith("# shop: critical")


def test_an_incident_from_its_beginning_to_its_end(broken):
    [listed] = broken.get(f"{BASE}/incidents").json()
    assert (listed["number"], listed["status"], listed["severity"]) == (1, "open", "P1")
    shown = broken.get(f"{BASE}/incidents/1").json()
    assert shown["id"] == listed["id"]
    assert {a["labels"]["instance"] for a in shown["alerts"]} == {"api:80", "api:81"}
    assert shown["timeline"][0]["kind"] == "opened"
    assert broken.get(f"{BASE}/incidents/{listed['id']}").json() == shown
    assert broken.get(f"{BASE}/incidents/%231").json() == shown

    acked = broken.post(f"{BASE}/incidents/1/ack", body={"by": "ben", "note": "on it"}).json()
    assert (acked["status"], acked["acknowledged_by"]) == ("acknowledged", "ben")
    assert broken.get(f"{BASE}/incidents?status=open").json() == []
    assert len(broken.get(f"{BASE}/incidents?status=unresolved").json()) == 1
    broken.post(f"{BASE}/incidents/1/notes", body={"by": "ben", "text": "it was the till\nof course"})
    resolved = broken.post(f"{BASE}/incidents/1/resolve").json()
    assert (resolved["status"], resolved["resolved_by"]) == ("resolved", "api")
    texts = [t["text"] for t in broken.get(f"{BASE}/incidents/1").json()["timeline"]]
    assert any("on it" in t for t in texts)
    assert "it was the till\nof course" in texts

    again = broken.post(f"{BASE}/incidents/1/ack", body={"by": "ana"})
    assert again.status == 409
    assert "nothing to acknowledge" in again.json()["error"]
    assert broken.post(f"{BASE}/incidents/1/resolve", body={}).status == 409


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/incidents/7", None, 404, "there is no incident 7"),
        ("GET", "/incidents/" + "x" * 65, None, 422, "ref"),
        ("GET", "/incidents?status=odd", None, 422, "status"),
        ("GET", "/incidents?limit=0", None, 422, "limit"),
        ("GET", "/incidents?limit=" + "9" * 50, None, 422, "limit"),
        ("GET", "/deliveries?state=odd", None, 422, "state"),
        ("GET", "/check?text=perhaps", None, 422, "text"),
        ("GET", "/nosuch", None, 404, "there is no /api/hypercare/v1/nosuch"),
        ("POST", "/incidents/7/ack", {"by": "ana"}, 404, "there is no incident 7"),
        ("POST", "/incidents/7/unack", {"by": "ana"}, 404, "there is no incident 7"),
        ("POST", "/incidents/1/unack", {"by": "ana"}, 409, "not acknowledged"),
        ("POST", "/incidents/1/ack", {"by": "x" * 101}, 422, "by"),
        ("POST", "/incidents/1/ack", [], 422, "body"),
        ("POST", "/incidents/1/notes", {"by": "ana", "text": ""}, 422, "text"),
        ("POST", "/incidents/1/notes", {"by": "ana", "text": "  "}, 400, "the note is empty"),
        ("POST", "/incidents/1/notes", {"by": "ana"}, 422, "text: field required"),
        ("POST", "/incidents/1/notes", {"by": "ana", "text": "x" * 10_001}, 422, "text"),
        ("PUT", "/incidents/1", None, 405, "method not allowed"),
    ],
)
def test_refusals_in_plain_words(broken, method, path, body, status, text):
    answer = broken.request(method, BASE + path, body=body)
    assert answer.status == status, answer.text
    assert text in answer.json()["error"]
    assert set(answer.json()) == {"error"}


def test_on_call_and_deliveries(broken):
    body = broken.get(f"{BASE}/oncall").json()
    assert [(n["schedule"], n["person"], n["next_person"]) for n in body["now"]] == [("primary", "ana", "ben")]
    assert body["escalations"][0]["state"] == "running"
    sent = broken.get(f"{BASE}/deliveries?state=sent").json()
    assert {d["channel"] for d in sent} == {"console"}
    assert broken.get(f"{BASE}/deliveries?state=failed").json() == []


def test_operation_ids_are_unique(shop):
    paths = shop.get("/openapi.json").json()["paths"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    assert "acknowledge_incident" in ids
    assert not any(path.startswith(("/incidents", "/fragments", "/login")) for path in paths), "pages are no API"


def test_health_and_metrics(shop):
    for path in ("/-/healthy", "/-/ready"):
        assert shop.get(path).status == 200
        head = shop.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
    metrics = shop.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "hypercare_build_info" in metrics.text


def test_reload(shop):
    assert shop.post("/-/reload").status == 200
    good = shop.file.read_text()
    shop.file.write_text(good + "\nbogus: 1\n")
    refused = shop.post("/-/reload")
    assert refused.status == 400
    assert "bogus" in refused.text
    assert shop.data("/api/v1/status/runtimeinfo")["reloadConfigSuccess"] is False
    shop.file.write_text(good.replace("platform: shop", "platform: mall"))
    assert shop.post("/-/reload").status == 200
    assert shop.get(f"{BASE}/status").json()["platform"] == "mall"
    assert shop.get("/-/reload").status == 405


def test_live_events_of_what_happens(shop):
    """The stream, read directly: its end is not part of one exchange."""
    live = shop.web.state.live

    async def first():
        stream = live.stream()
        assert await anext(stream) == ": welcome\n\n"
        await asyncio.to_thread(shop.break_it)
        lines = [await anext(stream) for _ in range(3)]
        live.close()
        rest = [line async for line in stream]
        return lines, rest

    lines, _ = asyncio.run(first())
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert all(line.startswith("data: ") and line.endswith("\n\n") for line in lines)
    assert {"at", "event"} <= set(events[0])
    assert live._listeners == {}


def test_why_an_alert_was_told(broken):
    body = broken.get(f"{BASE}/alerts/why?match=severity=critical").json()
    first = body["alerts"][0]
    assert first["now"].startswith("It fires since ")
    assert any("incident #1: page sent to" in line["text"] for line in first["journal"])
    page = broken.get(f"/alerts/{first['fingerprint']}")
    assert page.status == 200
    assert "Journal" in page.text
    assert first["fingerprint"] in broken.get("/alerts").text
    assert broken.get("/alerts/nosuch").status == 404
    assert broken.get(f"{BASE}/alerts/why?match=alertname=None").json()["text"].startswith("No alert")
    assert broken.get(f"{BASE}/alerts/why?match=%7B").status == 400
