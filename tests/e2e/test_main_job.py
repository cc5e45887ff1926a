"""The loop on real processes: fault, page, acknowledgement, incident, resolution; and what kill -9 may not lose."""

from __future__ import annotations

import json
import signal

import pytest

pytestmark = pytest.mark.e2e


def incident(server):
    found = server.get("/api/hypercare/v1/incidents")
    return server.get(f"/api/hypercare/v1/incidents/{found[0]['number']}") if found else None


def kinds(server):
    return [t["kind"] for t in incident(server)["timeline"]]


def test_a_fault_becomes_a_page_an_acknowledgement_and_a_closed_incident(serve, outside, wait):
    server = serve(second="30s").start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    wait(lambda: server.cli("check", "--once").returncode == 0, what="a healthy check once all targets were looked at")

    outside.metrics = "up_truth 0\n"
    wait(lambda: outside.to("/page/ana"), what="page")
    wait(lambda: outside.to("/hook"), what="notification")
    assert outside.to("/hook")[0]["status"] == "firing"
    assert server.cli("check", "--once").returncode == 2
    listed = server.cli("incidents", "list")
    assert "the shop is broken" in listed.stdout
    acked = server.cli("incidents", "ack", "1", "--by", "ana")
    assert acked.returncode == 0, acked.stderr
    assert "acknowledged" in acked.stdout
    server.cli("incidents", "note", "1", "the till is jammed", check=True)

    outside.metrics = "up_truth 1\n"
    wait(lambda: incident(server)["status"] == "resolved", what="resolution")
    wait(lambda: [b["status"] for b in outside.to("/hook")] == ["firing", "resolved"], what="resolved notification")
    assert outside.to("/page/ben") == []
    story = server.cli("incidents", "show", "1").stdout
    for word in ("opened", "ana", "the till is jammed", "resolved"):
        assert word in story
    assert server.cli("alerts").returncode == 0


def test_kill_9_in_a_firing_alert_loses_nothing_and_repeats_nothing(serve, outside, wait):
    server = serve(second="15s").start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    outside.metrics = "up_truth 0\n"
    wait(lambda: outside.to("/page/ana") and outside.to("/hook"), what="page")
    before = server.get("/api/v1/alerts")["data"]["alerts"][0]
    opened = incident(server)["opened_at"]

    def samples():
        found = server.query('count_over_time(up{job="shop"}[1h])')
        return int(found[0]["value"][1]) if found else 0

    # A second of samples may be lost, and no mark of a delivery: both have had their time before the kill.
    kept = wait(samples, what="samples")
    wait(lambda: samples() >= kept + 2, what="the samples of a second")
    wait(
        lambda: {d["state"] for d in server.get("/api/hypercare/v1/deliveries")} == {"sent"},
        what="marks of the deliveries",
    )
    server.kill()
    assert outside.to("/page/ben") == []

    server.start()
    wait(lambda: server.get("/api/v1/alerts")["data"]["alerts"], what="restored alert")
    after = server.get("/api/v1/alerts")["data"]["alerts"][0]
    assert (after["activeAt"], after["state"]) == (before["activeAt"], "firing")
    assert samples() >= kept
    wait(lambda: outside.to("/page/ben"), what="second step of the escalation")
    assert incident(server)["opened_at"] == opened
    assert len(outside.to("/page/ana")) == 1, "a page was repeated"
    assert len(outside.to("/hook")) == 1, "the group was announced anew"
    assert len(server.get("/api/hypercare/v1/incidents")) == 1


def test_a_page_that_could_not_be_delivered_before_kill_9_is_delivered_after_it(serve, outside, wait):
    outside.status = 503
    server = serve(second="60s").start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    outside.metrics = "up_truth 0\n"
    wait(lambda: outside.to("/page/ana"), what="first try")
    server.kill()
    first = next(h for _, p, h, _ in outside.posts if p == "/page/ana")
    outside.posts.clear()
    outside.status = 200
    server.start()
    wait(lambda: outside.to("/page/ana"), what="second try")
    second = next(h for _, p, h, _ in outside.posts if p == "/page/ana")
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    wait(lambda: "page_delivered" in kinds(server), what="delivery in the timeline")


def test_a_bad_configuration_exits_2_with_all_places(serve):
    server = serve(
        files={
            "rules.yml": "groups:\n  - name: x\n    rules:\n      - alert: A\n        expr: sum(\n        bogus: 1\n"
        }
    )
    ended = server.cli("serve", "--config", "hypercare.yml", "--data", "d", "--listen", f"127.0.0.1:{server.port}")
    assert ended.returncode == 2
    assert "rules.yml:5" in ended.stderr
    assert "rules.yml:6" in ended.stderr
    assert server.cli("config", "check").returncode == 2


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(serve, wait):
    import urllib.error

    server = serve().start()
    wait(lambda: server.query("up_truth"), what="first scrape")
    rules = server.folder / "rules.yml"
    good = rules.read_text()
    rules.write_text("groups: [{name: x, rules: [{alert: A, expr: 'sum('}]}]\n")
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.post("/-/reload")
    assert refused.value.code == 400
    assert "rules.yml:1" in refused.value.read().decode()
    names = [r["name"] for g in server.get("/api/v1/rules")["data"]["groups"] for r in g["rules"]]
    assert names == ["Broken"]

    rules.write_text(good.replace("alert: Broken", "alert: Torn"))
    server.process.send_signal(signal.SIGHUP)
    wait(lambda: "Torn" in json.dumps(server.get("/api/v1/rules")), what="reload by SIGHUP")
    wait(lambda: server.query("up == 1"), what="a scrape after the reload")


def test_beyond_loopback_it_demands_a_log_in(serve):
    server = serve()
    ended = server.cli("serve", "--config", "hypercare.yml", "--data", "d", "--listen", f"0.0.0.0:{server.port}")
    assert ended.returncode == 2
    assert "web.token_file" in ended.stderr


def test_with_a_token_nobody_comes_in_without_it(serve):
    import urllib.error

    server = serve(more="web: {token: open-sesame}\n").start()
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get("/api/v1/query?query=up")
    assert refused.value.code == 401
    assert server.cli("alerts").returncode == 3


def test_sigterm_ends_cleanly(serve):
    server = serve().start()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
