"""A store as OpenMetrics text with times: what ``promtool tsdb create-blocks-from openmetrics`` and we read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hypercare.model.labels import METRIC_NAME
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.samples import is_absent, is_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypercare.model.labels import Labels
    from hypercare.model.samples import Floats, Ints, SampleMatrix
    from hypercare.model.time import Ms
    from hypercare.tsdb import Snapshot

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_CELLS: Final = 20_000_000
"""Cells read at once: a metric that has more is written in several stretches of time."""


class ExportReport(NamedTuple):
    """What was written, and what the format has no place for.

    Attributes:
        series: float series.
        samples: lines.
        stale: staleness markers left out.
        histograms: native histograms left out.

    """

    series: int
    samples: int
    stale: int
    histograms: int


def export(
    snapshot: Snapshot,
    selectors: Sequence[tuple[Matcher, ...]],
    start: Ms,
    end: Ms,
    write: Callable[[str], object],
) -> ExportReport:
    """Write all samples of the series that any selector matches (of all, where there is none), ``start <= t <= end``.

    Metric after metric by name, series after series, times ascending, then ``# EOF``. Staleness markers and native
    histograms have no form in OpenMetrics 1.0 and are counted.
    """
    stats = snapshot.stats(1)
    start, end = max(start, stats.min_time or 0), min(end, stats.max_time or 0)
    names = snapshot.label_values(METRIC_NAME, selectors, start - 1, end)
    series: set[Labels] = set()
    samples = stale = histograms = 0
    for name in names:
        exact = Matcher(METRIC_NAME, MatchOp.EQUAL, name)
        wanted = [(exact, *each) for each in selectors or [()]]
        for since, until in _stretches(snapshot, wanted, start - 1, end):
            for labels, times, values in _series(snapshot, wanted, since, until):
                gone = is_stale(values)
                stale += int(gone.sum())
                there = ~gone
                if there.any():
                    series.add(labels)
                    samples += int(there.sum())
                    write(_lines(labels, times[there], values[there]))
        counted: dict[Labels, int] = {}
        for each in wanted:
            found = snapshot.select_histograms(each, start - 1, end)
            counted.update((one.labels, len(one.times)) for one in found)
        histograms += sum(counted.values())
    write("# EOF\n")
    return ExportReport(len(series), samples, stale, histograms)


def _stretches(
    snapshot: Snapshot, wanted: Sequence[tuple[Matcher, ...]], since: Ms, until: Ms
) -> Iterator[tuple[Ms, Ms]]:
    """The span, cut so that no stretch has more cells than are read at once (rows at least a second apart)."""
    width = len(snapshot.series(wanted, since, until))
    step = max(_CELLS // max(width, 1), 1) * 1000
    while since < until:
        yield since, min(since + step, until)
        since += step


def _series(
    snapshot: Snapshot, wanted: Sequence[tuple[Matcher, ...]], since: Ms, until: Ms
) -> Iterator[tuple[Labels, Ints, Floats]]:
    """Every series once, in the order of its labels, with its samples in the order of time."""
    pieces: dict[Labels, list[tuple[SampleMatrix, int]]] = {}
    for each in wanted:
        for matrix in snapshot.select(each, since, until):
            for column, labels in enumerate(matrix.labels):
                pieces.setdefault(labels, []).append((matrix, column))
    for labels in sorted(pieces):
        times, values = [], []
        for matrix, column in pieces[labels]:
            cells = np.ascontiguousarray(matrix.values[:, column])
            there = ~is_absent(cells)
            times.append(matrix.times[there])
            values.append(cells[there])
        joined = np.concatenate(times)
        # The same series may stand in two groups, and two selectors may match it: one sample a time.
        ascending, first = np.unique(joined, return_index=True)
        yield labels, ascending, np.concatenate(values)[first]


def _lines(labels: Labels, times: Ints, values: Floats) -> str:
    head = _head(labels)
    stamps = [f"{at:.3f}" for at in (times / 1000).tolist()]
    return "".join([
        f"{head} {_number(value)} {at}\n" for at, value in zip(stamps, values.tolist(), strict=True)
    ])  # fmt: skip


def _number(value: float) -> str:
    if value == value and value not in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return repr(value)
    return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"  # noqa: PLR0124 - NaN


def _head(labels: Labels) -> str:
    name = labels.name
    plain = _METRIC.fullmatch(name) is not None
    inner = [] if plain or not name else [_quoted(name)]
    inner += [
        f"{label if _LABEL.fullmatch(label) else _quoted(label)}={_quoted(value)}"
        for label, value in labels.pairs
        if label != METRIC_NAME
    ]
    shown = f"{{{','.join(inner)}}}" if inner else ""
    return f"{name}{shown}" if plain else shown


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'"{escaped}"'
