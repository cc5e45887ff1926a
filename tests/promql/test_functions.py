"""The registry, and functions on small vectors whose values anybody can check."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hypercare.promql import FUNCTIONS, Engine, Features, PromqlError, parse
from hypercare.promql.testing import SeriesSource

ONE = SeriesSource.load(
    "1m", 'v{n="1"} 2', 'v{n="2"} -1.5', 'v{n="10"} 0', 'b{le="1"} 1', 'b{le="2"} 3', 'b{le="+Inf"} 4'
)


def values(expr, at=0):
    result = Engine(features=Features.all()).instant(ONE, expr, at)
    return result.values.tolist() if result.type == "vector" else result.scalar


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_whole(name):
    row = FUNCTIONS[name]
    assert [row.over_range, row.mapped, row.special].count(None) == 2
    assert row.doc.endswith(".")
    assert row.fewest <= len(row.args)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("abs(v)", [2, 1.5, 0]),
        ("ceil(v)", [2, -1, 0]),
        ("floor(v)", [2, -2, 0]),
        ("round(v)", [2, -1, 0]),
        ("round(v, 4)", [4, 0, 0]),
        ("sgn(v)", [1, -1, 0]),
        ("sqrt(v)", [math.sqrt(2), math.nan, 0]),
        ("exp(v)", [math.exp(2), math.exp(-1.5), 1]),
        ("ln(v)", [math.log(2), math.nan, -math.inf]),
        ("sin(v)", [math.sin(2), math.sin(-1.5), 0]),
        ("atanh(v)", [math.nan, math.nan, 0]),
        ("deg(v)", [math.degrees(2), math.degrees(-1.5), 0]),
        ("clamp(v, -1, 1)", [1, -1, 0]),
        ("clamp(v, 1, -1)", []),
        ("sort(v)", [-1.5, 0, 2]),
        ("sort_desc(v)", [2, 0, -1.5]),
        ('sort_by_label_desc(v, "n")', [0, -1.5, 2]),
        ("scalar(v)", math.nan),
        ('scalar(v{n="1"})', 2),
        ("histogram_quantile(0.5, b)", [1.5]),
        ("histogram_fraction(0, 1, b)", [0.25]),
        ("day_of_week()", [4]),
        ("year(vector(951782400))", [2000]),
        ("days_in_month(vector(951782400))", [29]),
        ("month(vector(-1))", [12]),
        ("v atan2 v", [math.pi / 4, math.atan2(-1.5, -1.5), 0]),
        ("7 % -3", 1),
        ("-7 % 3", -1),
        ("2 ^ 3 ^ 0", 2),
        ("pi()", math.pi),
        ("sum(limit_ratio(0.4, v) or limit_ratio(-0.6, v))", [0.5]),
        ("count(limitk(2, v))", [2]),
    ],
)
def test_values(expr, expected):
    assert values(expr) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ('label_replace(v, "", "x", "n", ".*")', "invalid destination label name"),
        ('label_replace(v, "n", "x", "n", ".*")', "same labelset"),
        ('label_replace(v, "n", "x", "n", "(")', "invalid regular expression"),
        ("double_exponential_smoothing(v[1m], 2, 0.5)", "invalid smoothing factor"),
        ("topk(NaN, v)", "Parameter value is NaN"),
        ('count_values("\\xff", v)', "invalid label name"),
        ('count_values("\\x00", v)', "invalid label name"),
    ],
)
def test_failures(expr, message):
    with pytest.raises(PromqlError, match=message):
        values(expr)


def test_annotations_name_the_place():
    result = Engine(features=Features.all()).instant(ONE, "sum(rate(v[5m])) + quantile(2, v)", 0)
    assert result.warnings == ("PromQL warning: quantile value should be between 0 and 1, got 2 (1:29)",)
    two = SeriesSource.load("1m", "v 1 2 3")
    assert Engine(features=Features.all()).instant(two, "rate(v[5m])", 120_000).infos == (
        'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "v" (1:6)',
    )


def test_names_stay_visible_until_the_end():
    source = SeriesSource.load("1m", "a_total 0+60x10", "b_total 0+120x10")
    expr = 'label_replace(rate({__name__=~".+_total"}[5m]), "metric", "$1", "__name__", "(.+)_total")'
    result = Engine(features=Features.all()).instant(source, expr, 600_000)
    assert [str(labels) for labels in result.labels] == ['{metric="a"}', '{metric="b"}']
    with pytest.raises(PromqlError, match="same labelset"):
        Engine(features=Features.all()).instant(source, 'rate({__name__=~".+_total"}[5m])', 600_000)


def test_a_long_chain_is_evaluated():
    expr = " + ".join(["v"] * 190)
    assert str(parse(expr)) == expr
    assert values(expr)[0] == 380


@st.composite
def histograms(draw):
    """Lines of series of a few histograms: other bounds, bounds twice, buckets that come late or fall."""
    lines = []
    for number in range(draw(st.integers(1, 6))):
        bounds = draw(st.sampled_from([("1", "2", "+Inf"), ("1", "2", "4", "+Inf"), ("1", "1.0", "+Inf"), ("1", "2")]))
        for bound in bounds:
            counts = draw(
                st.lists(st.sampled_from(["_", "0", "1", "2", "7", "7.0000000000001"]), min_size=3, max_size=3)
            )
            lines.append(f'b{{n="{number}", le="{bound}"}} {" ".join(counts)}')
    return lines


CALLS = ("histogram_quantile({q}, {})", "histogram_fraction({q}, 3, {})", 'histogram_quantiles({}, "q", {q}, 0.5)')


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=60, deadline=None)
@given(lines=histograms(), q=st.sampled_from(["0", "0.3", "0.9", "1", "2", "NaN", "time() / 100"]))
def test_histograms_together_are_as_each_alone(call, lines, q):
    # A quantile that changes from step to step has no one label.
    assume("quantiles" not in call or "time" not in q)
    source = SeriesSource.load("1m", *lines)
    numbers = sorted({line.split('"')[1] for line in lines})
    engine = Engine(features=Features.all())

    def evaluated(series):
        expr = call.format(series, q=q)
        found = engine.range(source, expr, 0, 180_000, 60_000)
        rows = zip(found.labels, found.values, found.present, strict=True)
        return {labels: (values[there].tolist(), there.tolist()) for labels, values, there in rows}, found

    together, whole = evaluated("b")
    alone = {}
    for number in numbers:
        alone.update(evaluated(f'b{{n="{number}"}}')[0])
    assert repr(together) == repr(dict(sorted(alone.items())))
    for step, at in enumerate(whole.times.tolist()):
        instant = engine.instant(source, call.format("b", q=q), at)
        now = dict(zip(instant.labels, instant.values.tolist(), strict=True))
        there = {
            labels: values[step]
            for labels, values, present in zip(whole.labels, whole.values.tolist(), whole.present, strict=True)
            if present[step]
        }
        assert repr(sorted(now.items())) == repr(sorted(there.items()))
