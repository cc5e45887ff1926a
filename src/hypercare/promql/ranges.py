"""Functions over ranges: windows are cut, the function is applied in pieces that fit the cache, results assembled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.promql.errors import EvaluationError
from hypercare.promql.extended import extended_call
from hypercare.promql.functions.registry import Function, RangeArgs
from hypercare.promql.native.started import STARTED, apart, with_started
from hypercare.promql.native.windows import mixed_call
from hypercare.promql.sliding import Frame, Strided
from hypercare.promql.values import EMPTY_SETS, Block, Grid, LabelSets, RangeVector, Scalar, Value, Vector, every
from hypercare.promql.windows import Joint, Stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypercare.model.samples import Bools, Floats, Ints
    from hypercare.promql import ast
    from hypercare.promql.notes import Notes
    from hypercare.promql.together import Together

_SLICE: Final = 64
"""Series computed at once in range queries; measured best between 32 and 128."""
CELLS: Final = 4_000_000
"""Samples held at once by functions that look at whole windows."""
_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")


def range_call(
    function: Function,
    call: ast.Call,
    args: Sequence[Value],
    grid: Grid,
    notes: Notes,
    stopped: Callable[[], bool],
    together: Together | None = None,
) -> Vector:
    """The value of a function over a range vector; ``stopped`` tells when nobody waits for it any more.

    Raises:
        EvaluationError: a parameter has no meaning.
    """
    matrix = args[0] if isinstance(args[0], RangeVector) else next(a for a in args if isinstance(a, RangeVector))
    scalars = tuple([arg.values[:, None] for arg in args if type(arg) is Scalar]) if len(args) > 1 else ()
    if matrix.mode and matrix.mode not in function.extended:
        _refuse_mode(function, call, matrix.mode)
    check_parameters(function, call, scalars, notes)
    if not matrix.blocks and not matrix.mixed and matrix.bundle is None:
        return Vector(EMPTY_SETS, np.empty((grid.size, 0)))
    steps = grid.size
    started: tuple[Block, ...] = ()
    found = None
    if together is not None and matrix.bundle is not None and steps == 1 and not scalars:
        span = (matrix.range, grid.first - int(matrix.end[0]))
        found = together.value(function, matrix.bundle, span, lambda: _arguments(matrix, grid, ()))
    if found is None:
        given = _arguments(matrix, grid, scalars)
        plain = matrix
        if matrix.blocks and function.name in STARTED and not matrix.mode:
            plain, started = apart(matrix)
        found = _floats(function, plain, given, steps)
    values, present = found
    if started:
        values, present = with_started(function.name, started, matrix, (values, present), notes, call)
    if function.counter:
        remark_non_counters(matrix.sets, present, call, notes)
    unnamed = matrix.unnamed if function.keeps_name else True
    vector = Vector(matrix.sets, values, present, unnamed)
    if not matrix.mixed:
        return vector
    return mixed_call(function, call, matrix, _arguments(matrix, grid, scalars), vector, notes, stopped)


def _arguments(matrix: RangeVector, grid: Grid, scalars: tuple[Floats, ...]) -> RangeArgs:
    ends = matrix.end[:, None]
    return RangeArgs(grid.times[:, None], ends - matrix.range, ends, scalars)  # type: ignore[arg-type]


def _floats(function: Function, matrix: RangeVector, args: RangeArgs, steps: int) -> tuple[Floats, Bools | None]:
    if matrix.bundle is not None and function.over_range is not None:
        values, present = function.over_range(Joint(matrix.bundle), args)
        return _whole(values, present, (steps, len(matrix.sets)))
    if not matrix.blocks:
        shape = (steps, len(matrix.sets))
        return np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    if matrix.mode:
        return _extended(function, matrix, args, steps)
    if len(matrix.end) == 1:
        return _at_once(function, matrix, args, steps)
    return _sliding(function, matrix, args, steps)


def _refuse_mode(function: Function, call: ast.Call, mode: str) -> None:
    from hypercare.promql.functions import FUNCTIONS  # noqa: PLC0415

    able = ", ".join(sorted(name for name, row in FUNCTIONS.items() if mode in row.extended))
    span = call.span
    message = f"{mode} modifier can only be used with: {able} - not with {function.name}"
    raise EvaluationError(message, span.line, span.column, span.length)


def check_parameters(function: Function, call: ast.Call, scalars: tuple[Floats, ...], notes: Notes) -> None:
    """Remark on parameters out of bounds.

    Raises:
        EvaluationError: a parameter has no meaning.
    """
    if function.name == "quantile_over_time":
        from hypercare.promql.printer import format_number  # noqa: PLC0415

        q = scalars[0]
        for value in np.unique(q[~((q >= 0) & (q <= 1))]):
            notes.warn(f"quantile value should be between 0 and 1, got {format_number(float(value))}", call.args[0])
    elif function.name in {"double_exponential_smoothing", "holt_winters"}:
        for factor, what in zip(scalars, ("smoothing", "trend"), strict=True):
            wrong = factor[~((factor > 0) & (factor < 1))]
            if wrong.size:
                sign = "0 < sf < 1" if what == "smoothing" else "0 < tf < 1"
                span = call.span
                message = f"invalid {what} factor. Expected: {sign}, got: {wrong.flat[0]:f}"
                raise EvaluationError(message, span.line, span.column, span.length)


def remark_non_counters(sets: LabelSets, present: Bools | None, call: ast.Call, notes: Notes) -> None:
    """Remark on series with values whose names are not those of counters."""

    def make() -> tuple[tuple[int, str, str], ...]:
        return tuple(
            (i, labels.name, labels.get("__type__"))
            for i, labels in enumerate(sets.labels)
            if labels.name and not labels.name.endswith(_COUNTER_SUFFIXES)
        )

    for column, name, _kind in sets.memo("non-counters", make):
        if present is None or present[:, column].any():
            where = call.args[0]
            notes.info(
                f'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "{name}"', where
            )


def _extended(function: Function, matrix: RangeVector, args: RangeArgs, steps: int) -> tuple[Floats, Bools | None]:
    shape = (len(matrix.end), len(matrix.sets))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for block in matrix.blocks:
        result, there = extended_call(function, block, matrix, args)
        values[:, block.columns] = result
        present[:, block.columns] = True if there is None else there
    shape = (steps, shape[1])
    return np.broadcast_to(values, shape), np.broadcast_to(present, shape)


# ── one window a series ──


def _at_once(function: Function, matrix: RangeVector, args: RangeArgs, steps: int) -> tuple[Floats, Bools | None]:
    if function.over_range is None:
        raise TypeError(function.name)
    total = len(matrix.sets)
    pieces = list(_pieces(matrix.blocks))
    if len(pieces) == 1:
        blocks = pieces[0]
        values, present = function.over_range(Stacked(blocks), args)
        if matrix.whole:
            return _whole(values, present, (steps, total))
    out = np.full((max(steps, 1), total), np.nan)
    mask = np.zeros(out.shape, dtype=np.bool_)
    for blocks in pieces:
        values, present = function.over_range(Stacked(blocks), args)
        order = np.concatenate([block.columns for block in blocks])
        out[:, order] = values
        mask[:, order] = True if present is None else present
    return out, None if mask.all() else mask


def _ascending(order: Ints) -> bool:
    return bool((order[1:] > order[:-1]).all())


def _whole(values: Floats, present: Bools | None, shape: tuple[int, int]) -> tuple[Floats, Bools | None]:
    if values.shape != shape:
        # One step of functions that leave the steps out; the general way costs more than many a function.
        values = values[None, :] if values.shape == shape[1:] and shape[0] == 1 else np.broadcast_to(values, shape)
    if present is not None:
        present = None if every(present) else np.broadcast_to(present, shape)
    return values, present


def _pieces(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """The blocks in portions of bounded size, large ones cut by columns."""
    if sum(block.values.size for block in blocks) <= CELLS:
        yield blocks
        return
    held: list[Block] = []
    cells = 0
    for block in blocks:
        width = max(1, CELLS // max(1, len(block.times)))
        for at in range(0, len(block.columns), width):
            part = Block(block.columns[at : at + width], block.times, block.values[:, at : at + width])
            if held and cells + part.values.size > CELLS:
                yield held
                held, cells = [], 0
            held.append(part)
            cells += part.values.size
    if held:
        yield held


# ── many windows ──


def _sliding(function: Function, matrix: RangeVector, args: RangeArgs, steps: int) -> tuple[Floats, Bools | None]:
    out = np.empty((steps, len(matrix.sets)))
    mask: Bools | None = None
    covered = 0
    for block in matrix.blocks:
        for columns, values, present in _slices(function, block, matrix, args):
            target = slice(int(columns[0]), int(columns[-1]) + 1) if _adjacent(columns) else columns
            out[:, target] = values
            covered += len(columns)
            if present is not None and not present.all():
                if mask is None:
                    mask = np.ones(out.shape, dtype=np.bool_)
                mask[:, target] = present
    if covered < len(matrix.sets):
        if mask is None:
            mask = np.ones(out.shape, dtype=np.bool_)
        seen = np.zeros(len(matrix.sets), dtype=np.bool_)
        for block in matrix.blocks:
            seen[block.columns] = True
        mask[:, ~seen] = False
    return out, mask


def _adjacent(columns: Ints) -> bool:
    return bool(int(columns[-1]) - int(columns[0]) == len(columns) - 1) and _ascending(columns)


def _slices(
    function: Function, block: Block, matrix: RangeVector, args: RangeArgs
) -> Iterator[tuple[Ints, Floats, Bools | None]]:
    if function.over_range is None:
        raise TypeError(function.name)
    high = np.searchsorted(block.times, matrix.end, side="right")
    low = np.searchsorted(block.times, matrix.end - matrix.range, side="right")
    frame = Frame(block.times, low, high)
    width = _SLICE
    if function.stacks:
        width = min(_SLICE, CELLS // (frame.depth * len(high)))
    for at in range(0, len(block.columns), max(1, width)):
        columns = block.columns[at : at + max(1, width)]
        values = block.values[:, at : at + max(1, width)]
        if width:
            yield (columns, *function.over_range(Strided(frame, values), args))
        else:
            yield (columns, *_by_steps(function, frame, values, args))


def _by_steps(function: Function, frame: Frame, values: Floats, args: RangeArgs) -> tuple[Floats, Bools | None]:
    """Even one series has too many windows to be held at once: a few steps at a time."""
    if function.over_range is None:
        raise TypeError(function.name)
    step = max(1, CELLS // frame.depth)
    parts, masks = [], []
    for at in range(0, len(frame.low), step):
        cut = slice(at, at + step)
        part = RangeArgs(args.times[cut], args.start[cut], args.end[cut], tuple(s[cut] for s in args.scalars))
        result, present = function.over_range(Strided(frame.part(cut), values), part)
        parts.append(result)
        masks.append(
            np.ones(result.shape, dtype=np.bool_) if present is None else np.broadcast_to(present, result.shape)
        )
    return np.concatenate(parts), np.concatenate(masks)
