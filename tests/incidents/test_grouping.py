"""Service, severity and key of alerts."""

from __future__ import annotations

import pytest
from desk_kit import NOON, alert

from hypercare.incidents import grouping
from hypercare.incidents.settings import IncidentSettings, ServiceSettings, SeverityRule
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.severity import Severity


def eq(name, value):
    return (Matcher(name, MatchOp.EQUAL, value),)


SETTINGS = IncidentSettings(
    services=(
        ServiceSettings("api", (eq("job", "api"),), tier=1),
        ServiceSettings("vectors", (eq("component", "vector-db"), eq("job", "weaviate")), tier=3),
    ),
    severities=(
        SeverityRule(Severity.P0, eq("severity", "critical"), tier=1),
        SeverityRule(Severity.P2, eq("team", "lab")),
    ),
)


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "vectors", "job": "api"}, "vectors"),
        ({"service": "unknown", "job": "api"}, "api"),
        ({"service": "unknown", "job": "cron"}, "unknown"),
        ({"component": "vector-db"}, "vectors"),
        ({"job": "cron"}, "cron"),
        ({}, ""),
    ],
)
def test_service(labels, service):
    assert grouping.service_of(alert("X", NOON, "", **labels).labels, SETTINGS) == service


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({"job": "api"}, Severity.P0),
        ({"job": "weaviate"}, Severity.P1),
        ({"team": "lab"}, Severity.P2),
        ({"severity": "warning"}, Severity.P2),
        ({"severity": "P0"}, Severity.P0),
        ({"severity": "info"}, Severity.P3),
        ({"severity": ""}, Severity.P3),
    ],
)
def test_severity(labels, severity):
    assert grouping.severity_of(alert("X", NOON, "", **labels), SETTINGS) is severity


def test_the_key_knows_only_the_grouping_labels():
    first = alert("X", NOON, "", job="api", instance="a").labels
    second = alert("X", NOON, "", service="api", instance="b", severity="warning").labels
    assert grouping.key_of(first, SETTINGS) == grouping.key_of(second, SETTINGS)
    assert grouping.key_of(first, SETTINGS) != grouping.key_of(alert("Y", NOON, "", job="api").labels, SETTINGS)


def test_title():
    assert grouping.title_of(alert("X", NOON, "it broke")) == "it broke"
    assert grouping.title_of(alert("X")) == "X"
    assert grouping.title_of(alert("", NOON, "", job="a")) == '{job="a", severity="critical"}'
