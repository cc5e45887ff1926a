"""Aggregations over the samples of a range: ``*_over_time``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.functions.registry import MATRIX, SCALAR, VECTOR, Function, RangeArgs, over_range
from hypercare.promql.windows import exact_sum

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.windows import Windows


def quantile(q: Floats, values: Floats, count: Ints) -> Floats:
    """The q-quantile along the first axis of ``values``, of which the cells that count are no padding.

    Padding must be +Inf. NaN sorts lowest; the result between two ranks is interpolated; q below 0 gives -Inf, above
    1 +Inf, NaN gives NaN, as in Prometheus.
    """
    nan = np.isnan(values)
    nans = nan.sum(axis=0)
    ordered = np.sort(np.where(nan, -np.inf, values), axis=0)
    rank = np.where((q >= 0) & (q <= 1), q, 0.0) * (count - 1)
    # One window may be asked for a quantile that changes from step to step.
    shape = np.broadcast_shapes(rank.shape, ordered.shape[1:])
    rank = np.broadcast_to(rank, shape)
    ordered = np.broadcast_to(ordered, (len(ordered), *shape))
    lower = np.maximum(np.floor(rank), 0).astype(np.intp)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0)).astype(np.intp)
    low = np.take_along_axis(ordered, lower[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.broadcast_to(upper, lower.shape)[None], axis=0)[0]
    low = np.where(lower < nans, np.nan, low)
    high = np.where(upper < nans, np.nan, high)
    weight = rank - np.floor(rank)
    result = low * (1 - weight) + high * weight
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)


def _padded(win: Windows, fill: float) -> Floats:
    values, _, valid = win.stack()
    return values if valid is None else np.where(valid, values, fill)


def mean(values: Floats, total: Floats, count: Floats | Ints) -> Floats:
    """``total / count``, or added up in parts where the total of finite numbers is too large to be held."""
    average = total / count
    overflow = np.isinf(average)
    if overflow.any():
        finite = np.isfinite(values).all(axis=0)
        parts = exact_sum(values / count)
        average = np.where(overflow & finite, parts, average)
    return average


def _sum(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.total(), win.enough(1)


def _avg(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    total = win.total()
    average = total / win.count
    if np.isinf(average).any():
        average = mean(_padded(win, 0.0), total, win.count)
    return average, win.enough(1)


def _count(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    count = win.count.astype(np.float64)
    return np.broadcast_to(count, np.broadcast_shapes(count.shape, win.last.shape)), win.enough(1)


def _min(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.extreme(np.fmin), win.enough(1)


def _max(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.extreme(np.fmax), win.enough(1)


def _last(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.last, win.enough(1)


def _first(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.first, win.enough(1)


def _present(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return np.ones(np.broadcast_shapes(win.count.shape, win.last.shape)), win.enough(1)


def _stdvar(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.spread() / win.count, win.enough(1)


def _stddev(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    squares, present = _stdvar(win, args)
    return np.sqrt(squares), present


def _quantile(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    return quantile(args.scalars[0], _padded(win, np.inf), win.count), win.enough(1)


def _mad(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    half = np.array(0.5)
    values, _times, valid = win.stack()
    median = quantile(half, _padded(win, np.inf), win.count)
    off = np.abs(values - median)
    deviation = quantile(half, off if valid is None else np.where(valid, off, np.inf), win.count)
    return np.where(np.isnan(values).any(axis=0), np.nan, deviation), win.enough(1)


def _time_of(win: Windows, ufunc: np.ufunc) -> tuple[Floats, Bools | None]:
    values, times, valid = win.stack()
    best = ufunc.reduce(values, axis=0)
    hit = (values == best) | np.isnan(best)
    if valid is not None:
        hit &= valid
    # The newest of equals, as Prometheus keeps the last one that is not worse.
    newest = np.where(hit, times, np.iinfo(np.int64).min).max(axis=0)
    return newest / 1000.0, win.enough(1)


def _ts_min(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return _time_of(win, np.fmin)


def _ts_max(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return _time_of(win, np.fmax)


def _ts_last(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return np.broadcast_to(win.last_time / 1000.0, win.last.shape), win.enough(1)


def _ts_first(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return np.broadcast_to(win.first_time / 1000.0, win.last.shape), win.enough(1)


ROWS: tuple[Function, ...] = (
    over_range("sum_over_time", _sum, "The sum of all values."),
    over_range("avg_over_time", _avg, "The average value."),
    over_range("count_over_time", _count, "The number of samples."),
    over_range("min_over_time", _min, "The smallest value."),
    over_range("max_over_time", _max, "The largest value."),
    over_range("last_over_time", _last, "The newest sample.", keeps_name=True),
    over_range("first_over_time", _first, "The oldest sample.", keeps_name=True, experimental=True),
    over_range("present_over_time", _present, "1 for every series with a sample."),
    over_range("stddev_over_time", _stddev, "The population standard deviation."),
    over_range("stdvar_over_time", _stdvar, "The population variance."),
    over_range("mad_over_time", _mad, "The median absolute deviation.", experimental=True, stacks=True),
    over_range("ts_of_min_over_time", _ts_min, "When the smallest value was taken.", experimental=True, stacks=True),
    over_range("ts_of_max_over_time", _ts_max, "When the largest value was taken.", experimental=True, stacks=True),
    over_range("ts_of_last_over_time", _ts_last, "When the newest sample was taken.", experimental=True),
    over_range("ts_of_first_over_time", _ts_first, "When the oldest sample was taken.", experimental=True),
    Function(
        "quantile_over_time",
        (SCALAR, MATRIX),
        VECTOR,
        "The q-quantile of the values.",
        over_range=_quantile,
        stacks=True,
    ),
)
