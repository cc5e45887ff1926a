"""The documented behaviour of the language, area by area: @ and offset, subqueries, names, collisions, choices, trigonometry."""

from __future__ import annotations

import math

import pytest

from hypercare.model.labels import Labels
from hypercare.promql import Engine, EvaluationError, Features, PromqlError, parse
from hypercare.promql.hashing import label_bytes, share, xxh64
from hypercare.promql.testing import SeriesSource

SECOND = 1000
ALL = Engine(features=Features.all())
DELAYED = Engine(features=Features.of(["promql-delayed-name-removal"]))
PLAIN = Engine()

TIMED = SeriesSource.load(
    "10s",
    'm{job="1"} 0+1x1000',
    'm{job="2"} 0+2x1000',
)


def values(source, expr, at, engine=ALL):
    result = engine.instant(source, expr, at)
    if result.type == "scalar":
        return result.scalar
    return dict(zip([str(labels) for labels in result.labels], result.values.tolist(), strict=True))


# m{job="1"} has at every second its tenth; job 2 twice that.
@pytest.mark.parametrize(
    ("expr", "first"),
    [
        ("m @ 100", 10),
        ("m @ 100s", 10),
        ("m @ 100 offset 50s", 5),
        ("m offset 50s @ 100", 5),
        ("m @ 0 offset -50s", 5),
        ("m @ 100 offset -50s", 15),
        ("-m @ 100", -10),
        ("m offset -50s", 25),
        ("m @ start()", 20),
        ("m @ end() offset 10s", 19),
        ("sum_over_time(m[100s] @ 100)", 55),
        ("sum_over_time(m[100s] @ 100 offset 50s)", 15),
        ("sum_over_time(m[100s] offset 50s @ 100)", 15),
        # The inside of a subquery is evaluated at its own steps, unless it is pinned itself.
        ("sum_over_time(m[50s:10s] @ 100)", 40),
        ("sum_over_time((m @ 100)[50s:10s])", 50),
        ("sum_over_time(m[50s:10s] @ 100 offset 20s)", 30),
        ("sum_over_time(sum_over_time(m[100s] @ 100)[100s:25s] @ 50)", 220),
        ("last_over_time(m[20s:10s] @ 100) + on (job) m @ 10", 11),
        ("timestamp(m @ 10)", 10),
        ("timestamp(m @ 15 offset 1s)", 10),
        ("timestamp(timestamp(m @ 10))", 200),
        ("timestamp(sum by (job) (m @ 10))", 200),
        ("minute(m @ 9000)", 15),
        ("label_replace(m @ 100, 'x', 'y', '', '')", 10),
        ("m @ 100 + on (job) m @ 50", 15),
    ],
)
def test_at_and_offset(expr, first):
    found = values(TIMED, expr, 200 * SECOND)
    assert next(value for labels, value in found.items() if 'job="1"' in labels) == first


@pytest.mark.parametrize(
    ("expr", "steps"),
    [
        ("m{job='1'} @ start()", [0, 0, 0]),
        ("m{job='1'} @ end()", [6, 6, 6]),
        ("m{job='1'} - m{job='1'} @ start()", [0, 3, 6]),
        ("sum_over_time(m{job='1'}[20s:10s] @ end())", [11, 11, 11]),
        ("m{job='1'} offset -30s", [3, 6, 9]),
        ("timestamp(m{job='1'} @ end())", [60, 60, 60]),
    ],
)
def test_at_in_range_queries(expr, steps):
    assert ALL.range(TIMED, expr, 0, 60_000, 30_000).values.tolist() == [steps]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m @ 1 @ 2", "@ may not be set multiple times"),
        ("m offset 1m offset 2m", "offset may not be set multiple times"),
        ("m @ Inf", "timestamp out of bounds"),
        ("m @ NaN", "timestamp out of bounds"),
        ("sum(m) @ 10", "must be preceded by an instant vector selector or range vector selector or a subquery"),
        ("m @ 1[5m]", "before range"),
        ("m @ x", "expected a number"),
        ("rate(m[5m] offset)", "in duration expression"),
        ("limitk(m)", "wrong number of arguments"),
        ("start(1)", "expected 0 argument(s)"),
        ("m[5m:0s]", "duration must be greater than 0"),
    ],
)
def test_texts_that_are_refused(text, message):
    with pytest.raises(PromqlError) as caught:
        parse(text)
    assert message in caught.value.message
    assert "^" in caught.value.render(text)


@pytest.mark.parametrize(
    ("expr", "at", "value"),
    [
        # Windows are open on the left; steps are multiples of the step since the epoch.
        ("sum_over_time(m{job='1'}[50s:10s])", 100, 10 + 9 + 8 + 7 + 6),
        ("sum_over_time(m{job='1'}[50s:10s])", 105, 10 + 9 + 8 + 7 + 6),
        ("sum_over_time(m{job='1'}[50s:5s])", 100, 2 * (9 + 8 + 7 + 6) + 10 + 5),
        ("count_over_time(m{job='1'}[50s:5s])", 100, 10),
        ("sum_over_time(m{job='1'}[50s:10s] offset 20s)", 100, 8 + 7 + 6 + 5 + 4),
        ("count_over_time(m{job='1'}[5m:])", 600, 5),
        ("count_over_time(m{job='1'}[5m:1m])", 30, 1),
        ("rate(m{job='1'}[1m:10s])", 600, 0.1),
        ("max_over_time(rate(m{job='1'}[1m])[5m:1m])", 600, 0.1),
        ("sum_over_time((m{job='1'} > 5)[1m:10s])", 70, 7 + 6),
        ("min_over_time((m{job='1'} + m{job='1'})[30s:10s])", 100, 16),
        ("count_over_time(m{job='1'}[30s:7s])", 100, 4),
        ("sum_over_time(vector(1)[1m:10s])", 100, 6),
        ("count_over_time(absent(nothing)[1m:10s])", 100, 6),
    ],
)
def test_subqueries(expr, at, value):
    assert list(values(TIMED, expr, at * SECOND).values()) == [pytest.approx(value)]


# ── names ──

NAMED = SeriesSource.load(
    "1m",
    'a_total{env="1"} 0+60x20',
    'a_total{env="2"} 0+120x20',
    'b_total{env="1"} 0+180x20',
)
T = 10 * 60 * SECOND


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("a_total", ['a_total{env="1"}', 'a_total{env="2"}']),
        ("a_total > 1", ['a_total{env="1"}', 'a_total{env="2"}']),
        ("a_total > bool 1", ['{env="1"}', '{env="2"}']),
        ("a_total * 1", ['{env="1"}', '{env="2"}']),
        ("-a_total", ['{env="1"}', '{env="2"}']),
        ("+a_total", ['a_total{env="1"}', 'a_total{env="2"}']),
        ("last_over_time(a_total[5m])", ['a_total{env="1"}', 'a_total{env="2"}']),
        ("first_over_time(a_total[5m])", ['a_total{env="1"}', 'a_total{env="2"}']),
        ("max_over_time(a_total[5m])", ['{env="1"}', '{env="2"}']),
        ("count_over_time(a_total[5m:1m])", ['{env="1"}', '{env="2"}']),
        ("abs(a_total)", ['{env="1"}', '{env="2"}']),
        ("timestamp(a_total)", ['{env="1"}', '{env="2"}']),
        ("topk(1, a_total)", ['a_total{env="2"}']),
        ("a_total and b_total", ['a_total{env="1"}']),
        ("a_total unless b_total", ['a_total{env="2"}']),
        ("sum by (__name__) (a_total)", ["a_total"]),
        ("sum without (env) (a_total)", ["{}"]),
        ("sum by (__name__) (rate(a_total[5m]))", ["{}"]),
        ("count_values by (env) ('v', a_total)", ['{env="1", v="600"}', '{env="2", v="1200"}']),
        ("sort_desc(a_total)", ['a_total{env="2"}', 'a_total{env="1"}']),
        ("a_total + on (env) b_total", ['{env="1"}']),
        ("a_total == on (env) group_left () a_total", ['a_total{env="1"}', 'a_total{env="2"}']),
    ],
)
@pytest.mark.parametrize("engine", [ALL, Engine(features=Features(promql_experimental_functions=True))])
def test_which_results_have_names(expr, labels, engine):
    assert list(values(NAMED, expr, T, engine)) == labels


SAME = '{__name__=~".+_total", env="1"}'


@pytest.mark.parametrize(
    ("expr", "delayed", "plain"),
    [
        (f"rate({SAME}[5m])", None, None),
        (f"-{SAME}", None, None),
        (f"{SAME} * 2", None, None),
        (f"abs({SAME})", None, None),
        (f"sum(rate({SAME}[5m]))", ["{}"], None),
        (f"sum by (env) (rate({SAME}[5m]))", ['{env="1"}'], None),
        (f"max_over_time({SAME}[5m])", None, None),
        (f"last_over_time({SAME}[5m])", 2, 2),
        (f"{SAME} > 0", 2, 2),
        (f"count(abs({SAME}))", ["{}"], None),
        ('label_replace(rate(a_total[5m]), "__name__", "$1:rate", "__name__", "(.+)_total")', ['a:rate{env="1"}', 'a:rate{env="2"}'],
         ['{env="1"}', '{env="2"}']),
        (f'label_replace(rate({SAME}[5m]), "n", "$1", "__name__", "(.+)_total")', ['{env="1", n="a"}', '{env="1", n="b"}'], None),
        ('label_replace(a_total, "env", "x", "", "")', None, None),
        ('label_join(a_total, "env", "")', None, None),
        ("sum by (__name__) (a_total * 1)", ["{}"], ["{}"]),
        (f"sum by (__name__) ({SAME} * 1)", None, None),
    ],
)  # fmt: skip
def test_collisions(expr, delayed, plain):
    """``none``: two series end up with the same labels."""
    for engine, wanted in ((DELAYED, delayed), (PLAIN, plain)):
        if wanted is None:
            with pytest.raises(EvaluationError, match="vector cannot contain metrics with the same labelset"):
                engine.instant(NAMED, expr, T)
        else:
            found = list(values(NAMED, expr, T, engine))
            assert len(found) == wanted if isinstance(wanted, int) else found == wanted


def test_series_that_never_meet_become_one_in_a_range_query():
    store = SeriesSource.load("1m", 'x{k="a"} 1 1 stale', 'y{k="a"} _ _ _ 2 2')
    for engine in (DELAYED, PLAIN):
        result = engine.range(store, '{__name__=~"x|y"} * 1', 0, 240_000, 60_000)
        assert [str(labels) for labels in result.labels] == ['{k="a"}']
        assert result.present.tolist() == [[True, True, False, True, True]]
    with pytest.raises(EvaluationError, match="same labelset"):
        DELAYED.range(SeriesSource.load("1m", "x 1 1", "y _ 1"), '{__name__=~"x|y"} * 1', 0, 60_000, 60_000)


# ── choices ──

MANY = SeriesSource.load("1m", *(f'r{{g="{i % 2}", i="{i}"}} {i}x10' for i in range(8)))


@pytest.mark.parametrize(
    ("expr", "number"),
    [
        ("limitk(0, r)", 0),
        ("limitk(-1, r)", 0),
        ("limitk(1.9, r)", 1),
        ("limitk(3, r)", 3),
        ("limitk(100, r)", 8),
        ("limitk by (g) (2, r)", 4),
        ("limitk(3, r) and r", 3),
        ("limit_ratio(0, r)", 0),
        ("limit_ratio(1, r)", 8),
        ("limit_ratio(-1, r)", 8),
        ("limit_ratio(1.1, r)", 8),
        ("limit_ratio(0.4, r) or limit_ratio(-0.6, r)", 8),
        ("limit_ratio(0.4, r) and limit_ratio(-0.6, r)", 0),
        ("limit_ratio by (g) (0.4, r) unless limit_ratio(0.4, r)", 0),
        ("topk(3, r)", 3),
        ("bottomk by (g) (1, r)", 2),
        ("topk(scalar(count(r)) / 2, r)", 4),
    ],
)
def test_choices(expr, number):
    result = ALL.instant(MANY, expr, 0)
    assert len(result.labels) == number
    ranged = ALL.range(MANY, expr, 0, 300_000, 60_000)
    assert ranged.present.sum(axis=0).tolist() == [number] * 6
    assert set(result.labels) == set(ranged.labels)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("limitk(NaN, r)", "Parameter value is NaN"),
        ("topk(9223372036854775808, r)", "Scalar value 9223372036854775808 overflows int64"),
        ("topk(-1e30, r)", "Scalar value -1e+30 underflows int64"),
        ("limit_ratio(NaN, r)", "Ratio value is NaN"),
        ('count_values("", r)', 'invalid label name ""'),
        ('label_replace(r, "x", "", "i", "(")', "invalid regular expression in label_replace(): ("),
        ('label_join(r, "\\xff", "", "i")', "invalid destination label name in label_join(): \\xff"),
        ('label_join(r, "a", "", "\\xff")', "invalid source label name in label_join(): \\xff"),
    ],
)
def test_parameters_that_are_refused(expr, message):
    with pytest.raises(EvaluationError) as caught:
        ALL.instant(MANY, expr, 0)
    assert caught.value.message == message
    assert caught.value.line == 1


def test_ratios_beyond_one_are_capped():
    found = ALL.instant(MANY, "limit_ratio(-1.5, r)", 0)
    assert found.warnings == ("PromQL warning: ratio value should be between -1 and 1, got -1.5, capping to -1 (1:13)",)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_the_hash_is_xxh64(data, digest):
    assert xxh64(data) == digest


def test_labels_are_hashed_as_prometheus_stores_them():
    assert label_bytes(Labels.of(__name__="up", a="é")) == b"\x08__name__\x02up\x01a\x02\xc3\xa9"
    assert label_bytes(Labels.of(a="x" * 300)) == b"\x01a\xff\x2c\x01\x00" + b"x" * 300
    assert 0 <= share(Labels.of(a="b")) <= 1


# ── trigonometry ──

ANGLES = SeriesSource.load(
    "1m", 'v{n="zero"} 0', 'v{n="half"} 0.5', 'v{n="big"} 500', 'v{n="inf"} Inf', 'v{n="nan"} NaN'
)


@pytest.mark.parametrize(
    "name", ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"]
)
def test_trigonometry(name):
    found = values(ANGLES, f"{name}(v)", 0)
    for label, number in (("zero", 0.0), ("half", 0.5), ("big", 500.0), ("inf", math.inf), ("nan", math.nan)):
        try:
            wanted = getattr(math, name)(number)
        except ValueError:
            wanted = math.inf if name == "atanh" and number == 1 else math.nan
        assert found[f'{{n="{label}"}}'] == pytest.approx(wanted, nan_ok=True)


def test_angles():
    assert values(ANGLES, 'deg(v{n="half"})', 0) == {'{n="half"}': pytest.approx(28.64788975654116)}
    assert values(ANGLES, 'rad(v{n="big"})', 0) == {'{n="big"}': pytest.approx(8.726646259971648)}
    assert values(ANGLES, "pi()", 0) == math.pi
    assert values(ANGLES, "10 atan2 20", 0) == pytest.approx(0.4636476090008061)
    assert values(ANGLES, 'v{n="half"} atan2 v{n="half"}', 0) == {'{n="half"}': pytest.approx(math.pi / 4)}
    assert values(ANGLES, "-0 atan2 -1", 0) == pytest.approx(-math.pi)


# ── features ──


@pytest.mark.parametrize(
    ("expr", "feature"),
    [
        ("limitk(1, m)", "promql-experimental-functions"),
        ("limit_ratio(1, m)", "promql-experimental-functions"),
        ("info(m)", "promql-experimental-functions"),
        ("mad_over_time(m[5m])", "promql-experimental-functions"),
        ("sort_by_label(m, 'job')", "promql-experimental-functions"),
        ("rate(m[5m] anchored)", "promql-extended-range-selectors"),
        ("m smoothed", "promql-extended-range-selectors"),
        ("rate(m[5m * 2])", "promql-duration-expr"),
        ("m offset (5m)", "promql-duration-expr"),
        ("m offset step()", "promql-duration-expr"),
        ("m + fill (0) m", "promql-binop-fill-modifiers"),
        ("m + fill_left (0) m", "promql-binop-fill-modifiers"),
    ],
)
def test_experimental_parts_are_refused_unless_switched_on(expr, feature):
    for given in (expr, parse(expr)):
        if isinstance(given, str) or feature != "promql-duration-expr":
            with pytest.raises(PromqlError, match=f"not enabled: add {feature} to the enabled features") as caught:
                PLAIN.instant(TIMED, given, 0)
            assert caught.value.line == 1
    assert Engine(features=Features.of([feature])).instant(TIMED, expr, 60_000).type in {"vector", "matrix"}


@pytest.mark.parametrize("expr", ["m offset -5m", "m[300]", "m offset 90", "m @ 3 offset -1h30m"])
def test_plain_durations_need_nothing(expr):
    assert PLAIN.instant(TIMED, expr, 60_000).type in {"vector", "matrix"}


def test_unknown_features():
    with pytest.raises(ValueError, match="unknown feature 'x', expected one of promql-experimental-functions"):
        Features.of(["x"])
