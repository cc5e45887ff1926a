"""Functions of time: the evaluation's, the samples', and parts of dates in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.labels import EMPTY
from hypercare.promql import ast
from hypercare.promql.functions.registry import SCALAR, VECTOR, Function
from hypercare.promql.values import LabelSets, Scalar, Value, Vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Floats, Ints
    from hypercare.promql.context import CallContext

ONE_UNLABELLED = LabelSets((EMPTY,))
"""The one series of ``vector(…)``."""


def _time(ctx: CallContext) -> Value:
    return Scalar(ctx.seconds())


def _timestamp(ctx: CallContext) -> Value:
    arg = ast.unwrap(ctx.call.args[0])
    if isinstance(arg, ast.VectorSelector):
        return ctx.evaluator.sample_times(arg, ctx.grid)
    vector = ctx.vector(0)
    if vector.hists is not None:
        vector = Vector(vector.sets, vector.values, vector.there, vector.unnamed)
    return vector.with_values(np.broadcast_to(ctx.seconds()[:, None], vector.values.shape))


def _start_timestamp(ctx: CallContext) -> Value:
    arg = ast.unwrap(ctx.call.args[0])
    if isinstance(arg, ast.VectorSelector):
        return ctx.evaluator.start_times(arg, ctx.grid)
    # Only stored samples have one.
    vector = ctx.vector(0)
    return vector.with_values(vector.values, np.zeros(vector.values.shape, dtype=np.bool_))


def _days(seconds: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    return np.floor_divide(seconds, 86400).astype("datetime64[D]")


def _month_start(seconds: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    return _days(seconds).astype("datetime64[M]")


def _day_of_month(seconds: Ints) -> Ints:
    days: Ints = (_days(seconds) - _month_start(seconds).astype("datetime64[D]")).astype(np.int64) + 1
    return days


def _day_of_week(seconds: Ints) -> Ints:
    return (np.floor_divide(seconds, 86400) + 4) % 7  # the epoch was a Thursday


def _day_of_year(seconds: Ints) -> Ints:
    days = _days(seconds)
    number: Ints = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1
    return number


def _days_in_month(seconds: Ints) -> Ints:
    month = _month_start(seconds)
    following = month + np.timedelta64(1, "M")
    length: Ints = (following.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return length


def _hour(seconds: Ints) -> Ints:
    return seconds % 86400 // 3600


def _minute(seconds: Ints) -> Ints:
    return seconds % 3600 // 60


def _month(seconds: Ints) -> Ints:
    return _month_start(seconds).astype(np.int64) % 12 + 1


def _year(seconds: Ints) -> Ints:
    return _days(seconds).astype("datetime64[Y]").astype(np.int64) + 1970


_LONGEST = 2.0**55  # beyond it there are no dates


def _date_row(name: str, part: Callable[[Ints], Ints], doc: str) -> Function:
    def implementation(ctx: CallContext) -> Value:
        vector = ctx.vector(0) if ctx.given else Vector(ONE_UNLABELLED, ctx.seconds()[:, None])
        sound = np.abs(vector.values) < _LONGEST
        # Fractions are cut towards zero, as Go does when it makes an integer.
        parts: Floats = part(np.where(sound, vector.values, 0.0).astype(np.int64)).astype(np.float64)
        return vector.with_values(np.where(sound, parts, np.nan))

    return Function(name, (VECTOR,), VECTOR, doc, variadic=1, special=implementation)


def _constant(pick: Callable[[CallContext], float]) -> Callable[[CallContext], Value]:
    return lambda ctx: Scalar(np.full(ctx.grid.size, pick(ctx)))


def _min_of(ctx: CallContext) -> Value:
    return Scalar(np.minimum(ctx.scalar(0), ctx.scalar(1)))


def _max_of(ctx: CallContext) -> Value:
    return Scalar(np.maximum(ctx.scalar(0), ctx.scalar(1)))


_QUERY: tuple[tuple[str, Callable[[CallContext], float], str], ...] = (
    ("start", lambda ctx: ctx.grid.start / 1000, "Start of the query, in seconds."),
    ("end", lambda ctx: ctx.grid.end / 1000, "End of the query, in seconds."),
    ("range", lambda ctx: (ctx.grid.end - ctx.grid.start) / 1000, "End minus start of the query, in seconds."),
    ("step", lambda ctx: ctx.grid.query_step / 1000, "Step of the query, in seconds; 0 for an instant."),
)

ROWS: tuple[Function, ...] = (
    *(Function(name, (), SCALAR, doc, experimental=True, special=_constant(pick)) for name, pick, doc in _QUERY),
    Function("min_of", (SCALAR, SCALAR), SCALAR, "The smaller of two numbers.", experimental=True, special=_min_of),
    Function("max_of", (SCALAR, SCALAR), SCALAR, "The larger of two numbers.", experimental=True, special=_max_of),
    Function("time", (), SCALAR, "The evaluation time, in seconds.", special=_time),
    Function("timestamp", (VECTOR,), VECTOR, "When each sample was taken, in seconds.", special=_timestamp),
    Function(
        "start_timestamp",
        (VECTOR,),
        VECTOR,
        "When the counter of each sample began, in seconds; 0 where that is not known.",
        experimental=True,
        special=_start_timestamp,
    ),
    _date_row("minute", _minute, "Minute of the hour, 0 to 59."),
    _date_row("hour", _hour, "Hour of the day, 0 to 23."),
    _date_row("day_of_week", _day_of_week, "Day of the week, 0 (Sunday) to 6."),
    _date_row("day_of_month", _day_of_month, "Day of the month, from 1."),
    _date_row("day_of_year", _day_of_year, "Day of the year, from 1."),
    _date_row("days_in_month", _days_in_month, "Days the month has."),
    _date_row("month", _month, "Month, 1 to 12."),
    _date_row("year", _year, "Year."),
)
