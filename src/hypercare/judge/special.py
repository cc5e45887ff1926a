"""Tail probabilities of a few distributions, in plain Python: scipy would cost more memory than all of the judge."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

_TINY: Final = 1e-300
_STEPS: Final = 400
_CLOSE: Final = 1e-13
_NORMAL: Final = NormalDist()


def beta_fraction(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1.

    Continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, evaluated by Lentz's method.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    # The fraction converges quickly on one side of the mean only; the other side follows by symmetry.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _away(1.0 + even * d)
        c = _away(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away(1.0 + odd * d)
        c = _away(1.0 + odd / c)
        step = d * c
        value *= step
        if abs(step - 1.0) < _CLOSE:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def student_tail(t: float, df: float) -> float:
    """P(T > t) of Student's distribution with `df` > 0 degrees of freedom (not necessarily whole)."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * beta_fraction(df / (df + t * t), df / 2, 0.5)
    return half if t >= 0 else 1.0 - half


def counts_tail(count: float, exposure: float, seen: float, seen_exposure: float) -> float:
    """P(X >= count) for the events in `exposure`, given that there were `seen` events in `seen_exposure` before.

    The rate has the gamma posterior of Jeffreys' prior, so X is negative binomial: few data widen the tail.
    """
    if count <= 0:
        return 1.0
    if exposure <= 0:
        return 1.0
    return beta_fraction(exposure / (exposure + seen_exposure), count, seen + 0.5)


def normal_quantile(p: float) -> float:
    """The z with P(Z <= z) = p, for 0 < p < 1."""
    return _NORMAL.inv_cdf(p)
