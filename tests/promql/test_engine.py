"""The engine on small stories; the bulk of the semantics is in tests/conformance/test_promql.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, STALE, SampleMatrix
from hypercare.promql import Engine, Features, LimitError, Limits, PromqlError, StoppedError, Tick, parse
from hypercare.promql.testing import SeriesSource

MINUTE = 60_000


def vector(source, expr, at=30 * MINUTE):
    result = Engine(features=Features.all()).instant(source, expr, at)
    return {str(labels): value for labels, value in zip(result.labels, result.values.tolist(), strict=True)}


SHOP = SeriesSource.load(
    "1m",
    'requests_total{job="api",code="200"} 0+60x60',
    'requests_total{job="api",code="500"} 0+6x60',
    'requests_total{job="web",code="200"} 0+30x60',
    'up{job="api"} 1x60',
    'up{job="web"} 1x20 0x40',
    'gone{job="old"} 1x20 stale _x40',
)

TABLE = [
    ("up == 0", {'up{job="web"}': 0.0}),
    ("gone", {}),
    ("rate(requests_total[5m])", {'{code="200", job="api"}': 1.0, '{code="500", job="api"}': 0.1, '{code="200", job="web"}': 0.5}),
    ("sum by (job) (rate(requests_total[5m]))", {'{job="api"}': 1.1, '{job="web"}': 0.5}),
    ("sum(up) or vector(9)", {"{}": 1.0}),
    ("sum(nothing) or vector(9)", {"{}": 9.0}),
    ('absent(up{job="db"})', {'{job="db"}': 1.0}),
    ("topk(1, rate(requests_total[5m]))", {'{code="200", job="api"}': 1.0}),
    ("count_over_time(up[5m])", {'{job="api"}': 5.0, '{job="web"}': 5.0}),
    ("time()", {}),
    ('label_replace(up, "shard", "$1", "job", "(.).*")', {'up{job="api", shard="a"}': 1.0, 'up{job="web", shard="w"}': 0.0}),
    ('requests_total{code="500"} / ignoring (code) requests_total{code="200"}', {'{job="api"}': 0.1}),
    ("up unless on (job) requests_total", {}),
    ("avg_over_time(up[30m:1m])", {'{job="api"}': 1.0, '{job="web"}': 20 / 30}),
    ("up offset 10m", {'up{job="api"}': 1.0, 'up{job="web"}': 1.0}),
    ("up @ 0", {'up{job="api"}': 1.0, 'up{job="web"}': 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "expected"), TABLE)
def test_instant(expr, expected):
    assert vector(SHOP, expr) == pytest.approx(expected)


def test_scalars_strings_and_matrices():
    engine = Engine(features=Features.all())
    assert engine.instant(SHOP, "time() / 60", 30 * MINUTE).scalar == 30
    assert engine.instant(SHOP, '"x"', 0).text == "x"
    matrix = engine.instant(SHOP, "up[2m]", 30 * MINUTE)
    assert matrix.type == "matrix"
    assert [series.times.tolist() for series in matrix.series] == [[29 * MINUTE, 30 * MINUTE]] * 2


def test_matching_must_be_unique():
    with pytest.raises(PromqlError, match="many-to-many matching not allowed"):
        Engine(features=Features.all()).instant(SHOP, "up * on (job) requests_total", 30 * MINUTE)
    with pytest.raises(PromqlError, match="many-to-one matching must be explicit"):
        Engine(features=Features.all()).instant(SHOP, "requests_total * on (job) up", 30 * MINUTE)


def test_absent_is_not_nan():
    source = SeriesSource.load("1m", "a NaN", "b _ 1")
    assert math.isnan(vector(source, "a", 0)["a"])
    assert vector(source, "b", 0) == {}


def test_limits_are_told():
    with pytest.raises(LimitError, match="too many samples"):
        Engine(Limits(max_samples=10)).instant(SHOP, "rate(requests_total[1h])", 30 * MINUTE)
    with pytest.raises(LimitError, match="11,000 points"):
        Engine(features=Features.all()).range(SHOP, "up", 0, 12_000_000, 1)


def test_the_first_step_is_not_counted_against_the_points_as_in_prometheus():
    assert len(Engine(features=Features.all()).range(SHOP, "up", 0, 11_000, 1).times) == 11_001
    with pytest.raises(LimitError, match="11,000 points"):
        Engine(features=Features.all()).range(SHOP, "up", 0, 11_001, 1)


def test_the_same_engine_within_other_limits():
    engine = Engine(features=Features.all())
    at = 60 * MINUTE + 2 * MINUTE
    assert len(engine.instant(SHOP, "up", at).labels) == 2
    assert len(engine.within(lookback=MINUTE).instant(SHOP, "up", at).labels) == 0
    assert len(engine.instant(SHOP, "up", at).labels) == 2


def test_an_evaluation_ends_once_nobody_waits_for_it():
    asked = []

    def stopped():
        asked.append(1)
        return len(asked) > 5

    engine = Engine(features=Features.all()).within(stopped=stopped)
    assert engine.instant(SHOP, "1 + 1", 0).scalar == 2
    with pytest.raises(StoppedError, match="timed out"):
        engine.instant(SHOP, " + ".join(["up"] * 50), 30 * MINUTE)
    assert len(asked) == 6


def test_a_tick_evaluates_equal_parts_once():
    class Counting:
        selects = 0

        def select(self, matchers, start, end):
            self.selects += 1
            return SHOP.select(matchers, start, end)

        def select_histograms(self, matchers, start, end):
            return SHOP.select_histograms(matchers, start, end)

    source, engine, tick = Counting(), Engine(features=Features.all()), Tick()
    plain = engine.instant(SHOP, "sum(rate(requests_total[5m])) > 1", 30 * MINUTE)
    for expr in (
        "sum(rate(requests_total[5m])) > 1",
        "sum(rate(requests_total[5m])) > 1",
        "max(rate(requests_total[5m]))",
    ):
        result = engine.instant(source, expr, 30 * MINUTE, tick)
        if expr.startswith("sum"):
            assert result.values.tolist() == plain.values.tolist()
    assert source.selects == 1
    with pytest.raises(ValueError, match="one instant"):
        engine.instant(source, "up", 31 * MINUTE, tick)


def test_equal_series_of_two_targets_become_one():
    class Twice:
        def select(self, matchers, start, end):  # noqa: ARG002
            first, second = np.array([0, 60_000]), np.array([120_000, 180_000])
            labels = (Labels.of(__name__="x"),)
            return [
                SampleMatrix(labels, first, np.array([[1.0], [STALE]]), dense=False),
                SampleMatrix((Labels.of(__name__="x"),), second, np.array([[3.0], [4.0]]), dense=True),
            ]

        def select_histograms(self, matchers, start, end):  # noqa: ARG002
            return []

    assert vector(Twice(), "x", 180_000) == {"x": 4.0}
    assert vector(Twice(), "count_over_time(x[10m])", 180_000) == {"{}": 3.0}


EXPRESSIONS = [
    "x", "rate(x[5m])", "increase(x[3m])", "delta(x[5m])", "irate(x[5m])", "idelta(x[5m])", "resets(x[10m])", "changes(x[10m])",
    "sum_over_time(x[4m])", "avg_over_time(x[4m])", "min_over_time(x[4m])", "max_over_time(x[4m])", "count_over_time(x[4m])",
    "stddev_over_time(x[6m])", "quantile_over_time(0.3, x[6m])", "mad_over_time(x[6m])", "last_over_time(x[4m])",
    "first_over_time(x[4m])", "deriv(x[6m])", "predict_linear(x[6m], 60)", "double_exponential_smoothing(x[6m], 0.5, 0.5)",
    "ts_of_max_over_time(x[6m])", "present_over_time(x[2m])", "sum(x)", "avg by (i) (x)", "max(x)", "stddev(x)", "quantile(0.5, x)",
    "topk(1, x)", "count(x)", "x > 3", "x + on (i) x", "x or on (j) x", "absent(x)", "timestamp(x)", "sum_over_time(x[5m:30s])",
    "x offset 2m", "scalar(x)", "sum(rate(x[5m])) / count(x)", "min(x) unless (x > 5)", "absent_over_time(x[2m])",
]  # fmt: skip
CELL = st.one_of(st.integers(0, 9).map(float), st.sampled_from([ABSENT, STALE, math.nan, math.inf, -3.5]))


@settings(max_examples=60)
@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=25),
    st.sampled_from(EXPRESSIONS),
    st.sampled_from([30_000, 60_000, 70_000]),
)
def test_a_range_query_is_its_instants(rows, expr, interval):
    """The sliding and the stacked evaluation must agree at every step."""
    matrix = SampleMatrix(
        tuple(Labels.of(__name__="x", i=str(i), j=str(i % 2)) for i in range(3)),
        np.arange(len(rows)) * interval,
        np.array(rows),
        dense=False,
    )

    class Source:
        def select(self, matchers, start, end):  # noqa: ARG002
            low, high = np.searchsorted(matrix.times, [start, end], side="right")
            part = SampleMatrix(matrix.labels, matrix.times[low:high], matrix.values[low:high], dense=False)
            return [part] if high > low else []

        def select_histograms(self, matchers, start, end):  # noqa: ARG002
            return []

    engine = Engine(features=Features.all())
    ranged = engine.range(Source(), expr, 0, 20 * MINUTE, 2 * MINUTE)
    for step, at in enumerate(ranged.times.tolist()):
        instant = engine.instant(Source(), expr, at)
        if instant.type == "scalar":
            expected = {Labels(): instant.scalar}
        else:
            expected = dict(zip(instant.labels, instant.values.tolist(), strict=True))
        shown = {
            labels: float(ranged.values[i, step]) for i, labels in enumerate(ranged.labels) if ranged.present[i, step]
        }
        assert shown == pytest.approx(expected, nan_ok=True), (expr, at)


def test_expressions_may_be_given_parsed():
    engine = Engine(features=Features.all())
    expr = parse("up == 0")
    assert engine.instant(SHOP, expr, 30 * MINUTE).values.tolist() == [0.0]
    assert engine.range(SHOP, expr, 0, 30 * MINUTE, MINUTE).present.sum() == 10
