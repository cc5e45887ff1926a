"""Binary operations of vectors with histograms, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypercare.promql.keywords import COMPARISONS, TRIMS
from hypercare.promql.native.elements import Element, operate
from hypercare.promql.operators import UFUNCS
from hypercare.promql.values import Cells, LabelSets, Vector, filled, only_where

if TYPE_CHECKING:
    from hypercare.model.histograms import Histogram
    from hypercare.model.samples import Bools, Floats
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes


class Pairs(NamedTuple):
    """Both sides of P pairs over K steps, as the operator has them; arrays are ``[K, P]``.

    Attributes:
        left, right: the floats.
        left_hists, right_hists: the histograms; none: no such.
        present: where both sides have a sample.

    """

    left: Floats
    left_hists: Cells | None
    right: Floats
    right_hists: Cells | None
    present: Bools


class _Results:
    """What the pairs come to."""

    def __init__(self, expr: ast.Binary, pairs: Pairs, notes: Notes) -> None:
        self.expr, self.pairs, self.notes = expr, pairs, notes
        shape = pairs.present.shape
        self.odd = np.zeros(shape, dtype=np.bool_)
        for hists in (pairs.left_hists, pairs.right_hists):
            if hists is not None:
                self.odd |= filled(hists)
        if expr.op in TRIMS:
            self.odd[:] = True
        self.odd &= pairs.present
        self.hists = np.full(shape, None, dtype=np.object_)
        self.keep = np.zeros(shape, dtype=np.bool_)
        self.lost = np.zeros(shape, dtype=np.bool_)

    def run(self, *, warnings: bool) -> None:
        """Operate on every pair that is not of two floats; the last remark of a step is the one that is made."""
        last: dict[int, Element] = {}
        for step, pair in np.argwhere(self.odd).tolist():
            element = operate(self.expr.op, self._side(step, pair, 0), self._side(step, pair, 1))
            self.hists[step, pair] = element.value
            self.keep[step, pair] = element.keep
            self.lost[step, pair] = element.value is None
            if element.info or (element.warning and warnings):
                last[step] = element
        for element in last.values():
            if element.info:
                self.notes.info(element.info, self.expr)
            elif element.warning:
                self.notes.warn(element.warning, self.expr)

    def _side(self, step: int, pair: int, side: int) -> Histogram | float:
        hists = (self.pairs.left_hists, self.pairs.right_hists)[side]
        found: Histogram | None = None if hists is None else hists[step, pair]
        return float((self.pairs.left, self.pairs.right)[side][step, pair]) if found is None else found


def _of_floats(op: str, pairs: Pairs) -> Floats | Bools:
    result: Floats | Bools = UFUNCS[op](pairs.left, pairs.right)
    return result


def histogram_pairs(
    expr: ast.Binary,
    sets: LabelSets,
    pairs: Pairs,
    unnamed: bool | Bools,  # noqa: FBT001  # a value, not a switch
    notes: Notes,
) -> Vector:
    """The operation on matched series; ``unnamed`` as of the side that comparisons keep."""
    results = _Results(expr, pairs, notes)
    results.run(warnings=True)
    floats = pairs.present & ~results.odd
    if expr.op in TRIMS:
        return Vector(sets, pairs.left, floats, unnamed, results.hists)
    if expr.op not in COMPARISONS:
        return Vector(sets, np.asarray(_of_floats(expr.op, pairs), dtype=np.float64), floats, False, results.hists)  # noqa: FBT003  # a field
    held = _of_floats(expr.op, pairs)
    if expr.bool_modifier:
        # Histograms too are one or zero then.
        one = np.where(results.odd, results.keep, held).astype(np.float64)
        return Vector(sets, one, floats | (results.odd & ~results.lost), unnamed=True)
    kept = only_where(results.hists, results.keep)
    return Vector(sets, pairs.left, floats & held.astype(np.bool_), unnamed, kept)


def histograms_with_scalar(expr: ast.Binary, vector: Vector, scalar: Floats, notes: Notes, *, swapped: bool) -> Vector:
    """The operation of a vector with histograms and a scalar ``[K]``, which is on the left where swapped."""
    column = np.broadcast_to(scalar[:, None], vector.values.shape)
    there = vector.there
    if swapped:
        pairs = Pairs(column, None, vector.values, vector.hists, there)
    else:
        pairs = Pairs(vector.values, vector.hists, column, None, there)
    results = _Results(expr, pairs, notes)
    results.run(warnings=True)
    floats = there & ~results.odd
    if expr.op in TRIMS:
        return Vector(vector.sets, vector.values, floats, vector.unnamed, results.hists)
    if expr.op not in COMPARISONS:
        result = np.asarray(_of_floats(expr.op, pairs), dtype=np.float64)
        return Vector(vector.sets, result, floats, unnamed=True, hists=results.hists)
    held = _of_floats(expr.op, pairs).astype(np.bool_)
    if expr.bool_modifier:
        return Vector(vector.sets, held.astype(np.float64), floats, unnamed=True)
    return Vector(vector.sets, vector.values, floats & held, vector.unnamed)
