"""Seeded series for the judge's tests."""

from __future__ import annotations

import numpy as np

from hypercare.judge.series import Samples
from hypercare.model.time import MINUTE

STEP = 5 * MINUTE


def samples(values, traffic=None, step=STEP):
    values = np.asarray(values, dtype=float)
    times = (np.arange(len(values), dtype=np.int64) + 1) * step
    return Samples(
        times, values, None if traffic is None else np.broadcast_to(np.asarray(traffic, float), values.shape)
    )


def autoregressive(rng, count, sigma=0.06, phi=0.7, level=0.4):
    noise = rng.standard_normal(count + 60) * np.sqrt(1 - phi * phi)
    series = np.zeros(count + 60)
    for at in range(1, len(series)):
        series[at] = phi * series[at - 1] + noise[at]
    return level * np.exp(sigma * series[60:])


def failures(rng, count, share, traffic=500):
    return rng.binomial(traffic, share, count) / traffic
