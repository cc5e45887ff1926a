"""topk and bottomk over a grid: the quick way for plain numbers agrees with ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hypercare.promql.aggregate import _best, _ranked

_VALUES = arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.integers(2, 9)),
    elements=st.sampled_from([-2.0, -0.0, 0.0, 1.0, 1.0, 3.5, 7.0, float("inf"), float("nan")]),
)


@pytest.mark.parametrize("op", ["topk", "bottomk"])
@given(values=_VALUES, number=st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_the_best_are_those_that_ranking_puts_first(op: str, values: np.ndarray, number: int) -> None:
    limit = np.full(len(values), float(number))
    mask = np.ones(values.shape, dtype=np.bool_)
    best = _best(op, values, mask, limit)
    if best is None:
        assert not np.isfinite(values).all() or not 0 < number < values.shape[1]
        return
    for step, row in enumerate(_ranked(op, values, mask)):
        assert sorted(row[:number].tolist()) == np.flatnonzero(best[step]).tolist()


def test_what_is_absent_or_changes_from_step_to_step_is_ranked() -> None:
    values, mask = np.arange(6.0).reshape(2, 3), np.ones((2, 3), dtype=np.bool_)
    assert _best("topk", values, mask, np.array([1.0, 2.0])) is None
    mask[0, 1] = False
    assert _best("topk", values, mask, np.array([1.0, 1.0])) is None
