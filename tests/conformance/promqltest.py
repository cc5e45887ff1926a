"""Reads the script language of Prometheus' PromQL acceptance tests (see the README beside the scripts)."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import TYPE_CHECKING

import numpy as np

from hypercare.model.histograms import CUSTOM_SCHEMA, Buckets, Histogram
from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT_BITS
from hypercare.model.time import parse_duration
from hypercare.promql import parse
from hypercare.promql.ast import StringLiteral
from hypercare.promql.parser import parse_series
from hypercare.promql.testing import SeriesSource, parse_cells, parse_number

if TYPE_CHECKING:
    from pathlib import Path

_EVAL = re.compile(r"eval(?:_(fail|warn|info|ordered))?\s+instant\s+(?:at\s+(\S+))?\s+(.+)", re.DOTALL)
_RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)", re.DOTALL)
_EXPECT = re.compile(r"expect\s+(fail|warn|info|no_warn|no_info|ordered)(?:\s+(msg|regex):(.*))?")
_RANGE_VECTOR = re.compile(r"expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)")


@dataclasses.dataclass(frozen=True)
class Load:
    """A load block; with ``nhcb`` its classic histograms are stored a second time, as native ones."""

    interval: str
    lines: tuple[str, ...]
    nhcb: bool


@dataclasses.dataclass
class Case:
    """One eval with everything loaded before it."""

    file: str
    line: int
    loads: tuple[Load, ...]
    text: str
    start: int
    end: int
    step: int
    expects: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    series: list[tuple[Labels, list[int | Histogram]]] = dataclasses.field(default_factory=list)
    hinted: set[Labels] = dataclasses.field(default_factory=set)
    scalar: float | None = None
    string: str | None = None
    range_vector: tuple[int, int, int] | None = None

    @property
    def instant(self) -> bool:
        return self.step == 0

    def expected(self, kind: str) -> list[tuple[str, str]]:
        return [(how, text) for what, how, text in self.expects if what == kind]


@functools.lru_cache(maxsize=64)
def source_of(loads: tuple[Load, ...]) -> SeriesSource:
    source = SeriesSource()
    for load in loads:
        source.add(load.interval, *load.lines)
        if load.nhcb:
            for labels, samples in custom_histograms(load).items():
                source.put(labels, samples)
    return source


def custom_histograms(load: Load) -> dict[Labels, list[tuple[int, Histogram]]]:
    """The classic histograms of a block as native ones with custom buckets, under the name without suffix."""
    step = parse_duration(load.interval)
    parts: dict[tuple[Labels, int], dict[str | float, float]] = {}
    for line in load.lines:
        pairs, rest = parse_series(line)
        labels = Labels(pairs)
        name, _, suffix = labels.name.rpartition("_")
        if rest.startswith("@st") or suffix not in {"bucket", "count", "sum"}:
            continue
        bound = labels.get("le")
        key: str | float = suffix
        if suffix == "bucket":
            try:
                key = float(bound)
            except ValueError:
                continue
        base = labels.without(("le",)).with_({"__name__": name})
        for i, cell in enumerate(parse_cells(rest)):
            if isinstance(cell, int) and cell != ABSENT_BITS:
                parts.setdefault((base, i * step), {})[key] = _float(cell)
    found: dict[Labels, list[tuple[int, Histogram]]] = {}
    for (labels, at), numbers in sorted(parts.items(), key=lambda item: item[0][1]):
        found.setdefault(labels, []).append((at, _custom(numbers)))
    return found


def _float(cell: int) -> float:
    return float(np.array([cell], dtype=np.int64).view(np.float64)[0])


def _custom(numbers: dict[str | float, float]) -> Histogram:
    bounds = sorted(key for key in numbers if isinstance(key, float))
    cumulative = [numbers[bound] for bound in bounds]
    if "count" in numbers and (not bounds or bounds[-1] != math.inf):
        bounds.append(math.inf)
        cumulative.append(numbers["count"])
    counts = np.diff(np.array([0.0, *cumulative]))
    count = numbers.get("count", cumulative[-1] if cumulative else 0.0)
    populated = np.flatnonzero(counts)
    return Histogram(
        schema=CUSTOM_SCHEMA,
        count=count,
        sum=numbers.get("sum", 0.0),
        positive=Buckets(populated, counts[populated]),
        custom_values=tuple(bound for bound in bounds if bound != math.inf),
    )


def read(path: Path) -> list[Case]:
    """All evals of a script, in order."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
    lines = ["" if line.startswith("#") else line for line in lines]
    loads: tuple[Load, ...] = ()
    cases: list[Case] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        word = re.split(r"[ \t]", line, maxsplit=1)[0].lower() if line else ""
        body: list[str] = []
        first = at
        at += 1
        if word.startswith(("load", "eval")):
            while at < len(lines) and lines[at]:
                body.append(lines[at])
                at += 1
        if word == "clear":
            loads = ()
        elif word.startswith("load"):
            loads = (*loads, _load(line, body, nhcb=word == "load_with_nhcb"))
        elif word.startswith("eval"):
            cases.append(_eval(path.stem, first + 1, line, body, loads))
        elif word:
            msg = f"{path.name}:{first + 1}: unknown command {word}"
            raise ValueError(msg)
    return cases


def _load(command: str, body: list[str], *, nhcb: bool) -> Load:
    return Load(command.split()[1], tuple(body), nhcb)


def _eval(file: str, number: int, line: str, body: list[str], loads: tuple[Load, ...]) -> Case:
    instant = _EVAL.fullmatch(line)
    if instant:
        old, when, text = instant.groups()
        at = parse_duration(when) if when else 0
        case = Case(file, number, loads, text, at, at, 0)
    else:
        ranged = _RANGE.fullmatch(line)
        if ranged is None:
            msg = f"{file}:{number}: {line}"
            raise ValueError(msg)
        old, start, end, step, text = ranged.groups()
        case = Case(file, number, loads, text, parse_duration(start), parse_duration(end), parse_duration(step))
    if old:
        case.expects.append((old, "", ""))
    for each in body:
        if _body_line(case, each):
            break
    return case


def _body_line(case: Case, line: str) -> bool:
    """Take one line of an eval's body; true where it ends the body."""
    expect = _EXPECT.fullmatch(line)
    if expect:
        what, how, text = expect.groups()
        case.expects.append((what, how or "", (text or "").strip()))
        return False
    if line.startswith("expect string"):
        literal = parse(line.removeprefix("expect string").strip())
        case.string = literal.value if isinstance(literal, StringLiteral) else ""
        return False
    window = _RANGE_VECTOR.fullmatch(line)
    if window:
        case.range_vector = tuple(parse_duration(part) for part in window.groups())  # type: ignore[assignment]
        return False
    if line.startswith(("expected_fail_message", "expected_fail_regexp")):
        word, text = line.split(maxsplit=1)
        case.expects.append(("fail", "msg" if word.endswith("message") else "regex", text))
        return True
    try:
        case.scalar = parse_number(line)
    except ValueError:
        pass
    else:
        return True
    pairs, rest = parse_series(line)
    case.series.append((Labels(pairs), parse_cells(rest)))
    if "counter_reset_hint" in rest.rpartition("{{")[2]:
        case.hinted.add(Labels(pairs))
    return False
