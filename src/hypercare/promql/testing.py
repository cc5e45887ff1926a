"""Series in the notation of Prometheus' rule tests, as a source to query: for tests of rules and of other rooms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT_BITS, STALE_BITS, SampleMatrix
from hypercare.model.time import parse_duration
from hypercare.promql.parser import parse_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms

_NUMBER: Final = r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.|[iI]nf|[nN]a[nN])"
_REPEAT: Final = re.compile(rf"({_NUMBER})(?:([+-])({_NUMBER}))?x(\d+)")


class SeriesSource:
    """Samples in memory.

    ``SeriesSource.load("1m", 'up{job="api"} 1 1 0 _ stale 1x3', …)`` puts value i of each series at i minutes.
    """

    def __init__(self) -> None:
        self._bits: dict[Labels, dict[Ms, int]] = {}
        self._tables: tuple[SampleMatrix, ...] | None = None

    @classmethod
    def load(cls, interval: str, *lines: str) -> SeriesSource:
        """A source with the series of these lines (each may hold several, one a line).

        Raises:
            ValueError: not the notation (PromqlError for the series' part).
        """
        source = cls()
        source.add(interval, *lines)
        return source

    def add(self, interval: str, *lines: str, start: Ms = 0) -> None:
        """Add series, or samples to series that are there."""
        step = parse_duration(interval)
        block: dict[Labels, dict[Ms, int]] = {}
        for line in (part.strip() for text in lines for part in text.split("\n")):
            if line and not line.startswith("#"):
                pairs, rest = parse_series(line)
                bits = {start + i * step: cell for i, cell in enumerate(parse_values(rest)) if cell != ABSENT_BITS}
                block[Labels(pairs)] = bits
        for labels, cells in block.items():
            self._bits.setdefault(labels, {}).update(cells)
        self._tables = None

    def put(self, labels: Labels, samples: Iterable[tuple[Ms, float]]) -> None:
        """Add samples of one series."""
        row = self._bits.setdefault(labels, {})
        for at, value in samples:
            row[at] = int(np.array([value]).view(np.int64)[0])
        self._tables = None

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[SampleMatrix]:
        """See ``SampleSource``."""
        if self._tables is None:
            self._tables = _tables(self._bits)
        found: list[SampleMatrix] = []
        for table in self._tables:
            columns = [i for i, labels in enumerate(table.labels) if all(m.matches(labels) for m in matchers)]
            low, high = np.searchsorted(table.times, [start, end], side="right")
            if columns and high > low:
                everything = len(columns) == len(table.labels)
                labels = table.labels if everything else tuple(table.labels[i] for i in columns)
                values = table.values[low:high] if everything else table.values[low:high, columns]
                found.append(SampleMatrix(labels, table.times[low:high], values, dense=False))
        return found

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> tuple[()]:
        """See ``SampleSource``; none can be added."""
        del matchers, start, end
        return ()


def _tables(series: dict[Labels, dict[Ms, int]]) -> tuple[SampleMatrix, ...]:
    """Series that share all their timestamps go into one matrix, as those of one target do."""
    together: dict[tuple[Ms, ...], list[Labels]] = {}
    for labels, cells in series.items():
        together.setdefault(tuple(sorted(cells)), []).append(labels)
    tables: list[SampleMatrix] = []
    for times, members in together.items():
        if times:
            bits = np.array([[series[labels][at] for labels in members] for at in times], dtype=np.int64)
            stamps = np.array(times, dtype=np.int64)
            tables.append(SampleMatrix(tuple(members), stamps, bits.view(np.float64), dense=False))
    return tuple(tables)


def parse_values(text: str) -> list[int]:
    """The bit patterns of ``1 2 _ 3x2 0+5x4 stale``; gaps are ``ABSENT_BITS``.

    Raises:
        ValueError: an item is not of the notation.
    """
    cells: list[int] = []
    for item in text.split():
        if item == "_":
            cells.append(ABSENT_BITS)
        elif re.fullmatch(r"_x\d+", item):
            cells.extend([ABSENT_BITS] * int(item[2:]))
        elif item == "stale":
            cells.append(STALE_BITS)
        else:
            cells.extend(_numbers(item))
    return cells


def _numbers(item: str) -> list[int]:
    match = _REPEAT.fullmatch(item)
    values: list[float]
    if match is None:
        values = [parse_number(item)]
    else:
        value, sign, delta, count = match.groups()
        step = parse_number(delta) * (-1 if sign == "-" else 1) if delta else 0.0
        values = [parse_number(value)]
        for _ in range(int(count)):
            values.append(values[-1] + step if delta else values[-1])
    bits: list[int] = np.array(values, dtype=np.float64).view(np.int64).tolist()
    return bits


def parse_number(text: str) -> float:
    """A number as the notation writes it.

    Raises:
        ValueError: it is none.
    """
    try:
        return float(int(text, 16)) if "0x" in text.lower() else float(text)
    except ValueError as err:
        msg = f"not a number: {text!r}"
        raise ValueError(msg) from err
