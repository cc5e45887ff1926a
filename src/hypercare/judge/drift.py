"""Drift: the mean over a window against the baseline's mean, real only beyond chance and beyond the tolerance.

A watch looks many times, and metrics remember: the standard error of a window of L samples is that of an AR(1)
process with the baseline's autocorrelation, sigma^2 / L (1 + phi) / (1 - phi) with its finite-window correction
(Bartlett 1946), or what the baseline's own windows of that length showed, whichever is larger. Each look at each
window spends its equal share of the check's false alarms (Bonferroni over looks and windows: valid under any
dependence between them).
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

WINDOWS: Final[tuple[Ms, ...]] = (HOUR, 4 * HOUR, 12 * HOUR)
SEVERE: Final = 3.0
"""So many times the tolerance is critical."""
_LEAST: Final = 8
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
        if len(part) < max(_LEAST, _HALF * span / max(1, reference.interval)):
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
    mean = float(reference.drawn_in(reference.compare(part.values)).mean())
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
    variance = max(_bartlett(reference, count), _observed(reference, count)) + _bartlett(reference, reference.count)
    if part.traffic is not None and reference.events > 0:
        share = (reference.bad + 0.5) / (reference.events + 1)
        variance += share * (1 - share) / max(1.0, float(part.traffic.sum()))
    return math.sqrt(variance) or least_change(reference) / 10


def _bartlett(reference: Reference, count: int) -> float:
    phi, sigma = reference.memory, max(reference.deviation, least_change(reference) / 10)
    inflation = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**count) / (count * (1 - phi) ** 2)
    return sigma * sigma / count * max(inflation, 1.0)


def _observed(reference: Reference, count: int) -> float:
    blocks = reference.count // count
    if blocks < 3:
        return 0.0
    means = window_means(reference.compared, count)
    return float(means.var()) * blocks / (blocks - 1)


def _farthest(reference: Reference, count: int, sign: int) -> float:
    if reference.count < 2 * count:
        return 0.0
    return float((sign * (window_means(reference.compared, count) - reference.mean)).max())


def window_means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The means of all `count` neighbouring values, shape [n - count + 1]."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return np.asarray((sums[count:] - sums[:-count]) / count)


def _freedom(reference: Reference) -> float:
    phi = reference.memory
    return max(4.0, reference.count * (1 - phi) / (1 + phi) - 1)
