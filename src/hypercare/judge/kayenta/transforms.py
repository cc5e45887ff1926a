"""What is done to samples before they are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.special import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def remove_nans(values: Floats) -> Floats:
    """The values that are numbers."""
    return values[~np.isnan(values)]


def replace_nans(values: Floats, value: float = 0.0) -> Floats:
    """The values, with another in place of each NaN."""
    return np.where(np.isnan(values), value, values)


def remove_outliers(values: Floats, outliers: NDArray[np.bool_]) -> Floats:
    """The values that a detector has not marked."""
    return values[~outliers]


def add_gaussian_noise(values: Floats, mean: float = 0.0, stdev: float = 1.0) -> Floats:
    """The values with normal scores added: evenly spaced quantiles of the normal distribution, smallest first.

    Normal scores instead of random draws, so that one input has one result.
    """
    count = values.size
    scores = np.array([normal_quantile((at + 0.5) / count) for at in range(count)], dtype=np.float64)
    return values + mean + stdev * scores
