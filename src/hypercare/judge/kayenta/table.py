"""Values of metrics from CSV: a column a metric."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.errors import InputError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIME_COLUMNS: Final = frozenset({"time", "timestamp", "ts"})
_NONE: Final = frozenset({"", "nan", "null", "none", "na"})


def read_table(text: str, file: str = "") -> dict[str, NDArray[np.float64]]:
    """Values by the metric's name, shape [rows]; NaN where a cell is empty.

    The first line names the columns; a column time, timestamp or ts is passed over.

    Raises:
        InputError: no columns, two of one name, rows of other lengths, cells that are no numbers (the first twenty).

    """
    rows = csv.reader(io.StringIO(text), strict=True)
    columns: list[str] = []
    values: list[list[float]] = []
    problems: list[Problem] = []
    try:
        for row in rows:
            if not columns:
                columns = _header(row, file, problems)
                values = [[] for _ in columns]
            elif row:
                _row(row, values, Problem(file, rows.line_num, 0, ""), columns, problems)
    except csv.Error as error:
        problems.append(Problem(file, rows.line_num, 0, f"expected CSV: {error}"))
    if not columns and not problems:
        problems.append(Problem(file, 1, 0, "expected a line with the metrics' names, found nothing"))
    if problems:
        raise InputError(problems[:20])
    found = zip(columns, values, strict=True)
    return {name: np.array(column, dtype=np.float64) for name, column in found if name.lower() not in TIME_COLUMNS}


def _header(row: list[str], file: str, problems: list[Problem]) -> list[str]:
    names = [name.strip().removeprefix("\ufeff") for name in row]
    for at, name in enumerate(names):
        if name in names[:at]:
            problems.append(Problem(file, 1, 0, f"two columns are named {name!r}", "give each metric one column"))
    return names


def _row(row: list[str], values: list[list[float]], at: Problem, columns: list[str], problems: list[Problem]) -> None:
    if len(row) != len(values):
        text = f"expected {len(values)} cells, found {len(row)}"
        problems.append(Problem(at.file, at.line, 0, text, "an empty cell stands for a missing value"))
        return
    for name, column, cell in zip(columns, values, row, strict=True):
        text = cell.strip()
        if name.lower() in TIME_COLUMNS or text.lower() in _NONE:
            column.append(np.nan)
            continue
        try:
            column.append(float(text))
        except ValueError:
            problems.append(Problem(at.file, at.line, 0, f"{name}: expected a number, found {text[:40]!r}"))
