"""Outliers: which values of a sample lie far from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.kayenta.statistics import percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ksigma(values: NDArray[np.float64], k: float = 3.0) -> NDArray[np.bool_]:
    """Values further from the mean than k standard deviations of the population, shape [n]."""
    if values.size == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(np.abs(values - values.mean()) > k * values.std())


def iqr(values: NDArray[np.float64], factor: float = 1.5, *, reduce_sensitivity: bool = False) -> NDArray[np.bool_]:
    """Values beyond Tukey's fences: quartiles -/+ factor times the distance between them, shape [n].

    Args:
        values: the sample.
        factor: how many distances.
        reduce_sensitivity: the fences lie at least at the 1st and the 99th percentile.

    """
    if values.size == 0:
        return np.zeros(0, dtype=bool)
    first, third = percentile(values, 25.0), percentile(values, 75.0)
    low, high = first - factor * (third - first), third + factor * (third - first)
    if reduce_sensitivity:
        low, high = min(low, percentile(values, 1.0)), max(high, percentile(values, 99.0))
    return np.asarray((values < low) | (values > high))
