"""The room of an incident over HTTP: API, page and forms; the status page; runbooks; what a hostile text does not do."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from hypercare.web import charts, markdown

API = "/api/hypercare/v1"
BOOK = """---
title: The shop is broken
alerts: Broken
---
# Broken

<script>alert(1)</script> [bad](javascript:alert(1)) ![x](https://evil.example/x.png)

## Respond (0-15 min)
1. Look at `truth`
2. [Restart the pool](procedure:restart-pool)
"""
MORE = """
runbooks: books
status_page:
  title: Shop
  url: https://status.example
  components: [{name: Ordering, services: [api]}, {name: Search}]
"""


@pytest.fixture
def room(make, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "broken.md").write_text(BOOK)
    shop = make(MORE)
    shop.break_it()
    shop.run(1)
    return shop


def say(shop, path, body, method="POST"):
    answer = shop.request(method, f"{API}{path}", body=body)
    assert answer.status == 200, answer.text
    return answer.json()


def test_evidence_is_kept_at_the_opening(room):
    kept = room.get(f"{API}/incidents/1/evidence").json()
    graph = next(e for e in kept if e["kind"] == "graph")
    assert (graph["data"]["expr"], graph["data"]["op"], graph["data"]["threshold"]) == ("truth", "==", 0)
    assert len(graph["data"]["series"]) == 2
    # An hour before the first alert, and on to the opening.
    assert len(graph["data"]["series"][0]["values"]) in {121, 122}
    values = [v for v in graph["data"]["series"][0]["values"] if v is not None]
    assert values
    assert {e["kind"] for e in kept} == {"graph", "deployments", "alerts"}
    page = room.get("/incidents/1").text
    assert re.search(r'<div class="plot"><svg class="marks".*?<text x="100%".*?<span class="zone">UTC</span>', page)


def test_the_whole_work_of_an_incident_over_the_api(room):
    assert say(room, "/incidents/1/severity", {"severity": "P0", "by": "ana"})["severity"] == "P0"
    say(room, "/incidents/1/description", {"impact": "all", "by": "ana"})
    say(room, "/incidents/1/roles", {"role": "commander", "person": "ben", "by": "ana"})
    task = say(room, "/incidents/1/tasks", {"text": "look", "owner": "ben", "due": "2026-01-06T00:00:00Z", "by": "ana"})
    assert say(room, f"/incidents/tasks/{task['id']}", {"done": True, "by": "ben"})["done_by"] == "ben"
    say(room, "/incidents/1/links", {"url": "https://call.example/1", "by": "ana"})
    say(room, "/incidents/1/steps/1", {"by": "ana"})
    say(room, "/incidents/1/notes", {"text": "roll back", "kind": "decision", "pinned": True, "by": "ana"})
    say(room, "/incidents/1/updates", {"text": "working", "stage": "identified", "public": True, "by": "ana"})
    found = room.get(f"{API}/incidents/1/room").json()
    assert [r["person"] for r in found["roles"]] == ["ben"]
    assert found["checklists"][0]["steps"][0]["done_by"] == "ana"
    assert found["runbook"]["name"] == "broken"
    assert any(c["source"] == "broken" and c["budget"] == 900_000 for c in found["checklists"])
    timeline = room.get(f"{API}/incidents/1").json()["timeline"]
    entry = next(t for t in timeline if t["kind"] == "decision")
    assert entry["pinned_at"]
    say(room, f"/incidents/1/timeline/{entry['seq']}/pin", {"done": False, "by": "ana"})
    say(room, "/incidents/1/resolve", {"by": "ana", "note": "rolled back", "cause": "a bad release"})
    stats = room.get(f"{API}/incidents/stats").json()
    assert stats["whole"]["incidents"] == 1
    assert stats["by_cause"][0]["name"] == "a bad release"
    text = room.get("/metrics").text
    assert 'hypercare_incident_causes{cause="a bad release",service="api"} 1' in text


def test_the_post_mortem_over_the_api(room):
    assert room.get(f"{API}/incidents/1/postmortem").status == 404
    assert "<span>running</span>" in room.get("/incidents/1").text
    say(room, "/incidents/1/resolve", {"by": "ana"})
    assert "<span>lasted</span>" in room.get("/incidents/1").text
    found = room.get(f"{API}/incidents/1/postmortem").json()
    assert (found["state"], [m["name"] for m in found["milestones"]]) == ("draft", ["evidence", "meeting", "document"])
    say(room, "/incidents/1/postmortem", {"text": "# Mine", "version": 1, "by": "ana"}, "PUT")
    refused = room.request("PUT", f"{API}/incidents/1/postmortem", body={"text": "x", "version": 1, "by": "ben"})
    assert refused.status == 409
    say(room, "/incidents/1/milestones/evidence", {"by": "ana"})
    say(room, "/incidents/1/postmortem/state", {"state": "review", "by": "ana"})
    export = room.get(f"{API}/incidents/1/postmortem.md")
    assert export.text.startswith("# Mine")
    assert export.headers["content-type"].startswith("text/markdown")


def test_the_page_shows_the_room_and_its_forms_work(room):
    page = room.get("/incidents/1").text
    for text in (
        "Respond",
        "The shop is broken",
        "Restart the pool (<code>restart-pool</code>)",
        "Evidence from the opening",
    ):
        assert text in page, text
    assert "<script>alert" not in page
    assert 'href="javascript:' not in page
    assert "<img" not in page
    forms = [
        ("severity", {"name": "P0", "text": "worse"}), ("describe", {"text": "all", "extra": "unknown"}),
        ("role", {"name": "commander", "extra": "ben"}), ("task", {"text": "look", "name": "ben", "extra": "2026-01-06T10:00"}),
        ("link", {"text": "https://call.example", "name": "call"}), ("tick", {"name": "1", "flag": "on"}),
        ("note", {"text": "<b>seen</b>", "name": "finding", "flag": "on"}), ("update", {"text": "working", "name": "identified"}),
        ("done", {"name": "1", "flag": "on"}),
    ]  # fmt: skip
    for what, form in forms:
        assert room.post(f"/incidents/1/room/{what}", form={**form, "by": "ana"}).status == 303, what
        assert "hypercare_message" not in room.cookies, room.cookies
    page = room.get("/incidents/1").text
    assert "&lt;b&gt;seen&lt;/b&gt;" in page
    assert "P0" in page
    assert room.get("/fragments/incident/1").status == 200


@pytest.mark.parametrize(
    ("what", "form"),
    [("severity", {"name": "P9"}), ("tick", {"name": "-1"}), ("task", {"text": "x", "extra": "soon"}), ("pin", {"name": "x"})],
)  # fmt: skip
def test_bad_forms_come_back_with_words(room, what, form):
    assert room.post(f"/incidents/1/room/{what}", form={**form, "by": "ana"}).status == 303
    assert room.cookies["hypercare_message"]


def test_forms_of_no_incident_or_no_name_are_refused(room):
    assert room.post("/incidents/9/room/note", form={"text": "x", "by": "ana"}).status == 404
    assert room.post("/incidents/1/room/dance", form={"by": "ana"}).status == 404
    assert room.post("/incidents/1/room/tick", form={"name": "1", "flag": "x", "by": "ana"}).status == 400


def test_the_post_mortem_is_edited_on_its_page_and_nothing_is_lost(room):
    assert "None yet" in room.get("/incidents/1/postmortem").text
    room.post("/incidents/1/postmortem", form={"act": "start", "by": "ana"})
    room.post(
        "/incidents/1/postmortem", form={"act": "edit", "text": "# A\r\n<img src=x>", "version": "1", "by": "ana"}
    )
    page = room.get("/incidents/1/postmortem").text
    assert "<img src=x>" not in page
    assert "<h2>A</h2>" in page
    late = room.post("/incidents/1/postmortem", form={"act": "edit", "text": "mine", "version": "1", "by": "ben"})
    assert (late.status, "mine" in late.text, "has changed it since" in late.text) == (409, True, True)
    room.post("/incidents/1/postmortem", form={"act": "move", "name": "review", "by": "ana"})
    room.post(
        "/incidents/1/room/action", form={"text": "alert", "name": "ben", "extra": "2026-02-01T10:00", "by": "ana"}
    )
    assert "alert" in room.get("/incidents/1/postmortem").text


def test_incidents_are_declared_merged_and_split_on_the_page(room):
    moved = room.post("/incidents/declare", form={"title": "no log-in", "severity": "P0", "by": "ana"})
    assert moved.headers["location"] == "/incidents/2"
    moved = room.post("/incidents/2/room/merge", form={"name": "1", "by": "ana"})
    assert moved.headers["location"] == "/incidents/1"
    alerts = room.get(f"{API}/incidents/1").json()["alerts"]
    moved = room.post("/incidents/1/room/split", form={"picked": alerts[0]["fingerprint"], "by": "ana"})
    assert moved.headers["location"] == "/incidents/3"
    assert room.get("/incidents/stats").status == 200
    assert "goes on" in room.get("/incidents/2").text.lower()


def test_runbooks_are_shown_beside_alerts_and_alone(room):
    listed = room.get(f"{API}/runbooks").json()
    assert listed == [{"name": "broken", "title": "The shop is broken", "alerts": ["Broken"], "services": []}]
    shown = room.get(f"{API}/runbooks/broken").json()
    assert shown["phases"][0]["steps"][1]["procedure"] == "restart-pool"
    assert room.get(f"{API}/runbooks/../hypercare.yml").status == 404
    fingerprint = room.get(f"{API}/incidents/1").json()["alerts"][0]["fingerprint"]
    assert "The shop is broken" in room.get(f"/alerts/{fingerprint}").text
    assert room.get("/runbooks/broken").status == 200
    assert room.get("/runbooks/none").status == 404


def test_the_status_page_tells_what_somebody_told(room):
    room.post("/status/posts", form={"text": "Orders <fail> & more", "state": "investigating", "about": "incident:1", "by": "ana"})  # fmt: skip
    room.post("/status/maintenance", form={"title": "Upgrade", "start": "2026-01-06T10:00", "end": "2026-01-06T11:00", "components": "Search", "by": "ana"})  # fmt: skip
    assert "Orders &lt;fail&gt; &amp; more" in room.get("/status").text
    room.run(10)
    for path in ("/status/public", "/status/public/status.json", "/status/public/feed.atom", "/status/public/feed.rss"):
        answer = room.get(path)
        assert answer.status == 200
        assert "Broken" not in answer.text
        assert "ana" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    feed = ET.fromstring(room.get("/status/public/feed.atom").body)
    entries = feed.findall("{http://www.w3.org/2005/Atom}entry")
    assert [e.find("{http://www.w3.org/2005/Atom}content").text for e in entries] == [None, "Orders <fail> & more"]  # fmt: skip
    items = ET.fromstring(room.get("/status/public/feed.rss").body).findall("channel/item")
    assert {i.find("title").text for i in items} == {"Problem with Ordering: investigating", "Maintenance: Upgrade (scheduled)"}  # fmt: skip
    found = room.get(f"{API}/status-page").json()
    assert [c["state"] for c in found["components"]] == ["partial", "operational"]
    work = room.get(f"{API}/status-page/posts").json()["maintenance"][0]
    room.post(f"/status/maintenance/{work['id']}/cancel", form={"by": "ana"})
    assert room.get(f"{API}/status-page").json()["maintenance"] == []


def test_alone_it_is_the_page_and_nothing_else(room):
    from hypercare.web.statuspage import status_app

    room.web = status_app(room.app)
    assert "Shop" in room.get("/").text
    assert room.get("/status.json").json()["title"] == "Shop"
    assert room.get("/status.css").status == 200
    for path in (
        "/incidents/1",
        f"{API}/incidents",
        "/metrics",
        "/api/v1/query?query=up",
        "/status",
        "/login",
        "/docs",
    ):
        assert room.get(path).status == 404, path
    assert room.post("/").status == 405


def test_without_a_status_page_there_is_none(shop):
    assert shop.get("/status").status == 200
    assert shop.get("/status/public").status == 404
    assert shop.get(f"{API}/status-page").status == 404


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("<script>x</script>", "<script"),
        ("[a](javascript:x)", "href"),
        ("[a](data:text/html,x)", "href"),
        ("[a](//evil.example)", "href"),
        ("<javascript:x>", "href"),
        ("![a](https://evil.example/a.png)", "<img"),
    ],
)
def test_markdown_brings_nothing_in(text, without):
    assert without not in markdown.render(text)


def test_graphs_have_gaps_thresholds_and_safe_names():
    data = {"expr": '<a b="c">', "op": ">", "threshold": 5, "start": 0, "step": 60_000, "more": 0, "error": "",
            "series": [{"labels": {}, "values": [1.0, None, 2.0, 3.0]}]}  # fmt: skip
    found = str(charts.chart(data, 60_000))
    assert "&lt;a b=&#34;c&#34;&gt;" in found
    assert found.count("M") == 2
    assert 'class="threshold"' in found
    assert charts.chart({**data, "series": [{"labels": {}, "values": [None]}]}, 0) == ""
