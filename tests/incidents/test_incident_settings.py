"""From hypercare.yml to the settings of incidents."""

from __future__ import annotations

from desk_kit import NOON, alert

from hypercare.config import HypercareConfig
from hypercare.incidents import grouping
from hypercare.incidents.reading import settings_of
from hypercare.incidents.settings import CRITICAL
from hypercare.model.severity import Severity
from hypercare.model.time import MINUTE


def test_nothing_configured():
    settings = settings_of(HypercareConfig())
    assert settings.open == (CRITICAL,)
    assert settings.group_by == ("alertname", "service")
    assert (settings.quiet_time, settings.confirm) == (10 * MINUTE, False)


def test_all_of_it():
    config = HypercareConfig.model_validate(
        {
            "services": [{"name": "api", "tier": 1, "runbook": "https://wiki/api", "match": ['component="gw"']}],
            "incidents": {
                "open": ['severity=~"critical|page"', 'env="prod"'],
                "severity": [{"match": ['severity="page"'], "tier": 1, "is": "P0"}],
                "quiet_time": "3m",
                "confirm": True,
                "group_by": ["service"],
            },
        }
    )
    settings = settings_of(config)
    assert (settings.quiet_time, settings.confirm, settings.group_by) == (3 * MINUTE, True, ("service",))
    page = alert("X", NOON, "", severity="page", env="prod", component="gw")
    assert grouping.opens(page, settings)
    assert not grouping.opens(alert("X", NOON, "", env="test"), settings)
    (subject,) = grouping.subjects([page], settings)
    assert (subject.service, grouping.runbook_of(subject, settings)) == ("api", "https://wiki/api")
    assert grouping.severity_of(page, settings) is Severity.P0
    assert grouping.severity_of(alert("X", NOON, "", severity="page", env="prod"), settings) is Severity.P1
