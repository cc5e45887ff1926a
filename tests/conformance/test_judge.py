"""The judges that others know, against their own cases (spinnaker/kayenta, argoproj/argo-rollouts)."""

import dataclasses
import datetime as dt
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from hypercare.judge.argo import values
from hypercare.judge.argo.assess import assess_metric, assess_run, limits_exceeded
from hypercare.judge.argo.conditions import evaluate_condition, evaluate_result, evaluate_time
from hypercare.judge.argo.evaluate import evaluate
from hypercare.judge.argo.model import Measurement, Metric, MetricResult, Phase, Run
from hypercare.judge.argo.nodes import ConditionError
from hypercare.judge.argo.schedule import due, look, next_look
from hypercare.judge.kayenta import classifier, detectors, mann_whitney, scorer, statistics, transforms
from hypercare.judge.kayenta.lookup import find, find_number
from hypercare.judge.special import normal_quantile
from hypercare.model.time import SECOND, parse_duration

ROOT = Path(os.environ.get("HYPERCARE_CONFORMANCE") or Path(__file__).resolve().parents[3] / "shared" / "conformance")
JUDGE = ROOT / "judge"
NOW = 1_767_600_000_000
pytestmark = pytest.mark.skipif(not JUDGE.is_dir(), reason=f"no conformance data in {JUDGE}")


def cases(name, key="cases"):
    file = JUDGE / name
    return json.loads(file.read_text())[key] if file.is_file() else []


def each(name, key="cases"):
    return pytest.mark.parametrize("case", cases(name, key), ids=lambda case: case["id"])


def floats(values):
    return np.array([float(value) for value in values], dtype=np.float64)


def close(value, expected):
    """The expectation's own tolerance; none means the last digits of a double."""
    wanted, tolerance = float(expected["value"]), expected["tolerance"]
    return math.isclose(value, wanted, rel_tol=1e-12, abs_tol=max(tolerance, 1e-12))


def rule_of(case):
    given = case["params"] or {}
    return classifier.Rule(
        direction=classifier.Direction(case["direction"]),
        nan_strategy=classifier.NanStrategy(case["nan_strategy"]),
        critical=case["is_critical"],
        data_required=case["is_data_required"],
        measure=classifier.EffectMeasure(given.get("effect_size_measure", "meanRatio")),
        effect=tuple(given.get("effect_size_thresholds", (1.0, 1.0))),
        critical_effect=tuple(given.get("critical_thresholds", (1.0, 1.0))),
        tolerance=given.get("tolerance", 0.25),
        conf_level=given.get("conf_level", 0.95),
    )


CLASSIFIERS = {"mann_whitney": classifier.mann_whitney, "mean_inequality": classifier.mean_inequality}


@each("kayenta_classifier.json")
def test_kayenta_classifier(case):
    judge = CLASSIFIERS[case["classifier"]]
    found = judge("metric", floats(case["control"]), floats(case["experiment"]), rule_of(case))
    for key, wanted in case["expected"].items():
        if key == "classification":
            assert found.label.value == wanted, found
        elif key == "critical":
            assert found.critical is wanted, found
        elif key == "deviation":
            assert found.deviation == pytest.approx(float(wanted), nan_ok=True)
        elif key == "reason_not_empty":
            assert bool(found.reason) is wanted
        else:
            pytest.fail(f"unknown expectation {key}")


@each("kayenta_scorer.json")
def test_kayenta_scorer(case):
    metrics = [
        scorer.Scored(m["name"], classifier.Label(m["classification"]), tuple(m["groups"]), m["critical"])
        for m in case["metrics"]
    ]
    found = scorer.score(metrics, case["group_weights"])
    expected = case["expected"]
    assert found.summary == expected["summary_score"]
    if "group_scores_sorted" in expected:
        assert sorted(group.score for group in found.groups) == expected["group_scores_sorted"]


@each("kayenta_statistics.json")
def test_kayenta_statistics(case):
    operation, expected = case["op"], case["expected"]
    if operation == "summary":
        found = statistics.summary(floats(case["data"]))
        for key, wanted in expected.items():
            assert close(getattr(found, key), wanted), (key, found)
    elif operation == "percentile":
        assert close(statistics.percentile(floats(case["data"]), case["p"]), expected)
    else:
        measure = {"mean_ratio": statistics.mean_ratio, "cohen_d": statistics.cohen_d, "cles": statistics.cles}
        assert close(measure[operation](floats(case["control"]), floats(case["experiment"])), expected)


def detected(name, values, parameter, **more):
    return {"ksigma": detectors.ksigma, "iqr": detectors.iqr}[name](values, parameter, **more)


@each("kayenta_detectors.json")
def test_kayenta_detectors(case):
    more = {"reduce_sensitivity": True} if case["reduce_sensitivity"] else {}
    found = detected(case["detector"], floats(case["data"]), case["parameter"], **more)
    assert found.tolist() == case["outliers"]


@each("kayenta_transforms.json")
def test_kayenta_transforms(case):
    operation, data, given = case["op"], floats(case["data"]), case.get("args") or {}
    if operation == "remove_nans":
        found = transforms.remove_nans(data)
    elif operation == "replace_nans":
        found = transforms.replace_nans(data, given["value"])
    elif operation == "remove_outliers":
        found = transforms.remove_outliers(data, detected(given["detector"], data, given["parameter"]))
    elif operation == "add_gaussian_noise":
        found = transforms.add_gaussian_noise(data, given["mean"], given["stdev"])
        wanted = case["expected_properties"]
        assert close(float(found.mean()), wanted["mean"])
        assert close(float(found.std(ddof=1)), wanted["stdev"])
        assert found.size == wanted["length"]
        return
    else:
        pytest.fail(f"unknown operation {operation}")
    assert found.tolist() == case["expected"]


@each("kayenta_mann_whitney.json")
def test_kayenta_mann_whitney(case):
    operation = case["op"]
    if operation == "normal_quantile":
        assert close(normal_quantile(case["p"]), {"value": case["expected"], "tolerance": case["tolerance"]})
        return
    x, y = floats(case["x"]), floats(case["y"])
    if operation == "wilcoxon_diff":
        for call in case["calls"]:
            found = mann_whitney.statistic(x, y, call["mu"], call["quantile"])
            assert close(found, {"value": call["expected"], "tolerance": call["tolerance"]})
        return
    found = mann_whitney.confidence_interval(x, y, case["conf_level"])
    values = {"ci_lower": found.lower, "ci_upper": found.upper, "estimate": found.estimate}
    expected = case["expected"]
    if operation == "intermediate":
        expected = {key: {"value": value, "tolerance": case["tolerance"]} for key, value in expected.items()}
        values |= intermediate(x, y, case["conf_level"])
    elif operation != "confidence_interval":
        pytest.fail(f"unknown operation {operation}")
    for key, wanted in expected.items():
        assert close(values[key], wanted), (key, values[key], wanted)


def intermediate(x, y, level):
    low, high = mann_whitney.bounds(x, y)
    z = -normal_quantile((1 - level) / 2)
    found = {"mu_min": low, "mu_max": high, "zq_lower": z, "zq_upper": -z}
    for name, quantile in (("lower", z), ("upper", -z)):
        for end, shift in (("min", low), ("max", high)):
            found[f"wilcoxon_diff_at_mu_{end}_zq_{name}"] = mann_whitney.statistic(x, y, shift, quantile)
    return found


@each("kayenta_map_path.json")
def test_kayenta_map_path(case):
    if case.get("as_double"):
        assert find_number(case["value"], case["path"], case["default"]) == case["expected"]
    else:
        assert find(case["value"], case["path"], case.get("default")) == case["expected"]


def metric_of(raw):
    given = dict(raw)
    for key, bad in (("interval", "bad_interval"), ("initial_delay", "bad_delay")):
        if key in given:
            try:
                given[key] = parse_duration(given[key])
            except ValueError:
                given[key], given[bad] = None, True
    known = {field.name for field in dataclasses.fields(Metric)}
    assert not set(given) - known, f"unknown keys of a metric: {set(given) - known}"
    return Metric(**given)


def instant(raw, *keys):
    for key in keys:
        if raw.get(key) is not None:
            value = raw[key]
            return NOW + SECOND * (value["now_offset_s"] if isinstance(value, dict) else value)
    return None


def measurement_of(raw):
    finished = instant(raw, "finished_at", "finished_at_s")
    return Measurement(
        phase=Phase(raw["phase"]),
        value=raw.get("value", ""),
        message=raw.get("message", ""),
        started_at=instant(raw, "started_at", "started_at_s"),
        finished_at=NOW if raw.get("finished") else finished,
        resume_at=instant(raw, "resume_at", "resume_at_s"),
    )


def result_of(raw):
    given = dict(raw)
    given["phase"] = Phase(given.get("phase") or "")
    given["measurements"] = tuple(measurement_of(each) for each in given.get("measurements") or ())
    return MetricResult(**given)


def run_of(case):
    return Run(
        metrics=tuple(metric_of(raw) for raw in case["metrics"]),
        dry_run=frozenset(case.get("dry_run_metrics", ())),
        results=tuple(result_of(raw) for raw in case["metric_results"]),
        terminate=case.get("terminate", False),
        started_at=instant(case, "run_started_at_s"),
    )


@each("argo_assess_metric.json")
def test_argo_assess_metric(case):
    metric, result = metric_of(case["metric"]), result_of(case["result"])
    if "expected_message" in case:
        assert limits_exceeded(metric, result) == (Phase(case["expected"]), case["expected_message"])
    else:
        assert assess_metric(metric, result, terminating=case["terminating"]) is Phase(case["expected"])


@each("argo_assess_run.json")
def test_argo_assess_run(case):
    run = run_of(case)
    if case["op"] == "assess_run":
        run = assess_run(run, NOW)
    elif case["op"] == "reconcile":
        run = look(run, NOW, lambda _metric, _last: Measurement(phase=Phase.SUCCESSFUL, started_at=NOW))
    else:
        pytest.fail(f"unknown operation {case['op']}")
    expected = case["expected"]
    assert run.phase is Phase(expected["phase"])
    if expected["message"] is not None:
        assert run.message == expected["message"]
    if expected["dry_run_summary"] is not None:
        assert dataclasses.asdict(run.dry_run_summary) == expected["dry_run_summary"]
    for name, phase in expected.get("metric_phases", {}).items():
        assert run.result(name).phase is Phase(phase)


@each("argo_schedule.json")
def test_argo_schedule(case):
    run = run_of(case)
    if case["op"] == "tasks":
        assert [metric.name for metric in due(run, NOW)] == case["expected"]
    elif case["op"] == "next_reconcile":
        wanted = None if case["expected"] is None else NOW + case["expected"] * SECOND
        assert next_look(run, NOW) == wanted
    else:
        pytest.fail(f"unknown operation {case['op']}")


@each("argo_evaluate_result.json")
def test_argo_evaluate_result(case):
    metric = Metric(success_condition=case["success_condition"], failure_condition=case["failure_condition"])
    phase, message = evaluate_result(case["value"], metric)
    assert phase is Phase(case["expected"])
    assert bool(message) is case["error"]
    for part in case["error_contains"]:
        assert part in message


@each("argo_evaluate_condition.json")
def test_argo_evaluate_condition(case):
    if case["error"] is None:
        assert evaluate_condition(case["value"], case["condition"]) is case["expected"]
        return
    with pytest.raises(ConditionError) as caught:
        evaluate_condition(case["value"], case["condition"])
    if case["error_match"] == "exact":
        assert str(caught.value) == case["error"]
    elif case["error_match"] == "regexp":
        assert re.search(case["error"], str(caught.value))
    else:
        assert case["error_match"] == "any"


def call(case):
    special = ("+Inf", "-Inf", "NaN")
    given = [float(value) if case["op"] == "isInf" and value in special else value for value in case["args"]]
    if case["op"] == "isNilOrEmpty":
        return values.is_nil_or_empty(*given)
    if case["op"] == "sameElements":
        return values.same_elements(*given)
    names = {f"x{at}": value for at, value in enumerate(given)}
    return evaluate(f"{case['op']}({', '.join(names)})", names)


@each("argo_functions.json")
def test_argo_functions(case):
    if case["error"]:
        with pytest.raises(ConditionError):
            call(case)
    else:
        assert call(case) == case["expected"]


@each("argo_functions.json", "time_expressions")
def test_argo_time_expressions(case):
    if case["error"]:
        with pytest.raises(ConditionError):
            evaluate_time(case["expression"], NOW)
    else:
        assert evaluate_time(case["expression"], NOW) == dt.datetime.fromisoformat(case["expected"])
