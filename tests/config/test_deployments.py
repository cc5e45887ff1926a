"""Plans of deployments: what is read, and what is refused with its place."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hypercare.config.check_sets import CHECK_SETS
from hypercare.config.deployments import Check, DeploymentsConfig, DeployPlan
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.promql import parse

CHECK = {"name": "x", "expr": "up"}


def plan(**more):
    return DeployPlan.model_validate({"checks": [CHECK], **more})


@pytest.mark.parametrize("name", list(CHECK_SETS))
def test_the_ready_made_sets_are_valid(name):
    for check in plan(use=[name], checks=[]).all_checks():
        for text in (check.expr, check.traffic):
            if text:
                parse(text.replace("$service", "api"))
        assert check.warning is not None or check.critical is not None or check.compare


def test_defaults():
    found = plan()
    assert [phase.until for phase in found.phases] == [4 * HOUR, 24 * HOUR, 48 * HOUR]
    assert found.verdict_times == (24 * HOUR, 48 * HOUR)
    assert (found.extend, found.sign_off, found.end) == (DAY, 30 * MINUTE, 48 * HOUR)


@pytest.mark.parametrize(
    ("text", "number"),
    [("5%", 0.05), ("400ms", 0.4), ("1.5GB", 1.5e9), ("2GiB", 2 * 2.0**30), ("100/min", 100 / 60), ("7", 7), (3, 3)],
)
def test_numbers_have_units(text, number):
    assert Check.model_validate({**CHECK, "warning": text}).warning == pytest.approx(number)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"checks": []}, "a plan needs checks"),
        ({"use": ["htp"]}, "unknown check set"),
        ({"checks": [CHECK, CHECK]}, "two checks have the name"),
        (
            {"phases": [{"name": "a", "until": "2h", "every": "1h"}, {"name": "b", "until": "1h", "every": "1h"}]},
            "later than",
        ),
        ({"verdicts": ["72h"]}, "lies after the last phase"),
        ({"sample_every": "45s"}, "multiple of evaluate_every"),
        ({"checks": [{**CHECK, "expr": "up{x='$servce'}"}]}, r"unknown place \$servce"),
        ({"checks": [{**CHECK, "warning": 5, "critical": 1}]}, "critical is reached before warning"),
        (
            {"checks": [{**CHECK, "direction": "low", "warning": 1, "critical": 5}]},
            "critical is reached before warning",
        ),
        ({"checks": [{**CHECK, "per": {"a": {"warning": 5, "critical": 1}}}]}, "critical is reached before warning"),
        ({"checks": [{**CHECK, "warning": "5 apples"}]}, "not a number with a unit"),
        ({"checks": [{**CHECK, "unit": "ms", "critical": "400ms"}]}, "400ms is 0.4 seconds, but the values are in ms"),
        ({"checks": [{**CHECK, "unit": "s", "warning": "2GB"}]}, "2GB is 2e.09 bytes, but the values are in s"),
        ({"checks": [{**CHECK, "unit": "percent", "target": "5%"}]}, "5% is 0.05 of 1, but the values are in percent"),
        ({"checks": [{**CHECK, "unit": "/min", "target": "90/min"}]}, "is 1.5 a second, but the values are in /min"),
        ({"checks": [{**CHECK, "ratio": True, "critical": "2s"}]}, "but the values are in ratio"),
        ({"checks": [{**CHECK, "unit": "ms", "per": {"a": {"critical": "1m"}}}]}, "1m is 60 seconds"),
        ({"criteria": [{"name": "a", "expr": "up", "unit": "bytes", "max": "5%"}]}, "are in bytes"),
        ({"checks": [{**CHECK, "slo": 99.9}]}, "burnt by shares"),
        ({"criteria": [{"name": "a", "expr": "up"}]}, "needs min or max"),
        ({"criteria": [{"name": "a"}]}, "expr"),
    ],
)
def test_refused(given, words):
    with pytest.raises(ValidationError, match=words):
        plan(**given)


@pytest.mark.parametrize(
    ("unit", "bound"),
    [("s", "400ms"), ("seconds", "2m"), ("bytes", "2GB"), ("bytes/s", "10MB"), ("ratio", "5%"), ("a second", "90/min"),
     ("ms", 400), ("ms", "400"), ("cores", "5%"), ("$/h", "2/h"), ("", "3h")],
)  # fmt: skip
def test_bounds_are_written_in_the_unit_of_the_values(unit, bound):
    assert Check.model_validate({**CHECK, "unit": unit, "critical": bound}).critical is not None


def test_bounds_of_a_service_fall_back_to_the_checks():
    check = Check.model_validate({**CHECK, "warning": 1, "critical": 5, "per": {"auth": {"critical": 2}}})
    assert (check.bounds("auth").warning, check.bounds("auth").critical) == (1, 2)
    assert check.bounds("web").critical == 5


def test_ones_own_check_replaces_that_of_a_set():
    found = plan(use=["http"], checks=[{"name": "http p95", "expr": "own"}])
    assert [c.expr for c in found.all_checks() if c.name == "http p95"] == ["own"]


def test_which_plan():
    config = DeploymentsConfig.model_validate(
        {"plans": [{"name": "a", "checks": [CHECK]}, {"name": "b", "match_services": ["web"], "checks": [CHECK]}]}
    )
    assert config.plan("", "web").name == "b"
    assert config.plan("", "api").name == "a"
    assert config.plan("b", "api").name == "b"
    assert config.plan("c", "api") is None
    assert DeploymentsConfig().plan("", "api") is None


def test_a_plan_survives_being_stored():
    found = plan(use=["http"], baseline="week", criteria=[{"name": "q", "ask": "well?"}], notify="schedule:primary")
    again = DeployPlan.model_validate_json(found.model_dump_json(by_alias=True))
    assert again == found


@pytest.mark.parametrize(
    ("plan", "every"),
    [
        ({}, 5 * MINUTE),
        ({"phases": [{"name": "a", "until": "2h", "every": "30m"}]}, 5 * MINUTE),
        ({"phases": [{"name": "a", "until": "20m", "every": "5m"}]}, 30 * SECOND),
        ({"phases": [{"name": "a", "until": "2m", "every": "20s"}], "evaluate_every": "5s"}, 5 * SECOND),
        ({"phases": [{"name": "a", "until": "2m", "every": "20s"}], "verdicts": "1m"}, 30 * SECOND),
        ({"phases": [{"name": "a", "until": "2m", "every": "20s"}], "sample_every": "5m"}, 5 * MINUTE),
    ],
)
def test_a_short_plan_takes_its_samples_before_its_verdict(plan, every):
    read = DeployPlan.model_validate({"use": ["http"], **plan})
    assert read.sample_every == every
    assert DeployPlan.model_validate(read.model_dump(exclude_unset=True)).sample_every == every
