"""Functions of histograms: classic ones (series with ``le``) and native ones."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from hypercare.promql.functions.labels import check_label_name
from hypercare.promql.functions.registry import SCALAR, STRING, VECTOR, Function
from hypercare.promql.native.conflicts import apart, native_values, put_together
from hypercare.promql.native.distribution import Remark, fraction, quantile, variance
from hypercare.promql.printer import format_number
from hypercare.promql.values import EMPTY_SETS, LabelSets, Value, Vector, every, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.histograms import Histogram
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql.context import CallContext

_TOLERANCE = 1e-12
"""Difference of neighbouring buckets, relative to their sum, that is taken for a rounding error."""
_CELLS = 1 << 16
"""Bucket counts computed at once: as many as fit the processor's cache."""

_Compute: TypeAlias = "Callable[..., tuple[Floats, Bools | None]]"


class _Results(NamedTuple):
    """``values[K, H]`` of all histograms, where they have one, and which histograms are to be remarked on."""

    values: Floats
    present: Bools
    noted: Bools


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """Histograms with the same bounds, so that they are computed together.

    Attributes:
        members: their numbers among all histograms, ascending, ``[H]``.
        columns: the columns of their buckets in order of the bounds, ``[H, B]``.
        bounds: ascending, ``[B]``; one may stand twice, written differently.
        distinct: whether none does.

    """

    members: Ints
    columns: Ints
    bounds: Floats
    distinct: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Grouped:
    """The histograms among the columns of a vector."""

    sets: LabelSets
    shapes: tuple[_Shape, ...]
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
    shapes: dict[tuple[float, ...], tuple[list[int], list[list[int]]]] = {}
    for number, buckets in enumerate(members.values()):
        buckets.sort()
        numbers, columns = shapes.setdefault(tuple([bound for bound, _ in buckets]), ([], []))
        numbers.append(number)
        columns.append([i for _, i in buckets])
    made = tuple(_shape(bounds, *parts) for bounds, parts in shapes.items())
    return _Grouped(LabelSets(tuple(members)), made, tuple(malformed))


def _shape(bounds: tuple[float, ...], members: list[int], columns: list[list[int]]) -> _Shape:
    return _Shape(
        np.array(members, dtype=np.int64),
        np.array(columns, dtype=np.int64),
        np.array(bounds),
        distinct=len(set(bounds)) == len(bounds),
    )


def _applied(
    compute: _Compute, bounds: Floats, counts: Floats, scalars: Sequence[Floats], *, distinct: bool
) -> tuple[Floats, Bools | None]:
    if not distinct:
        bounds, starts = np.unique(bounds, return_index=True)
        counts = np.add.reduceat(counts, starts, axis=1)
    return compute(bounds, counts, *scalars)


def _applied_where(
    compute: _Compute, shape: _Shape, counts: Floats, mask: Bools, scalars: Sequence[Floats]
) -> tuple[Floats, Bools]:
    """Rows that lack the same buckets are computed together, from the buckets that they have."""
    values, noted = np.full(len(counts), np.nan), np.zeros(len(counts), dtype=np.bool_)
    alike: dict[bytes, list[int]] = {}
    for row, packed in enumerate(np.packbits(mask, axis=1)):
        alike.setdefault(packed.tobytes(), []).append(row)
    for rows in alike.values():
        kept = mask[rows[0]]
        if kept.any():
            some = [scalar[rows] for scalar in scalars]
            part = counts[rows][:, kept]
            values[rows], remarkable = _applied(compute, shape.bounds[kept], part, some, distinct=shape.distinct)
            noted[rows] = False if remarkable is None else remarkable
    return values, noted


def _monotonic(counts: Floats) -> tuple[Floats, Bools | None]:
    """Counts that never fall, and the rows where more than rounding was put right (none: nowhere).

    As Prometheus' ``ensureMonotonicAndIgnoreSmallDeltas``: a bucket that is below the one before it, or above it by
    less than rounding, gets its count.
    """
    before, after = counts[:, :-1], counts[:, 1:]
    if every((after == before) | (after - before >= _TOLERANCE * (after + before))):
        return counts, None
    out = counts.copy()
    forced = np.zeros(len(counts), dtype=np.bool_)
    for i in range(1, counts.shape[1]):
        held, count = out[:, i - 1], out[:, i]
        near = np.abs(count - held) < _TOLERANCE * (np.abs(count) + np.abs(held))
        fell = (count < held) & ~near
        forced |= fell
        out[:, i] = np.where(near | fell, held, count)
    return out, forced


def _interpolated(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    """The q-quantile by linear interpolation within its bucket, ``[K]``."""
    steps = np.arange(len(counts))
    total = counts[:, -1]
    rank = q * total
    # The first bucket that holds the rank, or the last.
    reached = counts >= rank[:, None]
    reached[:, -1] = True
    bucket: Ints = reached.argmax(axis=1)
    below = np.maximum(bucket - 1, 0)
    start, held = bounds[below], counts[steps, below]
    in_first = not every(bucket > 0)
    if in_first:
        start, held = np.where(bucket > 0, start, 0.0), np.where(bucket > 0, held, 0.0)
    result: Floats = start + (bounds[bucket] - start) * ((rank - held) / (counts[steps, bucket] - held))
    if in_first and bounds[0] <= 0:
        result = np.where(bucket == 0, bounds[0], result)
    in_last = bucket == len(bounds) - 1
    if np.count_nonzero(in_last):
        result = np.where(in_last, bounds[-2], result)
    return result if every(total != 0) else np.where(total == 0, np.nan, result)


def _quantile_of(bounds: Floats, counts: Floats, q: Floats) -> tuple[Floats, Bools | None]:
    forced = None
    if len(bounds) < 2 or bounds[-1] != np.inf:
        value = np.full(len(counts), np.nan)
    else:
        counts, forced = _monotonic(counts)
        value = _interpolated(q, bounds, counts)
    if every((q >= 0) & (q <= 1)):
        return value, forced
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


def _remark_forced(ctx: CallContext, grouped: _Grouped, vector: Vector, number: int, index: int) -> None:
    """Say which buckets of a histogram fell below those before them, by how much, and when."""
    shape, row = next(
        (shape, int(np.searchsorted(shape.members, number))) for shape in grouped.shapes if number in shape.members
    )
    columns = shape.columns[row]
    there = vector.mask[:, columns]
    fallen: list[tuple[int, float, float]] = []
    for step in np.flatnonzero(there.any(axis=1)).tolist():
        kept = there[step]
        bounds, starts = np.unique(shape.bounds[kept], return_index=True)
        counts = np.add.reduceat(vector.values[step, columns[kept]], starts)
        raised, forced = _monotonic(counts[None, :])
        if forced is not None and forced[0]:
            lift = raised[0] - counts
            fell = lift > _TOLERANCE * np.abs(counts)
            at = int(ctx.grid.times[step])
            fallen.extend((at, float(bound), float(by)) for bound, by in zip(bounds[fell], lift[fell], strict=True))
    name = grouped.sets.labels[number].name if ctx.evaluator.delayed else ""
    ctx.evaluator.notes.forced(_for_metric(name), fallen, ctx.call.args[index])


def _check_quantiles(ctx: CallContext, q: Floats, index: int) -> None:
    good = (q >= 0) & (q <= 1)
    if every(good):
        return
    for value in np.unique(q[~good]):
        shown = format_number(float(value))
        ctx.warn(f"quantile value should be between 0 and 1, got {shown}", index)


def _computed(grouped: _Grouped, vector: Vector, compute: _Compute, *scalars: Floats) -> _Results:
    """Apply a function to all histograms, many at once.

    ``compute`` takes bounds, counts ``[R, B]`` and the scalars (of each step ``[K]``) as ``[R]``; it gives ``[R]``
    and which rows are to be remarked on.
    """
    steps, total = len(vector.values), len(grouped.sets)
    if len(grouped.shapes) == 1 and vector.present is None and grouped.shapes[0].columns.size * steps <= _CELLS:
        return _alike(grouped.shapes[0], vector.values, compute, scalars)
    values, present = np.empty((steps, total)), np.ones((steps, total), dtype=np.bool_)
    noted = np.zeros(total, dtype=np.bool_)
    for shape in grouped.shapes:
        height, width = shape.columns.shape
        portion = max(1, _CELLS // (steps * width))
        for at in range(0, height, portion):
            members, columns = shape.members[at : at + portion], shape.columns[at : at + portion]
            counts = vector.values[:, columns].reshape(-1, width)
            mask = None if vector.present is None else vector.present[:, columns].reshape(-1, width)
            repeated = [np.repeat(scalar, len(members)) for scalar in scalars]
            if mask is None or every(mask):
                result, remarkable = _applied(compute, shape.bounds, counts, repeated, distinct=shape.distinct)
            else:
                result, remarkable = _applied_where(compute, shape, counts, mask, repeated)
                present[:, members] = mask.any(axis=1).reshape(steps, -1)
            values[:, members] = result.reshape(steps, -1)
            if remarkable is not None:
                noted[members] = remarkable.reshape(steps, -1).any(axis=0)
    return _Results(values, present, noted)


def _alike(shape: _Shape, values: Floats, compute: _Compute, scalars: Sequence[Floats]) -> _Results:
    """The same where all histograms have the same bounds, and every bucket a count."""
    steps, total = len(values), len(shape.members)
    counts = values.take(shape.columns, axis=1).reshape(-1, shape.columns.shape[1])
    repeated = [scalar.repeat(total) for scalar in scalars]
    result, remarkable = _applied(compute, shape.bounds, counts, repeated, distinct=shape.distinct)
    noted: Bools = np.zeros(total, dtype=np.bool_)
    if remarkable is not None:
        np.logical_or.reduce(remarkable.reshape(steps, -1), axis=0, out=noted)
    return _Results(result.reshape(steps, -1), np.ones((steps, total), dtype=np.bool_), noted)


def _vector(grouped: _Grouped, parts: list[_Results], steps: int) -> Vector:
    if not parts or not len(grouped.sets):
        return Vector(EMPTY_SETS, np.empty((steps, 0)))
    values, present = parts[0].values, parts[0].present
    if len(parts) > 1:
        values = np.concatenate([part.values for part in parts], axis=1)
        present = np.concatenate([part.present for part in parts], axis=1)
    return Vector(grouped.sets, values, None if every(present) else present, unnamed=True)


def _quantiles(ctx: CallContext, grouped: _Grouped, vector: Vector, q: Floats, index: int) -> _Results:
    found = _computed(grouped, vector, _quantile_of, q)
    for number in found.noted.nonzero()[0].tolist():
        _remark_forced(ctx, grouped, vector, number, index)
    return found


def _histogram_quantile(ctx: CallContext) -> Value:
    q = ctx.scalar(0)
    vector, grouped = _grouped(ctx, 1)
    _check_quantiles(ctx, q, 0)
    classic = _quantiles(ctx, grouped, vector, q, 1)
    if vector.hists is None:
        return _vector(grouped, [classic], ctx.grid.size)
    conflicts = apart(vector, grouped.sets, _classic_there(grouped, [classic]), lambda text: ctx.warn(text, 1))
    native = native_values(conflicts, partial(_native_quantile, ctx, 1, q, vector))
    return put_together(_vector(grouped, [classic], ctx.grid.size), conflicts, native)


def _histogram_quantiles(ctx: CallContext) -> Value:
    label = ctx.text(1)
    vector, grouped = _grouped(ctx, 0)
    check_label_name(label, ctx, 1)
    labels: list[Labels] = []
    parts: list[_Results] = []
    quantiles: list[Floats] = []
    for i in range(2, ctx.given):
        q = ctx.scalar(i)
        _check_quantiles(ctx, q, i)
        quantiles.append(q)
        parts.append(_quantiles(ctx, grouped, vector, q, 0))
        labels.extend(each.with_({label: _open_number(float(q[0]))}) for each in grouped.sets.labels)
    renamed = dataclasses.replace(grouped, sets=LabelSets(tuple(labels)))
    classic = _vector(renamed, parts, ctx.grid.size)
    if vector.hists is None:
        return classic
    conflicts = apart(vector, grouped.sets, _classic_there(grouped, parts), lambda text: ctx.warn(text, 0))
    for i, q in enumerate(quantiles):
        native = native_values(conflicts, partial(_native_quantile, ctx, 0, q, vector))
        classic = put_together(classic, conflicts, native, {label: _open_number(float(q[0]))}, i * len(grouped.sets))
    return classic


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


def _fraction_of(bounds: Floats, counts: Floats, lower: Floats, upper: Floats) -> tuple[Floats, None]:
    if not np.isposinf(bounds[-1]):
        return np.full(len(counts), np.nan), None
    total = counts[:, -1]
    value = (_share_below(upper, bounds, counts) - _share_below(lower, bounds, counts)) / total
    value = np.where(lower >= upper, 0.0, value)
    return np.where((total == 0) | np.isnan(lower) | np.isnan(upper), np.nan, value), None


def _histogram_fraction(ctx: CallContext) -> Value:
    lower, upper = ctx.scalar(0), ctx.scalar(1)
    vector, grouped = _grouped(ctx, 2)
    results = _computed(grouped, vector, _fraction_of, lower, upper)
    classic = _vector(grouped, [results], ctx.grid.size)
    if vector.hists is None:
        return classic
    conflicts = apart(vector, grouped.sets, _classic_there(grouped, [results]), lambda text: ctx.warn(text, 2))

    def share(step: int, column: int) -> float:
        histogram = conflicts.hists[step, column]
        if math.isnan(histogram.sum):
            name = vector.sets.labels[column].name if ctx.evaluator.delayed else ""
            ctx.info(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions"
                f"{_for_metric(name)}",
                2,
            )
        return fraction(float(lower[step]), float(upper[step]), histogram)

    return put_together(classic, conflicts, native_values(conflicts, share))


def _classic_there(grouped: _Grouped, parts: list[_Results]) -> Bools:
    """Where there are classic histograms, ``[K, H]``."""
    return parts[0].present if parts else np.zeros((1, len(grouped.sets)), dtype=np.bool_)


def _native_quantile(ctx: CallContext, index: int, q: Floats, vector: Vector, step: int, column: int) -> float:
    if vector.hists is None:
        return math.nan
    value, remark = quantile(float(q[step]), vector.hists[step, column])
    if remark is not Remark.NONE:
        name = vector.sets.labels[column].name if ctx.evaluator.delayed else ""
        ctx.info(f"input to histogram_quantile has NaN observations, {remark.value}{_for_metric(name)}", index)
    return value


def _of_native(measure: Callable[[Histogram], float]) -> Callable[[CallContext], Value]:
    """A function of native histograms alone; floats are left out."""

    def implementation(ctx: CallContext) -> Value:
        vector = ctx.vector(0)
        values, present = np.zeros(vector.values.shape), np.zeros(vector.values.shape, dtype=np.bool_)
        if vector.hists is not None:
            present = filled(vector.hists)
            values[present] = [measure(histogram) for histogram in vector.hists[present]]
        return Vector(vector.sets, values, present, unnamed=True)

    return implementation


def _average(histogram: Histogram) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(histogram.sum) / np.float64(histogram.count))


def _deviation(histogram: Histogram) -> float:
    return float(np.sqrt(variance(histogram)))


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
        Function(f"histogram_{name}", (VECTOR,), VECTOR, f"{doc} of native histograms.", special=_of_native(measure))
        for name, doc, measure in (
            ("avg", "The average observation", _average),
            ("count", "The number of observations", lambda histogram: histogram.count),
            ("sum", "The sum of observations", lambda histogram: histogram.sum),
            ("stddev", "The estimated standard deviation", _deviation),
            ("stdvar", "The estimated variance", variance),
        )
    ),
)
