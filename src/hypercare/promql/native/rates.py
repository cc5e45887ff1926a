"""Rates, differences, resets and changes over windows with histograms or start timestamps."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.histograms import Histogram, ResetHint
from hypercare.promql.native.arithmetic import (
    IncompatibleError,
    added,
    compact,
    divided,
    equal,
    scaled,
    subtracted,
    to_schema,
    with_hint,
)
from hypercare.promql.native.bounds import is_custom
from hypercare.promql.native.resets import started_again, was_reset
from hypercare.promql.printer import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.promql.native.window import Given, Outcome, Window


def _began(window: Window, index: int) -> int:
    return 0 if window.starts is None else int(window.starts[index])


def starts_anew(window: Window, index: int) -> bool:
    """Whether the start timestamp of a sample says that its counter began after the sample before it."""
    if window.starts is None:
        return False
    times = window.times
    return started_again(_began(window, index - 1), int(times[index - 1]), _began(window, index), int(times[index]))


def warn_overlap(window: Window, given: Given) -> None:
    """A counter that began before the previous sample, but not when that one's did."""
    if window.starts is None:
        return
    now, before = window.starts[1:], window.starts[:-1]
    if bool(np.any((now != 0) & (now < window.times[:-1]) & (now != before))):
        given.warn(f"sample has start time that overlaps with previous sample timestamp for metric {quote(given.name)}")


def _extrapolated(window: Window, given: Given) -> Outcome:
    counter, per_second = given.function.name != "delta", given.function.name == "rate"
    if window.any_histogram and window.any_float:
        given.warn_mixed_kinds()
        return None
    times = window.times
    began = _began(window, 0)
    from_zero = counter and given.start < began < int(times[0])
    if len(times) < 2 and not from_zero:
        return None
    if counter:
        warn_overlap(window, given)
    rise = _histogram_rise(window, given, counter=counter) if window.any_histogram else _float_rise(window, counter)
    if rise is None:
        return None
    first, last = int(times[0]), int(times[-1])
    sampled = (last - first) / 1000.0
    average = sampled / (len(times) - 1) if len(times) > 1 else 0.0
    to_start, to_end = (first - given.start) / 1000.0, (given.end - last) / 1000.0
    if from_zero:
        # The counter was zero when it began: that is one more sample.
        sample = window.sample(0)
        if isinstance(sample, Histogram) and isinstance(rise, Histogram):
            rise = with_hint(compact(added(rise, sample).histogram), ResetHint.GAUGE)
        elif isinstance(sample, float) and isinstance(rise, float):
            rise += sample
        sampled, to_start = (last - began) / 1000.0, 0.0
    else:
        if to_start >= average * 1.1:
            to_start = average / 2
        if counter:
            to_start = min(to_start, _to_zero(window, rise, sampled))
    if to_end >= average * 1.1:
        to_end = average / 2
    factor = (sampled + to_start + to_end) / sampled if sampled else 1.0
    if per_second:
        factor /= given.seconds
    return scaled(rise, factor) if isinstance(rise, Histogram) else rise * factor


def _to_zero(window: Window, rise: Histogram | float, sampled: float) -> float:
    """How long before the first sample a counter that grew evenly would have been zero, s."""
    first = window.sample(0)
    if isinstance(rise, Histogram):
        if isinstance(first, Histogram) and rise.count > 0 and first.count >= 0:
            return sampled * (first.count / rise.count)
    elif isinstance(first, float) and rise > 0 and first >= 0:
        return sampled * (first / rise)
    return math.inf


def _float_rise(window: Window, counter: bool) -> float:  # noqa: FBT001  # a value, not a switch
    values = window.values.tolist()
    rise: float = values[-1] - values[0]
    if counter:
        for i in range(1, len(values)):
            if values[i] < values[i - 1] or starts_anew(window, i):
                rise += values[i - 1]
    return rise


def _histogram_rise(window: Window, given: Given, *, counter: bool) -> Histogram | None:
    points = window.histograms()
    first, last = points[0], points[-1]
    if len(points) == 1:
        # The sample is added by the caller to what it was when the counter began.
        return with_hint(scaled(last, 0.0), ResetHint.GAUGE)
    inner = points[1:-1]
    if counter and any(point.hint is ResetHint.GAUGE for point in points):
        given.warn_not_counter()
    if counter and (starts_anew(window, 1) or was_reset(points[1], first)):
        # Nothing of the first sample counts, its layout neither.
        second = points[1]
        first = Histogram(schema=second.schema, custom_values=second.custom_values)
    relevant = [first, last, *inner] if counter else [first, last]
    if any(is_custom(point) != is_custom(first) for point in relevant):
        given.warn_mixed_layouts()
        return None
    try:
        return _rise(window, first, given, min(point.schema for point in relevant), counter=counter)
    except IncompatibleError:
        given.warn_mixed_layouts()
        return None


def _rise(window: Window, first: Histogram, given: Given, schema: int, *, counter: bool) -> Histogram:
    points = window.histograms()
    outcome = subtracted(to_schema(points[-1], schema), first)
    if outcome.reconciled:
        given.info_reconciled("subtraction")
    rise = outcome.histogram
    if counter:
        before = first
        for i in range(1, len(points)):
            if starts_anew(window, i) or was_reset(points[i], before):
                outcome = added(rise, before)
                if outcome.reconciled:
                    given.info_reconciled("addition")
                rise = outcome.histogram
            before = points[i]
    elif points[0].hint is not ResetHint.GAUGE or points[-1].hint is not ResetHint.GAUGE:
        given.warn_not_gauge()
    return with_hint(compact(rise), ResetHint.GAUGE)


def _last_two(window: Window, given: Given) -> Outcome:
    rate = given.function.name == "irate"
    if len(window.times) < 2:
        return None
    before, now = window.sample(-2), window.sample(-1)
    apart = int(window.times[-1] - window.times[-2]) / 1000.0
    anew = rate and starts_anew(window, len(window.times) - 1)
    if isinstance(before, float) and isinstance(now, float):
        change = now if rate and (now < before or anew) else now - before
        return change / apart if rate else change
    if not isinstance(before, Histogram) or not isinstance(now, Histogram):
        given.warn_mixed_kinds()
        return None
    gauges = [sample.hint is ResetHint.GAUGE for sample in (before, now)]
    if rate and any(gauges):
        given.warn_not_counter()
    if not rate and not all(gauges):
        given.warn_not_gauge()
    result = now
    if not rate or not (anew or was_reset(now, before)):
        try:
            outcome = subtracted(now, before)
        except IncompatibleError:
            given.warn_mixed_layouts()
            return None
        if outcome.reconciled:
            given.info_reconciled("subtraction")
        result = outcome.histogram
    result = with_hint(compact(result), ResetHint.GAUGE)
    return divided(result, apart) if rate else result


def _resets(window: Window, _: Given) -> Outcome:
    def reset(index: int) -> bool:
        before, now = window.sample(index - 1), window.sample(index)
        if isinstance(before, float) and isinstance(now, float):
            return now < before or starts_anew(window, index)
        if isinstance(before, Histogram) and isinstance(now, Histogram):
            return starts_anew(window, index) or was_reset(now, before)
        return True

    return float(sum(reset(i) for i in range(1, len(window.times))))


def _changes(window: Window, _: Given) -> Outcome:
    def differs(index: int) -> bool:
        before, now = window.sample(index - 1), window.sample(index)
        if isinstance(before, float) and isinstance(now, float):
            return now != before and not (math.isnan(now) and math.isnan(before))
        if isinstance(before, Histogram) and isinstance(now, Histogram):
            return not equal(now, before)
        return True

    return float(sum(differs(i) for i in range(1, len(window.times))))


def anchored_pairs(window: Window, given: Given) -> Outcome:
    """Resets or changes from the last sample before the range on."""
    if int(window.times[-1]) <= given.start:
        return None
    first = max(0, int(np.searchsorted(window.times, given.start, side="right")) - 1)
    cut = dataclasses.replace(
        window,
        times=window.times[first:],
        values=window.values[first:],
        hists=window.hists[first:],
        is_histogram=window.is_histogram[first:],
        starts=None if window.starts is None else window.starts[first:],
    )
    return ROWS[given.function.name](cut, given)


ROWS: Final[dict[str, Callable[[Window, Given], Outcome]]] = {
    "rate": _extrapolated,
    "increase": _extrapolated,
    "delta": _extrapolated,
    "irate": _last_two,
    "idelta": _last_two,
    "resets": _resets,
    "changes": _changes,
}
