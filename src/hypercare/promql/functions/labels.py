"""Functions that change labels or order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.matchers import compile_anchored
from hypercare.promql.errors import EvaluationError
from hypercare.promql.functions.registry import STRING, VECTOR, Function
from hypercare.promql.groups import Groups
from hypercare.promql.values import LabelSets, Value, Vector

if TYPE_CHECKING:
    from hypercare.promql.context import CallContext

_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


def check_label_name(name: str, ctx: CallContext, index: int, kind: str = "label name") -> None:
    """Refuse what cannot name a label; ``kind`` tells what it was given for.

    Raises:
        EvaluationError: empty, a null byte alone, or not UTF-8.
    """
    # A null byte alone is what the store calls its own columns.
    if name in {"", "\0"} or any("\ud800" <= char <= "\udfff" for char in name):
        shown = "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in name)
        span = ctx.call.args[index].span
        where = f" in {ctx.call.name}(): {shown}" if kind != "label name" else f' "{shown}"'
        message = f"invalid {kind}{where}"
        raise EvaluationError(message, span.line, span.column, span.length)


def expand(template: str, match: Any) -> str:
    """A replacement with ``$1``, ``${1}``, ``${name}`` filled in, as Go's ``Expand`` does; unknown ones are empty."""

    def fill(reference: re.Match[str]) -> str:
        name = reference.group(1) or reference.group(2)
        if name is None:
            return "$"
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(fill, template)


def _renamed(ctx: CallContext, vector: Vector, sets: LabelSets, target: str) -> Vector:
    unnamed = False if target == METRIC_NAME else vector.unnamed
    result = Vector(sets, vector.values, vector.present, unnamed, vector.hists)
    there = result.present if result.hists is None else result.there
    if not sets.unique() and (Groups.of(sets.labels).count(there, ctx.grid.size) > 1).any():
        span = ctx.call.span
        raise EvaluationError(
            "vector cannot contain metrics with the same labelset", span.line, span.column, span.length
        )
    return result


def _label_replace(ctx: CallContext) -> Value:
    vector = ctx.vector(0)
    target, replacement, source, pattern = (ctx.text(i) for i in range(1, 5))
    try:
        regex = compile_anchored(pattern)
    except ValueError as err:
        span = ctx.call.args[4].span
        message = f"invalid regular expression in label_replace(): {pattern}"
        raise EvaluationError(message, span.line, span.column, span.length) from err
    check_label_name(target, ctx, 1, "destination label name")

    def make() -> LabelSets:
        out: list[Labels] = []
        for labels in vector.sets.labels:
            match = regex.search(labels.get(source))
            out.append(labels if match is None else labels.with_({target: expand(replacement, match)}))
        return LabelSets(tuple(out))

    key = ("label_replace", target, replacement, source, pattern)
    return _renamed(ctx, vector, vector.sets.memo(key, make), target)


def _label_join(ctx: CallContext) -> Value:
    vector = ctx.vector(0)
    target, separator = ctx.text(1), ctx.text(2)
    sources = tuple(ctx.text(i) for i in range(3, ctx.given))
    for i, source in enumerate(sources):
        check_label_name(source, ctx, 3 + i, "source label name")
    check_label_name(target, ctx, 1, "destination label name")

    def make() -> LabelSets:
        joined = (
            labels.with_({target: separator.join(labels.get(source) for source in sources)})
            for labels in vector.sets.labels
        )
        return LabelSets(tuple(joined))

    sets = vector.sets.memo(("label_join", target, separator, sources), make)
    return _renamed(ctx, vector, sets, target)


def _remark_order(ctx: CallContext) -> None:
    """The result of a range query has an order of its own."""
    message = "sort is ineffective for range queries since results are always ordered by labels"
    ctx.evaluator.notes.warn(message, ctx.call)


def _sorted(ctx: CallContext, *, descending: bool) -> Value:
    vector = ctx.vector(0).only_floats()
    if ctx.grid.size != 1:
        _remark_order(ctx)
        return vector
    values = vector.values[0]
    # NaN comes last either way.
    order = np.argsort(-values if descending else values, kind="stable")
    return vector.take(order)


def _sort(ctx: CallContext) -> Value:
    return _sorted(ctx, descending=False)


def _sort_desc(ctx: CallContext) -> Value:
    return _sorted(ctx, descending=True)


_PIECES = re.compile(r"\d+|\D+", re.ASCII)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers in texts by value: ``a2`` before ``a10``."""
    pieces = _PIECES.findall(text)
    return tuple(
        (0, int(piece), piece) if piece[0].isdigit() and piece.isascii() else (1, 0, piece) for piece in pieces
    )


def _by_label(ctx: CallContext, *, descending: bool) -> Value:
    vector = ctx.vector(0)
    names = tuple(ctx.text(i) for i in range(1, ctx.given))
    if ctx.grid.size != 1:
        _remark_order(ctx)
        return vector

    def key(i: int) -> tuple[Any, ...]:
        labels = vector.sets.labels[i]
        return (*(natural_key(labels.get(name)) for name in names), labels.pairs)

    order = sorted(range(len(vector.sets)), key=key, reverse=descending)
    return vector.take(np.array(order, dtype=np.int64))


def _sort_by_label(ctx: CallContext) -> Value:
    return _by_label(ctx, descending=False)


def _sort_by_label_desc(ctx: CallContext) -> Value:
    return _by_label(ctx, descending=True)


ROWS: tuple[Function, ...] = (
    Function(
        "label_replace",
        (VECTOR, STRING, STRING, STRING, STRING),
        VECTOR,
        "Set a label from another one by a regular expression.",
        special=_label_replace,
    ),
    Function(
        "label_join",
        (VECTOR, STRING, STRING, STRING),
        VECTOR,
        "Set a label to others joined by a separator.",
        variadic=-1,
        special=_label_join,
    ),
    Function("sort", (VECTOR,), VECTOR, "Sorted by value, ascending.", special=_sort),
    Function("sort_desc", (VECTOR,), VECTOR, "Sorted by value, descending.", special=_sort_desc),
    Function(
        "sort_by_label",
        (VECTOR, STRING),
        VECTOR,
        "Sorted by labels, numbers in them by value.",
        variadic=-1,
        experimental=True,
        special=_sort_by_label,
    ),
    Function(
        "sort_by_label_desc",
        (VECTOR, STRING),
        VECTOR,
        "Sorted by labels, descending.",
        variadic=-1,
        experimental=True,
        special=_sort_by_label_desc,
    ),
)
