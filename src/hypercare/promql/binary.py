"""Binary operations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.promql.ast import Cardinality, Matching
from hypercare.promql.errors import EvaluationError
from hypercare.promql.groups import Groups
from hypercare.promql.keywords import COMPARISONS, TRIMS
from hypercare.promql.native.operation import Pairs, histogram_pairs, histograms_with_scalar
from hypercare.promql.operators import UFUNCS
from hypercare.promql.printer import quote
from hypercare.promql.values import METADATA, LabelSets, Scalar, Value, Vector, every, only_where

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes
    from hypercare.promql.values import Cells

_DEFAULT: Final = Matching()
_NAMED: Final = COMPARISONS | TRIMS
"""Operators whose results are still of the metric on the left."""


def binary(expr: ast.Binary, left: Value, right: Value, notes: Notes) -> Value:
    """The value of an operation on evaluated sides.

    Raises:
        EvaluationError: the sides cannot be matched.
    """
    if isinstance(left, Vector) and isinstance(right, Vector):
        if expr.op in _SET_OPERATIONS:
            return _SET_OPERATIONS[expr.op](left, right, expr.matching or _DEFAULT)
        return _vectors(expr, left, right, notes)
    if isinstance(left, Vector) and isinstance(right, Scalar):
        if left.hists is not None or expr.op in TRIMS:
            return histograms_with_scalar(expr, left, right.values, notes, swapped=False)
        return _with_scalar(expr, left, left.values, right.values[:, None])
    if isinstance(left, Scalar) and isinstance(right, Vector):
        if right.hists is not None or expr.op in TRIMS:
            return histograms_with_scalar(expr, right, left.values, notes, swapped=True)
        return _with_scalar(expr, right, left.values[:, None], right.values)
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return Scalar(np.asarray(UFUNCS[expr.op](left.values, right.values), dtype=np.float64))
    raise TypeError((left, right))


def _with_scalar(expr: ast.Binary, vector: Vector, left: Floats, right: Floats) -> Vector:
    result = UFUNCS[expr.op](left, right)
    if expr.op not in COMPARISONS:
        return vector.with_values(result)
    if expr.bool_modifier:
        return vector.with_values(result.astype(np.float64))
    return vector.with_values(vector.values, None if every(result) else result, unnamed=False)


# ── matching ──


def _signatures(sets: LabelSets, matching: Matching) -> list[Hashable]:
    names = matching.labels

    def make() -> list[Hashable]:
        if matching.on:
            return [tuple([labels.get(name) for name in names]) for labels in sets.labels]
        drop = (*names, METRIC_NAME)
        return [labels.without(drop).pairs for labels in sets.labels]

    return sets.memo(("signatures", matching.on, names), make)


@dataclasses.dataclass(frozen=True, slots=True)
class _Match:
    """How the columns of two vectors meet.

    Attributes:
        many, one: columns of a pair each, ``[P]``; -1: a fill value.
        sets: the labels of the results.
        many_groups, one_groups: columns by signature; none where no two of them share one.
        result_groups: pairs that may not have a value at the same step; none where there are no such.

    """

    many: Ints
    one: Ints
    sets: LabelSets
    many_groups: Groups | None
    one_groups: Groups | None
    result_groups: Groups | None
    fill_many: float
    fill_one: float
    direct: bool


def _match(expr: ast.Binary, many: LabelSets, one: LabelSets) -> _Match:
    matching = expr.matching or _DEFAULT
    # The entry holds what the key has the ids of, so that they are not used again.
    key = ("match", id(one), id(matching), expr.op in _NAMED)
    return many.memo(key, lambda: (_make_match(expr, many, one), one, matching))[0]


def _make_match(expr: ast.Binary, many: LabelSets, one: LabelSets) -> _Match:
    matching = expr.matching or _DEFAULT
    many_signatures, one_signatures = _signatures(many, matching), _signatures(one, matching)
    by_signature: dict[Hashable, list[int]] = {}
    for j, signature in enumerate(one_signatures):
        by_signature.setdefault(signature, []).append(j)
    fill_many, fill_one = matching.fill_left, matching.fill_right
    # With group_right Prometheus swaps the sides but not the fill values: fill_left is for the "many" side either way.
    pairs: list[tuple[int, int]] = []
    for i, signature in enumerate(many_signatures):
        pairs.extend((i, j) for j in by_signature.get(signature, ()))
        if fill_one is not None:
            pairs.append((i, -1))
    if fill_many is not None:
        pairs.extend((-1, j) for j in range(len(one)))
    labels = tuple(_result_labels(expr, matching, many, one, i, j) for i, j in pairs)
    signatures = [many_signatures[i] if i >= 0 else one_signatures[j] for i, j in pairs]
    keys: list[Hashable]
    keys = list(signatures) if matching.card is Cardinality.ONE_TO_ONE else list(zip(signatures, labels, strict=True))
    many_columns = np.array([i for i, _ in pairs], dtype=np.int64)
    one_columns = np.array([j for _, j in pairs], dtype=np.int64)
    filling = fill_many is not None or fill_one is not None
    return _Match(
        many_columns,
        one_columns,
        LabelSets(labels),
        _shared(many_signatures, always=filling),
        _shared(one_signatures, always=filling),
        Groups.of(keys) if len(set(keys)) < len(keys) else None,
        fill_many or 0.0,
        fill_one or 0.0,
        direct=not filling
        and len(pairs) == len(many) == len(one)
        and all(i == j == n for n, (i, j) in enumerate(pairs)),
    )


def _shared(signatures: list[Hashable], *, always: bool) -> Groups | None:
    if not always and len(set(signatures)) == len(signatures):
        return None
    return Groups.of(signatures) if signatures else None


def _result_labels(expr: ast.Binary, matching: Matching, many: LabelSets, one: LabelSets, i: int, j: int) -> Labels:
    if i < 0:
        # Filled in: what the sides have in common is all that is known.
        source = one.labels[j]
        names = matching.labels
        labels = source.keep(names) if matching.on else source.without((*names, METRIC_NAME))
    else:
        labels = many.labels[i]
    if expr.op not in _NAMED:
        labels = labels.without(METADATA)
    if matching.card is Cardinality.ONE_TO_ONE:
        labels = labels.keep(matching.labels) if matching.on else labels.without(matching.labels)
    if matching.include:
        other = one.labels[j] if j >= 0 else Labels()
        labels = labels.with_({name: other.get(name) for name in matching.include})
    return labels


def _vectors(expr: ast.Binary, left: Vector, right: Vector, notes: Notes) -> Vector:
    matching = expr.matching or _DEFAULT
    swapped = matching.card is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    filling = matching.fill_left is not None or matching.fill_right is not None
    match = _match(expr, many.sets, one.sets)
    if match.one_groups is not None:
        _refuse_duplicates(expr, matching, match.one_groups, one, many, swapped=swapped)
    native = many.hists is not None or one.hists is not None or expr.op in TRIMS
    many_values, one_values, present = _paired(match, many, one, filling=filling)
    one_to_one = matching.card is Cardinality.ONE_TO_ONE
    if match.result_groups is not None and one_to_one:
        # Even where a comparison filters all but one of them away.
        _refuse_ambiguous(expr, matching, match.result_groups, present, len(many_values))
    if native:
        sides = [
            (many_values, _cells(many, match.many, match.direct)),
            (one_values, _cells(one, match.one, match.direct)),
        ]
        if swapped:
            sides.reverse()
        pairs = Pairs(*sides[0], *sides[1], np.ones(many_values.shape, dtype=np.bool_) if present is None else present)
        keeps = many.unnamed if isinstance(many.unnamed, bool) else many.unnamed[match.many]
        vector = histogram_pairs(expr, match.sets, pairs, keeps, notes)
        if match.result_groups is not None and not one_to_one:
            _refuse_ambiguous(expr, matching, match.result_groups, vector.there, len(vector.values))
        return vector
    result = UFUNCS[expr.op](one_values, many_values) if swapped else UFUNCS[expr.op](many_values, one_values)
    unnamed: bool | Bools = False
    if expr.op in COMPARISONS:
        unnamed = many.unnamed if isinstance(many.unnamed, bool) else many.unnamed[match.many]
        if expr.bool_modifier:
            result, unnamed = result.astype(np.float64), True
        else:
            present = result if present is None else present & result
            result = one_values if swapped else many_values
            present = None if every(present) else present
    if match.result_groups is not None and not one_to_one:
        _refuse_ambiguous(expr, matching, match.result_groups, present, len(result))
    return Vector(match.sets, result, present, unnamed)


def _cells(vector: Vector, columns: Ints, direct: bool) -> Cells | None:  # noqa: FBT001  # a value, not a switch
    if vector.hists is None or direct:
        return vector.hists
    padded = np.concatenate([vector.hists, np.full((len(vector.hists), 1), None, dtype=np.object_)], axis=1)
    return padded[:, columns]  # -1, a fill value, is the column without histograms


def _paired(match: _Match, many: Vector, one: Vector, *, filling: bool) -> tuple[Floats, Floats, Bools | None]:
    """Both sides' values and presence for every pair."""
    many_there = many.present if many.hists is None else many.there
    one_there = one.present if one.hists is None else one.there
    if match.direct:
        both = one_there if many_there is None else many_there if one_there is None else many_there & one_there
        return many.values, one.values, both
    if filling:
        return _filled(match, many, one)
    present = None
    if many_there is not None:
        present = many_there[:, match.many]
    if one_there is not None:
        other = one_there[:, match.one]
        present = other if present is None else present & other
    return many.values[:, match.many], one.values[:, match.one], present


def _filled(match: _Match, many: Vector, one: Vector) -> tuple[Floats, Floats, Bools]:
    def side(vector: Vector, columns: Ints, fill: float) -> tuple[Floats, Bools]:
        if not len(vector.sets):
            shape = (len(vector.values), len(columns))
            return np.full(shape, fill), np.zeros(shape, dtype=np.bool_)
        real = columns >= 0
        values = np.where(real, vector.values[:, np.maximum(columns, 0)], fill)
        return values, real & vector.there[:, np.maximum(columns, 0)]

    many_values, many_there = side(many, match.many, match.fill_many)
    one_values, one_there = side(one, match.one, match.fill_one)
    by_signature = Groups.of(_pair_signatures(match))
    pair_of = by_signature.index
    any_many = by_signature.count(many_there, len(many.values))[:, pair_of] > 0
    any_one = by_signature.count(one_there, len(one.values))[:, pair_of] > 0
    present = np.where(
        match.many < 0, one_there & ~any_many, np.where(match.one < 0, many_there & ~any_one, many_there & one_there)
    )
    return many_values, one_values, present


def _pair_signatures(match: _Match) -> list[Hashable]:
    many, one = match.many_groups, match.one_groups
    # Pairs name their signature by the first real pair that joins both sides' numbering.
    joined: dict[int, int] = {}
    for i, j in zip(match.many.tolist(), match.one.tolist(), strict=True):
        if i >= 0 and j >= 0 and many is not None and one is not None:
            joined[int(one.index[j])] = int(many.index[i])
    keys: list[Hashable] = []
    for i, j in zip(match.many.tolist(), match.one.tolist(), strict=True):
        if i >= 0 and many is not None:
            keys.append(("many", int(many.index[i])))
        elif one is not None:
            group = int(one.index[j])
            keys.append(("many", joined[group]) if group in joined else ("one", group))
    return keys


def _refuse_duplicates(
    expr: ast.Binary, matching: Matching, groups: Groups, one: Vector, many: Vector, *, swapped: bool
) -> None:
    """Two series of the "one" side with one signature at the same step cannot be told apart."""
    active: Bools = np.logical_or.reduce(many.there, axis=1)
    one_there = one.present if one.hists is None else one.there
    clash = (groups.count(one_there, len(one.values)) > 1) & active[:, None]
    if not clash.any():
        return
    step, group = np.argwhere(clash)[0]
    columns = [c for c in groups.members(int(group)) if one.there[step, c]][:2]
    shown = ", ".join(_braced(one.sets.labels[c]) for c in columns)
    first = one.sets.labels[columns[0]]
    common = first.keep(matching.labels) if matching.on else first.without((*matching.labels, METRIC_NAME))
    side = "left" if swapped else "right"
    _fail(
        expr,
        f"found duplicate series for the match group {_braced(common)} on the {side} hand-side of the operation: "
        f"[{shown}];many-to-many matching not allowed: matching labels must be unique on one side",
    )


def _braced(labels: Labels) -> str:
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels) + "}"


def _refuse_ambiguous(expr: ast.Binary, matching: Matching, groups: Groups, present: Bools | None, steps: int) -> None:
    if not (groups.count(present, steps) > 1).any():
        return
    if matching.card is Cardinality.ONE_TO_ONE:
        _fail(expr, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
    _fail(expr, "multiple matches for labels: grouping labels must ensure unique matches")


def _fail(expr: ast.Binary, message: str) -> None:
    span = expr.span
    raise EvaluationError(message, span.line, span.column, span.length)


# ── set operators ──


@dataclasses.dataclass(frozen=True, slots=True)
class _Union:
    """Signatures of two vectors numbered together."""

    left: Ints
    right: Ints
    size: int


def _union(left: LabelSets, right: LabelSets, matching: Matching) -> _Union:
    def make() -> tuple[LabelSets, _Union]:
        numbers: dict[Hashable, int] = {}
        ours = [numbers.setdefault(sig, len(numbers)) for sig in _signatures(left, matching)]
        theirs = [numbers.setdefault(sig, len(numbers)) for sig in _signatures(right, matching)]
        return right, _Union(np.array(ours, dtype=np.int64), np.array(theirs, dtype=np.int64), len(numbers))

    return left.memo(("union", id(right), matching.on, matching.labels), make)[1]


def _any(vector: Vector, index: Ints, size: int) -> Bools:
    """Whether a signature has any value, ``[K, size]``."""
    steps = len(vector.values)
    found = np.zeros((steps, size), dtype=np.bool_)
    present = vector.present if vector.hists is None else vector.there
    if present is None:
        found[:, index] = True
    elif steps == 1:
        found[0, index[present[0]]] = True
    else:
        step, column = np.nonzero(present)
        found[step, index[column]] = True
    return found


def _kept(vector: Vector, hit: Bools) -> Vector:
    floats = vector.with_values(vector.values, None if every(hit) else hit, unnamed=False)
    if vector.hists is None:
        return floats
    return floats._replace(hists=only_where(vector.hists, hit))


def _and(left: Vector, right: Vector, matching: Matching) -> Vector:
    union = _union(left.sets, right.sets, matching)
    hit = _any(right, union.right, union.size)[:, union.left]
    return _kept(left, hit)


def _unless(left: Vector, right: Vector, matching: Matching) -> Vector:
    union = _union(left.sets, right.sets, matching)
    missed = ~_any(right, union.right, union.size)[:, union.left]
    return _kept(left, missed)


def _or(left: Vector, right: Vector, matching: Matching) -> Vector:
    if not len(left.sets):
        return right
    union = _union(left.sets, right.sets, matching)
    extra = ~_any(left, union.left, union.size)[:, union.right]
    if right.present is not None:
        extra = extra & right.there
    columns = np.flatnonzero(extra.any(axis=0))
    if not len(columns):
        return left
    sets = left.sets.memo(
        ("or", id(right.sets), columns.tobytes()),
        lambda: (right.sets, LabelSets(left.sets.labels + tuple(right.sets.labels[int(c)] for c in columns))),
    )[1]
    values = np.concatenate([left.values, right.values[:, columns]], axis=1)
    if left.hists is None and right.hists is None:
        present = np.concatenate([left.mask, extra[:, columns]], axis=1)
        return Vector(sets, values, None if present.all() else present, _both_unnamed(left, right, columns))
    present = np.concatenate([left.mask, (extra & right.mask)[:, columns]], axis=1)
    parts = [
        np.full(side.values.shape, None, dtype=np.object_) if side.hists is None else side.hists
        for side in (left, right)
    ]
    hists = np.concatenate([parts[0], only_where(parts[1], extra)[:, columns]], axis=1)
    return Vector(sets, values, present, _both_unnamed(left, right, columns), hists)


def _both_unnamed(left: Vector, right: Vector, columns: Ints) -> bool | Bools:
    if isinstance(left.unnamed, bool) and isinstance(right.unnamed, bool) and left.unnamed == right.unnamed:
        return left.unnamed
    ours = np.broadcast_to(np.asarray(left.unnamed), len(left.sets))
    theirs = np.broadcast_to(np.asarray(right.unnamed), len(right.sets))[columns]
    return np.concatenate([ours, theirs])


_SET_OPERATIONS: Final = {"and": _and, "or": _or, "unless": _unless}
