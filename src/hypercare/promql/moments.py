"""Variances and straight lines over sliding windows, put together from runs of 2, 4, 8 … rows.

What is known of a run is relative to its own first sample, so that no large sum is ever taken from another: two
neighbouring runs are joined by how far their first samples are apart (as Chan, Golub and LeVeque join variances, 1979).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hypercare.promql.sliding import Frame, Run, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Floats, Ints

State: TypeAlias = "tuple[Floats | None, ...]"
"""What is known of runs of rows, ``[rows, N or 1]`` each; none: all zero, as of single rows."""
Join: TypeAlias = "Callable[[State, State, int], State]"
"""A run and the one of so many rows behind it, as one run."""


def spread(values: Floats, frame: Frame) -> Floats:
    """The sum of squared differences from the mean of every window, ``[K, N]``; empty ones hold any number."""
    _, total, squares = _windows((values, None, None), frame, _join_spreads)
    result = squares - total * total / frame.count
    if (frame.count == 1).any():
        # What has no neighbour is never compared: zero, but for NaN and the infinities.
        first = take(values, frame.first)
        result += np.where(frame.count == 1, first - first, 0.0)
    return result


def line(values: Floats, frame: Frame) -> tuple[Floats, Floats, Floats]:
    """Least squares of every window: slope a second, mean value and mean time (seconds before the newest sample)."""
    # Seconds since the first row: differences of these are exact for as long as a process lives.
    x = (frame.times - frame.times[0])[:, None] / 1000.0
    _, sum_y, _, sum_x, sum_xy, sum_xx = _windows((values, None, x, None, None, None), frame, _join_lines)
    n = frame.count
    slope = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
    mean_x = (frame.first_time - frame.last_time) / 1000.0 + sum_x / n
    return slope, take(values, frame.first) + sum_y / n, mean_x


def _plus(one: Floats | None, other: Floats | None) -> Floats | None:
    return other if one is None else one if other is None else one + other


def _apart(left: Floats | None, right: Floats | None) -> Floats:
    if left is None or right is None:
        raise TypeError(left)
    return right - left


def _join_spreads(left: State, right: State, rows: int) -> State:
    """First sample, sum and sum of squares of the differences from it."""
    apart = _apart(left[0], right[0])
    moved = apart if rows == 1 else apart * rows
    squares = moved if right[1] is None else moved + 2.0 * right[1]
    squares = squares * apart
    return left[0], _plus(left[1], _plus(right[1], moved)), _plus(_plus(left[2], right[2]), squares)


def _join_lines(left: State, right: State, rows: int) -> State:
    """First value, sum of values, first time, sum of times, sums of products and of squared times; from the first."""
    apart, later = _apart(left[0], right[0]), _apart(left[2], right[2])
    moved = _plus(right[1], apart if rows == 1 else apart * rows)
    product = None if moved is None else later * moved
    if right[3] is not None:
        product = _plus(product, apart * right[3])
    squares = later * later * rows if right[3] is None else later * (later * rows + 2.0 * right[3])
    return (
        left[0],
        _plus(left[1], moved),
        left[2],
        _plus(left[3], _plus(right[3], later * rows)),
        _plus(_plus(left[4], right[4]), product),
        _plus(_plus(left[5], right[5]), squares),
    )


def _windows(state: State, frame: Frame, join: Join) -> tuple[Floats, ...]:
    """What is known of every window."""
    steps = len(frame.low)
    wide = next(each.shape[1] for each in state if each is not None)
    out = tuple(np.zeros((steps, wide), order="F") for _ in state)
    for run in frame.runs:
        found = _of_run(state, run, run.steps.stop - run.steps.start, join)
        for target, each in zip(out, found, strict=True):
            if each is not None:
                target[run.steps] = each
    if len(frame.others):
        found = _of_others(state, frame.low[frame.others], frame.high[frame.others], join)
        for target, each in zip(out, found, strict=True):
            if each is not None:
                target[frame.others] = each
    return out


def _cut(state: State, rows: slice | Ints) -> State:
    return tuple(None if each is None else take(each, rows) for each in state)


def _of_run(state: State, run: Run, steps: int, join: Join) -> State:
    piece = _cut(state, slice(run.low, run.low + (steps - 1) * run.stride + run.length))
    # Places count in units, which grow where only every second piece is ever looked at; rows count samples.
    at, stride, width, rows, left = 0, run.stride, 1, 1, run.length
    result: State = ()
    while True:
        if left & 1:
            chosen = _cut(piece, slice(at, at + (steps - 1) * stride + 1, stride))
            result = join(result, chosen, rows) if result else chosen
            at += width
        left >>= 1
        if not left:
            return result
        piece = join(_cut(piece, slice(None, -width)), _cut(piece, slice(width, None)), rows)
        width, rows = width * 2, rows * 2
        if stride % 2 == 0:
            piece, at, stride, width = _cut(piece, slice(at, None, 2)), 0, stride // 2, width // 2


def _of_others(state: State, low: Ints, high: Ints, join: Join) -> State:
    """Windows of any lengths, none empty: those that hold a piece of a size go on together."""
    start = int(low.min())
    piece = _cut(state, slice(start, int(high.max())))
    at, left = low - start, high - low
    wide = next(each.shape[1] for each in state if each is not None)
    out: list[Floats] = [np.zeros((len(low), wide), order="F") for _ in state]
    fresh = np.ones(len(low), dtype=np.bool_)
    width = 1
    while True:
        odd = left & 1 == 1
        for begun, chosen in ((False, np.flatnonzero(odd & fresh)), (True, np.flatnonzero(odd & ~fresh))):
            if len(chosen):
                found = _cut(piece, at[chosen])
                if begun:
                    found = join(tuple(each[chosen] for each in out), found, width)
                for target, each in zip(out, found, strict=True):
                    target[chosen] = 0.0 if each is None else each
        fresh &= ~odd
        at = at + width * odd
        left = left >> 1
        if not left.any():
            return tuple(out)
        piece = join(_cut(piece, slice(None, -width)), _cut(piece, slice(width, None)), width)
        width *= 2
