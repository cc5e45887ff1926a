"""What queries return."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.histograms import HistogramSeries
from hypercare.promql.errors import EvaluationError
from hypercare.promql.groups import Groups
from hypercare.promql.values import LabelSets, RangeVector, Vector, filled

if TYPE_CHECKING:
    from hypercare.model.histograms import Histogram
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.model.time import Ms

_NO_VALUES = np.empty(0)
_NO_VALUES.flags.writeable = False


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """One series of a range vector."""

    labels: Labels
    times: Ints
    values: Floats


class HistogramElement(NamedTuple):
    """One element of an instant vector that is a native histogram.

    Attributes:
        at: the instant of the query, ms.
        place: where it stands in the vector, counting its float elements too; ``sort`` and ``topk`` order them.

    """

    labels: Labels
    at: Ms
    histogram: Histogram
    place: int


class InstantResult(NamedTuple):  # made for every rule at every tick: a tuple is the cheapest record
    """The value of an expression at one instant.

    Attributes:
        type: ``scalar``, ``vector``, ``string`` or ``matrix``.
        labels, values: the float elements of a vector.
        histograms: the elements of a vector that are histograms, by ascending place; empty but for queries that meet
            some. No label set stands both here and in ``labels``.
        series: the floats of a matrix, sorted by labels.
        histogram_series: the histograms of a matrix, sorted by labels; a series that has samples of both kinds, at
            different times, stands in both.

    """

    type: str
    at: Ms
    labels: tuple[Labels, ...] = ()
    values: Floats = _NO_VALUES
    scalar: float = 0.0
    text: str = ""
    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    histograms: tuple[HistogramElement, ...] = ()
    histogram_series: tuple[HistogramSeries, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class RangeResult:
    """The values of an expression over a grid of steps, sorted by labels.

    Attributes:
        times: int64[steps].
        values: float64[S, steps]; any number where ``present`` is false.
        present: bool[S, steps].
        histograms: series of histograms, sorted by labels, each with the times of the steps where it has one; a series
            that has values of both kinds, at different steps, stands both here and in ``labels``. A series without
            any float does not stand in ``labels``.

    """

    labels: tuple[Labels, ...]
    times: Ints
    values: Floats
    present: Bools
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()


def final_sets(sets: LabelSets, unnamed: bool | Bools) -> LabelSets:  # noqa: FBT001  # a value, not a switch
    """The labels at the end of a query: names that operations dropped are gone."""
    if isinstance(unnamed, bool):
        return sets.nameless() if unnamed else sets
    nameless = sets.nameless().labels
    pairs = zip(nameless, sets.labels, unnamed.tolist(), strict=True)
    return LabelSets(tuple(bare if drop else full for bare, full, drop in pairs))


_SAME: Final = "vector cannot contain metrics with the same labelset"


def instant_elements(vector: Vector, at: Ms) -> tuple[tuple[Labels, ...], Floats, tuple[HistogramElement, ...]]:
    """Labels and values of the floats of a vector's only step, and its histograms.

    Raises:
        EvaluationError: two elements have the same labels.
    """
    labels, values = instant_vector(vector)
    if vector.hists is None:
        return labels, values, ()
    there = vector.there[0]
    sets = final_sets(vector.sets, vector.unnamed)
    columns = np.flatnonzero(there).tolist()
    if len({sets.labels[column] for column in columns}) < len(columns):
        raise EvaluationError(_SAME)
    row = vector.hists[0]
    elements = (
        HistogramElement(sets.labels[column], at, row[column], place)
        for place, column in enumerate(columns)
        if row[column] is not None
    )
    return labels, values, tuple(elements)


def instant_vector(vector: Vector) -> tuple[tuple[Labels, ...], Floats]:
    """Labels and values of the floats of a vector's only step.

    Raises:
        EvaluationError: two elements have the same labels.
    """
    if vector.present is None:
        sets = final_sets(vector.sets, vector.unnamed)
        if not sets.unique():
            raise EvaluationError(_SAME)
        return sets.labels, vector.values[0]
    indices = vector.present[0].nonzero()[0]
    if not len(indices):
        return (), _NO_VALUES
    sets = final_sets(vector.sets, vector.unnamed)
    labels = tuple([sets.labels[i] for i in indices.tolist()])
    if not sets.unique() and len(set(labels)) < len(labels):
        raise EvaluationError(_SAME)
    return labels, vector.values[0][indices]


def range_series(vector: Vector) -> tuple[tuple[Labels, ...], Floats, Bools]:
    """Labels, values ``[S, K]`` and presence, sorted by labels; series with equal labels that never meet become one.

    Raises:
        EvaluationError: two series have the same labels at the same step.
    """
    vector = vector.only_floats().alive()
    sets = final_sets(vector.sets, vector.unnamed)
    order = sorted(range(len(sets)), key=lambda i: sets.labels[i].pairs)
    labels = [sets.labels[i] for i in order]
    values = np.ascontiguousarray(vector.values.T[order])
    present = np.ascontiguousarray(vector.mask.T[order])
    if sets.unique():
        return tuple(labels), values, present
    kept: list[int] = []
    for i, each in enumerate(labels):
        if not kept or labels[kept[-1]] != each:
            kept.append(i)
            continue
        into = kept[-1]
        if (present[into] & present[i]).any():
            raise EvaluationError(_SAME)
        values[into] = np.where(present[i], values[i], values[into])
        present[into] |= present[i]
    return tuple(labels[i] for i in kept), values[kept], present[kept]


def range_histograms(vector: Vector, times: Ints) -> tuple[HistogramSeries, ...]:
    """The histograms of a range query's result, sorted by labels; series with equal labels that never meet become one.

    Raises:
        EvaluationError: two series have the same labels at the same step.
    """
    if vector.hists is None:
        return ()
    sets = final_sets(vector.sets, vector.unnamed)
    if not sets.unique() and (Groups.of(sets.labels).count(vector.there, len(times)) > 1).any():
        raise EvaluationError(_SAME)
    by_labels: dict[Labels, list[tuple[int, Histogram]]] = {}
    for column, step in np.argwhere(filled(vector.hists).T).tolist():
        by_labels.setdefault(sets.labels[column], []).append((step, vector.hists[step, column]))
    series: list[HistogramSeries] = []
    for labels in sorted(by_labels, key=lambda each: each.pairs):
        cells = sorted(by_labels[labels], key=lambda cell: cell[0])
        when = times[[step for step, _ in cells]]
        series.append(HistogramSeries(labels, when, tuple(histogram for _, histogram in cells)))
    return tuple(series)


def mixed_series(matrix: RangeVector) -> tuple[tuple[Series, ...], tuple[HistogramSeries, ...]]:
    """Floats and histograms of those series of a range vector that have histograms, at its only step."""
    sets = final_sets(matrix.sets, matrix.unnamed)
    end = int(matrix.end[0])
    floats: list[Series] = []
    histograms: list[HistogramSeries] = []
    for each in matrix.mixed:
        inside = (each.times > end - matrix.range) & (each.times <= end)
        labels, is_histogram = sets.labels[each.column], filled(each.hists)
        rows = np.flatnonzero(inside & ~is_histogram)
        if len(rows):
            floats.append(Series(labels, each.times[rows], each.values[rows]))
        rows = np.flatnonzero(inside & is_histogram)
        if len(rows):
            starts = None if each.starts is None else each.starts[rows]
            histograms.append(HistogramSeries(labels, each.times[rows], tuple(each.hists[rows]), starts))
    return tuple(floats), tuple(sorted(histograms, key=lambda found: found.labels.pairs))


def instant_matrix(matrix: RangeVector) -> tuple[Series, ...]:
    """The series of a range vector at its only step."""
    sets = final_sets(matrix.sets, matrix.unnamed)
    end = int(matrix.end[0])
    series: list[Series] = []
    for block in matrix.blocks:
        rows = (block.times > end - matrix.range) & (block.times <= end)
        if rows.any():
            times, values = block.times[rows], block.values[rows]
            series.extend(Series(sets.labels[int(c)], times, values[:, i]) for i, c in enumerate(block.columns))
    if matrix.mixed:
        series.extend(mixed_series(matrix)[0])
    return tuple(sorted(series, key=lambda each: each.labels.pairs))
