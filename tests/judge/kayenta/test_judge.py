"""Canary configurations, whole canaries, tables, queries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.judge.kayenta.classifier import Label, Rule, mann_whitney
from hypercare.judge.kayenta.config import read_config
from hypercare.judge.kayenta.judge import Outcome, judge_canary
from hypercare.judge.kayenta.promql import promql
from hypercare.judge.kayenta.roots import bracketed_root
from hypercare.judge.kayenta.statistics import cles
from hypercare.judge.kayenta.table import read_table
from hypercare.model.errors import InputError

SAMPLES = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=12)


def metric(name, group, **canary):
    return {"name": name, "groups": [group], "analysisConfigurations": {"canary": canary}}


def config(*metrics, **classifier):
    return {
        "name": "shop",
        "judge": {"name": "NetflixACAJudge-v1.0"},
        "metrics": list(metrics),
        "classifier": classifier,
    }


STEADY = np.array([10.0, 11, 12, 13, 9, 8, 10, 12, 11, 10])
FLAWS = [
    ({"direction": "increased"}, "canary.direction", "did you mean increase?"),
    ({"nanStrategy": 3}, "canary.nanStrategy", "expected a text"),
    ({"critical": "yes"}, "canary.critical", "expected true or false"),
    ({"effectSize": {"allowedIncrease": "a lot"}}, "effectSize.allowedIncrease", "expected a number"),
    ({"outliers": {"strategy": "remov"}}, "outliers.strategy", "did you mean remove?"),
]


@pytest.mark.parametrize(("canary", "path", "said"), FLAWS)
def test_a_wrong_value_is_named_by_its_path(canary, path, said):
    with pytest.raises(InputError) as caught:
        read_config(config(metric("errors", "all", **canary)), "canary.json")
    (problem,) = caught.value.problems
    assert problem.file == "canary.json"
    assert problem.message.startswith("metrics[0].analysisConfigurations.canary")
    assert path in problem.message
    assert said in str(problem)


def test_all_problems_come_at_once():
    data = config({"groups": "all"}, metric("a", "g"), metric("a", "g"), groupWeights={"g": 90, "h": 20})
    data["judge"]["name"] = "other"
    with pytest.raises(InputError) as caught:
        read_config(data)
    said = str(caught.value)
    for part in (
        "judge.name",
        "metrics[0].name",
        "metrics[0].groups",
        "metrics[2].name",
        "groupWeights: the",
        "h: no metric",
    ):
        assert part in said


@pytest.mark.parametrize("data", [None, [], "text", {}, {"metrics": {}}, {"metrics": [1]}])
def test_no_configuration_is_refused(data):
    with pytest.raises(InputError):
        read_config(data)


def test_the_body_of_a_request_is_taken():
    body = {"canaryConfig": config(metric("a", "g")), "executionRequest": {"thresholds": {"pass": 80, "marginal": 40}}}
    read = read_config(body)
    assert (read.pass_score, read.marginal_score, read.metrics[0].rule.conf_level) == (80, 40, 0.98)


@pytest.mark.parametrize(
    ("critical", "thresholds", "outcome", "score"),
    [
        (False, {"pass": 75, "marginal": 40}, Outcome.PASS, 75.0),
        (False, {"pass": 95, "marginal": 75}, Outcome.MARGINAL, 75.0),
        (False, {"pass": 95, "marginal": 76}, Outcome.FAIL, 75.0),
        (True, {"pass": 0, "marginal": 0}, Outcome.FAIL, 0.0),
    ],
)
def test_a_canary_whose_errors_rise(critical, thresholds, outcome, score):
    read = read_config(
        config(
            metric("errors", "errors", direction="increase", critical=critical),
            metric("latency", "latency", direction="increase"),
            groupWeights={"errors": 25, "latency": 75},
            scoreThresholds=thresholds,
        )
    )
    control = {"errors": STEADY, "latency": STEADY}
    result = judge_canary(read, control, {"errors": STEADY * 3, "latency": STEADY / 3})
    assert [each.classification.label for each in result.metrics] == [Label.HIGH, Label.PASS]
    assert (result.outcome, result.score.summary) == (outcome, score)
    assert result.as_json()["score"]["classification"] == outcome.value


def test_what_has_no_data_never_passes_on_its_own():
    read = read_config(config(metric("a", "g"), metric("b", "g")))
    result = judge_canary(read, {"a": STEADY}, {"a": STEADY, "b": np.array([math.nan])})
    assert result.outcome is Outcome.FAIL
    assert "no data" in result.reason


def test_outliers_are_left_out_where_that_is_asked_for():
    spiked = np.concatenate([np.tile(STEADY, 12), [1e6]])
    read = read_config(config(metric("a", "g", outliers={"strategy": "remove"}), metric("b", "g")))
    result = judge_canary(read, {"a": spiked, "b": spiked}, {"a": spiked, "b": spiked})
    assert [each.control.max for each in result.metrics] == [13.0, 1e6]


def test_muted_metrics_count_nowhere():
    read = read_config(config(metric("a", "g", muted=True), metric("b", "g")))
    result = judge_canary(read, {"a": STEADY, "b": STEADY}, {"a": STEADY * 9, "b": STEADY})
    assert result.outcome is Outcome.PASS
    assert result.metrics[0].classification.label is Label.HIGH


@given(SAMPLES, SAMPLES)
def test_a_rise_and_its_mirror_are_never_both_high(control, experiment):
    rule = Rule(effect=(math.inf, -math.inf))
    one = mann_whitney("m", np.array(control), np.array(experiment), rule).label
    other = mann_whitney("m", -np.array(control), -np.array(experiment), rule).label
    assert one is Label.PASS or other is not one


@given(SAMPLES, SAMPLES)
def test_the_share_of_larger_pairs(control, experiment):
    pairs = [(b > a) + (b == a) / 2 for a in control for b in experiment]
    assert cles(np.array(control), np.array(experiment)) == pytest.approx(sum(pairs) / len(pairs))


@given(st.floats(-90, 90), st.integers(1, 3))
def test_a_root_is_found(root, power):
    found = bracketed_root(lambda x: -((x - root) ** (2 * power - 1)), -100.0, 100.0, 1e-9)
    assert found == pytest.approx(root, abs=0.1)


def test_one_value_on_each_side_is_an_error_and_no_pass():
    found = mann_whitney("m", np.array([1.0]), np.array([9.0]), Rule(critical=True))
    assert (found.label, found.critical) == (Label.ERROR, True)


def test_a_table():
    found = read_table("\ufefftime,errors,latency\n2026-01-05,1,\n2026-01-06,nan,2.5\n")
    assert list(found) == ["errors", "latency"]
    assert np.isnan(found["errors"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,b\n1\n", "f.csv:2: expected 2 cells, found 1"),
        ("a\n1\nx\n", "f.csv:3: a: expected a number, found 'x'"),
        ('a\n"1', "expected CSV"),
    ],
)
def test_a_table_that_is_none(text, said):
    with pytest.raises(InputError) as caught:
        read_table(text, "f.csv")
    assert said in str(caught.value)


QUERIES = [
    ({"customInlineTemplate": "PromQL: rate(x{v='${scope}'}[5m])"}, "rate(x{v='v2'}[5m])"),
    ({"metricName": "up", "labelBindings": ['job="a"'], "groupByFields": ["zone"]}, 'avg by (zone) (up{job="a"})'),
    ({"metricName": "up", "customFilterTemplate": "version"}, 'avg (up{version="v2"})'),
]


@pytest.mark.parametrize(("query", "expression"), QUERIES)
def test_queries(query, expression):
    data = config(metric("a", "g") | {"query": {"type": "prometheus"} | query})
    data["templates"] = {"version": 'version="${scope}"'}
    assert promql(read_config(data).metrics[0], {"scope": "v2"}) == expression


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"type": "datadog", "metricName": "x"}, "expected prometheus"),
        ({"customInlineTemplate": "PromQL:x{v='${version}'}"}, "--set version=VALUE"),
        ({}, "expected the name of a metric"),
    ],
)
def test_queries_that_cannot_be_asked(query, said):
    read = read_config(config(metric("a", "g") | {"query": query}))
    with pytest.raises(InputError) as caught:
        promql(read.metrics[0], {})
    assert said in str(caught.value)
