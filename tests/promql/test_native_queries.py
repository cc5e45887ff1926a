"""Queries that meet native histograms: what each kind of node makes of them, and what it remarks."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.model.histograms import Histogram, HistogramSeries
from hypercare.model.labels import Labels
from hypercare.promql import Engine, Features, LimitError, Limits, PromqlError, StoppedError
from hypercare.promql.native.literal import format_histogram
from hypercare.promql.testing import SeriesSource, parse_cells, parse_values

MINUTE = 60_000
STORE = SeriesSource.load(
    "1m",
    'h{i="a"} {{count:1 sum:2 buckets:[1]}}+{{count:2 sum:3 buckets:[1 1]}}x9',
    'h{i="b"} {{count:2 sum:2 buckets:[2]}}x4 stale',
    "mix 1 2 {{count:3 sum:1 buckets:[3]}} {{count:4 sum:1 buckets:[4]}} 5",
    'x{i="a"} 1x9',
    "gauge {{count:5 counter_reset_hint:gauge buckets:[5]}}+{{count:-1 buckets:[-1]}}x9",
    'own{i="1"} {{schema:-53 count:3 sum:1 custom_values:[1 2] buckets:[1 2]}}x9',
    'own{i="2"} {{schema:-53 count:3 sum:1 custom_values:[2 3] buckets:[1 2]}}x9',
    'both{k="e"} {{count:1 buckets:[1]}}x9',
    'both{k="o"} {{schema:-53 count:1 custom_values:[1] buckets:[1]}}x9',
    'pair{le="1"} 1x9',
    'pair{le="+Inf"} 2x9',
    "pair {{count:1 buckets:[1]}}x9",
)
ENGINE = Engine(features=Features.all())


def shown(result):
    """Elements as text, in the result's order, without hints."""
    rows = [f"{labels} {value:g}" for labels, value in zip(result.labels, result.values.tolist(), strict=True)]
    for element in result.histograms:
        rows.insert(element.place, f"{element.labels} {format_histogram(element.histogram, hint=False)}")
    return rows


def at(expr, when=2 * MINUTE):
    result = ENGINE.instant(STORE, expr, when)
    return shown(result), [text.split(": ", 1)[1] for text in (*result.warnings, *result.infos)]


LAYOUTS = 'vector contains a mix of histograms with exponential and custom buckets schemas for metric name "both" (1:5)'
MIXED_WARNING = 'encountered a mix of histograms and floats for metric name "mix" (1:{})'


@pytest.mark.parametrize(
    ("expr", "rows"),
    [
        ("mix", ["mix {{count:3 sum:1 buckets:[3]}}"]),
        ("mix offset 1m", ["mix 2"]),
        ("mix @ 240", ["mix 5"]),
        ("count(h)", ["{} 2"]),
        ("group by (i) (h)", ['{i="a"} 1', '{i="b"} 1']),
        ("sum(h)", ["{} {{count:7 sum:10 buckets:[5 2]}}"]),
        ("avg(h)", ["{} {{count:3.5 sum:5 buckets:[2.5 1]}}"]),
        ("sum by (i) (h) / 2", ['{i="a"} {{count:2.5 sum:4 buckets:[1.5 1]}}', '{i="b"} {{count:1 sum:1 buckets:[1]}}']),
        ("2 * h{i='b'}", ['{i="b"} {{count:4 sum:4 buckets:[4]}}']),
        ("-h{i='b'}", ['{i="b"} {{count:-2 sum:-2 buckets:[-2]}}']),
        ("h - on () group_left () h{i='b'}", ['{i="a"} {{count:3 sum:6 buckets:[1 2]}}', '{i="b"} {{}}']),
        ("h == h", ['h{i="a"} {{count:5 sum:8 buckets:[3 2]}}', 'h{i="b"} {{count:2 sum:2 buckets:[2]}}']),
        ("h != bool h", ['{i="a"} 0', '{i="b"} 0']),
        ("h and on (i) x", ['h{i="a"} {{count:5 sum:8 buckets:[3 2]}}']),
        ("h unless on (i) x", ['h{i="b"} {{count:2 sum:2 buckets:[2]}}']),
        ("x or on (i) h", ['x{i="a"} 1', 'h{i="b"} {{count:2 sum:2 buckets:[2]}}']),
        ("x * on (i) h", ['{i="a"} {{count:5 sum:8 buckets:[3 2]}}']),
        ("h * on (i) fill_right (3) x", ['{i="a"} {{count:5 sum:8 buckets:[3 2]}}', '{i="b"} {{count:6 sum:6 buckets:[6]}}']),
        ("h </ on (i) x", ['{i="a"} {{count:3 sum:2.121320343559643 buckets:[3]}}']),
        ("limitk(1, h)", ['h{i="a"} {{count:5 sum:8 buckets:[3 2]}}']),
        ("count(limit_ratio(0.5, h) or limit_ratio(-0.5, h))", ["{} 2"]),
        ('count_values("v", h{i="b"})', ['{v="{count:2, sum:2, (0.5,1]:2}"} 1']),
        ("abs(h)", []),
        ("sort_desc(h or on (none) x)", []),
        ("sort_desc(x or on (i) h)", ['x{i="a"} 1']),
        ('sort_by_label_desc(h, "i")', ['h{i="b"} {{count:2 sum:2 buckets:[2]}}', 'h{i="a"} {{count:5 sum:8 buckets:[3 2]}}']),
        ('label_replace(h{i="b"}, "j", "$1", "i", "(.)")', ['h{i="b", j="b"} {{count:2 sum:2 buckets:[2]}}']),
        ("absent(h)", []),
        ("timestamp(h offset 1m)", ['{i="a"} 60', '{i="b"} 60']),
        ("histogram_count(h)", ['{i="a"} 5', '{i="b"} 2']),
        ("histogram_avg(h)", ['{i="a"} 1.6', '{i="b"} 1']),
        ("histogram_sum(x)", []),
        ("histogram_quantile(1, h)", ['{i="a"} 2', '{i="b"} 1']),
        ("histogram_fraction(0, 1, h)", ['{i="a"} 0.6', '{i="b"} 1']),
        ('histogram_quantiles(h{i="b"}, "q", 0, 1)', ['{i="b", q="0.0"} 0.5', '{i="b", q="1.0"} 1']),
        ("count_over_time(mix[5m])", ["{} 3"]),
        ("last_over_time(mix[5m])", ["mix {{count:3 sum:1 buckets:[3]}}"]),
        ("first_over_time(mix[5m])", ["mix 1"]),
        ("present_over_time(h[1m])", ['{i="a"} 1', '{i="b"} 1']),
        ("changes(mix[5m])", ["{} 2"]),
        ("resets(mix[5m])", ["{} 1"]),
        ("sum_over_time(h{i='b'}[2m])", ['{i="b"} {{count:4 sum:4 buckets:[4]}}']),
        ("sum_over_time(h{i='b'}[2m:30s])", ['{i="b"} {{count:8 sum:8 buckets:[8]}}']),
        ("histogram_count(rate(h{i='a'}[2m:1m]))", ['{i="a"} 0.0333333']),
    ],
)  # fmt: skip
def test_values(expr, rows):
    assert at(expr)[0] == rows


@pytest.mark.parametrize(
    ("expr", "rows", "remarks"),
    [
        ("rate(mix[5m])", [], [MIXED_WARNING.format(6)]),
        ("irate(mix[5m])", [], [MIXED_WARNING.format(7)]),
        ("sum_over_time(mix[5m])", [], [MIXED_WARNING.format(15)]),
        (
            "max_over_time(mix[5m])",
            ["{} 2"],
            ['ignored histograms in a range containing both floats and histograms for metric name "mix" (1:15)'],
        ),
        ("min(h)", [], ["ignored histogram in min aggregation (1:5)"]),
        ("topk(1, h)", [], ["ignored histogram in topk aggregation (1:1)"]),
        ("topk(0, h)", [], []),
        ("sum(x or on (i) h)", [], ["encountered a mix of histograms and floats for aggregation (1:5)"]),
        ("h + on (i) x", [], ['incompatible sample types encountered for binary operator "+": histogram + float (1:1)']),
        ("1 / h", [], ['incompatible sample types encountered for binary operator "/": float / histogram (1:1)']),
        ("h > 1", [], ['incompatible sample types encountered for binary operator ">": histogram > float (1:1)']),
        ("h * h", [], ['incompatible sample types encountered for binary operator "*": histogram * histogram (1:1)']),
        ("x </ 1", [], ['incompatible sample types encountered for binary operator "</": float </ float (1:1)']),
        ("both + on () group_left () both{k='o'}", ['{k="o"} {{schema:-53 count:2 custom_values:[1] buckets:[2]}}'],
         ["incompatible bucket layout encountered for binary operator + (1:1)"]),
        ("sum(both)", [], [LAYOUTS]),
        ("sum(own)", ["{} {{schema:-53 count:6 sum:2 custom_values:[2] buckets:[4 2]}}"],
         ["mismatched custom buckets were reconciled during aggregation (1:5)"]),
        ("rate(gauge[2m1s])", None, ['this native histogram metric is not a counter: "gauge" (1:6)']),
        ("delta(h{i='b'}[2m1s])", None, ['this native histogram metric is not a gauge: "h" (1:7)']),
        ("delta(gauge[2m1s])", None, []),
        ("histogram_quantile(1, pair)", [],
         ['vector contains a mix of classic and native histograms for metric name "pair" (1:23)']),
    ],
)  # fmt: skip
def test_remarks(expr, rows, remarks):
    found, told = at(expr)
    assert told == remarks
    if rows is not None:
        assert found == rows


def test_staleness_and_lookback_end_a_series():
    result = ENGINE.range(STORE, "h", 4 * MINUTE, 16 * MINUTE, MINUTE)
    steps = {str(series.labels): (series.times // MINUTE).tolist() for series in result.histograms}
    assert steps == {'h{i="a"}': [*range(4, 14)], 'h{i="b"}': [4]}
    assert result.labels == ()


def test_a_series_of_both_kinds_stands_in_both_parts():
    result = ENGINE.range(STORE, "mix", 0, 4 * MINUTE, MINUTE)
    assert [str(labels) for labels in result.labels] == ["mix"]
    assert result.present.tolist() == [[True, True, False, False, True]]
    assert result.histograms[0].times.tolist() == [2 * MINUTE, 3 * MINUTE]
    matrix = ENGINE.instant(STORE, "mix[5m]", 4 * MINUTE)
    assert matrix.series[0].times.tolist() == [MINUTE, 4 * MINUTE] or matrix.series[0].times.tolist() == [
        0,
        MINUTE,
        4 * MINUTE,
    ]
    assert matrix.histogram_series[0].times.tolist() == [2 * MINUTE, 3 * MINUTE]


@pytest.mark.parametrize(
    "expr",
    ["h", "mix", "sum(h)", "rate(h[3m])", "irate(mix[5m])", "resets(mix[5m])", "h - h offset 1m", "last_over_time(mix[2m])",
     "sum_over_time(h[3m:30s])", "timestamp(mix)", "histogram_quantile(0.5, rate(h[3m]))", "avg by (i) (h) or x", "h </ 1",
     "increase(h[2m] anchored)", "h smoothed", "count_over_time(mix[3m])"],
)  # fmt: skip
def test_a_range_query_is_its_instants(expr):
    ranged = ENGINE.range(STORE, expr, 0, 12 * MINUTE, 90_000)
    for step, when in enumerate(ranged.times.tolist()):
        instant = ENGINE.instant(STORE, expr, when)
        floats = {
            labels: float(ranged.values[i, step]) for i, labels in enumerate(ranged.labels) if ranged.present[i, step]
        }
        assert floats == pytest.approx(dict(zip(instant.labels, instant.values.tolist(), strict=True)), nan_ok=True)
        found = {
            series.labels: format_histogram(histogram)
            for series in ranged.histograms
            for at_, histogram in zip(series.times.tolist(), series.values, strict=True)
            if at_ == when
        }
        assert found == {each.labels: format_histogram(each.histogram) for each in instant.histograms}


def test_limits_count_histograms():
    with pytest.raises(LimitError, match="too many samples"):
        Engine(Limits(max_samples=5)).instant(STORE, "sum_over_time(h[1h])", 9 * MINUTE)
    with pytest.raises(LimitError, match="1:15: the query needs about 0 MiB of memory"):
        Engine(Limits(max_bytes=2000)).instant(STORE, "sum_over_time(h[1h])", 9 * MINUTE)


def test_nobody_waits_any_more():
    asked = []

    def stopped():
        asked.append(True)
        return len(asked) > 8

    with pytest.raises(StoppedError):
        ENGINE.within(stopped=stopped).range(STORE, "rate(h[3m])", 0, 600 * MINUTE, MINUTE)
    assert len(asked) == 9


def test_two_sources_of_one_series_become_one():
    one, two = Histogram(count=1.0), Histogram(count=2.0)
    labels = Labels.of(__name__="x")

    class Twice:
        def select(self, matchers, start, end):  # noqa: ARG002
            return []

        def select_histograms(self, matchers, start, end):  # noqa: ARG002
            return [
                HistogramSeries(labels, np.array([0, MINUTE]), (one, one)),
                HistogramSeries(labels, np.array([MINUTE, 2 * MINUTE]), (two, two)),
            ]

    result = Engine().instant(Twice(), "histogram_count(x)", 2 * MINUTE)
    assert result.values.tolist() == [2.0]
    assert Engine().instant(Twice(), "count_over_time(x[10m])", 2 * MINUTE).values.tolist() == [3.0]


def test_info_metrics_have_floats():
    store = SeriesSource.load("1m", 'x{instance="a", job="j"} 1', 'i_info{instance="a", job="j", v="2"} {{count:1}}')
    with pytest.raises(PromqlError, match="must have float samples"):
        ENGINE.instant(store, 'info(x, {__name__="i_info"})', 0)
    store = SeriesSource.load(
        "1m", 'x{instance="a", job="j"} {{count:1}}', 'target_info{instance="a", job="j", v="2"} 1'
    )
    assert shown(ENGINE.instant(store, "info(x)", 0)) == ['x{instance="a", job="j", v="2"} {{count:1}}']


def test_series_notation():
    cells = parse_cells("1 {{count:1 sum:2}}+{{count:1}}x2 _x2 {{ buckets:[1 2] }} stale")
    assert [cell.count for cell in cells if isinstance(cell, Histogram)] == [1, 2, 3, 0]
    assert len(cells) == 8
    for text in ("{{count:1}}+3", "{{count:1", "{{schema:1}}+{{schema:0}}x2"):
        with pytest.raises(ValueError, match="histogram"):
            parse_cells(text)
    with pytest.raises(ValueError, match="expected numbers"):
        parse_values("1 {{count:1}}")
