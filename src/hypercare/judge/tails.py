"""How surprising a value is, given what was seen before: a tail fitted to the largest values of a reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.special import student_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE: Final = 0.1
_FEW: Final = 12
_HEAVIEST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Tail:
    """P(X > x) of a series' values: empirical in the body, generalised Pareto above `threshold`.

    With few values there is no tail to fit; then Student's distribution around mean and deviation serves.

    Attributes:
        body: sorted values up to the threshold.
        threshold: where the fitted tail begins.
        scale: sigma of the Pareto tail, or the deviation (`shape` None).
        shape: xi; 0 is exponential. None: Student's tail.
        share: how much of all values lies above the threshold.
        largest: the largest value seen.
        mean: of the values.
        count: of the values.

    """

    body: NDArray[np.float64]
    threshold: float
    scale: float
    shape: float | None
    share: float
    largest: float
    mean: float
    count: int

    def probability(self, value: float) -> float:
        """P(X > value)."""
        if self.shape is None:
            return student_tail((value - self.mean) / self.scale, max(1, self.count - 1))
        if value <= self.threshold:
            above = len(self.body) - int(np.searchsorted(self.body, value, side="right"))
            return self.share + above / max(1, self.count)
        excess = (value - self.threshold) / self.scale
        if self.shape == 0.0:
            return self.share * math.exp(-excess)
        return float(self.share * (1.0 + self.shape * excess) ** (-1.0 / self.shape))


def fit_tail(values: NDArray[np.float64], floor: float, heaviest: float = _HEAVIEST) -> Tail:
    """The upper tail of these values; `floor` is the least deviation that is believed in, `heaviest` the largest shape.

    The tail's two parameters come from L-moments of the excesses (Hosking and Wallis 1987), the shape kept
    within 0 to `heaviest`: a tail that ends is not believed, and one without a variance says nothing.
    """
    ordered = np.sort(values)
    count = len(ordered)
    mean, deviation = float(ordered.mean()), float(ordered.std(ddof=1)) if count > 1 else floor
    largest = float(ordered[-1])
    excesses = max(1, math.ceil(count * _SHARE))
    if excesses < _FEW:
        scale = max(deviation, floor)
        return Tail(ordered, mean, scale, None, 1.0, largest, mean, count)
    cut = count - excesses
    threshold = float(ordered[cut - 1])
    over = ordered[cut:] - threshold
    first = float(over.mean())
    weights = np.arange(excesses) / max(1, excesses - 1)
    second = float(2 * (weights * over).mean() - first)
    shape = min(max(2.0 - first / second, 0.0), heaviest) if second > 0 else 0.0
    scale = max(first * (1.0 - shape), floor * 0.5)
    return Tail(ordered[:cut], threshold, scale, shape, excesses / count, largest, mean, count)
