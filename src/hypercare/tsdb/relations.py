"""Columns that are told best by another: bytes in and bytes out over a loopback, a total and its parts.

Of a column's moves (:mod:`hypercare.tsdb.numbers`) a whole number of times those of another is taken away where what is
left costs less. What is left may be the moves of a third column: then the first is a sum or difference, and keeps none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.tsdb.numbers import sample_rows

if TYPE_CHECKING:
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
_LARGEST: Final = float(1 << 50)


class Lean(NamedTuple):
    """``column`` is ``factor`` times ``on``, and what is left; ``rest``: the column whose moves that is, or -1."""

    column: int
    on: int
    factor: int
    rest: int


def leans(moves: Ints, able: Bools) -> list[Lean]:
    """Which columns lean on others; none leans on one that leans, or on more than one.

    Args:
        moves: int64[rows, columns]; no two alike.
        able: which columns may take part: their moves and values are integers that floats hold exactly.
    """
    found: list[Lean] = []
    columns, rows = np.flatnonzero(able), sample_rows(len(moves), _LOOKED_AT)
    for left in range(0, len(columns), _WIDEST):
        here = columns[left : left + _WIDEST]
        found += [
            Lean(int(here[each.column]), int(here[each.on]), each.factor, int(here[each.rest]) if each.rest >= 0 else -1)
            for each in _leans_within(moves[np.ix_(rows, here)])
        ]
    return found


def _leans_within(moves: Ints) -> list[Lean]:
    steps = np.ascontiguousarray(np.diff(moves, axis=0).T)
    cost = _bits(steps)
    known = {step.tobytes(): column for column, step in enumerate(steps)}
    tries: list[tuple[float, Lean]] = []
    alike, slopes = _correlations(steps.astype(np.float64))
    nearest = np.argsort(-np.abs(alike), axis=1, kind="stable")[:, :_NEAREST]
    for column in range(len(steps)):
        for on in nearest[column].tolist():
            if on == column or abs(alike[column, on]) < _ALIKE:
                continue
            slope = round(float(slopes[column, on]))
            for factor in dict.fromkeys((1, -1, slope)):
                if factor == 0 or abs(factor) * np.abs(moves[:, on]).max() > _LARGEST:
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
