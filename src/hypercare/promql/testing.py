"""Series in the notation of Prometheus' rule tests, as a source to query: for tests of rules and of other rooms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from hypercare.model.histograms import Histogram, HistogramSeries
from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT_BITS, STALE_BITS, SampleMatrix
from hypercare.model.time import parse_duration
from hypercare.promql.native.arithmetic import added, subtracted
from hypercare.promql.native.literal import format_histogram, parse_histogram
from hypercare.promql.native.resets import hinted
from hypercare.promql.parser import parse_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms

Cell: TypeAlias = "int | Histogram"
"""A sample in the notation: the bit pattern of a float, or a histogram."""

__all__ = [
    "Cell",
    "SeriesSource",
    "format_histogram",
    "parse_cells",
    "parse_histogram",
    "parse_number",
    "parse_offsets",
    "parse_values",
]

_NUMBER: Final = r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.|[iI]nf|[nN]a[nN])"
_ITEM: Final = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x\d+)?(?!\S)|\S+", re.DOTALL)
_HISTOGRAMS: Final = re.compile(r"(\{\{.*?\}\})(?:([+-])(\{\{.*?\}\}))?(?:x(\d+))?", re.DOTALL)
_OFFSET: Final = re.compile(r"([+-]?[0-9a-z]+?)(?:([+-][0-9a-z]+?))?(?:x(\d+))?")
_REPEAT: Final = re.compile(rf"({_NUMBER})(?:([+-])({_NUMBER}))?x(\d+)")


class SeriesSource:
    """Samples in memory.

    ``SeriesSource.load("1m", 'up{job="api"} 1 1 0 _ stale 1x3', …)`` puts value i of each series at i minutes;
    ``{{schema:0 count:3 sum:5 buckets:[1 2]}}`` is a native histogram.
    """

    def __init__(self) -> None:
        self._cells: dict[Labels, dict[Ms, Cell]] = {}
        self._starts: dict[Labels, dict[Ms, Ms]] = {}
        self._tables: tuple[SampleMatrix, ...] | None = None
        self._histograms: tuple[HistogramSeries, ...] = ()

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
        """Add series, or samples to series that are there.

        A line ``<series>@st <offsets>`` before that of the same series gives start timestamps.
        """
        step = parse_duration(interval)
        block: dict[Labels, dict[Ms, Cell]] = {}
        starts: dict[Labels, dict[Ms, Ms]] = {}
        for line in (part.strip() for text in lines for part in text.split("\n")):
            if line and not line.startswith("#"):
                pairs, rest = parse_series(line)
                if rest.startswith("@st"):
                    offsets = enumerate(parse_offsets(rest.removeprefix("@st")))
                    began = {start + i * step: start + i * step + off for i, off in offsets if off is not None}
                    starts[Labels(pairs)] = began
                else:
                    cells = enumerate(parse_cells(rest))
                    block[Labels(pairs)] = {start + i * step: cell for i, cell in cells if cell != ABSENT_BITS}
        for labels, row in block.items():
            self._cells.setdefault(labels, {}).update(row)
            self._starts.setdefault(labels, {}).update(starts.get(labels, {}))
        self._tables = None

    def put(self, labels: Labels, samples: Iterable[tuple[Ms, float | Histogram]]) -> None:
        """Add samples of one series."""
        row = self._cells.setdefault(labels, {})
        for at, value in samples:
            row[at] = value if isinstance(value, Histogram) else int(np.array([value]).view(np.int64)[0])
        self._tables = None

    def select(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[SampleMatrix]:
        """See ``SampleSource``."""
        found: list[SampleMatrix] = []
        for table in self._arranged():
            columns = [i for i, labels in enumerate(table.labels) if all(m.matches(labels) for m in matchers)]
            low, high = np.searchsorted(table.times, [start, end], side="right")
            if columns and high > low:
                everything = len(columns) == len(table.labels)
                labels = table.labels if everything else tuple(table.labels[i] for i in columns)
                values = table.values[low:high] if everything else table.values[low:high, columns]
                starts = None if table.starts is None else table.starts[low:high][:, columns]
                found.append(SampleMatrix(labels, table.times[low:high], values, dense=False, starts=starts))
        return found

    def select_histograms(self, matchers: tuple[Matcher, ...], start: Ms, end: Ms) -> list[HistogramSeries]:
        """See ``SampleSource``."""
        self._arranged()
        found: list[HistogramSeries] = []
        for series in self._histograms:
            if all(m.matches(series.labels) for m in matchers):
                low, high = np.searchsorted(series.times, [start, end], side="right").tolist()
                if high > low:
                    starts = None if series.starts is None else series.starts[low:high]
                    cut = HistogramSeries(series.labels, series.times[low:high], series.values[low:high], starts)
                    found.append(cut)
        return found

    def _arranged(self) -> tuple[SampleMatrix, ...]:
        if self._tables is None:
            floats = {
                labels: {at: cell for at, cell in row.items() if isinstance(cell, int)}
                for labels, row in self._cells.items()
            }
            self._tables = _tables(floats, self._starts)
            series = (_histograms(labels, row, self._starts.get(labels, {})) for labels, row in self._cells.items())
            self._histograms = tuple(each for each in series if each is not None)
        return self._tables


def _histograms(labels: Labels, row: dict[Ms, Cell], starts: dict[Ms, Ms]) -> HistogramSeries | None:
    """The histograms of a series, with the hints about resets that a store gives them."""
    if not any(isinstance(cell, Histogram) for cell in row.values()):
        return None
    times = sorted(row)
    ordered = [row[at] for at in times]
    hints = hinted([cell if isinstance(cell, Histogram) else None for cell in ordered])
    kept = [(at, histogram) for at, histogram in zip(times, hints, strict=True) if histogram is not None]
    when = np.array([at for at, _ in kept], dtype=np.int64)
    began = np.array([starts.get(at, 0) for at, _ in kept], dtype=np.int64) if starts else None
    return HistogramSeries(labels, when, tuple(histogram for _, histogram in kept), began)


def _tables(series: dict[Labels, dict[Ms, int]], starts: dict[Labels, dict[Ms, Ms]]) -> tuple[SampleMatrix, ...]:
    """Series that share all their timestamps go into one matrix, as those of one target do."""
    together: dict[tuple[Ms, ...], list[Labels]] = {}
    for labels, cells in series.items():
        together.setdefault(tuple(sorted(cells)), []).append(labels)
    tables: list[SampleMatrix] = []
    for times, members in together.items():
        if times:
            bits = np.array([[series[labels][at] for labels in members] for at in times], dtype=np.int64)
            stamps = np.array(times, dtype=np.int64)
            began = None
            if any(starts.get(labels) for labels in members):
                rows = [[starts.get(labels, {}).get(at, 0) for labels in members] for at in times]
                began = np.array(rows, dtype=np.int64)
            tables.append(SampleMatrix(tuple(members), stamps, bits.view(np.float64), dense=False, starts=began))
    return tuple(tables)


def parse_cells(text: str) -> list[Cell]:
    """The samples of ``1 2 _ 3x2 0+5x4 stale {{count:1 sum:2}}``: bit patterns of floats, and histograms.

    Gaps are ``ABSENT_BITS``.

    Raises:
        ValueError: an item is not of the notation.
    """
    cells: list[Cell] = []
    for item in _ITEM.findall(text):
        if item == "_":
            cells.append(ABSENT_BITS)
        elif re.fullmatch(r"_x\d+", item):
            cells.extend([ABSENT_BITS] * int(item[2:]))
        elif item == "stale":
            cells.append(STALE_BITS)
        elif item.startswith("{{"):
            cells.extend(_histogram_items(item))
        else:
            cells.extend(_numbers(item))
    return cells


def parse_values(text: str) -> list[int]:
    """The bit patterns of ``1 2 _ 3x2 0+5x4 stale``; gaps are ``ABSENT_BITS``.

    Raises:
        ValueError: an item is not of the notation, or a histogram.
    """
    cells = parse_cells(text)
    floats = [cell for cell in cells if isinstance(cell, int)]
    if len(floats) < len(cells):
        raise ValueError("expected numbers, got a histogram")
    return floats


def _histogram_items(item: str) -> list[Cell]:
    match = _HISTOGRAMS.fullmatch(item)
    if match is None:
        msg = f"not a histogram: {item!r}"
        raise ValueError(msg)
    first, sign, second, count = match.groups()
    current = parse_histogram(first)
    cells: list[Cell] = [current]
    step = parse_histogram(second) if second else None
    for _ in range(int(count or 0)):
        if step is not None:
            if current.schema > step.schema:
                msg = f"cannot combine histograms: schema {current.schema} is finer than {step.schema}"
                raise ValueError(msg)
            combine = added if sign == "+" else subtracted
            current = combine(current, step).histogram
        cells.append(current)
    return cells


def parse_offsets(text: str) -> list[Ms | None]:
    """Start timestamps relative to their samples, ms: ``_ -30s-1mx2 0x3``; none where unknown.

    Raises:
        ValueError: an item is not of the notation.
    """
    offsets: list[Ms | None] = []
    for item in text.split():
        if item == "_":
            offsets.append(None)
        elif re.fullmatch(r"_x\d+", item):
            offsets.extend([None] * int(item[2:]))
        else:
            match = _OFFSET.fullmatch(item)
            if match is None:
                msg = f"not a start timestamp: {item!r}"
                raise ValueError(msg)
            first, step, count = match.groups()
            change = _signed(step) if step else 0
            offsets.extend(_signed(first) + i * change for i in range(int(count or 0) + 1))
    return offsets


def _signed(text: str) -> Ms:
    return (-1 if text.startswith("-") else 1) * parse_duration(text.lstrip("+-"))


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
