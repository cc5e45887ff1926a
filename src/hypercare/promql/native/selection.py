"""Histograms found by a selector, laid over the floats of the same series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import ResetHint
from hypercare.model.samples import ABSENT_BITS, STALE_BITS
from hypercare.promql.native.arithmetic import with_hint
from hypercare.promql.native.resets import was_reset
from hypercare.promql.select import values_at
from hypercare.promql.values import Block, Cells, LabelSets, Mixed, RangeVector, Vector, filled, only_where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypercare.model.histograms import Histogram, HistogramSeries
    from hypercare.model.labels import Labels
    from hypercare.model.samples import Bools, Floats, Ints, SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.promql.select import Selection


def cells(histograms: Sequence[object]) -> Cells:
    """An array of histograms."""
    out = np.empty(len(histograms), dtype=np.object_)
    out[:] = histograms
    return out


def _float_cells(matrices: Sequence[SampleMatrix], column: int) -> tuple[Ints, Floats, Ints]:
    """Times, values and start timestamps of one series' floats, staleness markers among them."""
    for matrix in matrices:
        if column < len(matrix.labels):
            values = np.ascontiguousarray(matrix.values[:, column])
            rows = np.flatnonzero(values.view(np.int64) != ABSENT_BITS)
            starts = np.zeros(len(rows), dtype=np.int64) if matrix.starts is None else matrix.starts[rows, column]
            return matrix.times[rows], values[rows], starts
        column -= len(matrix.labels)
    raise IndexError(column)


def _mixed(column: int, series: Sequence[HistogramSeries], floats: tuple[Ints, Floats, Ints] | None) -> Mixed:
    times, values = [part.times for part in series], [np.zeros(len(part.times)) for part in series]
    hists = [cells(part.values) for part in series]
    starts = [np.zeros(len(part.times), dtype=np.int64) if part.starts is None else part.starts for part in series]
    if floats is not None:
        times.append(floats[0])
        values.append(floats[1])
        hists.append(np.full(len(floats[0]), None, dtype=np.object_))
        starts.append(floats[2])
    when = np.concatenate(times)
    order = np.argsort(when, kind="stable")
    # Two sources of one series: the first sample of an instant counts.
    order = order[np.concatenate([[True], np.diff(when[order]) > 0])] if len(order) else order
    began = np.concatenate(starts)[order]
    return Mixed(
        column, when[order], np.concatenate(values)[order], np.concatenate(hists)[order], began if began.any() else None
    )


def combined(
    matrices: Sequence[SampleMatrix], sets: LabelSets, found: Sequence[HistogramSeries]
) -> tuple[LabelSets, tuple[Mixed, ...]]:
    """The label sets of floats and histograms, and the series that have histograms, with their staleness markers."""
    columns: dict[Labels, int] = sets.memo("columns", lambda: {labels: i for i, labels in enumerate(sets.labels)})
    by_labels: dict[Labels, list[HistogramSeries]] = {}
    for series in found:
        by_labels.setdefault(series.labels, []).append(series)
    extra = tuple(labels for labels in by_labels if labels not in columns)
    both = sets.memo(("with histograms", extra), lambda: LabelSets((*sets.labels, *extra))) if extra else sets
    mixed: list[Mixed] = []
    following = len(sets)
    for labels, series_of in by_labels.items():
        column = columns.get(labels)
        if column is None:
            mixed.append(_mixed(following, series_of, None))
            following += 1
        else:
            mixed.append(_mixed(column, series_of, _float_cells(matrices, column)))
    return both, tuple(mixed)


def detected(found: Sequence[HistogramSeries]) -> list[HistogramSeries]:
    """The same with a hint about resets for every histogram but the first of each series."""
    return [series._replace(values=tuple(_detected(series.values))) for series in found]


def _detected(values: Sequence[Histogram]) -> Iterator[Histogram]:
    for i, each in enumerate(values):
        if i and each.hint is ResetHint.UNKNOWN:
            fell = was_reset(each, values[i - 1])
            yield with_hint(each, ResetHint.RESET if fell else ResetHint.NOT_RESET)
        else:
            yield each


def compared_once(hists: Cells) -> Cells:
    """Histograms with a hint about resets wherever the sample before is a histogram, too."""
    out = hists.copy()
    for i in range(1, len(out)):
        each, before = hists[i], hists[i - 1]
        if each is not None and before is not None and each.hint is ResetHint.UNKNOWN:
            out[i] = with_hint(each, ResetHint.RESET if was_reset(each, before) else ResetHint.NOT_RESET)
    return out


def _rows(series: Mixed, ends: Ints, lookback: Ms) -> Ints:
    """The row that counts at each instant; -1 where there is none, or a staleness marker."""
    rows = np.searchsorted(series.times, ends, side="right") - 1
    newest = np.maximum(rows, 0)
    alive = (rows >= 0) & (series.times[newest] > ends - lookback)
    stale = series.values.view(np.int64)[newest] == STALE_BITS
    picked: Ints = np.where(alive & ~stale, rows, -1)
    return picked


def _widened(vector: Vector, sets: LabelSets) -> tuple[Floats, Bools]:
    """Copies of values and mask with room for more series."""
    steps, extra = len(vector.values), len(sets) - len(vector.sets)
    values = np.concatenate([vector.values, np.zeros((steps, extra))], axis=1)
    present = np.concatenate([vector.mask, np.zeros((steps, extra), dtype=np.bool_)], axis=1)
    return values, present


def laid_over(
    vector: Vector, matrices: Sequence[SampleMatrix], found: Sequence[HistogramSeries], ends: Ints, lookback: Ms
) -> Vector:
    """The value of a selector: its floats and the histograms found.

    Args:
        vector: the floats.
        matrices: where they come from.
        found: the histograms.
        ends: the instants looked at: one, or one a step.
        lookback: how old a sample may be, ms.

    """
    sets, mixed = combined(matrices, vector.sets, found)
    values, present = _widened(vector, sets)
    hists = np.full(values.shape, None, dtype=np.object_)
    for series in mixed:
        rows = _rows(series, ends, lookback)
        picked = np.maximum(rows, 0)
        is_histogram = filled(series.hists)[picked]
        values[:, series.column] = series.values[picked]
        present[:, series.column] = (rows >= 0) & ~is_histogram
        hists[:, series.column] = only_where(series.hists[picked], rows >= 0)
    return Vector(sets, values, present, vector.unnamed, hists if filled(hists).any() else None)


def times_over(
    vector: Vector, matrices: Sequence[SampleMatrix], found: Sequence[HistogramSeries], ends: Ints, lookback: Ms
) -> Vector:
    """Timestamps in seconds of a selector's samples, histograms among them; ``vector`` has those of the floats."""
    sets, mixed = combined(matrices, vector.sets, found)
    values, present = _widened(vector, sets)
    for series in mixed:
        rows = _rows(series, ends, lookback)
        values[:, series.column] = series.times[np.maximum(rows, 0)] / 1000.0
        present[:, series.column] = rows >= 0
    return Vector(sets, values, present, unnamed=True)


def with_mixed(ranges: RangeVector, matrices: Sequence[SampleMatrix], found: Sequence[HistogramSeries]) -> RangeVector:
    """A range vector of floats with the histograms found."""
    sets, mixed = combined(matrices, ranges.sets, found)
    series: list[Mixed] = []
    for each in mixed:
        kept = each.values.view(np.int64) != STALE_BITS
        starts = None if each.starts is None else each.starts[kept]
        series.append(Mixed(each.column, each.times[kept], each.values[kept], each.hists[kept], starts))
    blocks = _without(ranges.blocks, [each.column for each in series])
    return RangeVector(
        sets, blocks, ranges.end, ranges.range, ranges.unnamed, ranges.mode, ranges.slack, mixed=tuple(series)
    )


def _without(blocks: Sequence[Block], columns: Sequence[int]) -> tuple[Block, ...]:
    """The blocks without some columns."""
    out: list[Block] = []
    for block in blocks:
        kept = ~np.isin(block.columns, columns)
        if kept.all():
            out.append(block)
        elif kept.any():
            starts = None if block.starts is None else block.starts[:, kept]
            out.append(Block(block.columns[kept], block.times, block.values[:, kept], starts))
    return tuple(out)


def _unhinted(hists: Cells) -> Cells:
    """Without hints about resets: what they say of the sample before does not hold for the step before."""
    return cells(
        [
            each if each is None or each.hint is ResetHint.GAUGE else with_hint(each, ResetHint.UNKNOWN)
            for each in hists.tolist()
        ]
    )


def of_steps(vector: Vector, times: Ints) -> tuple[Mixed, ...]:
    """The series with histograms among the steps of a subquery."""
    if vector.hists is None:
        return ()
    series: list[Mixed] = []
    is_histogram = filled(vector.hists)
    there = vector.mask | is_histogram
    for column in np.flatnonzero(is_histogram.any(axis=0)).tolist():
        rows = np.flatnonzero(there[:, column])
        hists = _unhinted(vector.hists[rows, column])
        series.append(Mixed(column, times[rows], vector.values[rows, column], hists))
    return tuple(series)


def columns_of(mixed: Sequence[Mixed], size: int) -> Bools:
    """Which of ``size`` series are among these."""
    found = np.zeros(size, dtype=np.bool_)
    found[[series.column for series in mixed]] = True
    return found


def starts_at(selection: Selection, found: Sequence[HistogramSeries], ends: Ints, lookback: Ms, steps: int) -> Vector:
    """Start timestamps in seconds of a selector's samples; 0 where one is not known."""
    sets, mixed = combined(selection.matrices, selection.sets, found)
    values, present = np.zeros((len(ends), len(sets))), np.zeros((len(ends), len(sets)), dtype=np.bool_)
    at = 0
    for matrix in selection.matrices:
        columns = slice(at, at + len(matrix.labels))
        at += len(matrix.labels)
        _, rows, there = values_at(matrix, ends, lookback)
        present[:, columns] = True if there is None else there
        if matrix.starts is not None:
            values[:, columns] = np.take_along_axis(matrix.starts, np.asarray(rows), axis=0) / 1000.0
    for series in mixed:
        rows = _rows(series, ends, lookback)
        present[:, series.column] = rows >= 0
        if series.starts is not None:
            values[:, series.column] = series.starts[np.maximum(rows, 0)] / 1000.0
    shape = (steps, len(sets))
    return Vector(sets, np.broadcast_to(values, shape), np.broadcast_to(present, shape), unnamed=True)
