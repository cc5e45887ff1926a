"""Columns that are told best by another: bytes in and bytes out over a loopback, a total and its parts.

Of a column's moves (:mod:`hypercare.tsdb.numbers`) a whole number of times those of another is taken away where what is
left costs less. What is left may be the moves of a third column: then the first is a sum or difference, and keeps none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.tsdb.chunks import layers_cost
from hypercare.tsdb.numbers import Moves, best_orders, held_by_floats, sample_rows

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    from hypercare.model.samples import Bools, Ints

_LOOKED_AT: Final = 512
"""Rows."""
_NEAREST: Final = 3
"""Columns tried with each: those whose moves correlate with its own most."""
_ALIKE: Final = 0.3
"""Correlation from which on."""
_LEAST: Final = 0.4
"""Bits a row that must be won."""
_WIDEST: Final = 512
"""Columns compared with each other."""
_PORTION: Final = 64
"""Columns of one step."""
_PORTION_CELLS: Final = 1024
"""A column looked at takes about as long as to write so many cells."""
_LARGE: Final = float(1 << 50)
"""All numbers of such columns are less: floats hold them, and what is added to them."""


_WON: Final = 0.85
"""What is left of a column that leans on another costs at most so much of what the column does."""


class Lean(NamedTuple):
    """``column`` is ``factor`` times ``on``, and what is left; ``rest``: the column whose moves that is, or -1."""

    column: int
    on: int
    factor: int
    rest: int


def lean(found: Moves, numbers: Ints, scale: npt.NDArray[np.uint8]) -> tuple[Moves, npt.NDArray[np.uint8], Ints, Ints]:
    """Let columns lean on others where that is shorter.

    Args:
        found: the moves of all columns.
        numbers: the integers that they are of.
        scale: of these.

    Returns:
        What is left of the moves, the order of differences of each column, on which it leans, and how many times (0: on
        none).
    """
    moves, unit, twin = found
    own = np.arange(len(twin))
    leaders = np.flatnonzero(twin == own)
    able = held_by_floats(scale) & (np.abs(numbers).max(axis=0) < _LARGE)
    order = np.zeros(len(twin), dtype=np.uint8)
    order[leaders], cost = best_orders(moves[:, leaders], scale[leaders], layers_cost)
    paid = dict(zip(leaders.tolist(), cost.tolist(), strict=True))
    on, factor = own.copy(), np.zeros(len(twin), dtype=np.int64)
    finding = leans(moves[:, leaders], able[leaders])
    for each in _result(finding):
        column, other, rest = (int(leaders[at]) for at in (each.column, each.on, each.rest))
        together = np.flatnonzero(twin == column)
        greatest = float(np.abs(moves[:, other]).max()) * abs(each.factor) * float(np.abs(unit[together]).max())
        if greatest > _LARGE or not able[together].all():
            continue
        left = moves[:, [column]] - each.factor * moves[:, [other]]
        sign = _sign_of(left[:, 0], moves[:, rest]) if each.rest >= 0 else 0
        if not sign:
            rest, sign = column, 1
            (best,), (price,) = best_orders(left, scale[[column]], layers_cost)
            if price > _WON * paid[column]:
                continue
            moves[:, column], order[column] = left[:, 0], best
        # Whoever is in step with the column leans as it does.
        twin[together], on[together], factor[together] = rest, other, sign * each.factor
        unit[together] *= sign
    return Moves(moves, unit, twin), order, on, factor


def _sign_of(moves: Ints, others: Ints) -> int:
    """1 where moves are those others, -1 where they are their mirror, else 0."""
    return 1 if np.array_equal(moves, others) else -1 if np.array_equal(moves, -others) else 0


def _result(finding: Generator[int, None, list[Lean]]) -> list[Lean]:
    while True:
        try:
            next(finding)
        except StopIteration as end:
            found: list[Lean] = end.value
            return found


def leans(moves: Ints, able: Bools) -> Generator[int, None, list[Lean]]:
    """Which columns lean on others; none leans on one that leans, or on more than one.

    Yields how many cells were looked at, so that no step takes long.

    Args:
        moves: int64[rows, columns]; no two alike.
        able: which columns may take part.
    """
    found: list[Lean] = []
    columns, rows = np.flatnonzero(able), sample_rows(len(moves), _LOOKED_AT)
    for left in range(0, len(columns), _WIDEST):
        here = columns[left : left + _WIDEST]
        within = yield from _leans_within(moves[np.ix_(rows, here)])
        for column, on, factor, rest in within:
            found.append(Lean(int(here[column]), int(here[on]), factor, int(here[rest]) if rest >= 0 else -1))
    return found


def _leans_within(moves: Ints) -> Generator[int, None, list[Lean]]:
    steps = np.ascontiguousarray(np.diff(moves, axis=0).T)
    cost = _bits(steps)
    known = {step.tobytes(): column for column, step in enumerate(steps)}
    tries: list[tuple[float, Lean]] = []
    alike, slopes = _correlations(steps.astype(np.float64))
    nearest = np.argsort(-np.abs(alike), axis=1, kind="stable")[:, :_NEAREST]
    for column in range(len(steps)):
        if column % _PORTION == _PORTION - 1:
            yield _PORTION * _PORTION_CELLS
        for on in nearest[column].tolist():
            if on == column or abs(alike[column, on]) < _ALIKE:
                continue
            slope = round(float(slopes[column, on]))
            for factor in dict.fromkeys((1, -1, slope)):
                if factor == 0 or abs(factor) * np.abs(moves[:, on]).max() > _LARGE:
                    continue
                left = steps[column] - factor * steps[on]
                rest = known.get(left.tobytes(), known.get((-left).tobytes(), -1))
                won = cost[column] if rest >= 0 else cost[column] - float(_bits(left))
                if won > _LEAST and rest not in {column, on}:
                    tries.append((won, Lean(column, on, factor, rest)))
    tries.sort(key=lambda each: (-each[0], each[1]))
    return _without_chains([lean for _, lean in tries])


def _without_chains(tries: list[Lean]) -> list[Lean]:
    """The first that can stand together: what others lean on leans on nothing."""
    leaning: set[int] = set()
    leant: set[int] = set()
    found: list[Lean] = []
    for each in tries:
        needed = {each.on, each.rest} - {-1}
        if each.column not in leaning and each.column not in leant and not needed & leaning:
            leaning.add(each.column)
            leant |= needed
            found.append(each)
    return found


def _bits(steps: Ints) -> npt.NDArray[np.float64]:
    """About how many bits a step has; of arrays whose last axis are the steps."""
    found: npt.NDArray[np.float64] = np.log2(np.abs(steps.astype(np.float64)) + 0.5).mean(axis=-1)
    return found


def _correlations(steps: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Correlation of the steps of columns, and by how much one changes when the other does."""
    apart = steps - steps.mean(axis=1, keepdims=True)
    size = np.sqrt((apart * apart).sum(axis=1))
    size[size == 0] = np.inf
    unit = apart / size[:, None]
    alike = unit @ unit.T
    np.fill_diagonal(alike, 0.0)
    with np.errstate(invalid="ignore"):
        slopes = np.nan_to_num(alike * size[:, None] / size[None, :], posinf=0.0, neginf=0.0)
    return alike, slopes
