"""The extended selectors on histograms: ``anchored`` begins with the last one before, ``smoothed`` interpolates.

Formulas: Prometheus proposal 52 (extended range selectors), applied to histograms as Prometheus does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.histograms import Histogram, ResetHint
from hypercare.model.samples import STALE_BITS
from hypercare.promql.native.aggregation import warn_mixed_layouts
from hypercare.promql.native.arithmetic import (
    IncompatibleError,
    added,
    compact,
    divided,
    scaled,
    subtracted,
    with_hint,
)
from hypercare.promql.native.bounds import is_custom
from hypercare.promql.native.rates import anchored_pairs
from hypercare.promql.native.resets import was_reset
from hypercare.promql.native.selection import combined
from hypercare.promql.printer import quote
from hypercare.promql.values import Mixed, Vector, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.samples import Ints, SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.promql import ast
    from hypercare.promql.native.window import Given, Outcome, Window
    from hypercare.promql.notes import Notes


def between(left: Histogram, right: Histogram, share: float, *, counter: bool) -> tuple[Histogram, bool]:
    """The histogram a share of the way from one to the next, and whether bounds were reconciled.

    A counter that was reset on the way starts from nothing.

    Raises:
        IncompatibleError: exponential and custom.
    """
    if is_custom(left) != is_custom(right):
        raise IncompatibleError
    if counter and was_reset(right, left):
        return scaled(right, share), False
    change = subtracted(right, left)
    return added(left, scaled(change.histogram, share)).histogram, change.reconciled


class _Ends:
    """The histograms at both ends of a range."""

    def __init__(self, window: Window, given: Given) -> None:
        times, self.points = window.times, window.histograms()
        self.times = times.tolist()
        self.counter = given.function.name != "delta"
        newest = len(times) - 1
        self.first = max(0, int(np.searchsorted(times[:newest], given.start, side="right")) - 1)
        self.last = newest
        if given.mode == "smoothed":
            self.last = int(np.searchsorted(times[:newest], given.end, side="left"))
        self.smoothed = given.mode == "smoothed"

    def at(self, row: int, when: Ms, given: Given) -> Histogram:
        """The value at an instant between a row and the next."""
        share = (when - self.times[row]) / (self.times[row + 1] - self.times[row])
        found, reconciled = between(self.points[row], self.points[row + 1], share, counter=self.counter)
        if reconciled:
            given.info_reconciled("subtraction")
        return found

    def left(self, given: Given) -> Histogram:
        """The value at the start."""
        if self.smoothed and self.times[self.first] < given.start:
            return self.at(self.first, given.start, given)
        return self.points[self.first]

    def right(self, given: Given) -> Histogram:
        """The value at the end."""
        if self.smoothed and self.last > 0 and self.times[self.last] > given.end:
            return self.at(self.last - 1, given.end, given)
        return self.points[self.last]


def _rise(window: Window, given: Given) -> Outcome:
    if window.any_float:
        given.warn_mixed_kinds()
        return None
    ends = _Ends(window, given)
    if ends.times[ends.last] <= given.start or ends.times[ends.first] > given.end:
        return None
    points = ends.points[ends.first : ends.last + 1]
    if len({is_custom(point) for point in points}) > 1:
        given.warn_mixed_layouts()
        return None
    if ends.counter and any(point.hint is ResetHint.GAUGE for point in points):
        given.warn_not_counter()
    left, right = ends.left(given), ends.right(given)
    if not ends.counter and (left.hint is not ResetHint.GAUGE or right.hint is not ResetHint.GAUGE):
        given.warn_not_gauge()
    outcome = subtracted(right, left)
    if outcome.reconciled:
        given.info_reconciled("subtraction")
    rise = outcome.histogram
    for lost in _lost(ends, left, right, given) if ends.counter else ():
        outcome = added(rise, lost)
        if outcome.reconciled:
            given.info_reconciled("addition")
        rise = outcome.histogram
    if given.function.name == "rate":
        rise = divided(rise, given.seconds)
    return with_hint(compact(rise), ResetHint.GAUGE)


def _lost(ends: _Ends, left: Histogram, right: Histogram, given: Given) -> list[Histogram]:
    """The values before every reset on the way from the left to the right end."""
    points = ends.points
    row, before = ends.first + 1, left
    interpolated = ends.smoothed and ends.times[ends.first] < given.start
    if interpolated and was_reset(points[ends.first + 1], points[ends.first]):
        # That reset is in the left value already.
        before = points[row]
        row += 1
    if row > ends.last:
        return []
    lost: list[Histogram] = []
    for point in (*points[row : ends.last], right):
        if was_reset(point, before):
            lost.append(before)
        before = point
    return lost


ROWS: Final[dict[str, Callable[[Window, Given], Outcome]]] = {
    "rate": _rise,
    "increase": _rise,
    "delta": _rise,
    "resets": anchored_pairs,
    "changes": anchored_pairs,
}
"""The functions that take extended ranges."""


# ── instant selectors ──


def smoothed_over(
    vector: Vector,
    matrices: Sequence[SampleMatrix],
    found: Sequence[HistogramSeries],
    ends: Ints,
    slack: Ms,
    selector: ast.VectorSelector,
    notes: Notes,
) -> Vector:
    """A smoothed instant selector's value: its floats and the histograms found, interpolated."""
    sets, mixed = combined(matrices, vector.sets, found)
    steps, extra = len(vector.values), len(sets) - len(vector.sets)
    values = np.concatenate([vector.values, np.zeros((steps, extra))], axis=1)
    present = np.concatenate([vector.mask, np.zeros((steps, extra), dtype=np.bool_)], axis=1)
    hists = np.full(values.shape, None, dtype=np.object_)
    when = ends.tolist()
    for series in mixed:
        name = sets.labels[series.column].name
        for step in range(steps):
            at = when[min(step, len(when) - 1)]
            hit = _around(series, at, slack)
            if hit is None:
                continue
            hists[step, series.column], present[step, series.column] = None, False
            if isinstance(hit, str):
                notes.warn(f"encountered a mix of histograms and floats for metric name {quote(name)}", selector)
                continue
            left, right, share = hit
            try:
                counter = left.hint is not ResetHint.GAUGE
                hists[step, series.column] = left if right is None else between(left, right, share, counter=counter)[0]
            except IncompatibleError:
                warn_mixed_layouts(name, selector, notes)
    return Vector(sets, values, present, vector.unnamed, hists if filled(hists).any() else None)


def _around(series: Mixed, at: Ms, slack: Ms) -> tuple[Histogram, Histogram | None, float] | str | None:
    """The histograms around an instant; a text where floats are among them; none where there is nothing to do."""
    low, high = np.searchsorted(series.times, [at - slack, at + slack], side="right").tolist()
    rows = np.arange(low, high)
    rows = rows[series.values.view(np.int64)[rows] != STALE_BITS]
    is_histogram = filled(series.hists[rows])
    if not is_histogram.any():
        return None
    if not is_histogram.all():
        return "mixed"
    times = series.times[rows]
    before = int(np.searchsorted(times, at, side="right")) - 1
    if before < 0:
        return None
    left = series.hists[rows[before]]
    if times[before] == at or before + 1 >= len(rows):
        return left, None, 0.0
    share = float(at - times[before]) / float(times[before + 1] - times[before])
    return left, series.hists[rows[before + 1]], share
