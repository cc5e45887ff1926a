"""Rates of float counters whose samples say when the counter began (start timestamps), on whole blocks.

A counter that began after the sample before was reset, even if its value is not lower; and one that began inside the
range was zero then, so that nothing need be extrapolated there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql.printer import quote
from hypercare.promql.values import Block, LabelSets, RangeVector

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes

STARTED: Final = frozenset({"rate", "increase", "irate", "resets"})
"""Functions to which start timestamps mean something."""


def apart(matrix: RangeVector) -> tuple[RangeVector, tuple[Block, ...]]:
    """A range vector without the blocks that have start timestamps, and these."""
    started = tuple(block for block in matrix.blocks if block.starts is not None)
    if not started:
        return matrix, ()
    plain = tuple(block for block in matrix.blocks if block.starts is None)
    rest = RangeVector(
        matrix.sets, plain, matrix.end, matrix.range, matrix.unnamed, matrix.mode, matrix.slack, mixed=matrix.mixed
    )
    return rest, started


def anew(times: Ints, starts: Ints) -> Bools:
    """Which samples but the first say that their counter began after the sample before, ``[T-1, N]``.

    Right at the previous sample: a delta if that one had a start of its own before it, else a cumulative counter whose
    real start is not known (OpenTelemetry's data model).
    """
    before, at, now = starts[:-1], times[:-1, None], starts[1:]
    known = (now != 0) & (now < times[1:, None]) & (now >= at)
    restarted: Bools = known & ((now > at) | ((before != 0) & (before < at)))
    return restarted


def with_started(
    name: str,
    blocks: tuple[Block, ...],
    matrix: RangeVector,
    others: tuple[Floats, Bools | None],
    notes: Notes,
    call: ast.Call,
) -> tuple[Floats, Bools]:
    """The values of a function, ``[K, S]``: those of the series without start timestamps and of these blocks."""
    values, present = np.array(others[0]), np.ones(others[0].shape, dtype=np.bool_)
    present[:] = True if others[1] is None else others[1]
    for block in blocks:
        if block.starts is not None:
            result, there = over_started(name, block, block.starts, matrix, notes, call)
            values[:, block.columns] = result
            present[:, block.columns] = there
    return values, present


def over_started(
    name: str, block: Block, starts: Ints, matrix: RangeVector, notes: Notes, call: ast.Call
) -> tuple[Floats, Bools]:
    """The values of a function over the windows of one block, ``[K, N]``, and where there are any."""
    low = np.searchsorted(block.times, matrix.end - matrix.range, side="right")
    high = np.searchsorted(block.times, matrix.end, side="right")
    times, values = block.times, block.values
    resets = (values[1:] < values[:-1]) | anew(times, starts)
    first, last = np.minimum(low, len(times) - 1), np.maximum(high - 1, 0)
    count = (high - low)[:, None]
    if name == "resets":
        return _between(resets.astype(np.float64), first, last), np.broadcast_to(
            count >= 1, (len(low), values.shape[1])
        )
    if name == "irate":
        previous = np.maximum(high - 2, 0)
        fell = np.concatenate([np.zeros((1, values.shape[1]), dtype=np.bool_), resets])[last]
        change = np.where(fell, values[last], values[last] - values[previous])
        apart_by = (times[last] - times[previous])[:, None] / 1000.0
        return change / apart_by, np.broadcast_to(count >= 2, change.shape)
    _warn_overlap(block, starts, low, high, matrix.sets, notes, call)
    rise = values[last] - values[first] + _lost(values, resets, first, last)
    return _extrapolated(name, block, starts, matrix, rise, (first, last, count))


def _between(steps: Floats, first: Ints, last: Ints) -> Floats:
    """Sums over the neighbours from the first to the last row of each window of one number a pair."""
    running = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])
    summed: Floats = running[last] - running[first]
    return summed


def _lost(values: Floats, resets: Bools, first: Ints, last: Ints) -> Floats:
    lost = np.where(resets, values[:-1], 0.0)
    if np.isfinite(lost).all():
        return _between(lost, first, last)
    # A running sum would carry an infinity into every later window.
    return np.stack([lost[a:b].sum(axis=0) for a, b in zip(first.tolist(), last.tolist(), strict=True)])


def _extrapolated(
    name: str, block: Block, starts: Ints, matrix: RangeVector, rise: Floats, rows: tuple[Ints, Ints, Ints]
) -> tuple[Floats, Bools]:
    first, last, count = rows
    begin, finish = block.times[first][:, None], block.times[last][:, None]
    range_start = (matrix.end - matrix.range)[:, None]
    began = starts[first]
    from_zero = (began > range_start) & (began < begin) & (count >= 1)
    sampled = (finish - begin) / 1000.0
    average = np.where(count > 1, sampled / np.maximum(count - 1, 1), 0.0)
    near, half = average * 1.1, average / 2
    to_start = (begin - range_start) / 1000.0
    to_start = np.where(to_start >= near, half, to_start)
    to_end = (matrix.end[:, None] - finish) / 1000.0
    to_end = np.where(to_end >= near, half, to_end)
    value = block.values[first]
    to_zero = sampled * (value / rise)
    to_start = np.where((rise > 0) & (value >= 0) & (to_zero < to_start), to_zero, to_start)
    # With the beginning in the range there is one more sample: zero, then.
    rise = np.where(from_zero, rise + value, rise)
    sampled = np.where(from_zero, (finish - began) / 1000.0, sampled)
    to_start = np.where(from_zero, 0.0, to_start)
    factor = (sampled + to_start + to_end) / sampled
    if name == "rate":
        factor = factor / (matrix.range / 1000.0)
    return rise * factor, (count >= 2) | from_zero


def _warn_overlap(
    block: Block, starts: Ints, low: Ints, high: Ints, sets: LabelSets, notes: Notes, call: ast.Call
) -> None:
    """A counter that began before the previous sample, but not when that one's did."""
    now, before = starts[1:], starts[:-1]
    odd = (now != 0) & (now < block.times[:-1, None]) & (now != before)
    if not odd.any():
        return
    first, last = np.minimum(low, len(block.times) - 1), np.maximum(high - 1, 0)
    hit = _between(odd.astype(np.float64), first, np.maximum(first, last)).any(axis=0)
    for column in np.flatnonzero(hit).tolist():
        name = sets.labels[int(block.columns[column])].name
        message = "sample has start time that overlaps with previous sample timestamp for metric"
        notes.warn(f"{message} {quote(name)}", call.args[0])
