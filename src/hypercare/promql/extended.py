"""The extended selectors: ``anchored`` ranges begin with the last sample before them, ``smoothed`` ones interpolate.

Formulas: Prometheus proposal 52 (extended range selectors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql.sliding import Frame, Strided

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.functions.registry import Function, RangeArgs
    from hypercare.promql.values import Block, RangeVector

_RATES: Final[dict[str, tuple[bool, bool]]] = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
"""Whether resets are corrected, and whether the result is a second."""


def extended_call(
    function: Function, block: Block, matrix: RangeVector, args: RangeArgs
) -> tuple[Floats, Bools | None]:
    """The values of a function over the extended ranges of one block."""
    start, end = matrix.end - matrix.range, matrix.end
    if function.name in _RATES:
        return _rise(function.name, block, matrix, start, end)
    times = block.times
    low, high = np.searchsorted(times, start, side="right"), np.searchsorted(times, end, side="right")
    before = np.maximum(low - 1, 0)
    anchored = (high > low) & (low > 0) & (times[before] > start - matrix.slack)
    if function.over_range is None:
        raise TypeError(function.name)
    return function.over_range(Strided(Frame(times, np.where(anchored, before, low), high), block.values), args)


def _rise(name: str, block: Block, matrix: RangeVector, start: Ints, end: Ints) -> tuple[Floats, Bools | None]:
    counter, per_second = _RATES[name]
    smoothed = matrix.mode == "smoothed"
    times, values = block.times, block.values
    newest = len(times) - 1
    first = np.maximum(np.searchsorted(times, start, side="right") - 1, 0)
    first = np.minimum(np.where(times[first] > start - matrix.slack, first, first + 1), newest)
    if smoothed:
        last = np.minimum(np.searchsorted(times, end, side="left"), newest)
        last = np.where(times[last] > end + matrix.slack, np.maximum(last - 1, 0), last)
    else:
        last = np.maximum(np.searchsorted(times, end, side="right") - 1, 0)
    there = (times[last] > start) & (times[first] <= end) & (first <= last)
    left, right = values[first], values[last]
    if smoothed:
        left = np.where((times[first] < start)[:, None], _between(block, first, start, counter=counter), left)
        beyond = (times[last] > end) & (last > 0)
        right = np.where(beyond[:, None], _between(block, np.maximum(last - 1, 0), end, counter=counter), right)
    rise = right - left
    if counter:
        inner_first = first + (times[first] <= start)
        inner_last = last - (times[last] >= end)
        rise = rise + _lost(block, left, right, inner_first, inner_last)
    if per_second:
        rise = rise / (matrix.range / 1000.0)
    return rise, there[:, None]


def _between(block: Block, row: Ints, at: Ints, *, counter: bool) -> Floats:
    """The straight line from a row to the next one, at a time; a counter that falls between them starts from zero."""
    following = np.minimum(row + 1, len(block.times) - 1)
    before, after = block.values[row], block.values[following]
    if counter:
        before = np.where(after < before, 0.0, before)
    share = (at - block.times[row]) / np.maximum(block.times[following] - block.times[row], 1)
    between: Floats = before + (after - before) * share[:, None]
    return between


def _lost(block: Block, left: Floats, right: Floats, first: Ints, last: Ints) -> Floats:
    """What resets took away on the way from ``left`` over the rows ``first`` to ``last`` to ``right``."""
    values = block.values
    newest = len(values) - 1
    some = (last >= first)[:, None]
    a, b = np.clip(first, 0, newest), np.clip(last, 0, newest)
    falls = np.where(values[1:] < values[:-1], values[:-1], 0.0)
    running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(falls, axis=0)])
    begin, finish = values[a], values[b]
    inside = running[b] - running[a]
    inside = inside + np.where(begin < left, left, 0.0) + np.where(right < finish, finish, 0.0)
    return np.where(some, inside, np.where(right < left, left, 0.0))


def smoothed_values(block: Block, at: Ints, slack: int) -> tuple[Floats, Bools]:
    """Values of an instant selector that interpolates between the samples around each time."""
    times, values = block.times, block.values
    row = np.searchsorted(times, at, side="right") - 1
    before = np.maximum(row, 0)
    there = (row >= 0) & (times[before] > at - slack)
    following = np.minimum(before + 1, len(times) - 1)
    reached = times[following] <= at + slack
    between = _between(block, before, at, counter=False)
    found = np.where((reached & (following > before))[:, None], between, values[before])
    return found, np.broadcast_to(there[:, None], found.shape)
