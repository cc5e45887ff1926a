"""Conditions, templates and analyses over the past."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypercare.judge.argo.conditions import evaluate_condition, evaluate_result
from hypercare.judge.argo.evaluate import evaluate
from hypercare.judge.argo.model import Metric, Phase
from hypercare.judge.argo.nodes import ConditionError
from hypercare.judge.argo.replay import QueryError, replay
from hypercare.judge.argo.template import read_template
from hypercare.model.errors import InputError
from hypercare.model.time import MINUTE

NOW = 1_767_600_000_000


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("2 ** 3 ** 2", 512.0),
        ("-7 % 3", -1),
        ("1 < 2 and not (2 < 1) || false", True),
        ("x[0] > 1 ? 'a' : 'b'", "a"),
        ("all(x, {# > 1}) && any(x, # > 2) && none(x, # > 9) && one(x, # == 3)", True),
        ("filter(x, {# > 2})", [3.0]),
        ("len(filter(x, # >= 2)) == count(x, # >= 2)", True),
        ("map(d.list, .a)", [1, 2]),
        ("all(d.list, {all(1..2, # > 0) and #.a > 0})", True),
        ("d.a.b + d['a'].b", 2),
        ("d.missing?.b ?? 'none'", "none"),
        ("'a' in d and 2 in x and 'z' not in ['y']", True),
        ("'abc' contains 'b' && 'abc' startsWith 'a' && 'abc' matches '^a.c$'", True),
        ("isNaN(asFloat('NaN')) and isInf(1 / 0)", True),
        ("sum(x) + max(x) + min(x) + mean(x)", 12.5),
        ("x[-1]", 3.0),
        ("nil == d.nothing", True),
        ("true == 1 || [1] == [true]", None),
        ("{a: 1, 'b': [2]}.b[0]", 2),
    ],
)
def test_expressions(expression, value):
    names = {"x": [2.0, 3.0], "d": {"a": {"b": 1}, "list": [{"a": 1}, {"a": 2}]}}
    if value is None:
        with pytest.raises(ConditionError, match="mismatched types bool and int"):
            evaluate(expression, names)
    else:
        assert evaluate(expression, names) == value


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "unexpected end"),
        ("result[0", "unexpected end"),
        ("result ; 1", "unrecognized character"),
        ("result[9] > 1", "index out of range: 9 (array length is 2)"),
        ("other > 1", "unknown name other"),
        ("false && other > 1", "unknown name other"),
        ("exec('x')", "unknown name exec"),
        ("result.__class__ == 1", "cannot fetch __class__"),
        ("asInt('1.5') == 1", 'strconv.ParseInt: parsing "1.5": invalid syntax'),
        ("asInt(1) == '1'", "invalid operation: == (mismatched types int64 and string)"),
        ("result > 'a'", "invalid operation: >"),
        ("len(1..10000000) > 1", "a range of more than"),
        ("all(result, {#})", "should return boolean (got float64)"),
        ("len() == 1", "not enough arguments to call len"),
        ("now() == nil", "unknown name now"),
        ("(" * 500 + "1" + ")" * 500, "nested too deeply"),
        ("1" + " + 1" * 9000, "too long"),
        ("all(1..20000, {all(1..20000, {true})})", "steps"),
        ("result", "expected bool, but got []float64"),
        ("9.9 ** 9999 > 1", "cannot be computed"),
    ],
)
def test_conditions_that_cannot_be_evaluated(condition, said):
    with pytest.raises(ConditionError) as caught:
        evaluate_condition([1.0, 2.0], condition)
    assert said in str(caught.value)


@given(st.text(st.sampled_from("result[]().{}#12<>=!&|?:+-*/% '\"allinotx,"), max_size=40))
def test_any_text_is_a_condition_or_a_clear_error(text):
    with contextlib.suppress(ConditionError):
        assert evaluate_condition([1.0], text) in {True, False}


@given(st.floats(allow_infinity=False, allow_nan=False), st.floats(allow_infinity=False, allow_nan=False))
def test_comparisons_are_those_of_numbers(a, b):
    assert evaluate("[a < b, a <= b, a == b, a != b]", {"a": a, "b": b}) == [a < b, a <= b, a == b, a != b]


def test_neither_success_nor_failure_is_inconclusive():
    metric = Metric(success_condition="result > 9", failure_condition="result < 1")
    assert [evaluate_result(value, metric)[0] for value in (10.0, 5.0, 0.0)] == [
        Phase.SUCCESSFUL,
        Phase.INCONCLUSIVE,
        Phase.FAILED,
    ]


def template(**metric):
    provider = {"prometheus": {"address": "http://x", "query": "up{v='{{ args.version }}'}"}}
    given = {"name": "success-rate", "successCondition": "result[0] >= 0.95", "provider": provider} | metric
    return {
        "kind": "AnalysisTemplate",
        "metadata": {"name": "t"},
        "spec": {"args": [{"name": "version", "value": "v1"}], "metrics": [given]},
    }


def test_a_template_is_read_with_its_arguments():
    read = read_template(template(interval="1m", count="3", failureLimit=1), "t.yml", {"version": "v2"})
    (metric,) = read.metrics
    assert (metric.query, metric.interval, metric.count, metric.failure_limit) == ("up{v='v2'}", MINUTE, 3, 1)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ({"successCondition": "result[0] >="}, "spec.metrics[0].successCondition: the condition cannot be read"),
        ({"interval": "soon"}, "spec.metrics[0].interval"),
        ({"failureLimit": "x"}, "expected a whole number"),
        ({"provider": {"datadog": {}}}, "expected prometheus, found datadog"),
        ({"provider": {"prometheus": {"query": "{{args.other}}"}}}, "give --arg other=VALUE"),
    ],
)
def test_a_template_with_problems(metric, said):
    with pytest.raises(InputError) as caught:
        read_template(template(**metric), "t.yml", {})
    assert said in str(caught.value)


def test_something_else_is_no_template():
    with pytest.raises(InputError, match="AnalysisTemplate"):
        read_template({"kind": "Rollout"}, "t.yml", {})


def run(answers, minutes=10, **metric):
    """The run of a metric measured each minute; answers by minute, the last one goes on."""
    asked = []

    def ask(_query, at):
        asked.append(at)
        value = answers[min((at - NOW) // MINUTE, len(answers) - 1)]
        if isinstance(value, str):
            raise QueryError(value)
        return value

    read = read_template(template(**({"interval": "1m"} | metric)), "t.yml", {})
    return replay(read, NOW, NOW + minutes * MINUTE, ask), asked


def test_a_good_past_is_successful_and_ended_with_the_span():
    found, asked = run([[1.0]])
    assert (found.phase, found.message) == (Phase.SUCCESSFUL, "Run Terminated")
    assert len(asked) == 10
    assert found.results[0].successful == 10


def test_a_count_ends_it():
    found, asked = run([[1.0]], count=3)
    assert (found.phase, found.message, len(asked)) == (Phase.SUCCESSFUL, "", 3)


def test_failures_beyond_the_limit_end_it_at_once():
    found, asked = run([[1.0], [0.5], [1.0], [0.5]], failureLimit=1)
    assert found.phase is Phase.FAILED
    assert found.message == 'Metric "success-rate" assessed Failed due to failed (2) > failureLimit (1)'
    assert len(asked) == 4


@pytest.mark.parametrize("answer", ["the server is away", [], [math.nan]])
def test_no_data_is_never_a_success(answer):
    found, _ = run([answer])
    assert found.phase in {Phase.ERROR, Phase.FAILED}


def test_successes_in_a_row_end_it():
    found, asked = run([[0.1], [1.0]], failureLimit=-1, consecutiveSuccessLimit=3)
    assert (found.phase, len(asked)) == (Phase.SUCCESSFUL, 4)


def test_a_dry_run_does_not_count():
    data = template()
    data["spec"]["dryRun"] = [{"metricName": "success-.*"}]
    found = replay(read_template(data, "t.yml", {}), NOW, NOW + MINUTE, lambda _query, _at: [0.1])
    assert found.phase is Phase.SUCCESSFUL
    assert found.dry_run_summary.failed == 1
