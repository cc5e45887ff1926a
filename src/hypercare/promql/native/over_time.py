"""Functions ``*_over_time`` over windows with histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.promql.native.arithmetic import IncompatibleError
from hypercare.promql.native.sums import mean_of, sum_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.promql.native.window import Given, Outcome, Window


def _added_up(window: Window, given: Given) -> Outcome:
    if window.any_float:
        given.warn_mixed_kinds()
        return None
    combine = sum_of if given.function.name == "sum_over_time" else mean_of
    try:
        found = combine(window.histograms())
    except IncompatibleError:
        given.warn_mixed_layouts()
        return None
    if found.collision:
        given.warn("conflicting counter resets during histogram aggregation")
    if found.reconciled:
        given.info_reconciled("aggregation")
    return found.histogram


def _count(window: Window, _: Given) -> Outcome:
    return float(len(window.times))


def _present(_: Window, __: Given) -> Outcome:
    return 1.0


def _first(window: Window, _: Given) -> Outcome:
    return window.sample(0)


def _last(window: Window, _: Given) -> Outcome:
    return window.sample(-1)


def _ts_first(window: Window, _: Given) -> Outcome:
    return float(window.times[0]) / 1000.0


def _ts_last(window: Window, _: Given) -> Outcome:
    return float(window.times[-1]) / 1000.0


ROWS: Final[dict[str, Callable[[Window, Given], Outcome]]] = {
    "sum_over_time": _added_up,
    "avg_over_time": _added_up,
    "count_over_time": _count,
    "present_over_time": _present,
    "first_over_time": _first,
    "last_over_time": _last,
    "ts_of_first_over_time": _ts_first,
    "ts_of_last_over_time": _ts_last,
}
"""Those that take histograms; the others see the floats alone."""
