"""Functions that compare neighbouring samples of a range: rates, deltas, resets, regression."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.functions.registry import SCALAR, Function, RangeArgs, over_range

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.windows import Windows


def extrapolated(win: Windows, args: RangeArgs, *, counter: bool, per_second: bool) -> tuple[Floats, Bools | None]:
    """Increase over a range, as Prometheus extrapolates it (``extrapolatedRate`` in its promql/functions.go).

    The samples rarely fill the range to its edges. Where the first or last sample is within 110 % of the average
    distance of the edge, the series is taken to go on to the edge, else by half that distance; a counter is not
    taken below zero.
    """
    first = win.first
    rise = win.last - first
    if counter:
        lost = win.lost_at_resets()
        if lost is not None:
            rise += lost
    sampled, to_start, to_end, scale, a_second, reach = win.by_clock("extrapolated", partial(_edges, args))
    if per_second:
        scale = a_second
    cells = _near_zero(first, rise, sampled, reach) if counter else None
    if cells is None:
        rise *= scale
        return rise, win.enough(2)
    # Where the counter would have been zero after the start of the range, it is not taken further back than that.
    shape = rise.shape
    own_rise, own_sampled = rise[cells], np.broadcast_to(sampled, shape)[cells]
    own_start, own_end = np.broadcast_to(to_start, shape)[cells], np.broadcast_to(to_end, shape)[cells]
    to_zero = own_sampled * (first[cells] / own_rise)
    cut = (own_rise > 0) & (first[cells] >= 0) & (to_zero < own_start)
    own_scale = (own_sampled + np.where(cut, to_zero, own_start) + own_end) / own_sampled
    if per_second:
        own_scale = own_scale / np.broadcast_to((args.end - args.start) / 1000.0, shape)[cells]
    rise *= scale
    rise[cells] = own_rise * own_scale
    return rise, win.enough(2)


def _edges(args: RangeArgs, begin: Ints, finish: Ints, count: Ints) -> tuple[Floats, ...]:
    """How long was sampled, how far it goes on to both edges, the factor, that a second, the part before the first."""
    sampled = (finish - begin) / 1000.0
    average = sampled / (count - 1)
    to_start = (begin - args.start) / 1000.0
    to_end = (args.end - finish) / 1000.0
    near = average * 1.1
    half = average / 2
    to_start = np.where(to_start >= near, half, to_start)
    to_end = np.where(to_end >= near, half, to_end)
    scale = (sampled + to_start + to_end) / sampled
    return sampled, to_start, to_end, scale, scale / ((args.end - args.start) / 1000.0), to_start / sampled


def _near_zero(first: Floats, rise: Floats, sampled: Floats, reach: Floats) -> tuple[Ints, ...] | None:
    """Cells whose counter may have been zero within the range before the first sample; none where there is none."""
    if len(rise) > 1:
        # A bound for each series tells most of them apart in two passes.
        most = reach.max(axis=0, initial=0.0, where=sampled > 0) * rise.max(axis=0)
        near = np.flatnonzero(~(first.min(axis=0) >= most))
        if not len(near):
            return None
        steps, columns = np.nonzero(~(first[:, near] >= reach * rise[:, near]))
        return (steps, near[columns]) if len(steps) else None
    cells = (~(first >= reach * rise)).nonzero()
    return cells if len(cells[0]) else None


def _rate(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    return extrapolated(win, args, counter=True, per_second=True)


def _increase(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    return extrapolated(win, args, counter=True, per_second=False)


def _delta(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    return extrapolated(win, args, counter=False, per_second=False)


def _irate(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    last, previous = win.last, win.previous
    rise = np.where(last < previous, last, last - previous)
    apart = (win.last_time - win.previous_time) / 1000.0
    return rise / apart, win.enough(2)


def _idelta(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.last - win.previous, win.enough(2)


def _resets(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.pairs(falls=True), win.enough(1)


def _changes(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    return win.pairs(falls=False), win.enough(1)


def _deriv(win: Windows, _: RangeArgs) -> tuple[Floats, Bools | None]:
    slope = win.line()[0]
    return np.where(np.isinf(slope), np.nan, slope), win.enough(2)


def _predict_linear(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    slope, mean, when = win.line()
    slope = np.where(np.isinf(slope), np.nan, slope)
    now = (args.times - win.last_time) / 1000.0
    return mean + slope * (now - when + args.scalars[0]), win.enough(2)


def _smoothing(win: Windows, args: RangeArgs) -> tuple[Floats, Bools | None]:
    """Holt's linear method: level and trend, each smoothed."""
    level_factor, trend_factor = args.scalars
    values, _, _ = win.stack()
    depth = len(values)
    first_row = depth - win.count
    level = np.broadcast_to(win.first, values.shape[1:])
    before = np.zeros(values.shape[1:])
    trend = np.zeros(values.shape[1:])
    for row in range(1, depth):
        position = row - first_row
        if row == 1 or not (position > 1).all():
            trend = np.where(position == 1, values[row] - level, trend)
        later = position > 1
        trend = np.where(later, trend_factor * (level - before) + (1 - trend_factor) * trend, trend)
        new = level_factor * values[row] + (1 - level_factor) * (level + trend)
        running = position >= 1
        before = np.where(running, level, before)
        level = np.where(running, new, level)
    return level, win.enough(2)


_BOTH = ("anchored", "smoothed")

ROWS: tuple[Function, ...] = (
    over_range(
        "rate",
        _rate,
        "Increase of a counter a second, resets corrected, extrapolated to the range.",
        extended=_BOTH,
        counter=True,
    ),
    over_range(
        "increase",
        _increase,
        "Increase of a counter over the range, resets corrected, extrapolated.",
        extended=_BOTH,
        counter=True,
    ),
    over_range("delta", _delta, "Difference of a gauge between the ends of the range, extrapolated.", extended=_BOTH),
    over_range("irate", _irate, "Increase a second between the last two samples.", counter=True),
    over_range("idelta", _idelta, "Difference of the last two samples."),
    over_range("resets", _resets, "How often a counter fell.", extended=("anchored",)),
    over_range("changes", _changes, "How often the value changed.", extended=("anchored",)),
    over_range("deriv", _deriv, "Change a second, by linear regression."),
    over_range(
        "predict_linear",
        _predict_linear,
        "The value so many seconds from now, by linear regression.",
        SCALAR,
    ),
    over_range(
        "double_exponential_smoothing",
        _smoothing,
        "Smoothed value; factors for level and trend between 0 and 1.",
        SCALAR,
        SCALAR,
        experimental=True,
        stacks=True,
    ),
    over_range(
        "holt_winters", _smoothing, "The old name of double_exponential_smoothing.", SCALAR, SCALAR, stacks=True
    ),
)
