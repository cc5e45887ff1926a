"""Functions of classic histograms (series with ``le``).

Native histograms are not stored yet: their functions find none.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from hypercare.promql.functions.registry import SCALAR, STRING, VECTOR, Function
from hypercare.promql.printer import format_number
from hypercare.promql.values import EMPTY_SETS, LabelSets, Value, Vector, without_metadata

if TYPE_CHECKING:
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.context import CallContext

_TOLERANCE = 1e-12
"""Relative fall of a bucket below the one before it that is taken for a rounding error."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Histogram:
    """The buckets of one histogram among the columns of a vector."""

    labels: Labels
    columns: Ints
    bounds: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class _Grouped:
    histograms: tuple[_Histogram, ...]
    sets: LabelSets
    malformed: tuple[tuple[int, str, str], ...]


def parse_bound(text: str) -> float | None:
    """The number in a ``le`` label, or none."""
    if "_" in text or text != text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _group(sets: LabelSets) -> _Grouped:
    members: dict[Labels, list[tuple[float, int]]] = {}
    malformed: list[tuple[int, str, str]] = []
    for i, labels in enumerate(sets.labels):
        bound = parse_bound(labels.get("le"))
        if bound is None:
            malformed.append((i, labels.get("le"), labels.name))
        else:
            members.setdefault(labels.without(("le",)), []).append((bound, i))
    histograms = []
    for labels, buckets in members.items():
        buckets.sort()
        columns = np.array([i for _, i in buckets], dtype=np.int64)
        histograms.append(_Histogram(labels, columns, np.array([bound for bound, _ in buckets])))
    return _Grouped(tuple(histograms), LabelSets(tuple(h.labels for h in histograms)), tuple(malformed))


def _buckets(histogram: _Histogram, vector: Vector) -> tuple[Floats, Floats, Bools]:
    """Distinct bounds ``[B]``, cumulative counts ``[K, B]`` and whether a step has any bucket.

    A bucket that a step lacks is filled with the count of the one below: it then holds no observations.
    """
    counts = vector.values[:, histogram.columns]
    bounds = histogram.bounds
    some = np.ones(len(counts), dtype=np.bool_)
    if vector.present is not None:
        mask = vector.present[:, histogram.columns]
        some = np.logical_or.reduce(mask, axis=1)
        if not mask.all():
            counts = _carried(counts, mask)
    distinct, starts = np.unique(bounds, return_index=True)
    if len(distinct) < len(bounds):
        counts = np.add.reduceat(counts, starts, axis=1)
    return distinct, counts, some


def _carried(counts: Floats, mask: Bools) -> Floats:
    index = np.where(mask, np.arange(counts.shape[1]), -1)
    index = np.maximum.accumulate(index, axis=1)
    carried = np.take_along_axis(counts, np.maximum(index, 0), axis=1)
    return np.where(index >= 0, carried, 0.0)


def _monotonic(counts: Floats) -> tuple[Floats, Bools]:
    """Counts that never fall, and the steps where more than rounding was put right."""
    highest = np.fmax.accumulate(counts, axis=1)
    before, after = highest[:, :-1], counts[:, 1:]
    fell = after < before
    if not fell.any():
        small = (after != before) & (np.abs(after - before) <= _TOLERANCE * np.maximum(np.abs(after), np.abs(before)))
        return (_flattened(counts, small) if small.any() else counts), np.zeros(len(counts), dtype=np.bool_)
    slight = np.abs(after - before) <= _TOLERANCE * np.maximum(np.abs(after), np.abs(before))
    return highest, np.logical_or.reduce(fell & ~slight, axis=1)


def _flattened(counts: Floats, small: Bools) -> Floats:
    out = counts.copy()
    for i in range(small.shape[1]):
        out[:, i + 1] = np.where(small[:, i], out[:, i], out[:, i + 1])
    return out


def _interpolated(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    """The q-quantile by linear interpolation within its bucket, ``[K]``."""
    steps = np.arange(len(counts))
    total = counts[:, -1]
    rank = q * total
    # The first bucket but the last that holds the rank.
    reached = counts[:, :-1] >= rank[:, None]
    bucket = np.where(reached.any(axis=1), reached.argmax(axis=1), len(bounds) - 1)
    below = np.maximum(bucket - 1, 0)
    start = np.where(bucket > 0, bounds[below], 0.0)
    held = np.where(bucket > 0, counts[steps, below], 0.0)
    end = bounds[bucket]
    inside = start + (end - start) * ((rank - held) / (counts[steps, bucket] - held))
    result = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], inside)
    result = np.where(bucket == len(bounds) - 1, bounds[-2], result)
    return np.where(total == 0, np.nan, result)


def _quantile_of(q: Floats, bounds: Floats, counts: Floats) -> tuple[Floats, Bools]:
    if len(bounds) < 2 or not np.isposinf(bounds[-1]):
        value, forced = np.full(len(counts), np.nan), np.zeros(len(counts), dtype=np.bool_)
    else:
        counts, forced = _monotonic(counts)
        value = _interpolated(q, bounds, counts)
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value), forced


def _grouped(ctx: CallContext, index: int) -> tuple[Vector, _Grouped]:
    vector = ctx.vector(index)
    grouped = vector.sets.memo("histograms", lambda: _group(vector.sets))
    for column, value, name in grouped.malformed:
        if vector.present is None or vector.present[:, column].any():
            message = f'bucket label "le" is missing or has a malformed value of "{value}"{_for_metric(name)}'
            ctx.warn(message, index)
    return vector, grouped


def _for_metric(name: str) -> str:
    return f' for metric name "{name}"' if name else ""


def _remark_forced(ctx: CallContext, histogram: _Histogram, index: int) -> None:
    ctx.info(
        "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/"
        f"prometheus/latest/querying/functions/#histogram_quantile){_for_metric(histogram.labels.name)}",
        index,
    )


def _check_quantiles(ctx: CallContext, q: Floats, index: int) -> None:
    for value in np.unique(q[~((q >= 0) & (q <= 1))]):
        shown = format_number(float(value))
        ctx.warn(f"quantile value should be between 0 and 1, got {shown}", index)


def _results(grouped: _Grouped, columns: list[Floats], presents: list[Bools], steps: int) -> Vector:
    if not columns:
        return Vector(EMPTY_SETS, np.empty((steps, 0)))
    present = np.stack(presents, axis=1)
    return Vector(grouped.sets, np.stack(columns, axis=1), None if present.all() else present, unnamed=True)


def _histogram_quantile(ctx: CallContext) -> Value:
    q = ctx.scalar(0)
    vector, grouped = _grouped(ctx, 1)
    _check_quantiles(ctx, q, 0)
    columns: list[Floats] = []
    presents: list[Bools] = []
    for histogram in grouped.histograms:
        bounds, counts, some = _buckets(histogram, vector)
        value, forced = _quantile_of(q, bounds, counts)
        if (forced & some).any():
            _remark_forced(ctx, histogram, 1)
        columns.append(value)
        presents.append(some)
    return _results(grouped, columns, presents, ctx.grid.size)


def _histogram_quantiles(ctx: CallContext) -> Value:
    label = ctx.text(1)
    vector, grouped = _grouped(ctx, 0)
    parts: list[Labels] = []
    columns: list[Floats] = []
    presents: list[Bools] = []
    for i in range(2, ctx.given):
        q = ctx.scalar(i)
        _check_quantiles(ctx, q, i)
        for histogram in grouped.histograms:
            bounds, counts, some = _buckets(histogram, vector)
            value, forced = _quantile_of(q, bounds, counts)
            if (forced & some).any():
                _remark_forced(ctx, histogram, 0)
            columns.append(value)
            presents.append(some)
            parts.append(histogram.labels.with_({label: _open_number(float(q[0]))}))
    renamed = dataclasses.replace(grouped, sets=LabelSets(tuple(parts)))
    return _results(renamed, columns, presents, ctx.grid.size)


def _open_number(value: float) -> str:
    """A number as OpenMetrics writes it: with a decimal point."""
    text = format_number(value)
    return text if any(char in text for char in ".eNI") else f"{text}.0"


def _share_below(edge: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Observations at or below ``edge``, interpolated within its bucket, ``[K]``."""
    steps = np.arange(len(counts))
    bucket = np.searchsorted(bounds, edge, side="left")
    inside = np.minimum(bucket, len(bounds) - 1)
    below = np.maximum(inside - 1, 0)
    held = np.where(inside > 0, counts[steps, below], 0.0)
    lowest = 0.0 if bounds[0] > 0 else -np.inf
    start = np.where(inside > 0, bounds[below], lowest)
    end = bounds[inside]
    top = counts[steps, inside]
    linear = held + (top - held) * (edge - start) / (end - start)
    # Nothing can be said inside a bucket without an end: above, all of it is beyond; below, all of it is within.
    linear = np.where(np.isposinf(end), held, np.where(np.isneginf(start), top, linear))
    linear = np.where(edge <= start, held, linear)
    return np.where(bucket >= len(bounds), counts[:, -1], np.where(edge == end, top, linear))


def _histogram_fraction(ctx: CallContext) -> Value:
    lower, upper = ctx.scalar(0), ctx.scalar(1)
    vector, grouped = _grouped(ctx, 2)
    columns: list[Floats] = []
    presents: list[Bools] = []
    for histogram in grouped.histograms:
        bounds, counts, some = _buckets(histogram, vector)
        if not np.isposinf(bounds[-1]):
            value = np.full(len(counts), np.nan)
        else:
            total = counts[:, -1]
            value = (_share_below(upper, bounds, counts) - _share_below(lower, bounds, counts)) / total
            value = np.where(lower >= upper, 0.0, value)
            value = np.where((total == 0) | np.isnan(lower) | np.isnan(upper), np.nan, value)
        columns.append(value)
        presents.append(some)
    return _results(grouped, columns, presents, ctx.grid.size)


def _of_native(ctx: CallContext) -> Value:
    """Floats are left out, as everywhere; there are no native histograms yet."""
    vector = ctx.vector(0)
    sets = vector.sets.memo("named", lambda: LabelSets(tuple(without_metadata(ls) for ls in vector.sets.labels)))
    return Vector(sets, vector.values, np.zeros(vector.values.shape, dtype=np.bool_), unnamed=True)


ROWS: tuple[Function, ...] = (
    Function(
        "histogram_quantile", (SCALAR, VECTOR), VECTOR, "The q-quantile of a histogram.", special=_histogram_quantile
    ),
    Function(
        "histogram_quantiles",
        (VECTOR, STRING, SCALAR),
        VECTOR,
        "Several quantiles of a histogram, told apart by a label.",
        variadic=-1,
        experimental=True,
        special=_histogram_quantiles,
    ),
    Function(
        "histogram_fraction",
        (SCALAR, SCALAR, VECTOR),
        VECTOR,
        "The share of observations between two bounds.",
        special=_histogram_fraction,
    ),
    *(
        Function(f"histogram_{name}", (VECTOR,), VECTOR, f"{doc} of native histograms.", special=_of_native)
        for name, doc in (
            ("avg", "The average observation"),
            ("count", "The number of observations"),
            ("sum", "The sum of observations"),
            ("stddev", "The estimated standard deviation"),
            ("stdvar", "The estimated variance"),
        )
    ),
)
