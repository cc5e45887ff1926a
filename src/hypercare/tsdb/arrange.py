"""Which columns of a group stand together in the pages of a merged block.

Columns in step are kept once within a page, and a column can lean only on one of its own page
(:mod:`hypercare.tsdb.codec`). So columns that have so much in common are brought together, however far apart a target
tells them; all others stay in the order in which they are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.tsdb.codec import without_holes
from hypercare.tsdb.numbers import held_by_floats, integers, moves_of, sample_rows
from hypercare.tsdb.relations import leans

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt

    from hypercare.model.samples import Floats, Ints

_LOOKED_AT: Final = 512
"""Rows."""


def arrange(cells: Callable[[Ints], Floats], columns: int, rows: int, page: int) -> Generator[int, None, Ints]:
    """Find an order of columns; yields the number of cells after each portion that was read.

    Args:
        cells: gives some columns: float64[rows, columns].
        columns: how many there are.
        rows: how many each has.
        page: columns of a page.

    Returns:
        The columns as they are to stand.
    """
    few = sample_rows(rows, _LOOKED_AT)
    places: list[Ints] = []
    moves: list[Ints] = []
    scales: list[npt.NDArray[np.uint8]] = []
    for left in range(0, columns, page):
        values = cells(np.arange(left, min(left + page, columns)))
        bits, _ = without_holes(np.asfortranarray(values[few]).view(np.int64))
        varying = np.flatnonzero(~(bits == bits[0]).all(axis=0))
        if len(varying):
            numbers, scale = integers(bits[:, varying])
            places.append(left + varying)
            moves.append(moves_of(numbers, scale).moves)
            scales.append(scale)
        yield values.size
    if not places:
        return np.arange(columns)
    place = np.concatenate(places)
    leader = yield from _together(np.concatenate(moves, axis=1), np.concatenate(scales))
    friends: dict[int, list[int]] = {}
    for at, first in enumerate(leader.tolist()):
        if first != at:
            friends.setdefault(int(place[first]), []).append(int(place[at]))
    return _order(friends, columns, page)


def _together(moves: Ints, scale: npt.NDArray[np.uint8]) -> Generator[int, None, Ints]:
    """For each column the first of those that it belongs to."""
    known: dict[bytes, int] = {}
    leader = [known.setdefault(column.tobytes(), at) for at, column in enumerate(np.ascontiguousarray(moves.T))]
    first = np.flatnonzero(np.array(leader) == np.arange(len(leader)))
    found = yield from leans(moves[:, first], held_by_floats(scale[first]))
    for each in found:
        for other in (each.on, each.rest):
            if other >= 0:
                one, two = sorted((_root(leader, int(first[each.column])), _root(leader, int(first[other]))))
                leader[two] = one
    return np.array([_root(leader, at) for at in range(len(leader))], dtype=np.int64)


def _root(leader: list[int], at: int) -> int:
    while leader[at] != at:
        at = leader[at]
    return at


def _order(friends: dict[int, list[int]], columns: int, page: int) -> Ints:
    """All columns, each followed by its friends; friends that would not fit a page wait for the next."""
    followers = {each for some in friends.values() for each in some}
    order: list[int] = []
    waiting: list[list[int]] = []

    def room() -> int:
        return page - len(order) % page

    for column in range(columns):
        while waiting and len(waiting[0]) <= room():
            order += waiting.pop(0)
        if column in followers:
            continue
        some = [column, *friends.get(column, ())]
        if len(some) <= room() or len(some) > page:
            order += some
        else:
            waiting.append(some)
    for some in waiting:
        order += some
    return np.array(order, dtype=np.int64)
