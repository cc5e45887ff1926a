"""Aggregation over series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.promql.errors import EvaluationError
from hypercare.promql.functions.over_time import quantile
from hypercare.promql.groups import Groups
from hypercare.promql.hashing import share
from hypercare.promql.native.aggregation import IGNORING, added_up, remark_ignored
from hypercare.promql.native.literal import shown
from hypercare.promql.printer import format_number
from hypercare.promql.values import EMPTY_SETS, METADATA, LabelSets, Vector, every, only_where

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes

_DOUBTFUL: Final = 1e-7


def grouped(sets: LabelSets, labels: tuple[str, ...], *, without: bool) -> tuple[Groups, LabelSets]:
    """The groups of an aggregation and their labels; remembered with the series."""

    def make() -> tuple[Groups, LabelSets]:
        if without:
            drop = (*labels, *METADATA)
            keys = [each.without(drop) for each in sets.labels]
        elif labels:
            keys = [each.keep(labels) for each in sets.labels]
        else:
            keys = [Labels()] * len(sets)
        groups = Groups.of(keys)
        return groups, LabelSets(tuple(dict.fromkeys(keys)))

    return sets.memo(("groups", labels, without), make)


def aggregate(expr: ast.Aggregate, vector: Vector, param: Floats | str | None, notes: Notes) -> Vector:
    """The value of an aggregation; ``param`` is ``[K]`` or a text.

    Raises:
        EvaluationError: the parameter has no meaning.
    """
    if not len(vector.sets):
        _check_param(expr, param, notes)
        return Vector(EMPTY_SETS, np.empty((len(vector.values), 0)))
    groups, sets = grouped(vector.sets, expr.labels, without=expr.without)
    _check_param(expr, param, notes)
    if vector.hists is not None:
        return with_histograms(expr, vector, param, groups, sets, notes)
    return floats_aggregated(expr, vector, param, groups, sets)


def floats_aggregated(
    expr: ast.Aggregate, vector: Vector, param: Floats | str | None, groups: Groups, sets: LabelSets
) -> Vector:
    """The value of an aggregation of floats."""
    if isinstance(param, str):
        return _count_values(vector, param, groups, sets)
    if expr.op in _CHOICES:
        return _choice(expr, vector, np.asarray(param), groups)
    if expr.op == "quantile":
        values = _quantile(vector, np.asarray(param), groups)
    else:
        values = REDUCTIONS[expr.op](vector, groups)
    present = None
    if vector.present is not None:
        count = groups.count(vector.present, len(vector.values))
        there = count > 0
        present = None if every(there) else there
    return Vector(sets, values, present, unnamed_groups(expr, vector.unnamed, groups))


def with_histograms(
    expr: ast.Aggregate,
    vector: Vector,
    param: Floats | str | None,
    groups: Groups,
    sets: LabelSets,
    notes: Notes,
) -> Vector:
    """The value of an aggregation over series of which some have histograms."""
    op = expr.op
    if op in IGNORING:
        remark_ignored(expr, vector, param, notes)
        return floats_aggregated(expr, vector.only_floats(), param, groups, sets)
    if op in {"count", "group"}:
        # All samples count, of whichever kind.
        return floats_aggregated(
            expr, Vector(vector.sets, vector.values, vector.there, vector.unnamed), param, groups, sets
        )
    if op in {"sum", "avg"}:
        floats = floats_aggregated(expr, vector.only_floats(), param, groups, sets)
        return added_up(expr, vector, floats, groups, notes)
    if isinstance(param, str):
        return _count_values(vector, param, groups, sets)
    return _choice(expr, vector, np.asarray(param), groups)


def unnamed_groups(expr: ast.Aggregate, unnamed: bool | Bools, groups: Groups) -> bool | Bools:  # noqa: FBT001
    """Which groups lose the name that they were grouped by, from which series do."""
    if expr.without or METRIC_NAME not in expr.labels or unnamed is False:
        return False
    if unnamed is True:
        return True
    flags: Bools = np.zeros(groups.size, dtype=np.bool_)
    flags[groups.index[unnamed]] = True
    return flags


def _check_param(expr: ast.Aggregate, param: Floats | str | None, notes: Notes) -> None:
    if param is None or expr.param is None:
        return
    span = expr.param.span
    if isinstance(param, str):
        if param in {"", "\0"} or any("\ud800" <= char <= "\udfff" for char in param):
            shown = "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in param)
            msg = f'invalid label name "{shown}"'
            raise EvaluationError(msg, span.line, span.column, span.length)
        return
    if expr.op == "quantile":
        for value in np.unique(param[~((param >= 0) & (param <= 1))]):
            notes.warn(f"quantile value should be between 0 and 1, got {format_number(float(value))}", expr.param)
        return
    if np.isnan(param).any():
        what = "Ratio value is NaN" if expr.op == "limit_ratio" else "Parameter value is NaN"
        raise EvaluationError(what, span.line, span.column, span.length)
    if expr.op == "limit_ratio":
        for value in np.unique(param[np.abs(param) > 1]):
            cap = 1.1 if value > 1 else -1.1
            shown, capped = format_number(float(value)), format_number(math.copysign(1.0, cap))
            notes.warn(f"ratio value should be between -1 and 1, got {shown}, capping to {capped}", expr.param)
    else:
        for wrong, value, how in (
            (param >= 2.0**63, param.max(), "overflows"),
            (param < -(2.0**63), param.min(), "underflows"),
        ):
            if wrong.any():
                msg = f"Scalar value {format_number(float(value))} {how} int64"
                raise EvaluationError(msg, span.line, span.column, span.length)


# ── reductions to one value a group ──


def _filled(vector: Vector, fill: float) -> Floats:
    return vector.values if vector.present is None else np.where(vector.present, vector.values, fill)


def total(values: Floats, groups: Groups) -> Floats:
    """Sums over the groups; where large numbers cancel, added again exactly."""
    sums = groups.fold(np.add, values)
    if values.min(initial=0.0) >= 0:
        return sums
    size = groups.fold(np.add, np.abs(values))
    doubtful = ~(np.abs(sums) >= _DOUBTFUL * size) & np.isfinite(size)
    if doubtful.any():
        sums = sums.copy()
        for step, group in np.argwhere(doubtful):
            sums[step, group] = math.fsum(values[step, groups.members(int(group))].tolist())
    return sums


def _sum(vector: Vector, groups: Groups) -> Floats:
    return total(_filled(vector, 0.0), groups)


def _count(vector: Vector, groups: Groups) -> Floats:
    return groups.count(vector.present, len(vector.values))


def _mean(vector: Vector, groups: Groups) -> Floats:
    values = _filled(vector, 0.0)
    count = _count(vector, groups)
    average = total(values, groups) / count
    if np.isinf(average).any():
        # The sum of finite numbers may be too large where their mean is not.
        parts = groups.fold(np.add, values / count[:, groups.index])
        finite = groups.fold(np.logical_and, np.isfinite(values))
        average = np.where(np.isinf(average) & finite, parts, average)
    return average


def _min(vector: Vector, groups: Groups) -> Floats:
    return groups.fold(np.fmin, _filled(vector, np.nan))


def _max(vector: Vector, groups: Groups) -> Floats:
    return groups.fold(np.fmax, _filled(vector, np.nan))


def _group(vector: Vector, groups: Groups) -> Floats:
    return np.ones((len(vector.values), groups.size))


def _stdvar(vector: Vector, groups: Groups) -> Floats:
    # Relative to some value of the group, so that equal values have no variance at all.
    base = groups.fold(np.fmax, _filled(vector, np.nan))[:, groups.index]
    moved = Vector(vector.sets, vector.values - base, vector.present)
    off = moved.values - _mean(moved, groups)[:, groups.index]
    squares = off * off
    if vector.present is not None:
        squares = np.where(vector.present, squares, 0.0)
    return groups.fold(np.add, squares) / _count(vector, groups)


def _stddev(vector: Vector, groups: Groups) -> Floats:
    return np.sqrt(_stdvar(vector, groups))


REDUCTIONS: Final[dict[str, Callable[[Vector, Groups], Floats]]] = {
    "sum": _sum,
    "avg": _mean,
    "count": _count,
    "min": _min,
    "max": _max,
    "group": _group,
    "stdvar": _stdvar,
    "stddev": _stddev,
}


def _quantile(vector: Vector, q: Floats, groups: Groups) -> Floats:
    out = np.empty((len(vector.values), groups.size))
    for group in range(groups.size):
        columns = groups.members(group)
        values = vector.values[:, columns].T
        if vector.present is None:
            out[:, group] = quantile(q, values, np.full(values.shape[1], len(columns)))
        else:
            mask = vector.present[:, columns].T
            out[:, group] = quantile(q, np.where(mask, values, np.inf), np.maximum(mask.sum(axis=0), 1))
    return out


# ── choices among the series of a group ──

_CHOICES: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


def _choice(expr: ast.Aggregate, vector: Vector, param: Floats, groups: Groups) -> Vector:
    if expr.op == "limit_ratio":
        shares = vector.sets.memo("shares", lambda: _shares(vector.sets))
        ratio = np.clip(param, -1.0, 1.0)[:, None]
        kept = np.where(ratio >= 0, shares < ratio, shares >= 1.0 + ratio)
        return _kept(vector, kept).alive()
    limit = np.trunc(param)
    kept = np.zeros(vector.values.shape, dtype=np.bool_)
    order: list[Ints] = []
    mask = vector.there
    for group in range(groups.size):
        columns = groups.members(group)
        if len(limit) > 1 and expr.op != "limitk":
            best = _best(expr.op, vector.values[:, columns], mask[:, columns], limit)
            if best is not None:
                kept[:, columns] = best
                continue
        ranked = _ranked(expr.op, vector.values[:, columns], mask[:, columns])
        places = np.empty_like(ranked)
        np.put_along_axis(places, ranked, np.broadcast_to(np.arange(len(columns)), ranked.shape), axis=1)
        kept[:, columns] = (places < limit[:, None]) & mask[:, columns]
        order.append(columns[ranked[0]])
    chosen = _kept(vector, kept)
    if len(vector.values) == 1:
        # An instant result is listed best first.
        ordered = np.concatenate(order)
        return chosen.take(ordered[kept[0, ordered]])
    return chosen.alive()


def _kept(vector: Vector, kept: Bools) -> Vector:
    hists = None if vector.hists is None else only_where(vector.hists, kept)
    return Vector(vector.sets, vector.values, kept & vector.mask, vector.unnamed, hists)


def _ranked(op: str, values: Floats, mask: Bools) -> Ints:
    """Columns in order of preference at each step: absent ones last, NaN before them."""
    if op == "limitk":
        return np.argsort(~mask, axis=1, kind="stable")
    keys = -values if op == "topk" else values
    return np.lexsort((keys, np.isnan(values), ~mask), axis=1)


def _best(op: str, values: Floats, mask: Bools, limit: Floats) -> Bools | None:
    """The k best of plain numbers at every step, the first of equals; none where there is more to it than numbers."""
    number = int(limit[0])
    if not 0 < number < values.shape[1] or not (limit == number).all():
        return None
    if not every(mask) or not np.isfinite(values).all():
        return None
    keys = np.ascontiguousarray(-values if op == "topk" else values)
    last = np.partition(keys, number - 1, axis=1)[:, number - 1 : number]
    better, equal = keys < last, keys == last
    free = number - np.count_nonzero(better, axis=1)
    if (np.count_nonzero(equal, axis=1) > free).any():
        equal &= np.cumsum(equal, axis=1) <= free[:, None]
    best: Bools = better | equal
    return best


def _shares(sets: LabelSets) -> Floats:
    """A number in [0, 1) for every series that depends on nothing but its labels."""
    return np.array([share(labels) for labels in sets.labels])


def _count_values(vector: Vector, label: str, groups: Groups, sets: LabelSets) -> Vector:
    steps = len(vector.values)
    counts: dict[Labels, Floats] = {}
    mask = vector.there
    for step in range(steps):
        for column in np.flatnonzero(mask[step]):
            base = sets.labels[groups.index[column]]
            histogram = None if vector.hists is None else vector.hists[step, column]
            value = _plain_number(float(vector.values[step, column])) if histogram is None else shown(histogram)
            # The label replaces one that the grouping kept.
            labels = base.with_({label: value})
            counts.setdefault(labels, np.zeros(steps))[step] += 1
    values = np.stack(list(counts.values()), axis=1) if counts else np.empty((steps, 0))
    return Vector(LabelSets(tuple(counts)), values, values > 0, unnamed=False)


def _plain_number(value: float) -> str:
    """Shortest digits without an exponent."""
    text = format_number(value)
    return format(value, "f").rstrip("0").rstrip(".") if "e+" in text else _small(value, text)


def _small(value: float, text: str) -> str:
    if "e-" not in text:
        return text
    digits = -int(text.split("e")[1]) + len(text.split("e", maxsplit=1)[0].replace(".", "").replace("-", "")) - 1
    return f"{value:.{digits}f}"
