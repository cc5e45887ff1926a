"""Many windows that slide over the rows of one block, as a range query has them.

All series of a block share their times, so that where windows begin and end is found once (``Frame``) and the values
are only looked at: where the windows advance by the same number of rows, their first and last samples are strided
views. Sums and extremes over windows are put together from runs of 2, 4, 8 … rows, each the fold of two halves: no
running sum whose differences would lose digits, and about ``log2`` of the window's rows passes in all.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from hypercare.promql.windows import Windows, changed, exact_sum

if TYPE_CHECKING:
    from hypercare.model.samples import Bools, Floats, Ints

Rows: TypeAlias = "slice | Ints"
"""Rows of a block: a slice where they are evenly apart, else their numbers."""

_SHORTEST: Final = 16
"""Windows in a row that are worth being computed as a run of their own."""
_DOUBTFUL: Final = 1e-7
"""A sum this small beside the sum of its absolute values has lost digits that are wanted."""


class Run(NamedTuple):
    """Windows of equal length that advance by the same number of rows.

    Attributes:
        steps: which windows.
        low: the first row of the first one.
        stride: rows from one to the next.
        length: rows of each.

    """

    steps: slice
    low: int
    stride: int
    length: int


class Frame:
    """Where K windows ``low <= row < high`` lie on the rows of a block; the same for all its series.

    Attributes:
        times: of the rows, ms.
        low, high: int64[K].
        count: int64[K, 1].
        first, last: the rows of the oldest and the newest sample.
        depth: samples of the longest window, at least 1.

    """

    def __init__(self, times: Ints, low: Ints, high: Ints) -> None:
        self.times = times
        self.low = low
        self.high = high
        length = high - low
        self.count = length[:, None]
        self.depth = max(1, int(length.max(initial=0)))
        self.first = as_rows(np.minimum(low, len(times) - 1))
        self.last = as_rows(np.maximum(high - 1, 0))
        self.first_time, self.last_time = times[self.first][:, None], times[self.last][:, None]

    @cached_property
    def previous(self) -> Rows:
        """The rows of the newest sample but one of each window."""
        return as_rows(np.maximum(self.high - 2, 0))

    @cached_property
    def previous_time(self) -> Ints:
        """Their times, ``[K, 1]``."""
        return self.times[self.previous][:, None]

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The longest runs of windows that can be computed together."""
        length, low = self.high - self.low, self.low
        size = len(low)
        if size == 1:
            return (Run(slice(0, 1), int(low[0]), 1, int(length[0])),) if length[0] > 0 else ()
        stride = np.diff(low)
        # A step that goes on as the one before it, and to a window as long.
        goes_on = np.concatenate([[False], (np.diff(stride) == 0), [False]]) & np.concatenate(
            [[False], length[2:] == length[1:-1], [False]]
        )
        steady = goes_on[1:-1] & (length[1:-1] == length[:-2])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], steady, [False]]).astype(np.int8)))
        found = []
        for begin, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            steps = slice(begin, behind + 2)
            if behind + 2 - begin >= _SHORTEST and length[begin] > 0 and stride[begin] > 0:
                found.append(Run(steps, int(low[begin]), int(stride[begin]), int(length[begin])))
        return tuple(found)

    @cached_property
    def others(self) -> Ints:
        """Windows with samples that are in no run."""
        alone = self.high > self.low
        for run in self.runs:
            alone[run.steps] = False
        return np.flatnonzero(alone)

    @cached_property
    def clock(self) -> tuple[Ints, Bools | None]:
        """Times of all samples, ``[W, K, 1]``, aligned at the newest; and which are no padding (none: all)."""
        rows, valid = self.rows
        return self.times[rows][:, :, None], valid

    @cached_property
    def rows(self) -> tuple[Ints, Bools | None]:
        """Row numbers of all samples, ``[W, K]``, padded with the first; and which are no padding, ``[W, K, 1]``."""
        rows = self.high[None, :] - self.depth + np.arange(self.depth)[:, None]
        valid = rows >= self.low[None, :]
        rows = np.clip(np.maximum(rows, self.low[None, :]), 0, len(self.times) - 1)
        return rows, None if valid.all() else valid[:, :, None]

    def part(self, steps: slice) -> Frame:
        """Some of the windows."""
        return Frame(self.times, self.low[steps], self.high[steps])


def as_rows(numbers: Ints) -> Rows:
    """Row numbers, as a slice where they are evenly apart and ascend."""
    if len(numbers) < 2:
        return slice(int(numbers[0]), int(numbers[0]) + 1) if len(numbers) else numbers
    stride = int(numbers[1] - numbers[0])
    if stride <= 0 or not (numbers[1:] - numbers[:-1] == stride).all():
        return numbers
    return slice(int(numbers[0]), int(numbers[-1]) + 1, stride)


def take(values: Floats, rows: Rows) -> Floats:
    """Some rows; a view where they are evenly apart, and in the order of memory of ``values``."""
    if isinstance(rows, slice):
        return values[rows]
    if values.strides[0] == values.itemsize:
        return values.T.take(rows, axis=1).T
    return values.take(rows, axis=0)


class Strided(Windows):
    """The windows of a frame on the values ``[T, N]`` of some of its series."""

    def __init__(self, frame: Frame, values: Floats) -> None:
        self._frame = frame
        self._values = values
        self.count = frame.count

    @cached_property
    def first(self) -> Floats:
        """See the base class."""
        return take(self._values, self._frame.first)

    @cached_property
    def last(self) -> Floats:
        """See the base class."""
        return take(self._values, self._frame.last)

    @cached_property
    def previous(self) -> Floats:
        """See the base class."""
        return take(self._values, self._frame.previous)

    @property
    def first_time(self) -> Ints:
        """See the base class."""
        return self._frame.first_time

    @property
    def last_time(self) -> Ints:
        """See the base class."""
        return self._frame.last_time

    @property
    def previous_time(self) -> Ints:
        """See the base class."""
        return self._frame.previous_time

    def _between(self, steps: Floats | Bools) -> Floats:
        """Sums over the neighbours inside each window of one number a pair, ``[T-1, N]``."""
        running = np.zeros(self._values.shape, order="F")
        np.cumsum(steps, axis=0, out=running[1:])
        return take(running, self._frame.last) - take(running, self._frame.first)

    def lost_at_resets(self) -> Floats | None:
        """See the base class."""
        before = self._values[:-1]
        falls = self._values[1:] < before
        if not falls.any():
            return None
        lost = np.where(falls, before, 0.0)
        if np.isfinite(lost).all():
            return self._between(lost)
        # A running sum would carry an infinity into every later window.
        values, _, _ = self.stack()
        summed: Floats = np.where(values[1:] < values[:-1], values[:-1], 0.0).sum(axis=0)
        return summed

    def pairs(self, *, falls: bool) -> Floats:
        """See the base class."""
        before, after = self._values[:-1], self._values[1:]
        return self._between(after < before if falls else changed(before, after))

    def total(self) -> Floats:
        """See the base class."""
        values = self._values
        sums = fold(np.add, values, self._frame)
        if values.min(initial=0.0) >= 0:
            return sums
        # Where large numbers cancel, add again and keep what rounding took away.
        doubtful = ~(np.abs(sums) >= _DOUBTFUL * fold(np.add, np.abs(values), self._frame))
        if not doubtful.any():
            return sums
        stacked, _, valid = self.stack()
        return exact_sum(stacked if valid is None else np.where(valid, stacked, 0.0))

    def extreme(self, ufunc: np.ufunc) -> Floats:
        """See the base class."""
        return fold(ufunc, self._values, self._frame)

    def clock(self) -> tuple[Ints, Bools | None]:
        """See the base class."""
        return self._frame.clock

    def spread(self) -> Floats:
        """See the base class."""
        from hypercare.promql.moments import spread  # noqa: PLC0415 - it is made of what is here

        return spread(self._values, self._frame)

    def line(self) -> tuple[Floats, Floats, Floats]:
        """See the base class."""
        from hypercare.promql.moments import line  # noqa: PLC0415 - it is made of what is here

        return line(self._values, self._frame)

    def stack(self) -> tuple[Floats, Ints, Bools | None]:
        """See the base class."""
        rows, valid = self._frame.rows
        return self._values[rows], self._frame.clock[0], valid


def fold(ufunc: np.ufunc, values: Floats, frame: Frame) -> Floats:
    """``add``, ``fmin`` or ``fmax`` over every window: ``[T, N]`` to ``[K, N]``."""
    runs = frame.runs
    if len(runs) == 1 and runs[0].steps == slice(0, len(frame.low)):
        return _fold_run(ufunc, values, runs[0], len(frame.low))
    out = np.zeros((len(frame.low), values.shape[1]), order="F")
    for run in runs:
        out[run.steps] = _fold_run(ufunc, values, run, run.steps.stop - run.steps.start)
    if len(frame.others):
        out[frame.others] = _fold_any(ufunc, values, frame.low[frame.others], frame.high[frame.others])
    return out


def _fold_run(ufunc: np.ufunc, values: Floats, run: Run, steps: int) -> Floats:
    """Windows of one length, evenly apart: the length's binary digits name the pieces that make up a window."""
    piece = values[run.low : run.low + (steps - 1) * run.stride + run.length]
    # Where the next piece of the first window is, how far it is to that of the next window, how long a piece is.
    at, stride, width, left = 0, run.stride, 1, run.length
    result: Floats | None = None
    owned = False
    while True:
        if left & 1:
            chosen = piece[at : at + (steps - 1) * stride + 1 : stride]
            if result is None:
                result = chosen
            elif owned:
                ufunc(result, chosen, out=result)
            else:
                result, owned = ufunc(result, chosen), True
            at += width
        left >>= 1
        if not left:
            break
        piece = ufunc(piece[:-width], piece[width:])
        width *= 2
        if stride % 2 == 0:
            # All windows go on at even distances from the first: every second piece is never looked at.
            piece, at, stride, width = piece[at::2], 0, stride // 2, width // 2
    if result is None:
        raise ValueError(run)
    return result


def _fold_any(ufunc: np.ufunc, values: Floats, low: Ints, high: Ints) -> Floats:
    """Windows of any lengths, none empty."""
    start = int(low.min())
    piece = values[start : int(high.max())]
    at, left = low - start, high - low
    out = np.empty((len(low), values.shape[1]), order="F")
    fresh = np.ones(len(low), dtype=np.bool_)
    width = 1
    while True:
        odd = left & 1 == 1
        begun, new = np.flatnonzero(odd & ~fresh), np.flatnonzero(odd & fresh)
        if len(new):
            out[new] = take(piece, at[new])
        if len(begun):
            out[begun] = ufunc(out[begun], take(piece, at[begun]))
        fresh &= ~odd
        at = at + width * odd
        left = left >> 1
        if not left.any():
            return out
        piece = ufunc(piece[:-width], piece[width:])
        width *= 2
