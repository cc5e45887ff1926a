"""Windows of samples, and what functions over ranges ask of them.

Two shapes with one face. ``Strided`` (in ``sliding``): many windows slide over one block (a range query).
``Stacked``: one window each of many blocks (an instant query over many targets), put side by side in one array,
aligned at the newest sample, shorter ones padded with their own first sample: differences, minima and maxima then
need no mask.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.bundle import Bundle
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.values import Block


class Windows(abc.ABC):
    """K windows on N series. Arrays are ``[K, N]`` or broadcast to it; empty windows hold any number."""

    count: Ints
    """Samples in the window."""

    def by_clock(self, key: str, make: Callable[[Ints, Ints, Ints], tuple[Floats, ...]]) -> tuple[Floats, ...]:
        """What depends on times alone: ``make`` gets the first and last time of each window, and ``count``.

        Metrics of the same targets share it, under the key.
        """
        del key
        return make(self.first_time, self.last_time, self.count)

    def enough(self, samples: int) -> Bools | None:
        """Where there are so many samples; none: everywhere."""
        return self.count >= samples

    @property
    @abc.abstractmethod
    def first(self) -> Floats:
        """The oldest value."""

    @property
    @abc.abstractmethod
    def last(self) -> Floats:
        """The newest value."""

    @property
    @abc.abstractmethod
    def previous(self) -> Floats:
        """The newest value but one; meaningless with fewer than two."""

    @property
    @abc.abstractmethod
    def first_time(self) -> Ints:
        """When the oldest value was taken, ms."""

    @property
    @abc.abstractmethod
    def last_time(self) -> Ints:
        """When the newest value was taken, ms."""

    @property
    @abc.abstractmethod
    def previous_time(self) -> Ints:
        """When the newest value but one was taken, ms."""

    @abc.abstractmethod
    def lost_at_resets(self) -> Floats | None:
        """The sum of the values before every fall of a counter; none where nothing fell."""

    @abc.abstractmethod
    def pairs(self, *, falls: bool) -> Floats:
        """How many neighbours differ, or with ``falls`` how many go down."""

    @abc.abstractmethod
    def total(self) -> Floats:
        """The sum."""

    @abc.abstractmethod
    def extreme(self, ufunc: np.ufunc) -> Floats:
        """The result of folding ``fmin`` or ``fmax``."""

    @abc.abstractmethod
    def clock(self) -> tuple[Ints, Bools | None]:
        """The times of every sample as in ``stack``, ``[W, K or 1, N or 1]``, and which are no padding."""

    @abc.abstractmethod
    def spread(self) -> Floats:
        """The sum of squared differences from the mean; exactly zero where all values are equal."""

    @abc.abstractmethod
    def line(self) -> tuple[Floats, Floats, Floats]:
        """Least squares: slope a second, mean value, and mean time in seconds after the newest sample (negative)."""

    @abc.abstractmethod
    def stack(self) -> tuple[Floats, Ints, Bools | None]:
        """Every sample: values ``[W, K, N]``, their times, and which are no padding (none: all).

        Aligned at the newest sample; padding repeats the first one.
        """


def changed(before: Floats, after: Floats) -> Bools:
    """Where two values differ; NaN equals NaN."""
    differ: Bools = before != after
    if np.count_nonzero(differ):
        differ &= ~(np.isnan(before) & np.isnan(after))
    return differ


class Stacked(Windows):
    """One window of each of N series."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        lengths = [len(block.times) for block in blocks]
        self._depth = max(lengths)
        self._blocks = blocks
        self._lengths: Sequence[int] = lengths
        self._widths = [block.values.shape[1] for block in blocks]
        self._even = min(lengths) == self._depth
        self._known_clock: Ints | None = None
        if self._even:
            self._values = np.concatenate([block.values for block in blocks], axis=1)
            self.count = np.full((1, 1), self._depth, dtype=np.int64)
        else:
            self._values = self._padded()
            self.count = self._spread(np.array([lengths], dtype=np.int64))

    def _padded(self) -> Floats:
        out = np.empty((self._depth, sum(self._widths)))
        at = 0
        for block, length, width in zip(self._blocks, self._lengths, self._widths, strict=True):
            gap = self._depth - length
            out[gap:, at : at + width] = block.values
            if gap:
                out[:gap, at : at + width] = block.values[0]
            at += width
        return out

    def _spread(self, per_block: Ints) -> Ints:
        """From columns that stand for a block each to columns of series."""
        if self._values.shape[1] == len(self._widths):
            return per_block
        return per_block.repeat(self._widths, axis=1)

    @property
    def _clock(self) -> Ints:
        """The times, a column a block."""
        clock = self._known_clock
        if clock is not None:
            return clock
        clock = _clock_of([block.times for block in self._blocks], self._depth, even=self._even)
        self._known_clock = clock
        return clock

    def enough(self, samples: int) -> Bools | None:
        """See the base class."""
        return None if self._even and self._depth >= samples else self.count >= samples

    @property
    def first(self) -> Floats:
        """See the base class."""
        return self._values[:1]

    @property
    def last(self) -> Floats:
        """See the base class."""
        return self._values[-1:]

    @property
    def previous(self) -> Floats:
        """See the base class."""
        return self._values[-2:-1] if self._depth > 1 else self._values[-1:]

    @property
    def first_time(self) -> Ints:
        """See the base class."""
        return self._spread(self._clock[:1])

    @property
    def last_time(self) -> Ints:
        """See the base class."""
        return self._spread(self._clock[-1:])

    @property
    def previous_time(self) -> Ints:
        """See the base class."""
        return self._spread(self._clock[-2:-1] if self._depth > 1 else self._clock)

    def lost_at_resets(self) -> Floats | None:
        """See the base class."""
        falls = self._values[1:] < self._values[:-1]
        if not np.count_nonzero(falls):
            return None
        lost: Floats = np.where(falls, self._values[:-1], 0.0).sum(axis=0)[None, :]
        return lost

    def pairs(self, *, falls: bool) -> Floats:
        """See the base class."""
        before, after = self._values[:-1], self._values[1:]
        hits = after < before if falls else changed(before, after)
        number: Floats = hits.sum(axis=0, dtype=np.float64)[None, :]
        return number

    def total(self) -> Floats:
        """See the base class."""
        values, _, valid = self.stack()
        return exact_sum(values if valid is None else np.where(valid, values, 0.0))

    def extreme(self, ufunc: np.ufunc) -> Floats:
        """See the base class."""
        folded: Floats = ufunc.reduce(self._values, axis=0)[None, :]
        return folded

    def clock(self) -> tuple[Ints, Bools | None]:
        """See the base class."""
        valid = None
        if not self._even:
            valid = (np.arange(self._depth)[:, None] >= self._depth - self.count)[:, None, :]
        return self._spread(self._clock)[:, None, :], valid

    def spread(self) -> Floats:
        """See the base class."""
        # Relative to the first value; padding repeats it and so adds nothing to the mean.
        mean = self.first + (self._values - self.first).sum(axis=0) / self.count
        off = self._values - mean
        off *= off
        _, valid = self.clock()
        squares: Floats = (off if valid is None else np.where(valid[:, 0], off, 0.0)).sum(axis=0)[None, :]
        return squares

    def line(self) -> tuple[Floats, Floats, Floats]:
        """See the base class."""
        times, valid = self.clock()
        x = ((times - self.last_time) / 1000.0)[:, 0]
        off = self._values - self.first
        if valid is None:
            mean_x = np.add.reduce(x) / self.count
            spread = x - mean_x
            squares = spread * spread
        else:
            weight = valid[:, 0].astype(np.float64)
            mean_x = np.add.reduce(weight * x) / self.count
            spread = weight * (x - mean_x)
            squares = spread * (x - mean_x)
        slope = np.add.reduce(off * spread) / np.add.reduce(squares)
        return slope, self.first + np.add.reduce(off) / self.count, mean_x

    def stack(self) -> tuple[Floats, Ints, Bools | None]:
        """See the base class."""
        times, valid = self.clock()
        return self._values[:, None, :], times, valid


def _clock_of(times: Sequence[Ints], depth: int, *, even: bool) -> Ints:
    """Times side by side, aligned at the newest; where there are fewer, the first one stands for those that lack."""
    if even:
        return np.concatenate(times).reshape(-1, depth).T
    clock = np.empty((depth, len(times)), dtype=np.int64)
    for i, own in enumerate(times):
        clock[depth - len(own) :, i] = own
        clock[: depth - len(own), i] = own[0]
    return clock


class Joint(Stacked):
    """One window of each of N series, all at once; what depends on times alone is shared by the metrics of a tick."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._lengths = bundle.lengths
        self._depth, self._even = bundle.depth
        self._values = bundle.stacked()
        self.count = self._counts if self._even else self._spread(self._counts)

    @property
    def _counts(self) -> Ints:
        """Samples of each group."""
        found: Ints | None = self._bundle.memo.get("counts")
        if found is None:
            made = np.full((1, 1), self._depth, dtype=np.int64) if self._even else np.array([self._lengths])
            found = self._bundle.memo["counts"] = made
        return found

    @property
    def _clock(self) -> Ints:
        clock: Ints | None = self._bundle.memo.get("clock")
        if clock is None:
            clock = self._bundle.memo["clock"] = _clock_of(self._bundle.times, self._depth, even=self._even)
        return clock

    def _spread(self, per_block: Ints) -> Ints:
        owners = self._bundle.places.owners
        return per_block if owners is None else per_block.take(owners, axis=1)

    def by_clock(self, key: str, make: Callable[[Ints, Ints, Ints], tuple[Floats, ...]]) -> tuple[Floats, ...]:
        """See the base class."""
        memo = self._bundle.memo
        found: tuple[Floats, ...] | None = memo.get(key)
        if found is None:
            found = memo[key] = make(*self._bundle.ends, self._counts)
        owners = self._bundle.places.owners
        if owners is None or len(self._lengths) == 1:
            return found
        return tuple([part if part.shape[1] == 1 else part.take(owners, axis=1) for part in found])


def exact_sum(values: Floats) -> Floats:
    """The sum over the first axis with Neumaier's compensation: what rounding takes away is kept and added last."""
    plain: Floats = values.sum(axis=0)
    if values.min(initial=0.0) >= 0 or not len(values):
        return plain
    total = np.zeros(values.shape[1:])
    lost = np.zeros(values.shape[1:])
    with np.errstate(all="ignore"):
        for row in values:
            added = total + row
            larger = np.abs(total) >= np.abs(row)
            lost += np.where(larger, (total - added) + row, (row - added) + total)
            total = added
        exact = total + lost
    return np.where(np.isfinite(exact), exact, plain)
