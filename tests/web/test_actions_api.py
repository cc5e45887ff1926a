"""Actions through the API, the page and its forms."""

from __future__ import annotations

import pytest
from web_kit import HYPERCARE, Shop

BASE = "/api/hypercare/v1/actions"
ACTIONS = """
actions:
  - {name: restart, command: [restart, $service], description: again}
  - {name: rollback, command: [rollback, $service], approval: true}
"""


@pytest.fixture
def acting(tmp_path):
    return Shop(tmp_path, text=HYPERCARE + ACTIONS)


def test_run_and_read(acting):
    assert [a["name"] for a in acting.get(BASE).json()] == ["restart", "rollback"]
    body = {"by": "ana", "reason": "leak <b>", "context": {"service": "api"}}
    begun = acting.post(f"{BASE}/restart/run", body=body).json()
    assert (begun["number"], begun["state"], begun["by"]) == (1, "running", "ana")
    acting.run(5)
    run = acting.get(f"{BASE}/runs/1").json()
    assert (run["state"], run["text"], run["outputs"][0]["what"]) == ("done", "exit code 0 after 1s", "restart api")
    assert [r["number"] for r in acting.get(f"{BASE}/runs").json()] == [1]
    page = acting.get("/actions").text
    assert "leak &lt;b&gt;" in page
    assert "restart api" in page
    assert acting.get(f"{BASE}/runs/9").status == 404
    assert acting.post(f"{BASE}/nothing/run", body={"by": "ana"}).status == 404
    assert acting.post(f"{BASE}/restart/run", body={"by": "ana"}).json()["state"] == "refused"


def test_approve_and_refuse(acting):
    for service in ("api", "web"):
        body = {"by": "ana", "context": {"service": service}}
        assert acting.post(f"{BASE}/rollback/run", body=body).json()["state"] == "waiting"
    page = acting.get("/actions").text
    assert "Waiting for an approval" in page
    assert 'value="approve"' in page
    assert acting.post(f"{BASE}/runs/1/approve", body={"by": "ben"}).json()["state"] == "running"
    refused = acting.post(f"{BASE}/runs/2/refuse", body={"by": "ben", "note": "no"}).json()
    assert (refused["state"], refused["text"]) == ("refused", "ben has refused it: no")
    assert acting.post(f"{BASE}/runs/2/approve", body={"by": "ben"}).status == 409


def test_the_forms(acting):
    form = {"name": "rollback", "values": "service=api", "reason": "bad", "by": "ana"}
    answer = acting.post("/actions/run", form=form)
    assert (answer.status, answer.headers["location"]) == (303, "/actions")
    acting.post("/actions/runs/1/decide", form={"act": "approve", "by": "ben"})
    acting.run(5)
    run = acting.get(f"{BASE}/runs/1").json()
    assert (run["state"], run["decided_by"]) == ("done", "ben")
    assert acting.get("/fragments/actions").status == 200
