"""Tables as spreadsheets, data frames and dashboards export them: one sample a line, or one series a column.

A table in which every column is a series may have several lines of headers, as data frames with several levels of
columns write them: the level called ``metric`` names the metric, the others are labels.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, NamedTuple

from hypercare.model.errors import InputError, Problem
from hypercare.model.time import format_rfc3339
from hypercare.rehearse.recording.naming import METRICS, TIMES, VALUES, Clock, ColumnError
from hypercare.rehearse.recording.scratch import Scratch
from hypercare.tsdbtools.importing import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypercare.model.time import Ms
    from hypercare.rehearse.recording.naming import Naming

_MOST: Final = 20
"""Problems that are told one by one."""
_NOTHING: Final = frozenset({"", "null", "none", "undefined", "n/a"})
_HEADERS: Final = 8


class Row(NamedTuple):
    """One line.

    Attributes:
        line: from 1; that of its end, where a quoted text goes over several.
        raw: as it stands there.

    """

    line: int
    cells: list[str]
    raw: str


def read_table(path: Path, naming: Naming) -> Scratch:
    """Read a CSV file (gzip too; separated by commas, semicolons or tabs).

    Raises:
        InputError: everything that is wrong with it.
        OSError: it cannot be read.

    """
    reader = _Reader(path, naming)
    try:
        reader.read()
    except BaseException:
        reader.scratch.close()
        raise
    return reader.scratch


class _Reader:
    def __init__(self, path: Path, naming: Naming) -> None:
        self._file = str(path)
        self._path = path
        self._naming = naming
        self._clock = Clock(naming.zone)
        self._delimiter = ","
        self._problems: list[Problem] = []
        self._more = 0
        self.scratch = Scratch(str(path))

    def read(self) -> None:
        with opened(self._path) as raw:
            rows = self._rows(io.TextIOWrapper(raw, "utf-8-sig", newline=""))
            try:
                headers, first = self._headers(rows)
                if first is not None:
                    self._body(headers, first, rows)
            except UnicodeDecodeError as error:
                self._problem(0, "", 0, f"not UTF-8: {error.reason}", "save it as CSV in UTF-8")
            except (EOFError, OSError) as error:
                if isinstance(error, OSError) and error.errno:
                    raise
                self._problem(0, "", 0, f"the compressed data are damaged: {error}")
        for twice in [] if self._problems else self.scratch.settle():
            text = f"{twice.labels} again at {format_rfc3339(twice.at)}, with another value than in line {twice.line}"
            self._problem(twice.again, "", 0, text, "one sample a series and time; labels may be missing")
        if not self._problems and not self.scratch.samples:
            self._problem(0, "", 0, "there is no sample in it")
        if self._problems:
            more = f"{self._more} more of this file are not listed"
            raise InputError([*self._problems, *([Problem(self._file, 0, 0, more)] if self._more else [])])

    # -- lines -------------------------------------------------------------------------------------------------

    def _rows(self, text: io.TextIOWrapper) -> Iterator[Row]:
        """Lines with something in them; comments before the header (``#``) are left out."""
        raw = ""
        begun = False

        def lines() -> Iterator[str]:
            nonlocal raw, begun
            for line in text:
                if not begun:
                    if line.startswith("#") or not line.strip():
                        yield "\n"
                        continue
                    begun = True
                    self._delimiter = max(",;\t", key=line.count)
                raw = line
                yield line

        feed = lines()
        number = 0
        for first in feed:
            number += 1
            if first.strip():
                break
        else:
            return
        yield Row(number, next(csv.reader([first], delimiter=self._delimiter)), first)
        found = csv.reader(feed, delimiter=self._delimiter)
        try:
            for cells in found:
                if any(cells):
                    yield Row(number + found.line_num, cells, raw)
        except csv.Error as error:
            self._problem(number + found.line_num, "", 0, f"not CSV: {error}")

    def _headers(self, rows: Iterator[Row]) -> tuple[list[Row], Row | None]:
        """The lines before the first with a time, or with a number."""
        headers: list[Row] = []
        for row in rows:
            if headers and (len(headers) == _HEADERS or self._is_data(headers[0], row)):
                return headers, row
            headers.append(row)
        if headers:
            self._problem(headers[-1].line, "", 0, "expected lines with a time behind the header, found none")
        return headers, None

    def _is_data(self, header: Row, row: Row) -> bool:
        at = self._time_column(header)
        try:
            self._clock.read(row.cells[at] if at < len(row.cells) else "")
        except ValueError:
            # A line with a time that cannot be read is none of the headers if there are numbers in it.
            return any(_number(cell) is not None for n, cell in enumerate(row.cells) if n != at and cell.strip())
        return True

    def _time_column(self, header: Row) -> int:
        return _find(header.cells, self._naming.time, TIMES) or 0

    def _body(self, headers: list[Row], first: Row, rows: Iterator[Row]) -> None:
        header = headers[0]
        for name, word in ((self._naming.time, "time"), (self._naming.metric, "metric"), (self._naming.value, "value")):
            if name and name not in header.cells:
                hint = f"there are {', '.join(header.cells[:20])}"
                self._problem(header.line, header.raw, 0, f"no column is called {name!r} ({word})", hint)
        if self._problems:
            return
        metric = _find(header.cells, self._naming.metric, METRICS)
        value = _find(header.cells, self._naming.value, VALUES)
        if len(headers) == 1 and metric is not None and value is not None:
            self._long(header, first, rows, metric, value)
        else:
            self._wide(headers, first, rows)

    # -- one sample a line -------------------------------------------------------------------------------------

    def _long(self, header: Row, first: Row, rows: Iterator[Row], metric: int, value: int) -> None:
        at = self._time_column(header)
        own = {at, metric, value}
        labels = [(n, name) for n, name in enumerate(header.cells) if n not in own and name.strip()]
        known: dict[tuple[str, ...], int | None] = {}
        for row in _chain(first, rows):
            if self._too_short(header, row):
                continue
            key = (row.cells[metric], *(row.cells[n] for n, _ in labels))
            if key not in known:
                known[key] = self._number(row, metric, {name: row.cells[n] for n, name in labels})
            number = known[key]
            if number is None:
                continue
            when, found = self._when(row, at), self._value(row, value)
            if when is not None and found is not None:
                self.scratch.add(number, row.line, when, found)

    def _number(self, row: Row, column: int, labels: dict[str, str] | None = None) -> int | None:
        try:
            series = self._naming.series(row.cells[column].strip(), labels)
        except ColumnError as error:
            self._problem(row.line, row.raw, column, str(error), error.hint)
            return None
        return None if series is None else self.scratch.number(series)

    # -- one series a column -----------------------------------------------------------------------------------

    def _wide(self, headers: list[Row], first: Row, rows: Iterator[Row]) -> None:
        header = headers[0]
        at = self._time_column(header)
        columns = self._columns(headers, at)
        for row in _chain(first, rows):
            if self._too_short(header, row):
                continue
            when = self._when(row, at)
            if when is None:
                continue
            for column, number in columns:
                found = self._value(row, column)
                if found is not None:
                    self.scratch.add(number, row.line, when, found)

    def _columns(self, headers: list[Row], at: int) -> list[tuple[int, int]]:
        """Which columns are which series."""
        # Data frames give the index its name in a line of its own.
        levels = [row for row in headers if any(cell.strip() for n, cell in enumerate(row.cells) if n != at)]
        found: list[tuple[int, int]] = []
        seen: dict[int, int] = {}
        if len(levels) > 1 and not any(_of(row, at) in METRICS for row in levels):
            names = ", ".join(_of(row, at) or "(no name)" for row in levels)
            text = f"several lines of headers ({names}), and none of them is called metric"
            self._problem(levels[0].line, levels[0].raw, at, text, "write metric into the first cell of that line")
            return []
        for column in range(len(levels[0].cells)):
            if column == at or not any(_of(row, column) for row in levels):
                continue
            number = self._column(levels, at, column)
            if number is None:
                continue
            if number in seen:
                text = f"the same series as column {seen[number] + 1}: {self.scratch.labels[number]}"
                self._problem(levels[0].line, levels[0].raw, column, text, "give one of them another name: columns")
                continue
            seen[number] = column
            found.append((column, number))
        return found

    def _column(self, levels: list[Row], at: int, column: int) -> int | None:
        if len(levels) == 1:
            return self._number(levels[0], column)
        labels = {_of(row, at): _of(row, column) for row in levels if not _of(row, column).startswith("Unnamed:")}
        name = next(level for level in levels if _of(level, at) in METRICS)
        labels.pop(_of(name, at), None)
        return self._number(name, column, labels)

    # -- cells -------------------------------------------------------------------------------------------------

    def _too_short(self, header: Row, row: Row) -> bool:
        if len(row.cells) == len(header.cells):
            return False
        text = f"expected {len(header.cells)} cells as in line {header.line}, found {len(row.cells)}"
        self._problem(row.line, row.raw, min(len(row.cells), len(header.cells)) - 1, text)
        return True

    def _when(self, row: Row, column: int) -> Ms | None:
        try:
            return self._clock.read(row.cells[column])
        except ValueError as error:
            self._problem(row.line, row.raw, column, str(error))
            return None

    def _value(self, row: Row, column: int) -> float | None:
        text = row.cells[column]
        found = _number(text)
        if found is None and text.strip().lower() not in _NOTHING:
            hint = "numbers have no unit and no separator of thousands; an empty cell is no sample"
            self._problem(row.line, row.raw, column, f"expected a number, found {text!r}", hint)
        return found

    def _problem(self, line: int, raw: str, column: int, text: str, hint: str = "") -> None:
        if len(self._problems) == _MOST:
            self._more += 1
            return
        place = _place(raw, column, self._delimiter) if raw else 0
        self._problems.append(Problem(self._file, line, place, text, hint))


def _find(cells: list[str], named: str, usual: tuple[str, ...]) -> int | None:
    if named:
        return cells.index(named) if named in cells else None
    lower = [cell.strip().lower() for cell in cells]
    return next((lower.index(name) for name in usual if name in lower), None)


def _of(row: Row, column: int) -> str:
    return row.cells[column].strip() if column < len(row.cells) else ""


def _chain(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _number(text: str) -> float | None:
    try:
        # What Python takes beyond what others write: 1_000.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _place(raw: str, column: int, delimiter: str) -> int:
    """Where a cell begins in its line, from 1."""
    quoted, seen = False, 0
    for at, sign in enumerate(raw):
        if seen == column:
            return at + 1
        if sign == '"':
            quoted = not quoted
        elif sign == delimiter and not quoted:
            seen += 1
    return len(raw.rstrip("\r\n")) + 1
