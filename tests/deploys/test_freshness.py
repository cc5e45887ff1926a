"""How new the samples are that an expression reads."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.deploys.freshness import newest, reach, sources
from hypercare.deploys.meter import Curves
from hypercare.model.labels import EMPTY
from hypercare.model.time import HOUR, MINUTE

LONG = 'min(timestamp(x{a="1"})) or max(max_over_time(timestamp(x{a="1"})[1h:1m]))'


@pytest.mark.parametrize(
    ("exprs", "asked", "span"),
    [
        (["max(x)"], ["min(timestamp(x))"], 5 * MINUTE),
        (["rate(x[5m]) / rate(y[2m])", "rate(y[2m])"], ["min(timestamp(x))", "min(timestamp(y))"], 5 * MINUTE),
        (['rate(x{a="1"}[1h])'], [LONG], HOUR),
        (['max_over_time(deriv(x{a="1"}[5m])[1h:])'], [LONG], HOUR),
        (["x / x offset 1d"], ["min(timestamp(x))"], 5 * MINUTE),
        (["x - y @ 5 + max_over_time(z[1h:] offset 1h)"], ["min(timestamp(x))"], 5 * MINUTE),
        (["time()", "vector(1)"], [], 5 * MINUTE),
        (["not an expression ("], [], 5 * MINUTE),
    ],
)
def test_what_tells_how_new_the_samples_are(exprs, asked, span):
    assert list(sources(*exprs)) == asked
    assert reach(*exprs) == span


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], 9_000),
        ([7.5], 7_500),
        ([7.5, 6.25], 6_250),
        ([7.5, None], 7_500),
        ([None], 9_000),
        ([7.5, "gone"], None),
    ],
)
def test_the_oldest_source_counts_and_what_reads_nothing_is_of_now(seen, expected):
    times = np.array([9_000])
    curves = [
        Curves(times, error=value) if isinstance(value, str)
        else Curves(times, () if value is None else ((EMPTY, np.array([value])),))
        for value in seen
    ]  # fmt: skip
    assert newest(curves, 9_000) == expected
