"""Windows that slide, against a plain loop over every window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypercare.promql.functions import FUNCTIONS
from hypercare.promql.functions.registry import RangeArgs
from hypercare.promql.sliding import Frame, Strided, as_rows, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Floats, Ints

_FINITE = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
_ANY = st.one_of(_FINITE, st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e17, -1e17]))


@st.composite
def blocks(draw: st.DrawFn, cell: st.SearchStrategy[float] = _ANY) -> tuple[Ints, Floats, Ints, Ints]:
    """Times with gaps, values in either order of memory, windows of a range query."""
    rows, columns = draw(st.integers(1, 90)), draw(st.integers(1, 3))
    gaps = draw(st.lists(st.sampled_from([15, 15, 15, 15, 16, 14, 45, 300]), min_size=rows, max_size=rows))
    steady = draw(st.booleans())
    times = np.cumsum(np.array([15] * rows if steady else gaps, dtype=np.int64)) * 1000
    seed = draw(st.integers(0, 2**32 - 1))
    pool = np.array(draw(st.lists(cell, min_size=1, max_size=12)))
    values = np.random.default_rng(seed).choice(pool, (rows, columns))
    if draw(st.booleans()):
        values = np.asfortranarray(values)
    step, width = draw(st.sampled_from([5, 15, 30, 60, 45])) * 1000, draw(st.sampled_from([10, 60, 240, 600])) * 1000
    start = draw(st.integers(-200, 200)) * 1000
    ends = np.arange(start, int(times[-1]) + 200_000, step, dtype=np.int64)
    return times, values, ends - width, ends


def _frame(times: Ints, start: Ints, end: Ints) -> Frame:
    return Frame(times, np.searchsorted(times, start, side="right"), np.searchsorted(times, end, side="right"))


@given(blocks())
@settings(max_examples=150, deadline=None)
def test_folds_are_those_of_every_single_window(case: tuple[Ints, Floats, Ints, Ints]) -> None:
    times, values, start, end = case
    frame = _frame(times, start, end)
    with np.errstate(all="ignore"):
        for ufunc, reduce in ((np.fmin, np.fmin.reduce), (np.fmax, np.fmax.reduce), (np.add, np.add.reduce)):
            folded = fold(ufunc, values, frame)
            assert folded.shape == (len(end), values.shape[1])
            for k, (low, high) in enumerate(zip(frame.low.tolist(), frame.high.tolist(), strict=True)):
                if high > low:
                    size = np.abs(values[low:high]).sum(axis=0)
                    near = np.abs(folded[k] - reduce(values[low:high], axis=0)) <= 1e-12 * size
                    same = (folded[k] == reduce(values[low:high], axis=0)) | np.isnan(folded[k])
                    assert (near | same | ~np.isfinite(size)).all()


_NAIVE: dict[str, Callable[[Floats], float]] = {
    "sum_over_time": math.fsum,
    "avg_over_time": lambda v: math.fsum(v) / len(v),
    "min_over_time": min,
    "max_over_time": max,
    "count_over_time": len,
    "stdvar_over_time": lambda v: float(np.var(v)),
    "changes": lambda v: float((v[1:] != v[:-1]).sum()),
    "resets": lambda v: float((v[1:] < v[:-1]).sum()),
}


@pytest.mark.parametrize("name", _NAIVE)
@given(case=blocks(_FINITE))
@settings(max_examples=40, deadline=None)
def test_functions_agree_with_a_loop_over_the_windows(name: str, case: tuple[Ints, Floats, Ints, Ints]) -> None:
    times, values, start, end = case
    frame = _frame(times, start, end)
    function = FUNCTIONS[name].over_range
    assert function is not None
    with np.errstate(all="ignore"):
        got, present = function(Strided(frame, values), RangeArgs(end[:, None], start[:, None], end[:, None]))
    there = np.broadcast_to(np.ones(1, np.bool_) if present is None else present, got.shape)
    for k, (low, high) in enumerate(zip(frame.low.tolist(), frame.high.tolist(), strict=True)):
        for column in range(values.shape[1]):
            assert there[k, column] == (high > low)
            if high > low:
                window = values[low:high, column]
                scale = float(np.abs(window).max()) ** (2 if name == "stdvar_over_time" else 1)
                assert got[k, column] == pytest.approx(_NAIVE[name](window), rel=1e-9, abs=1e-12 * scale)


@given(case=blocks(_FINITE))
@settings(max_examples=40, deadline=None)
def test_slopes_are_those_of_a_fitted_line(case: tuple[Ints, Floats, Ints, Ints]) -> None:
    times, values, start, end = case
    frame = _frame(times, start, end)
    deriv, predict = FUNCTIONS["deriv"].over_range, FUNCTIONS["predict_linear"].over_range
    assert deriv is not None
    assert predict is not None
    args = RangeArgs(end[:, None], start[:, None], end[:, None], (np.full((1, 1), 60.0),))  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        slope, ahead = deriv(Strided(frame, values), args)[0], predict(Strided(frame, values), args)[0]
    for k, (low, high) in enumerate(zip(frame.low.tolist(), frame.high.tolist(), strict=True)):
        if high - low < 2:
            continue
        x = (times[low:high] - int(end[k])) / 1000.0
        for column in range(values.shape[1]):
            y = values[low:high, column]
            wanted = np.polyfit(x, y, 1)
            size = float(np.abs(y).max())
            assert slope[k, column] == pytest.approx(wanted[0], rel=1e-6, abs=1e-8 * size)
            assert ahead[k, column] == pytest.approx(wanted[0] * 60 + wanted[1], rel=1e-6, abs=1e-6 * size)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 30), st.integers(1, 5))
def test_rows_evenly_apart_become_a_slice(numbers: list[int], first: int, stride: int) -> None:
    even = np.arange(first, first + 7 * stride, stride)
    assert isinstance(as_rows(even), slice)
    rows = np.arange(100)
    assert (rows[as_rows(even)] == even).all()
    assert (rows[as_rows(np.array(numbers))] == np.array(numbers)).all()


def test_a_single_sample_that_is_no_number_has_no_variance() -> None:
    times, values = np.array([0, 60_000]), np.array([[math.nan, math.inf, 3.0], [1.0, 2.0, 3.0]])
    end = np.arange(0, 61_000, 60_000)
    function = FUNCTIONS["stdvar_over_time"].over_range
    assert function is not None
    with np.errstate(all="ignore"):
        got, _ = function(Strided(_frame(times, end - 30_000, end), values), RangeArgs(end, end, end))
    np.testing.assert_array_equal(got, [[math.nan, math.nan, 0.0], [0.0, 0.0, 0.0]])
