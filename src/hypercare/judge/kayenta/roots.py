"""A root of a function of one variable."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_EPSILON: Final = sys.float_info.epsilon
_ITERATIONS: Final = 1000


def bracketed_root(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-4) -> float:
    """A root between `low` and `high`, where the function has opposite signs; an end where it has not.

    Brent's method (Algorithms for Minimization without Derivatives, 1973, section 4), with the stopping rule and the
    order of steps of R's `uniroot`: on a step function the result depends on both.
    """
    at_low, at_high = function(low), function(high)
    if at_low <= 0:
        return low
    if at_high >= 0:
        return high
    return _zero(function, (low, at_low), (high, at_high), tolerance)


def _zero(
    function: Callable[[float], float], first: tuple[float, float], second: tuple[float, float], tolerance: float
) -> float:
    (a, fa), (b, fb) = first, second
    c, fc = a, fa
    for _ in range(_ITERATIONS):
        before = b - a
        if abs(fc) < abs(fb):
            (a, fa), (b, fb), (c, fc) = (b, fb), (c, fc), (b, fb)
        least = 2 * _EPSILON * abs(b) + tolerance / 2
        step = (c - b) / 2
        if abs(step) <= least or fb == 0:
            break
        if abs(before) >= least and abs(fa) > abs(fb):
            step = _interpolated((a, fa), (b, fb), (c, fc), before, least)
        if abs(step) < least:
            step = least if step > 0 else -least
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0) == (fc > 0) and fb != 0 and fc != 0:
            c, fc = a, fa
    return b


def _interpolated(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], before: float, least: float
) -> float:
    """The step of the secant or of the inverse parabola where it stays inside; else half the way."""
    width = c[0] - b[0]
    t = b[1] / a[1]
    if a[0] == c[0]:
        p, q = width * t, 1.0 - t
    else:
        r, s = a[1] / c[1], b[1] / c[1]
        p = t * (width * r * (r - s) - (b[0] - a[0]) * (s - 1.0))
        q = (r - 1.0) * (s - 1.0) * (t - 1.0)
    p, q = (p, -q) if p > 0 else (-p, q)
    if p < 0.75 * width * q - abs(least * q) / 2 and p < abs(before * q / 2):
        return p / q
    return width / 2
