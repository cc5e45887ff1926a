"""Excursions: samples further out than the baseline ever was, and further than chance explains.

A pair of samples in a row establishes an excursion; a single extreme one is a note until another confirms it. The
bounds come from a tail fitted to the baseline (`tails.py`), at a probability that spends the check's share of the
false alarms over all samples of the watch; and never lie within what the baseline itself showed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.findings import Finding, Level, Method
from hypercare.judge.series import Scale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hypercare.judge.reference import Reference, Side
    from hypercare.judge.series import Samples

_PAIRS: Final = 0.8
_BEYOND_PAIR: Final = 1.1
_BEYOND_SINGLE: Final = 1.5
_SEVERE: Final = 3.0
_LASTING: Final = 3
_CALM: Final = 2
_UNUSUAL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on false alarms.

    Attributes:
        chance: of any false excursion of this check in the whole watch, in one direction.
        samples: that the watch will see.

    """

    chance: float
    samples: int


def excursions(samples: Samples, reference: Reference, budget: Budget) -> list[Finding]:
    """The excursions among these samples, oldest first; the last may still last (`until` None).

    Only usable samples are looked at; a gap neither begins nor ends anything.
    """
    usable = samples.usable(reference.measure.minimum_traffic)
    if len(usable) == 0:
        return []
    found: list[Finding] = []
    for side in reference.sides:
        found += _one_way(usable, reference, side, budget)
    return sorted(found, key=lambda finding: finding.at)


def _one_way(samples: Samples, reference: Reference, side: Side, budget: Budget) -> Iterator[Finding]:
    single, pairs = reference.strays(samples, side.sign)
    each = budget.chance / max(1, budget.samples)
    moved = side.sign * (reference.compare(samples.values) - reference.centre)
    matters = moved >= least_change(reference)
    doubly = moved >= 2 * least_change(reference)
    pair = _both_matter(moved, reference) & _beyond(pairs, side, each * _PAIRS, pairwise=True)
    alone = doubly & _beyond(single, side, each * (1 - _PAIRS), pairwise=False)
    out = matters & _improbable(single, side)
    at = 0
    while at < len(samples):
        if not (pair[at] or alone[at]):
            at += 1
            continue
        first = at - 1 if pair[at] else at
        last, after = _lasts(out | pair, at)
        # What a single extreme sample showed is a note until another confirms it.
        known = at if pair[at] or last == at else at + 1 + int(np.argmax((out | pair)[at + 1 :]))
        yield _finding(samples, reference, side, (first, known, last, after))
        at = after


def _both_matter(moved: NDArray[np.float64], reference: Reference) -> NDArray[np.bool_]:
    if len(moved) < 2:
        return np.zeros(len(moved), dtype=np.bool_)
    # Ratios are taken together: two and one failures are three.
    joined = moved[1:] + moved[:-1] if reference.measure.scale is Scale.RATIO else 2 * np.minimum(moved[1:], moved[:-1])
    return np.append(False, joined >= 2 * least_change(reference))


def least_change(reference: Reference) -> float:
    """The least change that matters, in compared values."""
    tolerance = reference.measure.tolerance
    if reference.logarithmic:
        return math.log1p(tolerance)
    if reference.measure.scale is Scale.RATIO or reference.centre == 0.0:
        return tolerance
    return tolerance * abs(reference.centre)


def _beyond(strays: NDArray[np.float64], side: Side, chance: float, *, pairwise: bool) -> NDArray[np.bool_]:
    tail = side.pairs if pairwise else side.singles
    middle = float(np.median(tail.body))
    margin = _BEYOND_PAIR if pairwise else _BEYOND_SINGLE
    bound = middle + margin * (tail.largest - middle)
    candidates = strays > bound
    for at in np.flatnonzero(candidates):
        candidates[at] = tail.probability(float(strays[at])) < chance
    return candidates


def _improbable(strays: NDArray[np.float64], side: Side) -> NDArray[np.bool_]:
    out = strays > side.singles.threshold
    for at in np.flatnonzero(out):
        out[at] = side.singles.probability(float(strays[at])) < _UNUSUAL
    return out


def _lasts(out: NDArray[np.bool_], at: int) -> tuple[int, int]:
    """The last sample outside, and where looking goes on: after two samples inside."""
    last = at
    for later in range(at + 1, len(out)):
        if out[later]:
            last = later
        elif later - last >= _CALM:
            return last, later
    return last, len(out)


def _finding(samples: Samples, reference: Reference, side: Side, places: tuple[int, int, int, int]) -> Finding:
    first, at, last, after = places
    compared = reference.compare(samples.values)
    stretch = slice(first, last + 1)
    worst = first + int(np.argmax(side.sign * compared[stretch]))
    change = reference.change(float(compared[worst]))
    usual = reference.change(float(np.median(compared[stretch])))
    severe = last - first + 1 >= _LASTING and side.sign * usual >= _SEVERE * reference.measure.tolerance
    lasting = Level.CRITICAL if severe else Level.WARNING
    value = float(samples.values[worst])
    usually = math.exp(reference.centre) if reference.logarithmic else reference.centre
    shown, usual_one = reference.measure.unit.apart(value, usually)
    ended = after < len(samples)
    return Finding(
        method=Method.EXCURSION,
        level=Level.NOTE if last == first else lasting,
        since=int(samples.times[first]),
        at=int(samples.times[at]),
        until=int(samples.times[last + 1]) if ended else None,
        value=value,
        bound=usually,
        change=change,
        reason=f"{shown} where the baseline has {usual_one}; it was never so far out in {reference.count} samples",
    )
