"""Drift: the mean over a window against the baseline's mean, real only beyond chance and beyond the tolerance.

A watch looks many times, and metrics remember. A window's mean is the best linear one of an AR(1) process with the
baseline's autocorrelation phi (generalised least squares: of n samples the first and the last weigh 1, those between
1 - phi, because they say again what their neighbours said). Its variance is sigma^2 (1 + phi) / (n - (n - 2) phi), or
what the baseline's own windows of that length showed, whichever is larger; to it comes that of the baseline's plain
mean (Bartlett 1946). Each look at each
window spends its share of the check's false alarms (Bonferroni over looks and windows: valid under any dependence
between them); `panel.py` says how much a look may spend, its windows share it equally.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.excursion import least_change
from hypercare.judge.findings import Finding, Level, Method
from hypercare.judge.special import student_tail
from hypercare.model.time import HOUR, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypercare.judge.reference import Reference
    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms

WINDOWS: Final[tuple[Ms, ...]] = (HOUR, 2 * HOUR, 4 * HOUR, 12 * HOUR)
SEVERE: Final = 3.0
"""So many times the tolerance is critical."""
LEAST: Final = 8
"""Fewer samples are not worth a mean."""
_HALF: Final = 0.5
_HARDLY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a running watch.

    Attributes:
        now: when, ms.
        started: when the watch began, ms.
        chance: of a false drift that this look may spend, in one direction.

    """

    now: Ms
    started: Ms
    chance: float


def drift(samples: Samples, reference: Reference, look: Look, windows: Sequence[Ms] = WINDOWS) -> Finding | None:
    """The clearest drift at this look, over the windows that fit into the watch and over all of it, or None."""
    spans = [w for w in windows if w < look.now - look.started] + [look.now - look.started]
    best: tuple[float, Finding] | None = None
    for span in spans:
        part = samples.between(look.now - span, look.now).usable(reference.measure.minimum_traffic)
        # A window that is mostly holes is not a window.
        if len(part) < max(LEAST, _HALF * span / max(1, reference.interval)):
            continue
        for side in reference.sides:
            found = _held(part, reference, side.sign, look, (span, look.chance / len(spans)))
            if found is not None and (best is None or found[0] < best[0]):
                best = found
    return None if best is None else best[1]


def _held(
    part: Samples, reference: Reference, sign: int, look: Look, spending: tuple[Ms, float]
) -> tuple[float, Finding] | None:
    span, chance = spending
    mean = float(window_means(reference.drawn_in(reference.compare(part.values)), len(part), reference.memory)[0])
    moved = sign * (mean - reference.mean)
    if moved < least_change(reference) or moved <= _farthest(reference, len(part), sign):
        return None
    probability = student_tail(moved / _error(part, reference), _freedom(reference))
    if probability >= chance:
        return None
    change = reference.change(reference.centre + mean - reference.mean)
    severe = probability < chance / 5 and abs(change) >= SEVERE * reference.measure.tolerance
    value = math.exp(mean) if reference.logarithmic else mean
    bound = math.exp(reference.mean) if reference.logarithmic else reference.mean
    shown, usual = reference.measure.unit.apart(value, bound)
    odds = f"once in {1 / probability:,.0f}" if probability > _HARDLY else "less than once in a million"
    finding = Finding(
        method=Method.DRIFT,
        level=Level.CRITICAL if severe else Level.WARNING,
        since=int(part.times[0]),
        at=look.now,
        until=None,
        value=value,
        bound=bound,
        change=change,
        reason=f"over {format_duration(span)} {shown} on average where the baseline has {usual};"
        f" chance alone does that {odds} looks",
    )
    return probability / chance, finding


def _error(part: Samples, reference: Reference) -> float:
    count = len(part)
    variance = max(_modelled(reference, count), _observed(reference, count)) + _bartlett(reference)
    if part.traffic is not None and reference.events > 0:
        share = (reference.bad + 0.5) / (reference.events + 1)
        variance += share * (1 - share) / max(1.0, float(part.traffic.sum()))
    return math.sqrt(variance) or least_change(reference) / 10


def _sigma(reference: Reference) -> float:
    return max(reference.deviation, least_change(reference) / 10)


def _modelled(reference: Reference, count: int) -> float:
    phi, sigma = reference.memory, _sigma(reference)
    return sigma * sigma * (1 + phi) / (count - (count - 2) * phi)


def _bartlett(reference: Reference) -> float:
    phi, sigma, count = reference.memory, _sigma(reference), reference.count
    inflation = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**count) / (count * (1 - phi) ** 2)
    return sigma * sigma / count * max(inflation, 1.0)


def _observed(reference: Reference, count: int) -> float:
    blocks = reference.count // count
    if blocks < 3:
        return 0.0
    means = window_means(reference.compared, count, reference.memory)
    return float(means.var()) * blocks / (blocks - 1)


def _farthest(reference: Reference, count: int, sign: int) -> float:
    if reference.count < 2 * count:
        return 0.0
    return float((sign * (window_means(reference.compared, count, reference.memory) - reference.mean)).max())


def window_means(values: NDArray[np.float64], count: int, memory: float) -> NDArray[np.float64]:
    """The means of all `count` neighbouring values as a memory (0 to 1) weighs them, shape [n - count + 1].

    The two at the ends weigh 1, those between 1 - `memory`; without memory it is the plain mean.
    """
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ends = values[count - 1 :] + values[: len(values) - count + 1]
    weighed = (1 - memory) * (sums[count:] - sums[:-count]) + memory * ends
    return np.asarray(weighed / (count - (count - 2) * memory))


def _freedom(reference: Reference) -> float:
    phi = reference.memory
    return max(4.0, reference.count * (1 - phi) / (1 + phi) - 1)
