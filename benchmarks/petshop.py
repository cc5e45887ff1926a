"""The PetShop data set (Amazon, CC-BY-4.0): checks of its services, watches resampled from its fault-free run, its issues spliced in."""

from __future__ import annotations

import csv
import dataclasses
import json
import warnings
from typing import TYPE_CHECKING

import numpy as np

from hypercare.judge.reference import Measure, Reference, understand
from hypercare.judge.series import Direction, Samples, Scale
from hypercare.model.time import HOUR, SECOND

if TYPE_CHECKING:
    from pathlib import Path

SETTLING = 12
"""Rows left out at the beginning of a fault-free run: the first hour of low_traffic holds an incident that nobody injected."""
PRESENT = 0.9
BUSY = 20
BLOCK = 4 * HOUR

Column = tuple[str, str, str]
MEASURES = {
    ("latency", "Average"): Measure(Direction.HIGH, Scale.LEVEL, 0.25, BUSY),
    ("latency", "p95"): Measure(Direction.HIGH, Scale.LEVEL, 0.5, BUSY),
    ("availability", "Average"): Measure(Direction.HIGH, Scale.RATIO, 0.01, BUSY),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Sheet:
    """One metrics.csv: times in ms, shape [rows]; values [rows, columns]."""

    times: np.ndarray
    columns: dict[Column, int]
    values: np.ndarray

    def column(self, column: Column) -> np.ndarray:
        return self.values[:, self.columns[column]]

    def rows(self, rows: np.ndarray) -> Sheet:
        """These rows one after the other, at the run's own pace."""
        step = int(np.median(np.diff(self.times)))
        return Sheet((np.arange(len(rows), dtype=np.int64) + 1) * step, self.columns, self.values[rows])

    def check(self, column: Column) -> Samples:
        """One check's samples: latencies in seconds, or the share of requests that failed; with the requests behind them."""
        traffic = self.column((column[0], "requests", "Sum"))
        values = self.column(column)
        return Samples(self.times, (100 - values) / 100 if column[1] == "availability" else values, traffic)


@dataclasses.dataclass(frozen=True, slots=True)
class Issue:
    name: str
    sheet: Sheet
    fault: int
    """The row in which the issue was triggered."""


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic:
    """One part of the data set with a fault-free run."""

    name: str
    quiet: Sheet
    checks: tuple[Column, ...]
    issues: tuple[Issue, ...]

    @property
    def references(self) -> dict[Column, Reference]:
        found = {column: understand(self.quiet.check(column), MEASURES[column[1:]]) for column in self.checks}
        return {column: reference for column, reference in found.items() if reference}

    def resample(self, rng: np.random.Generator, count: int) -> Sheet:
        """A watch made of blocks of the run; all services keep the same rows, so that they stay correlated."""
        size = max(1, BLOCK // int(np.median(np.diff(self.quiet.times))))
        length = len(self.quiet.times)
        starts = rng.integers(0, length, -(-count // size))
        rows = (starts[:, None] + np.arange(size)).ravel()[:count] % length
        return self.quiet.rows(rows)


def read(path: Path) -> Sheet:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    head, body = rows[:3], [row for row in rows[3:] if row and _number(row[0]) == _number(row[0])]
    if len(head) < 3 or not body:
        msg = f"{path}: expected three rows of names (service, metric, statistic) and rows of values"
        raise ValueError(msg)
    width = min(len(names) for names in head)
    columns = {(head[0][i], head[1][i], head[2][i]): i - 1 for i in range(1, width)}
    times = (np.array([_number(row[0]) for row in body]) * SECOND).astype(np.int64)
    values = np.array([[_number(cell) for cell in [*row[1:width], *[""] * (width - len(row))]] for row in body])
    # Rows out of order or twice would make time go back.
    times, first = np.unique(times, return_index=True)
    return Sheet(times, columns, values[first])


def _number(cell: str) -> float:
    """A cell's number; whatever is none (empty, null, a name) is a gap."""
    try:
        return float(cell)
    except ValueError:
        return np.nan


def load(folder: Path) -> list[Traffic]:
    """All parts that have a fault-free run; issues of parts without one are spliced into the first that has."""
    if (folder / "noissue").is_dir():
        # One part alone.
        return [part for part in load(folder.parent) if part.name == folder.name]
    quiet = {path.parts[-3]: read(path) for path in sorted(folder.glob("*/noissue/metrics.csv"))}
    if not quiet:
        msg = f"no fault-free run below {folder}"
        raise FileNotFoundError(msg)
    issues: dict[str, list[Issue]] = {name: [] for name in quiet}
    first = next(iter(quiet))
    for path in sorted(folder.glob("*/*/issue_*/metrics.csv")):
        part = path.parts[-4]
        home = part if part in quiet else first
        name = "/".join(path.parts[-4:-1])
        if (path.parent / "target.json").exists():
            issues[home].append(_issue(name, path))
    return [_traffic(name, sheet, issues[name]) for name, sheet in quiet.items()]


def _issue(name: str, path: Path) -> Issue:
    sheet = read(path)
    noticed = json.loads((path.parent / "target.json").read_text())["target"]["timestamp"] * SECOND
    fault = max(0, int(np.searchsorted(sheet.times, noticed, side="right")) - 1)
    return Issue(name, sheet, fault)


def _traffic(name: str, whole: Sheet, issues: list[Issue]) -> Traffic:
    quiet = Sheet(whole.times[SETTLING:], whole.columns, whole.values[SETTLING:])
    checks = []
    for column in quiet.columns:
        if column[1:] in MEASURES and (column[0], "requests", "Sum") in quiet.columns:
            usable = quiet.check(column).usable(BUSY)
            if len(usable) >= PRESENT * len(quiet.times):
                checks.append(column)
    return Traffic(name, quiet, tuple(checks), tuple(_levelled(issues, quiet, checks)))


def _levelled(issues: list[Issue], quiet: Sheet, checks: list[Column]) -> list[Issue]:
    """The issues at the run's level of latency.

    They were recorded months before the fault-free run, and the level had moved since: without this a splice would be found by
    the seam, not by the fault. A service's factor comes from the rows before the faults, all issues of a part together.
    """
    factors: dict[str, dict[Column, float]] = {}
    for part in {issue.name.split("/")[0] for issue in issues}:
        own = [issue for issue in issues if issue.name.startswith(part + "/")]
        for column in checks:
            if column[1] != "latency":
                continue
            before = [i.sheet.column(column)[: max(1, i.fault)] for i in own if column in i.sheet.columns]
            values = np.concatenate(before) if before else np.array([])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                level = np.nanmedian(quiet.column(column)) / np.nanmedian(values) if len(values) else 1.0
            factors.setdefault(part, {})[column] = float(level) if np.isfinite(level) else 1.0
    found = []
    for issue in issues:
        values = issue.sheet.values.copy()
        for column, factor in factors[issue.name.split("/")[0]].items():
            if column in issue.sheet.columns:
                values[:, issue.sheet.columns[column]] *= factor
        found.append(Issue(issue.name, Sheet(issue.sheet.times, issue.sheet.columns, values), issue.fault))
    return found


def splice(watch: Sheet, issue: Issue, at: int) -> Sheet:
    """The watch with the issue's rows in place of its own from row `at` on."""
    values = watch.values.copy()
    stretch = slice(at, min(len(values), at + len(issue.sheet.times)))
    for column, place in watch.columns.items():
        if column in issue.sheet.columns:
            values[stretch, place] = issue.sheet.column(column)[: stretch.stop - at]
    return Sheet(watch.times, watch.columns, values)
