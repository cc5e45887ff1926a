"""The look over everything: what counts, how much, and the exit code."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from hypercare.model.labels import EMPTY
from hypercare.ports import HttpResponse
from hypercare.reports import check, overview, render_text
from hypercare.reports.check import EXIT_CODES, THRESHOLDS, CheckLine, CheckReport, overall
from hypercare.reports.overview import AlertLine, alert_status, incident_status, worst

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from web_kit import HYPERCARE, RULES, Shop


@pytest.fixture
def make(tmp_path):
    made = []

    def build(more="", **kwargs):
        made.append(Shop(tmp_path, more, **kwargs))
        return made[-1]

    yield build
    for shop in made:
        shop.close()


def look(shop):
    with shop.app.state.read() as db:
        return check(shop.app, db, shop.clock.now())


def lines(shop, kind):
    return [(x.name, x.status, x.detail) for x in look(shop).lines if x.kind == kind]


@pytest.mark.parametrize(
    ("statuses", "status", "code"),
    [
        ([], "unknown", 3),
        (["ok"], "ok", 0),
        (["ok", "unknown"], "unknown", 3),
        (["unknown"], "unknown", 3),
        (["unknown", "warning"], "warning", 1),
        (["ok", "warning"], "warning", 1),
        (["warning", "critical", "unknown"], "critical", 2),
        (["critical"], "critical", 2),
    ],
)
def test_from_statuses_to_the_exit_code(statuses, status, code):
    assert overall(statuses) == status
    assert CheckReport(0, "p", status, ()).exit_code == code
    assert sorted(EXIT_CODES.values()) == [0, 1, 2, 3]


def test_the_worst_of_nothing_is_fine():
    assert worst([]) == "ok"


@pytest.mark.parametrize(
    ("severity", "suppressed_by", "status"),
    [
        ("critical", "", "critical"), ("warning", "", "warning"), ("", "", "warning"), ("page", "", "warning"),
        ("info", "", "ok"), ("none", "", "ok"), ("critical", "silenced (1)", "ok"), ("warning", "muted by night", "ok"),
    ],
)  # fmt: skip
def test_what_an_alert_says(severity, suppressed_by, status):
    assert alert_status(AlertLine("A", severity, "s", "", 0, EMPTY, suppressed_by, "")) == status


def test_a_healthy_platform(make):
    shop = make()
    shop.run(60)
    report = look(shop)
    assert (report.status, report.exit_code) == ("ok", 0)
    assert {x.kind for x in report.lines} == {"service", "target"}


def test_before_the_first_look_nothing_is_known(make):
    report = look(make())
    assert (report.status, report.exit_code) == ("unknown", 3)
    assert {x.status for x in report.lines} == {"unknown"}


def test_a_platform_without_anything(make):
    shop = make(text="platform: empty\ncollect: {host: {enabled: false}, self: {enabled: false}}\n")
    shop.run(60)
    assert (look(shop).lines, look(shop).exit_code) == ((), 3)


def test_a_service_that_nothing_watches(make):
    shop = make(text=HYPERCARE.replace("people:\n", "  - {name: forgotten}\npeople:\n", 1))
    shop.run(60)
    assert ("forgotten", "unknown", "nothing watches it: no target and no health check") in lines(shop, "service")
    assert look(shop).exit_code == 3


def test_a_service_whose_target_is_down(make):
    shop = make()
    shop.run(60)
    shop.targets[1].up = False
    shop.run(15)
    [(name, status, detail)] = lines(shop, "service")
    assert (name, status) == ("api", "critical")
    assert detail == "api api:81: connection refused"
    assert [(n, s) for n, s, _ in lines(shop, "target")] == [
        ("api api:80", "ok"), ("api api:81", "warning"), ("hypercare localhost", "ok"),
    ]  # fmt: skip
    assert look(shop).exit_code == 2


def test_a_target_of_no_service_is_a_warning(make):
    shop = make(text=HYPERCARE.replace("{name: api, tier", "{name: web, match: ['job=\"hypercare\"'], tier"))
    shop.run(60)
    shop.targets[0].up = False
    shop.run(15)
    assert look(shop).exit_code == 1


@pytest.mark.parametrize(
    ("answer", "status", "detail"), [(200, "ok", ""), (503, "critical", "(HTTP 503)"), (None, "critical", "")]
)
def test_a_health_check_counts(make, answer, status, detail):
    shop = make(
        text=HYPERCARE.replace("people:\n", '  - {name: web, health: {http: "http://web:80/health"}}\npeople:\n', 1)
    )
    if answer:
        shop.world.host("web:80", lambda _request, now: (HttpResponse(answer, {}, b"", 0.01, now), 10))
    shop.run(60)
    found = {name: (s, d) for name, s, d in lines(shop, "service")}
    assert found["web"][0] == status
    assert ("the health check fails" in found["web"][1]) == (status == "critical")
    assert detail in found["web"][1]
    assert look(shop).exit_code == {"ok": 0, "critical": 2}[status]


def test_alerts_incidents_and_what_takes_their_weight(make):
    shop = make()
    shop.break_it()
    assert [(n, s) for n, s, _ in lines(shop, "alert")] == [("Broken api", "critical")] * 2
    assert lines(shop, "incident") == [("#1 P1", "critical", "it is 0")]
    assert lines(shop, "service") == [("api", "critical", "Broken: it is 0")]
    assert look(shop).exit_code == 2

    shop.post("/api/hypercare/v1/incidents/1/ack", body={"by": "ana"})
    assert lines(shop, "incident") == [("#1 P1", "warning", "it is 0")]
    assert look(shop).exit_code == 2, "the alerts fire on"

    matchers = [{"name": "alertname", "value": "Broken", "isRegex": False}]
    shop.post(
        "/api/v2/silences",
        body={
            "matchers": matchers,
            "startsAt": "2026-01-05T08:00:00Z",
            "endsAt": "2026-01-05T20:00:00Z",
            "createdBy": "ana",
            "comment": "c",
        },
    )
    [(_, status, detail), _] = lines(shop, "alert")
    assert (status, "silenced" in detail) == ("ok", True)
    assert lines(shop, "service") == [("api", "ok", "")]
    assert look(shop).exit_code == 1, "the incident is open"

    shop.post("/api/hypercare/v1/incidents/1/resolve", body={"by": "ana"})
    assert look(shop).exit_code == 0


def test_alerts_that_only_inform(make):
    shop = make(rules=RULES.replace("severity: critical", "severity: info"))
    shop.break_it()
    assert {s for _, s, _ in lines(shop, "alert")} == {"ok"}
    assert look(shop).exit_code == 0


def test_an_incident_whose_alerts_are_over_waits_for_its_end(make):
    shop = make()
    shop.break_it()
    for target in shop.targets:
        target.gauge("truth", 1)
    shop.run(30)
    assert lines(shop, "incident") == [("#1 P1", "warning", "it is 0")]
    assert look(shop).exit_code == 1


@pytest.mark.parametrize("severity", ["P0", "P1", "P2", "P3"])
@pytest.mark.parametrize("firing", [0, 2])
@pytest.mark.parametrize("acknowledged", [None, 5])
def test_what_an_incident_says(make, severity, firing, acknowledged):
    shop = make()
    shop.break_it()
    with shop.app.state.read() as db:
        [one] = overview(shop.app, db, shop.clock.now()).incidents
    one = dataclasses.replace(one, severity=severity, firing=firing, acknowledged_at=acknowledged)
    grave = severity in {"P0", "P1"} and firing and acknowledged is None
    assert incident_status(one) == ("critical" if grave else "warning")


# the samples of a target, the threshold they speak of, its status, what is said
MEASURED = [
    ("node_memory_MemAvailable_bytes 50\nnode_memory_MemTotal_bytes 100", "memory", "ok", "50 %, at most 85 %"),
    ("node_memory_MemAvailable_bytes 20\nnode_memory_MemTotal_bytes 100", "memory", "warning", "80 %"),
    ("node_memory_MemAvailable_bytes 10\nnode_memory_MemTotal_bytes 100", "memory", "critical", "90 %"),
    ("node_memory_MemAvailable_bytes 0\nnode_memory_MemTotal_bytes 0", "memory", None, ""),
    (('node_filesystem_avail_bytes{mountpoint="/"} 5\nnode_filesystem_size_bytes{mountpoint="/"} 100\n'
     'node_filesystem_avail_bytes{mountpoint="/b"} 90\nnode_filesystem_size_bytes{mountpoint="/b"} 100'), "disk", "critical", "95 %"),
    ('node_filesystem_avail_bytes{fstype="tmpfs"} 1\nnode_filesystem_size_bytes{fstype="tmpfs"} 100', "disk", None, ""),
    ("probe_ssl_earliest_cert_expiry 1770192000", "certificate", "ok", "30 days, at least 3 days"),
    ("probe_ssl_earliest_cert_expiry 1768300000", "certificate", "warning", "8.1 days"),
    ("probe_ssl_earliest_cert_expiry 1767690000", "certificate", "critical", "1.04 days"),
    ("probe_ssl_earliest_cert_expiry 1767500000", "certificate", "critical", "-1.16 days"),
]  # fmt: skip


@pytest.mark.parametrize(("samples", "name", "status", "detail"), MEASURED)
def test_thresholds(make, samples, name, status, detail):
    shop = make()
    shop.targets[0].junk = (samples + "\n").encode()
    shop.run(40)
    found = {n: (s, d) for n, s, d in lines(shop, "threshold")}
    if status is None:
        assert name not in found
    else:
        assert found[name][0] == status, found
        assert detail in found[name][1]


@pytest.mark.parametrize(("rate", "status"), [(0.0, "ok"), (1, "critical")])
def test_thresholds_of_rates(make, rate, status):
    shop = make()
    shop.targets[0].counter('http_requests_total{code="500"}', rate)
    shop.targets[0].histogram("http_request_duration_seconds", 'job="x"', 10, 4.0 if rate else 0.01)
    shop.run(300)
    found = {n: s for n, s, _ in lines(shop, "threshold")}
    assert found == {"error rate": status, "p95 response time": status}


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=lambda t: t.name)
def test_the_limits_themselves_are_allowed(threshold):
    assert threshold.judge([threshold.critical]).status == "warning"
    assert threshold.judge([threshold.warning]).status == "ok"


def test_the_report_is_markdown_that_nothing_breaks():
    rows = (CheckLine("alert", "a|b\n# x", "critical", "<img src=x> [l](javascript:1) `c` *b*"),)
    shop = type("Shop", (), {"started_at": 0})()
    text = render_text(CheckReport(90_000, "p|q", "critical", rows), shop)
    assert r"| critical | a\|b # x | \<img src=x> \[l](javascript:1) \`c\` \*b\* |" in text.splitlines()
    assert text.startswith("# p\\|q: critical\n")
    assert "Watched for 1m without a restart." in text


def test_the_report_as_json(make):
    shop = make()
    shop.break_it()
    body = look(shop).as_json()
    assert body["at"] == "2026-01-05T08:00:40.000Z"
    assert body["exit_code"] == 2
    assert body["lines"][0] == {"kind": "service", "name": "api", "status": "critical", "detail": "Broken: it is 0"}


def test_the_headline(make):
    shop = make()
    shop.run(30)
    with shop.app.state.read() as db:
        assert (
            overview(shop.app, db, shop.clock.now()).headline
            == "No open incidents, no firing alerts, 3 of 3 targets up."
        )
    shop.break_it()
    with shop.app.state.read() as db:
        assert (
            overview(shop.app, db, shop.clock.now()).headline == "1 open incident, 2 firing alerts, 3 of 3 targets up."
        )
