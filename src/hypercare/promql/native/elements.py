"""Operators between two samples of which one at least is a histogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypercare.model.histograms import Histogram, ResetHint
from hypercare.promql.native.arithmetic import (
    IncompatibleError,
    added,
    compact,
    divided,
    equal,
    scaled,
    subtracted,
    with_hint,
)
from hypercare.promql.native.trim import trimmed

if TYPE_CHECKING:
    from hypercare.promql.values import Cells


class Element(NamedTuple):
    """What an operator makes of two samples.

    Attributes:
        value: the result; none: there is none.
        keep: whether a comparison holds.
        warning, info: what to say about it.

    """

    value: Histogram | None
    keep: bool = True
    warning: str = ""
    info: str = ""


def negated(hists: Cells) -> Cells:
    """All histograms times -1."""
    out = np.full(hists.shape, None, dtype=np.object_)
    for place in np.argwhere(hists != None).tolist():  # noqa: E711  # compares the cells
        out[tuple(place)] = compact(scaled(hists[tuple(place)], -1.0))
    return out


def operate(op: str, left: Histogram | float, right: Histogram | float) -> Element:
    """Apply a binary operator; at least one side is a histogram, or the operator trims one."""
    if isinstance(left, Histogram) and isinstance(right, Histogram):
        return _two(op, left, right)
    if isinstance(left, Histogram) and not isinstance(right, Histogram):
        if op == "*":
            return Element(compact(scaled(left, right)))
        if op == "/":
            return Element(compact(divided(left, right)))
        if op in {"</", ">/"}:
            return Element(trimmed(left, right, keep_below=op == "</"))
        return _unfit("histogram", op, "float")
    if isinstance(right, Histogram) and not isinstance(left, Histogram):
        return Element(compact(scaled(right, left))) if op == "*" else _unfit("float", op, "histogram")
    return _unfit("float", op, "float")


def _unfit(left: str, op: str, right: str) -> Element:
    message = f'incompatible sample types encountered for binary operator "{op}": {left} {op} {right}'
    return Element(None, keep=False, info=message)


def _two(op: str, left: Histogram, right: Histogram) -> Element:
    if op == "==":
        return Element(left, keep=equal(left, right))
    if op == "!=":
        return Element(left, keep=not equal(left, right))
    if op not in {"+", "-"}:
        return _unfit("histogram", op, "histogram")
    try:
        outcome = added(left, right) if op == "+" else subtracted(left, right)
    except IncompatibleError:
        return Element(None, keep=False, warning=f"incompatible bucket layout encountered for binary operator {op}")
    word = "addition" if op == "+" else "subtraction"
    result = compact(outcome.histogram)
    return Element(
        result if op == "+" else with_hint(result, ResetHint.GAUGE),
        warning=f"conflicting counter resets during histogram {word}" if outcome.collision else "",
        info=f"mismatched custom buckets were reconciled during {word}" if outcome.reconciled else "",
    )
