"""Deployments over HTTP: from CI's call to the answer of a person."""

from __future__ import annotations

import pytest

BASE = "/api/hypercare/v1/deployments"
PLAN = """
deployments:
  plans:
    - name: quick
      phases: [{name: all, until: 4m, every: 1m}]
      verdicts: [4m]
      sample_every: 30s
      evaluate_every: 10s
      baseline: fixed
      checks: [{name: up, expr: 'min(up)', direction: low, critical: 0.5, compare: false}]
      criteria: [{name: calm, ask: is it calm?}]
"""


@pytest.fixture
def planned(make):
    one = make(PLAN)
    one.run(60)
    return one


def test_from_beginning_to_end(planned):
    assert planned.get(BASE).json() == []
    started = planned.post(BASE, body={"service": "api", "version": "v2", "by": "ci", "url": "http://ci/7"}).json()
    assert (started["number"], started["status"], started["plan_name"], started["by"]) == (1, "running", "quick", "ci")
    again = planned.post(BASE, body={"service": "api", "version": "v3"})
    assert again.status == 409
    planned.run(70)
    signed = planned.post(f"{BASE}/1/sign", body={"by": "ana", "notes": "fine"})
    assert signed.status == 200
    planned.post(f"{BASE}/api/notes", body={"by": "ana", "text": "traffic is up"})
    planned.run(200)
    shown = planned.get(f"{BASE}/api").json()
    assert (shown["status"], shown["verdict"]) == ("done", "INCONCLUSIVE")
    assert [p["signed_by"] for p in shown["checkpoints"]] == ["ana", "", "", ""]
    assert shown["checkpoints"][0]["readings"]["up"]["value"] == 1
    assert {o["name"]: o["state"] for o in shown["verdicts"][-1]["outcomes"]} == {"up": "pass", "calm": "waiting"}
    answered = planned.post(f"{BASE}/1/answer", body={"criterion": "calm", "state": "pass", "by": "ana"}).json()
    assert answered["verdict"] == "SUCCESS"
    assert [w["verdict"] for w in planned.get(f"{BASE}?status=done").json()] == ["SUCCESS"]
    assert "traffic is up" in [e["text"] for e in planned.get(f"{BASE}/1").json()["journal"]]


def test_cancel_and_replace(planned):
    planned.post(BASE, body={"service": "api", "version": "v2"})
    second = planned.post(BASE, body={"service": "api", "version": "v3", "replace": True}).json()
    assert second["number"] == 2
    assert planned.get(f"{BASE}/1").json()["status"] == "cancelled"
    assert planned.post(f"{BASE}/2/cancel", body={"text": "wrong"}).json()["status"] == "cancelled"
    assert planned.post(f"{BASE}/2/cancel").status == 409


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("", {"service": "api", "version": "v2", "plan": "quik"}, 404, "quick"),
        ("", {"service": "api", "version": "v2", "at": "noon"}, 400, "at:"),
        ("", {"service": "api", "version": "v2", "at": "2020-01-01T00:00:00Z"}, 400, "between"),
        ("", {"service": "api"}, 422, "version"),
        ("/7/sign", {}, 404, "no deployment 7"),
        ("/7/answer", {"criterion": "x", "state": "maybe"}, 422, "state"),
    ],
)
def test_refused(planned, path, body, status, words):
    answer = planned.post(BASE + path, body=body)
    assert answer.status == status
    assert words in answer.body.decode()


def test_without_a_plan_it_says_what_to_write(shop):
    answer = shop.post(BASE, body={"service": "api", "version": "v2"})
    assert answer.status == 400
    assert "deployments: {plans:" in answer.body.decode()
