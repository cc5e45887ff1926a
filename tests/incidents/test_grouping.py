"""Service, severity and key of alerts."""

from __future__ import annotations

import dataclasses

import pytest
from desk_kit import NOON, alert
from hypothesis import given
from hypothesis import strategies as st

from hypercare.incidents import grouping
from hypercare.incidents.settings import IncidentSettings, ServiceSettings, SeverityRule
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
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


VALUES = st.sampled_from(["", "critical", "page", "warning"])
SOME = st.builds(lambda s, t: Alert(Labels.of(severity=s, team=t)), VALUES, st.sampled_from(["", "a", "b"]))
OPEN = st.lists(
    st.lists(
        st.sampled_from(
            [Matcher("severity", MatchOp.EQUAL, "critical"), Matcher("severity", MatchOp.NOT_REGEX, "warning|"),
             Matcher("team", MatchOp.NOT_EQUAL, "a"), Matcher("team", MatchOp.EQUAL, "")]
        ),
        max_size=2,
    ).map(tuple),
    max_size=2,
).map(tuple)  # fmt: skip


@given(OPEN, st.lists(SOME, max_size=6))
def test_of_many_alerts_those_open_an_incident_that_would_alone(choices, alerts):
    chosen = dataclasses.replace(IncidentSettings(), open=choices)
    assert grouping.opening(iter(alerts), chosen) == [alert for alert in alerts if grouping.opens(alert, chosen)]
