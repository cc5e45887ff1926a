"""Columns and cells of rows: how they are given, brought into the shape in which they are stored, and written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from hypercare.model.samples import STALE, is_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.tsdb.group import Group
    from hypercare.tsdb.layout import Layout

Columns: TypeAlias = "Ints | Sequence[int]"
Values: TypeAlias = "Floats | Sequence[float]"


class Journal(Protocol):
    """Hears of every row that is taken in."""

    def row(self, group: Group, at: Ms, columns: Ints, packed: bytes) -> None:
        """A row with its cells as float64 bytes."""
        ...

    def rows(self, group: Group, times: Ints, columns: Ints, cells: Floats, late: int) -> None:
        """Several rows; ``late``: the number of the segment that they are to be part of, or 0."""
        ...


def used_columns(group: Group, layout: Layout, values: Floats) -> tuple[Layout, Floats]:
    """Leave columns without any sample out, so that series that are gone take no more room."""
    empty = is_absent(values).all(axis=0)
    if not empty.any():
        return layout, values
    keep = np.flatnonzero(~empty)
    return group.layout(layout.ids[keep]), values[:, keep]


def row_arrays(columns: Columns, values: Values, stale: Sequence[int]) -> tuple[Ints, Floats]:
    """Columns and cells as arrays, the stale ones added, cells without a sample left out."""
    numbers = columns if isinstance(columns, np.ndarray) and columns.dtype == np.int64 else np.array(columns, np.int64)
    cells = np.ascontiguousarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.shape != cells.shape:
        msg = f"a row needs as many values as columns: {numbers.shape} columns, {cells.shape} values"
        raise ValueError(msg)
    if len(stale):
        numbers = np.concatenate([numbers, np.array(stale, dtype=np.int64)])
        cells = np.concatenate([cells, np.full(len(stale), STALE)])
    absent = is_absent(cells)
    if absent.any():
        numbers, cells = numbers[~absent], cells[~absent]
    return numbers, cells
