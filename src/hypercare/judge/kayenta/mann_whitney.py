"""The shift between two samples with its confidence interval, by inverting the Mann-Whitney (Wilcoxon) test.

Normal approximation with corrections for ties and continuity (Hollander, Wolfe and Chicken, Nonparametric Statistical
Methods, 4.3; Bauer 1972), as R's ``wilcox.test(conf.int = TRUE, exact = FALSE)`` computes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.kayenta.roots import bracketed_root
from hypercare.judge.special import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class AllTiedError(Exception):
    """Under some shift every value is equal to every other: the test has no variance."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The shift of the experiment against the control, in the metric's unit."""

    lower: float
    upper: float
    estimate: float


def statistic(x: Floats, y: Floats, shift: float, quantile: float = 0.0) -> float:
    """The standardised rank sum of x - shift against y, less `quantile`.

    Raises:
        AllTiedError: all values are equal.

    """
    n, m = x.size, y.size
    _, places, counts = np.unique(np.concatenate([x - shift, y]), return_inverse=True, return_counts=True)
    # Equal values share the mean of their ranks.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    centred = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    if variance <= 0:
        raise AllTiedError
    correction = 0.5 * (centred > 0) - 0.5 * (centred < 0)
    return (centred - correction) / math.sqrt(variance) - quantile


def bounds(x: Floats, y: Floats) -> tuple[float, float]:
    """The least and the largest shift that there can be."""
    return float(x.min() - y.max()), float(x.max() - y.min())


def confidence_interval(x: Floats, y: Floats, conf_level: float = 0.95) -> Interval:
    """The shift of x (experiment) against y (control); both have values, none NaN.

    Raises:
        AllTiedError: it cannot be computed.

    """
    low, high = bounds(x, y)
    z = normal_quantile((1 - conf_level) / 2)

    def root(quantile: float) -> float:
        return bracketed_root(lambda shift: statistic(x, y, shift, quantile), low, high)

    return Interval(root(-z), root(z), root(0.0))
