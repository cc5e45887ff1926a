"""Histograms by themselves: text, bounds, arithmetic, resets, distribution, trimming."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram, ResetHint
from hypercare.promql.native.arithmetic import (
    IncompatibleError,
    added,
    compact,
    divided,
    equal,
    scaled,
    subtracted,
    to_schema,
)
from hypercare.promql.native.bounds import api_buckets, exponential_bound
from hypercare.promql.native.distribution import Remark, fraction, quantile, variance
from hypercare.promql.native.literal import format_histogram, parse_histogram, shown
from hypercare.promql.native.resets import hinted, started_again, was_reset
from hypercare.promql.native.sums import mean_of, sum_of
from hypercare.promql.native.trim import trimmed

H = parse_histogram
NUMBER = st.one_of(st.integers(0, 1000).map(float), st.sampled_from([0.5, 1e-7, 2.5e10, 1e300]))


@st.composite
def sides(draw):
    counts = draw(st.lists(NUMBER, max_size=6))
    return Buckets(np.arange(len(counts)) + draw(st.integers(-20, 20)), np.array(counts))


@st.composite
def exponential(draw):
    return Histogram(
        draw(st.integers(-4, 8)),
        draw(st.sampled_from([0.0, 0.001, 0.5])),
        draw(NUMBER),
        draw(NUMBER),
        draw(NUMBER),
        draw(sides()),
        draw(sides()),
        (),
        draw(st.sampled_from(ResetHint)),
    )


def valid(histogram):
    """A bucket within the zero bucket of its own histogram is not."""
    return all(
        (exponential_bound(side.indexes, histogram.schema) > histogram.zero_threshold).all()
        for side in (histogram.positive, histogram.negative)
    )


@st.composite
def custom(draw):
    bounds = tuple(sorted(draw(st.sets(st.sampled_from([-2.0, 0.1, 1.0, 2.5, 10.0]), max_size=5))))
    counts = draw(st.lists(NUMBER, max_size=len(bounds) + 1))
    side = Buckets(np.arange(len(counts)), np.array(counts))
    return Histogram(CUSTOM_SCHEMA, count=draw(NUMBER), sum=draw(NUMBER), positive=side, custom_values=bounds)


@given(st.one_of(exponential(), custom()))
def test_the_literal_reads_back(histogram):
    back = parse_histogram(format_histogram(histogram))
    assert equal(compact(back), compact(histogram))
    assert back.hint is histogram.hint
    assert parse_histogram(format_histogram(histogram, hint=False)).hint is ResetHint.UNKNOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{schema:9}}", "expected -4 to 8 or -53"),
        ("{{schema:x}}", "schema of a histogram: not a number: 'x'"),
        ("{{schema:0.5}}", "expected an integer"),
        ("{{buckets:3}}", "expected a list in brackets"),
        ("{{count:[3]}}", "expected a single value"),
        ("{{nonsense:3}}", "expected one of the keys"),
        ("{{count:3 count:4}}", "stands twice"),
        ("{{counter_reset_hint:never}}", "expected one of unknown, reset, not_reset, gauge"),
        ("{{count 3}}", "expected key:value"),
        ("{count:3}", "is written {{key:value …}}"),
    ],
)
def test_errors_of_literals(text, message):
    with pytest.raises(ValueError, match=message.replace("{", r"\{").replace("}", r"\}")):
        parse_histogram(text)


def test_bounds():
    assert exponential_bound(np.array([-1, 0, 1, 2]), 0).tolist() == [0.5, 1.0, 2.0, 4.0]
    assert exponential_bound(np.array([0, 1, 2]), -1).tolist() == [1.0, 4.0, 16.0]
    assert exponential_bound(np.array([0, 1, 2]), 1).tolist() == [1.0, math.sqrt(2), 2.0]
    # The last bucket ends at the largest float; nothing overflows.
    assert exponential_bound(np.array([1024, 5000, -5000]), 0).tolist() == [np.finfo(float).max, math.inf, 0.0]


def test_buckets_as_the_api_lists_them():
    both = H("{{schema:0 count:9 z_bucket:2 z_bucket_w:0.001 buckets:[1 0 2] n_buckets:[1 3]}}")
    assert api_buckets(both) == [
        (1, -2.0, -1.0, 3.0),
        (1, -1.0, -0.5, 1.0),
        (3, -0.001, 0.001, 2.0),
        (0, 0.5, 1.0, 1.0),
        (0, 2.0, 4.0, 2.0),
    ]
    own = H("{{schema:-53 custom_values:[1 2] buckets:[1 2 3]}}")
    assert api_buckets(own) == [(3, -math.inf, 1.0, 1.0), (0, 1.0, 2.0, 2.0), (0, 2.0, math.inf, 3.0)]
    assert shown(own) == "{count:0, sum:0, [-Inf,1]:1, (1,2]:2, (2,+Inf]:3}"
    # A bucket that the zero bucket overlaps begins where that ends.
    assert api_buckets(H("{{z_bucket:1 z_bucket_w:0.7 buckets:[4]}}"))[1] == (0, 0.7, 1.0, 4.0)


@pytest.mark.parametrize(
    ("left", "right", "total"),
    [
        (
            "{{count:3 sum:5 buckets:[1 2]}}",
            "{{count:1 sum:2 offset:1 buckets:[1]}}",
            "{{count:4 sum:7 buckets:[1 3]}}",
        ),
        # The lower resolution of the two.
        ("{{schema:1 buckets:[1 2 4 8]}}", "{{schema:0 buckets:[1 1]}}", "{{schema:0 buckets:[2 7 8]}}"),
        # The wider zero bucket, widened to the end of the bucket that it cuts.
        (
            "{{z_bucket:1 z_bucket_w:0.001 buckets:[2 3]}}",
            "{{z_bucket:1 z_bucket_w:0.6 buckets:[0 5]}}",
            "{{z_bucket:4 z_bucket_w:1 offset:1 buckets:[8]}}",
        ),
        # The custom bounds that both have.
        (
            "{{schema:-53 custom_values:[1 2 3] buckets:[1 2 3 4]}}",
            "{{schema:-53 custom_values:[2 4] buckets:[10 20 30]}}",
            "{{schema:-53 custom_values:[2] buckets:[13 57]}}",
        ),
    ],
)
def test_sums(left, right, total):
    outcome = added(H(left), H(right))
    assert equal(compact(outcome.histogram), H(total))
    assert outcome.reconciled is ("custom" in left)
    back = compact(subtracted(outcome.histogram, H(right)).histogram)
    assert back.count == H(left).count


@given(exponential(), exponential())
def test_a_sum_counts_what_both_count(left, right):
    assume(valid(left) and valid(right))
    outcome = added(left, right).histogram

    def counted(histogram):
        return float(histogram.zero_count + histogram.positive.counts.sum() + histogram.negative.counts.sum())

    assert counted(outcome) == pytest.approx(counted(left) + counted(right), rel=1e-9)
    assert outcome.schema == min(left.schema, right.schema)
    assert outcome.zero_threshold >= max(left.zero_threshold, right.zero_threshold)
    assert np.all(np.diff(outcome.positive.indexes) > 0)


def test_arithmetic_refuses_two_layouts():
    with pytest.raises(IncompatibleError):
        added(H("{{buckets:[1]}}"), H("{{schema:-53 custom_values:[1] buckets:[1]}}"))


def test_multiples_and_hints():
    three = H("{{count:3 sum:6 buckets:[1 2]}}")
    assert equal(scaled(three, 2), H("{{count:6 sum:12 buckets:[2 4]}}"))
    assert scaled(three, -1).hint is ResetHint.GAUGE
    by_zero = divided(three, 0)
    assert (by_zero.count, by_zero.sum, len(by_zero.positive.indexes)) == (math.inf, math.inf, 0)
    reset, kept = H("{{counter_reset_hint:reset}}"), H("{{counter_reset_hint:not_reset}}")
    assert added(reset, kept).collision
    assert added(reset, kept).histogram.hint is ResetHint.UNKNOWN
    assert added(reset, H("{{counter_reset_hint:gauge}}")).histogram.hint is ResetHint.GAUGE


@given(exponential(), st.integers(-4, 8))
def test_a_lower_resolution_keeps_the_counts(histogram, schema):
    if schema <= histogram.schema:
        coarse = to_schema(histogram, schema)
        assert coarse.positive.counts.sum() == pytest.approx(histogram.positive.counts.sum())


def test_sums_keep_what_rounding_takes_away():
    parts = [H(f"{{{{count:1 sum:{value} buckets:[1]}}}}") for value in ("1e100", "1", "-1e100", "1")]
    assert sum_of(parts).histogram.sum == 2.0
    assert mean_of(parts).histogram.sum == 0.5
    large = [H("{{count:1e308 sum:1 buckets:[1e308]}}")] * 3
    assert mean_of(large).histogram.count == pytest.approx(1e308)


@pytest.mark.parametrize(
    ("before", "now", "reset"),
    [
        ("{{count:3 buckets:[1 2]}}", "{{count:4 buckets:[2 2]}}", False),
        ("{{count:3 buckets:[1 2]}}", "{{count:2 buckets:[1 1]}}", True),
        ("{{count:3 buckets:[1 2]}}", "{{count:4 buckets:[3 1]}}", True),
        ("{{count:3 buckets:[1 2]}}", "{{count:4 offset:1 buckets:[4]}}", True),
        # A finer resolution or a narrower zero bucket comes only with a reset.
        ("{{schema:0 count:1 buckets:[1]}}", "{{schema:1 count:2 buckets:[2]}}", True),
        ("{{schema:1 count:1 buckets:[1]}}", "{{schema:0 count:2 buckets:[2]}}", False),
        ("{{z_bucket_w:0.1 z_bucket:1 count:1}}", "{{z_bucket_w:0.01 z_bucket:1 count:1}}", True),
        ("{{z_bucket_w:0.1 z_bucket:1 count:1}}", "{{z_bucket_w:0.2 z_bucket:1 count:1}}", False),
        # Hints of the producer decide; a smaller sum says nothing.
        ("{{count:3}}", "{{count:9 counter_reset_hint:reset}}", True),
        ("{{count:3}}", "{{count:1 counter_reset_hint:not_reset}}", False),
        ("{{count:3 sum:9}}", "{{count:3 sum:1}}", False),
        # Other custom bounds are compared where they meet.
        ("{{schema:-53 custom_values:[1 2] buckets:[1 1]}}", "{{schema:-53 custom_values:[2] buckets:[2]}}", False),
        ("{{schema:-53 custom_values:[1 2] buckets:[1 1]}}", "{{schema:-53 custom_values:[2] buckets:[1 1]}}", True),
        ("{{count:1 buckets:[1]}}", "{{schema:-53 count:1 custom_values:[2] buckets:[1]}}", True),
    ],
)
def test_resets(before, now, reset):
    assert was_reset(H(now), H(before)) is reset


@pytest.mark.parametrize(
    ("before", "at", "start", "now", "again"),
    [
        (0, 60, 0, 120, False),  # unknown
        (0, 60, 61, 120, True),
        (10, 60, 10, 120, False),  # the same counter
        (10, 60, 60, 120, True),  # a delta
        (0, 60, 60, 120, False),  # a cumulative counter of unknown start
        (60, 60, 60, 120, False),
        (90, 60, 60, 120, False),  # the previous start is invalid
        (10, 60, 120, 120, False),
        (10, 60, 130, 120, False),
    ],
)
def test_start_timestamps(before, at, start, now, again):
    assert started_again(before, at, start, now) is again


def test_hints_of_a_store():
    samples = [H(f"{{{{count:{n}}}}}") for n in (1, 2, 1, 5)]
    samples.insert(2, None)
    hints = [each.hint.value if each else "" for each in hinted(samples)]
    assert hints == ["unknown", "not_reset", "", "unknown", "not_reset"]


@pytest.mark.parametrize(
    ("q", "text", "value"),
    [
        (0.5, "{{count:4 sum:1 offset:1 buckets:[4]}}", math.sqrt(2)),
        (1.0, "{{count:4 sum:1 offset:1 buckets:[4]}}", 2.0),
        (0.0, "{{count:4 sum:1 offset:1 buckets:[4]}}", 1.0),
        (0.5, "{{count:4 sum:1 n_offset:1 n_buckets:[4]}}", -math.sqrt(2)),
        (0.5, "{{count:4 sum:0 z_bucket:4 z_bucket_w:0.5}}", 0.0),
        (0.5, "{{count:8 sum:0 z_bucket:8 z_bucket_w:0.5 offset:4 buckets:[0]}}", 0.25),
        (0.5, "{{schema:-53 count:4 custom_values:[1 3] buckets:[0 4]}}", 2.0),
        (0.9, "{{schema:-53 count:4 custom_values:[1 3] buckets:[1 1 2]}}", 3.0),
        (0.1, "{{schema:-53 count:4 custom_values:[-1 3] buckets:[4]}}", -1.0),
        (-1, "{{count:1 buckets:[1]}}", -math.inf),
        (2, "{{count:1 buckets:[1]}}", math.inf),
        (math.nan, "{{count:1 buckets:[1]}}", math.nan),
        (0.5, "{{}}", math.nan),
    ],
)
def test_quantiles(q, text, value):
    assert quantile(q, H(text))[0] == pytest.approx(value, nan_ok=True)


def test_observations_that_are_nan():
    some = H("{{count:5 sum:NaN buckets:[4]}}")
    assert quantile(0.4, some) == (pytest.approx(2**-0.5), Remark.SKEWED)
    value, remark = quantile(0.9, some)
    assert math.isnan(value)
    assert remark is Remark.NAN


@given(exponential(), st.floats(0.01, 0.99))
def test_fraction_is_the_inverse_of_quantile(histogram, q):
    counts = float(histogram.zero_count + histogram.positive.counts.sum() + histogram.negative.counts.sum())
    whole = Histogram(
        histogram.schema,
        histogram.zero_threshold,
        histogram.zero_count,
        counts,
        1.0,
        histogram.positive,
        histogram.negative,
    )
    value, _ = quantile(q, whole)
    if counts and value and valid(histogram):
        assert fraction(-math.inf, value, whole) == pytest.approx(q, abs=1e-6)


def test_fractions_and_variance():
    own = H("{{schema:-53 count:10 custom_values:[1 2] buckets:[4 4 2]}}")
    assert fraction(0, 1, own) == 0.4
    assert fraction(0, 1.5, own) == pytest.approx(0.6)
    assert fraction(2, 1, own) == 0.0
    assert math.isnan(fraction(0, 1, H("{{}}")))
    assert variance(H("{{count:2 sum:0 offset:1 buckets:[1] n_offset:1 n_buckets:[1]}}")) == pytest.approx(2.0)
    assert math.isnan(variance(H("{{}}")))


@given(st.one_of(exponential(), custom()), st.sampled_from([-10.0, -1.0, -0.3, 0.0, 0.0005, 0.7, 1.0, 3.0, 1e9]))
def test_trimming_splits(histogram, at):
    below, above = trimmed(histogram, at, keep_below=True), trimmed(histogram, at, keep_below=False)

    def counted(each):
        return float(each.zero_count + each.positive.counts.sum() + each.negative.counts.sum())

    # Buckets without an end go as a whole, to one side or to none.
    if histogram.schema != CUSTOM_SCHEMA and (histogram.zero_threshold or at):
        assert counted(below) + counted(above) == pytest.approx(counted(histogram))
    assert counted(below) <= counted(histogram) * (1 + 1e-9)
    assert counted(trimmed(histogram, math.nan, keep_below=True)) == 0
