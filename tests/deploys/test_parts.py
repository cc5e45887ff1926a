"""The parts of a watch alone: its schedule, its limits, what it measures."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.config.deployments import DeployPlan
from hypercare.deploys.meter import Wanted, placed, question_of
from hypercare.deploys.schedule import checkpoints, extended, phase_at
from hypercare.judge.findings import Level
from hypercare.judge.limits import Crossing, Limit
from hypercare.model.labels import Labels
from hypercare.model.samples import SampleMatrix
from hypercare.model.time import HOUR, MINUTE
from hypercare.rules.answers import Answer

PLAN = DeployPlan.model_validate({"checks": [{"name": "x", "expr": "up"}]})
NAN = float("nan")


def test_the_checkpoints_of_the_default_plan():
    found = checkpoints(PLAN, 1000)
    assert len(found) == 16 + 10 + 6
    assert found[0] == (1000 + 15 * MINUTE, "intensive", False)
    assert found[15] == (1000 + 4 * HOUR, "intensive", False)
    assert found[16] == (1000 + 6 * HOUR, "active", False)
    assert [(at - 1000) // HOUR for at, _, final in found if final] == [24, 48]
    assert [at for at, _, _ in found] == sorted({at for at, _, _ in found})


def test_a_verdict_between_checkpoints_has_one_of_its_own():
    plan = PLAN.model_copy(update={"verdicts": (5 * HOUR,)})
    assert (5 * HOUR, "active", True) in checkpoints(plan, 0)


def test_an_extension_goes_on_as_the_last_phase():
    found = extended(PLAN, 48 * HOUR)
    assert [at // HOUR for at, _, _ in found] == [52, 56, 60, 64, 68, 72]
    assert [final for _, _, final in found] == [False] * 5 + [True]


def test_phases():
    assert phase_at(PLAN, 0).name == "intensive"
    assert phase_at(PLAN, 4 * HOUR).name == "intensive"
    assert phase_at(PLAN, 4 * HOUR + 1).name == "active"
    assert phase_at(PLAN, 90 * HOUR).name == "standard"


def limits(lasting=2 * MINUTE):
    critical = Limit(5, above=True, level=Level.CRITICAL, lasting=lasting, minimum_traffic=1)
    return Crossing((critical, Limit(1, above=True, level=Level.WARNING, lasting=lasting, minimum_traffic=1)), MINUTE)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0, 0, 0, 0], [None] * 4),
        ([2, 2, 2, 0], [None, None, "warning", None]),
        ([6, 6, 6, 6], [None, None, "critical", "critical"]),
        ([2, 2, 6, 6, 6], [None, None, "warning", "warning", "critical"]),
        ([6, 6, 6, 2], [None, None, "critical", "warning"]),
        ([2, 2, NAN, 2, NAN], [None, None, None, "warning", "warning"]),
        ([2, 0, 2, 2, 2], [None, None, None, None, "warning"]),
        ([2, 2, 2, NAN, NAN, NAN, NAN, NAN, NAN], [None, None, *["warning"] * 6, None]),
    ],
)
def test_limits_sample_by_sample(values, levels):
    crossing = limits()
    found = [crossing.feed(at * MINUTE, float(value), 10.0) for at, value in enumerate(values)]
    assert [each and str(each.level) for each in found] == levels


def test_too_little_traffic_breaks_no_limit():
    crossing = limits(0)
    assert crossing.feed(0, 9.0, 0.5) is None
    assert crossing.feed(MINUTE, 9.0, 1.0).level is Level.CRITICAL


def test_what_another_server_answers_is_put_on_the_grid():
    wanted = Wanted("up", 60_000, 300_000, 60_000)
    assert wanted.times.tolist() == [120_000, 180_000, 240_000, 300_000]
    question = question_of(wanted)
    assert question.query == "(up)[240000ms:60000ms]"
    assert question.at == 300_000
    times = np.array([120_000, 240_000], dtype=np.int64)
    matrix = SampleMatrix((Labels.of({"service": "a"}),), times, np.array([[1.0], [2.0]]), dense=True)
    curves = placed(wanted, Answer(matrices=(matrix,)))
    assert np.array_equal(curves.of("service", "a"), [1.0, NAN, 2.0, NAN], equal_nan=True)
    assert np.isnan(curves.of("service", "b")).all()
    assert placed(wanted, Answer(error="away")).error == "away"
    assert placed(wanted, None).error == "no answer"
