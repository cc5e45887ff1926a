"""Incidents as hypercare.yml configures them, and as they are read; what a restart finds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from desk_kit import NOON, Desk, alert

from hypercare.config import load
from hypercare.incidents import grouping
from hypercare.incidents.reading import settings_of
from hypercare.incidents.settings import IncidentSettings
from hypercare.incidents.store import load_incident, load_incidents
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, MINUTE
from hypercare.sim.ports import VirtualFiles

TEXT = """prometheus: false
services:
  - {name: api, tier: 1, runbook: "https://wiki.example/api"}
  - {name: vectors, tier: 2, match: ['component="vector-db"']}
incidents:
  open: ['severity=~"critical|page"', 'env!="test"']
  severity:
    - {match: ['severity="critical"'], tier: 1, is: P0}
    - {match: ['alertname="Leak"'], is: P3}
  group_by: [service]
  quiet_time: 3m
"""
QUICK = IncidentSettings(quiet_time=5 * MINUTE)


@pytest.fixture(scope="module")
def configured():
    file = Path("/c/hypercare.yml")
    return settings_of(load(file, VirtualFiles({file: TEXT.encode()}), {}).hypercare)


@pytest.mark.parametrize(
    ("labels", "opens"),
    [({}, True), ({"severity": "page"}, True), ({"severity": "warning"}, False), ({"env": "test"}, False)],
)
def test_which_alerts_open(configured, labels, opens):
    assert grouping.opens(alert("X", NOON, "", **labels), configured) is opens


@pytest.mark.parametrize(
    ("name", "labels", "severity"),
    [
        ("X", {"job": "api"}, Severity.P0),
        ("X", {"service": "api"}, Severity.P0),
        ("X", {"component": "vector-db"}, Severity.P1),
        ("Leak", {"component": "vector-db"}, Severity.P3),
        ("Leak", {"job": "api"}, Severity.P0),
        ("X", {"job": "api", "severity": "page"}, Severity.P1),
    ],
)
def test_severity_by_rule_and_tier(configured, name, labels, severity):
    desk = Desk(settings=configured)
    desk.notify(alert(name, NOON, "", **labels))
    assert desk.one().severity is severity


def test_a_service_is_known_by_its_label_its_job_or_its_matchers(configured):
    desk = Desk(settings=configured)
    desk.notify(alert("A", NOON, "", job="api"), alert("B", NOON, "", service="api"))
    desk.notify(alert("C", NOON, "", component="vector-db", job="weaviate"))
    assert [(i.number, i.service, i.firing, i.runbook_url) for i in desk.all()] == [
        (2, "vectors", 1, ""),
        (1, "api", 2, "https://wiki.example/api"),
    ]


# -- reading -----------------------------------------------------------------------------------------------------


def test_numbers_count_from_one_and_go_on_after_a_restart(tmp_path):
    desk = Desk(settings=QUICK, path=tmp_path / "state.db")
    desk.notify(alert("A"), alert("B"))
    desk.resolve(2)
    desk.restart()
    desk.notify(alert("C"))
    assert [i.number for i in desk.all()] == [3, 2, 1]
    assert len({i.id for i in desk.all()}) == 3


@pytest.mark.parametrize(
    ("status", "limit", "numbers"),
    [
        (None, 100, [4, 3, 2, 1]),
        (None, 2, [4, 3]),
        (None, 0, []),
        ("open", 100, [4, 3]),
        ("open", 1, [4]),
        ("acknowledged", 100, [1]),
        ("resolved", 100, [2]),
        ("unresolved", 2, [4, 3]),
        ("unresolved", 100, [4, 3, 1]),
    ],
)
def test_filters_and_limit(status, limit, numbers):
    desk = Desk()
    desk.notify(*(alert(name) for name in "ABCD"))
    desk.ack(1)
    desk.resolve(2)
    with desk.state.read() as db:
        assert [i.number for i in load_incidents(db, status, limit)] == numbers


@pytest.mark.parametrize("ref", ["", "#", "0", "-1", "1.0", "x", "9" * 15, "9" * 40, "\u0661", "1 "])
def test_a_reference_to_nothing(ref):
    desk = Desk()
    desk.notify(alert())
    with desk.state.read() as db:
        assert load_incident(db, ref) is None


def test_a_storm_of_alerts_exceeds_no_limit_of_the_database():
    desk = Desk()
    storm = [alert("X", NOON, "", service="api", instance=str(i)) for i in range(700)]
    with desk.state.read() as db:
        if db.dialect.name != "sqlite":
            pytest.skip("the limit is SQLite's")
        db.connection.driver_connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 600)
    desk.notify(*storm)
    desk.end(*storm[:650])
    desk.receive(*storm)
    assert [i.firing for i in desk.all()] == [700]


# -- restarts ----------------------------------------------------------------------------------------------------


def test_a_quiet_time_that_ended_while_the_process_was_down_ends_the_incident_once(tmp_path):
    desk = Desk(settings=QUICK, path=tmp_path / "state.db")
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.restart(after=8 * MINUTE)
    desk.restart()
    assert desk.one().status == "resolved"
    assert [line for line in desk.story() if "resolved:" in line][-1] == "8m resolved: no alert for 8m"
    assert desk.kinds().count("resolved") == 1


def test_a_person_confirms_if_that_was_configured_while_the_process_was_down(tmp_path):
    desk = Desk(settings=QUICK, path=tmp_path / "state.db")
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.settings = IncidentSettings(confirm=True)
    desk.restart(after=8 * MINUTE)
    desk.wait(DAY)
    assert desk.one().status == "open"
    desk.resolve()
    assert desk.one().status == "resolved"


def test_firing_again_after_a_restart_cancels_the_quiet_time(tmp_path):
    desk = Desk(settings=QUICK, path=tmp_path / "state.db")
    a = alert()
    desk.notify(a)
    desk.end(a)
    desk.restart(after=2 * MINUTE)
    desk.receive(a)
    desk.restart(after=DAY)
    desk.wait(DAY)
    assert (desk.one().status, desk.one().firing) == ("open", 1)
    assert "2m fires again: the incident goes on" in desk.story()
