"""Functions over ranges of series that have histograms: one window after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql.errors import StoppedError
from hypercare.promql.functions.registry import RangeArgs
from hypercare.promql.native import extended, over_time, rates
from hypercare.promql.native.selection import compared_once
from hypercare.promql.native.started import STARTED
from hypercare.promql.native.window import Given, Outcome, Window
from hypercare.promql.values import EMPTY_SETS, Block, Mixed, RangeVector, Vector, filled
from hypercare.promql.windows import Stacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Bools, Floats
    from hypercare.promql import ast
    from hypercare.promql.functions.registry import Function
    from hypercare.promql.notes import Notes

_IMPLEMENTED: Final[dict[str, Callable[[Window, Given], Outcome]]] = {**rates.ROWS, **over_time.ROWS}
_EXTENDED: Final[dict[str, Callable[[Window, Given], Outcome]]] = extended.ROWS
_PAIRS: Final = frozenset({"deriv", "predict_linear", "double_exponential_smoothing", "holt_winters"})
"""Functions that need two floats, and remark on histograms from one on."""
_COMPARING: Final = frozenset({"rate", "increase", "irate", "resets"})
_PATIENCE: Final = 16
"""Windows computed between two looks at whether anybody waits."""
_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")


def mixed_call(
    function: Function,
    call: ast.Call,
    matrix: RangeVector,
    args: RangeArgs,
    vector: Vector,
    notes: Notes,
    stopped: Callable[[], bool],
) -> Vector:
    """The value of a function over a range vector with histograms; ``vector`` is that of the series without any.

    Raises:
        StoppedError: nobody waits for it any more.
    """
    steps = len(vector.values)
    values, present = np.array(vector.values), vector.mask.copy()
    hists = np.full(values.shape, None, dtype=np.object_)
    ends = matrix.end.tolist()
    # Windows overlap: neighbours are compared once, not in every window.
    compared = steps > 1 and function.name in _COMPARING and not matrix.mode
    for found_series in matrix.mixed:
        series = found_series._replace(hists=compared_once(found_series.hists)) if compared else found_series
        labels = matrix.sets.labels[series.column]
        kinds = filled(series.hists)
        for step in range(steps):
            if step % _PATIENCE == 0 and stopped():
                raise StoppedError
            # One instant may stand for all steps; scalars may differ from step to step even so.
            given = Given(
                function,
                call,
                labels.name,
                notes,
                ends[min(step, len(ends) - 1)] - matrix.range,
                ends[min(step, len(ends) - 1)],
                matrix.mode,
                matrix.slack,
                args,
                step,
            )
            found = _value(series, kinds, given)
            present[step, series.column] = isinstance(found, float)
            if isinstance(found, float):
                values[step, series.column] = found
            else:
                hists[step, series.column] = found
    return Vector(vector.sets, values, present, vector.unnamed, hists if filled(hists).any() else None)


def _at(args: RangeArgs, step: int) -> RangeArgs:
    """The arguments of one step."""

    def cut(array: Floats) -> Floats:
        return array[step : step + 1] if len(array) > 1 else array[:1]

    return RangeArgs(cut(args.times), cut(args.start), cut(args.end), tuple(cut(scalar) for scalar in args.scalars))


def _value(series: Mixed, kinds: Bools, given: Given) -> Outcome:
    """The value at one step; ``kinds`` tells which samples are histograms."""
    start = given.start - given.slack if given.mode else given.start
    end = given.end + given.slack if given.mode == "smoothed" else given.end
    low, high = np.searchsorted(series.times, [start, end], side="right").tolist()
    if low == high:
        return None
    window = Window(
        series.times[low:high],
        series.values[low:high],
        series.hists[low:high],
        kinds[low:high],
        None if series.starts is None else series.starts[low:high],
    )
    function = given.function
    if given.mode:
        return _in_mode(window, given)
    if not window.any_histogram and (window.starts is None or function.name not in STARTED):
        return _of_floats(window, given)
    implementation = _IMPLEMENTED.get(function.name)
    return _ignoring(window, given) if implementation is None else implementation(window, given)


def _in_mode(window: Window, given: Given) -> Outcome:
    if not window.any_histogram:
        from hypercare.promql.extended import extended_call  # noqa: PLC0415  # imports the windows of floats

        end = np.array([given.end])
        matrix = RangeVector(EMPTY_SETS, (), end, given.end - given.start, mode=given.mode, slack=given.slack)
        block = Block(np.zeros(1, dtype=np.int64), window.times, window.values[:, None])
        values, present = extended_call(given.function, block, matrix, _at(given.whole, given.step))
        return float(np.ravel(values)[0]) if present is None or bool(np.ravel(present)[0]) else None
    return _EXTENDED[given.function.name](window, given)


def _of_floats(window: Window, given: Given) -> Outcome:
    """What the function makes of the floats of a window."""
    floats = window.floats()
    function = given.function
    if function.over_range is None or not len(floats.times):
        return None
    block = Block(np.zeros(1, dtype=np.int64), floats.times, floats.values[:, None])
    values, present = function.over_range(Stacked([block]), _at(given.whole, given.step))
    if present is not None and not bool(np.ravel(present)[0]):
        return None
    if function.counter and given.name and not given.name.endswith(_COUNTER_SUFFIXES):
        message = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket"
        given.info(f'{message}: "{given.name}"')
    return float(np.ravel(values)[0])


def _ignoring(window: Window, given: Given) -> Outcome:
    """Functions of floats: histograms of the same window are left out, and that is said."""
    floats = len(window.floats().times)
    if not floats:
        return None
    given.remark_ignored()
    if given.function.name in _PAIRS and floats < 2:
        return None
    return _of_floats(window, given)
