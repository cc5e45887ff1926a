"""Reads the script language of Prometheus' PromQL acceptance tests (see the README beside the scripts)."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING

from hypercare.model.labels import Labels
from hypercare.model.time import parse_duration
from hypercare.promql import Expr, PromqlError, parse, selectors
from hypercare.promql.ast import StringLiteral
from hypercare.promql.parser import parse_series
from hypercare.promql.testing import SeriesSource, parse_number, parse_values

if TYPE_CHECKING:
    from pathlib import Path

_EVAL = re.compile(r"eval(?:_(fail|warn|info|ordered))?\s+instant\s+(?:at\s+(\S+))?\s+(.+)", re.DOTALL)
_RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)", re.DOTALL)
_EXPECT = re.compile(r"expect\s+(fail|warn|info|no_warn|no_info|ordered)(?:\s+(msg|regex):(.*))?")
_RANGE_VECTOR = re.compile(r"expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)")
_NATIVE = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x(\d+))?")


@dataclasses.dataclass(frozen=True)
class Load:
    """A load block; histograms became gaps, their series are named in ``native``."""

    interval: str
    lines: tuple[str, ...]
    native: tuple[Labels, ...]
    started: tuple[Labels, ...]


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
    series: list[tuple[Labels, list[int]]] = dataclasses.field(default_factory=list)
    scalar: float | None = None
    string: str | None = None
    range_vector: tuple[int, int, int] | None = None
    histograms: bool = False

    @property
    def instant(self) -> bool:
        return self.step == 0

    def expected(self, kind: str) -> list[tuple[str, str]]:
        return [(how, text) for what, how, text in self.expects if what == kind]

    @property
    def skipped(self) -> str:
        """Why this engine does not run the case, or nothing."""
        if self.histograms or re.search(r"(</|>/)", self.text):
            return "native histograms"
        if "start_timestamp(" in self.text:
            return "start timestamps"
        try:
            expr: Expr = parse(self.text)
        except PromqlError:
            return ""  # the case itself will show it
        for load in self.loads:
            for selector in selectors(expr):
                if any(all(m.matches(labels) for m in selector.matchers) for labels in load.native):
                    return "native histograms"
                if any(all(m.matches(labels) for m in selector.matchers) for labels in load.started):
                    return "start timestamps"
        return ""


@functools.lru_cache(maxsize=64)
def source_of(loads: tuple[Load, ...]) -> SeriesSource:
    source = SeriesSource()
    for load in loads:
        source.add(load.interval, *load.lines)
    return source


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
    interval = command.split()[1]
    kept, native, started = [], [], []
    for each in body:
        pairs, rest = parse_series(each)
        if rest.startswith("@st"):
            started.append(Labels(pairs))
            continue
        if "{{" in rest:
            native.append(Labels(pairs))
            shown = each[: len(each) - len(rest)]
            rest = _NATIVE.sub(lambda m: f"_x{int(m.group(1)) + 1}" if m.group(1) else "_", rest)
            kept.append(f"{shown} {rest}")
        else:
            kept.append(each)
        if nhcb:
            name = re.sub(r"_(bucket|count|sum)$", "", Labels(pairs).name)
            native.append(Labels(pairs).without(("le",)).with_({"__name__": name}))
    return Load(interval, tuple(kept), tuple(native), tuple(started))


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
    if "{{" in line:
        case.histograms = True
        return False
    pairs, rest = parse_series(line)
    case.series.append((Labels(pairs), parse_values(rest)))
    return False
