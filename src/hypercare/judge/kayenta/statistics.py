"""Descriptive statistics and effect sizes of two samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a sample looks like; all zero where it is empty. `std` is that of a sample (n - 1), 0 for one value."""

    min: float
    max: float
    mean: float
    median: float
    std: float
    count: int


def summary(values: Floats) -> Summary:
    """The summary of a sample, shape [n]."""
    if values.size == 0:
        return Summary(0.0, 0.0, 0.0, 0.0, 0.0, 0)
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Summary(
        min=float(values.min()),
        max=float(values.max()),
        mean=float(values.mean()),
        median=percentile(values, 50.0),
        std=spread,
        count=values.size,
    )


def percentile(values: Floats, p: float) -> float:
    """The p-th percentile, 0 to 100, linear between order statistics (type 7 of Hyndman and Fan 1996).

    NaN where there are no values.
    """
    if values.size == 0:
        return math.nan
    ordered = np.sort(values)
    place = (values.size - 1) * p / 100
    low = math.floor(place)
    high = min(low + 1, values.size - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def mean_ratio(control: Floats, experiment: Floats) -> float:
    """Mean of the experiment over that of the control; NaN where one of them is zero or missing."""
    if control.size == 0 or experiment.size == 0:
        return math.nan
    return ratio_of_means(float(control.mean()), float(experiment.mean()))


def ratio_of_means(control: float, experiment: float) -> float:
    """The same from means that are known already."""
    return experiment / control if control != 0 and experiment != 0 else math.nan


def cohen_d(control: Floats, experiment: Floats) -> float:
    """(mean of the experiment - mean of the control) / pooled standard deviation; NaN where that is zero.

    Each side needs two values.
    """
    n, m = control.size, experiment.size
    if n < 2 or m < 2:
        return math.nan
    pooled = ((n - 1) * control.var(ddof=1) + (m - 1) * experiment.var(ddof=1)) / (n + m - 2)
    return float((experiment.mean() - control.mean()) / math.sqrt(pooled)) if pooled > 0 else math.nan


def cles(control: Floats, experiment: Floats) -> float:
    """The share of pairs in which the experiment's value is larger; equal ones count half (McGraw and Wong 1992).

    NaN where one side has no values.
    """
    if control.size == 0 or experiment.size == 0:
        return math.nan
    ordered = np.sort(control)
    below = int(np.searchsorted(ordered, experiment, "left").sum())
    upto = int(np.searchsorted(ordered, experiment, "right").sum())
    return (below + upto) / 2 / (control.size * experiment.size)
