"""One line of an exposition, told apart into its pieces."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from hypercare.model.time import Ms

_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_QUOTED: Final = r'"(?:\\.|[^\\"])*"'

# Nearly every line has this form; everything else goes through the cursor below.
_COMMON: Final = re.compile(
    rf'(?P<series>({_NAME})(?:\{{((?:{_LABEL}="[^"\\]*"(?:,|(?=\}})))*+)\}})?) ([^\s{{]+)', re.ASCII
)
_PAIRS: Final = re.compile(rf'({_LABEL})="([^"\\]*)"', re.ASCII)
_METRIC: Final = re.compile(_NAME, re.ASCII)
_LABEL_NAME: Final = re.compile(rf"({_LABEL})|({_QUOTED})", re.ASCII)
_STRING: Final = re.compile(_QUOTED)
_SPACE: Final = re.compile(r"[ \t]*")
_TEXT_VALUE: Final = re.compile(r"[^{ \t\n]+")
_TEXT_TIMESTAMP: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_WORD: Final = re.compile(r" ([^ \n]+)")
_ESCAPE: Final = re.compile(r"\\([\\\"n])")
NO_NAMES: Final = frozenset({"", "\0"})
"""Prometheus refuses the first as well; the second is what the store calls its own columns."""
_UNESCAPED: Final = {"\\": "\\", '"': '"', "n": "\n"}


class ExpositionError(ValueError):
    """Input that is not in the announced format; the text says which line and what was expected.

    Attributes:
        column: where in the line, from 1; 0 where that is not known.

    """

    column = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Meta:
    """A ``# HELP``, ``# TYPE`` or ``# UNIT`` line: ``kind`` is help, type or unit."""

    kind: str
    metric: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Comment:
    """Any other line that begins with ``#``."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Exemplar:
    """An example of what was counted."""

    labels: Labels
    value: float
    timestamp: Ms | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """One sample.

    Attributes:
        text: the series as written, which names it within one target.
        timestamp: ms, where the target gave one.

    """

    text: str
    pairs: tuple[tuple[str, str], ...]
    value: float
    timestamp: Ms | None = None
    exemplar: Exemplar | None = None

    @property
    def labels(self) -> Labels:
        """The label set, ``__name__`` included."""
        return Labels(self.pairs)


def unescape(text: str) -> str:
    r"""Resolve ``\\``, ``\"`` and ``\n``; any other backslash stands for itself."""
    return _ESCAPE.sub(lambda m: _UNESCAPED[m[1]], text) if "\\" in text else text


def number(text: str) -> float:
    """Read a value as Go does: no underscores, no blanks around it.

    Raises:
        ExpositionError: not a number.
    """
    if "_" not in text and text.isascii() and text.strip() == text:
        try:
            return float(text)
        except ValueError:
            pass
    msg = f"{text!r} is not a number"
    raise ExpositionError(msg)


def text_series(line: str) -> Series:
    """Read a sample line of the text format 0.0.4.

    Raises:
        ExpositionError: it is none.
    """
    common = _COMMON.fullmatch(line)
    if common is not None:
        return _common(common)
    pos = _skip(line, 0)
    start = pos
    name = _METRIC.match(line, pos)
    pos = name.end() if name else pos
    end = pos
    pos = _skip(line, pos)
    pairs: list[tuple[str, str]] = [(METRIC_NAME, name[0])] if name else []
    if line[pos : pos + 1] == "{":
        pos = end = _labels(line, pos + 1, pairs, loose=True)
        pos = _skip(line, pos)
    value = _TEXT_VALUE.match(line, pos)
    if value is None or pos == start:
        raise _expected("a value after the series" if pos > start else "a metric name", line, pos)
    stamp: Ms | None = None
    pos = _skip(line, value.end())
    if pos > value.end() and pos < len(line):
        given = _TEXT_TIMESTAMP.match(line, pos)
        if given is None:
            raise _expected("a timestamp in ms", line, pos)
        stamp = int(given[0])
        pos = _skip(line, given.end())
    if pos < len(line):
        raise _expected("the end of the line", line, pos)
    return _series(line[start:end], pairs, _number_at(value[0], value.start()), stamp, None)


def openmetrics_series(line: str) -> Series:
    """Read a sample line of OpenMetrics, with its timestamp and exemplar.

    Raises:
        ExpositionError: it is none.
    """
    common = _COMMON.fullmatch(line)
    if common is not None:
        return _common(common)
    name = _METRIC.match(line)
    pos = name.end() if name else 0
    pairs: list[tuple[str, str]] = [(METRIC_NAME, name[0])] if name else []
    if line[pos : pos + 1] == "{":
        pos = _labels(line, pos + 1, pairs, loose=False)
    if pos == 0:
        raise _expected("a metric name", line, pos)
    text = line[:pos]
    value, stamp, pos = _value_and_stamp(line, pos, "the series")
    exemplar = None
    if line.startswith(" # {", pos):
        found: list[tuple[str, str]] = []
        pos = _labels(line, pos + 4, found, loose=False, exemplar=True)
        example, seen, pos = _value_and_stamp(line, pos, "the exemplar's labels")
        exemplar = Exemplar(Labels(found), example, seen)
    if pos < len(line):
        raise _expected("the end of the line", line, pos)
    return _series(text, pairs, value, stamp, exemplar)


def _common(match: re.Match[str]) -> Series:
    text, name, inner, value = match.groups()
    pairs = [(METRIC_NAME, name), *_PAIRS.findall(inner)] if inner else [(METRIC_NAME, name)]
    return _series(text, pairs, _number_at(value, match.start(4)), None, None)


def _series(
    text: str, pairs: list[tuple[str, str]], value: float, stamp: Ms | None, exemplar: Exemplar | None
) -> Series:
    names = {n for n, _ in pairs}
    if not NO_NAMES.isdisjoint(names):
        msg = f"a label name is empty, or a null byte alone, in {text[:200]!r}"
        raise ExpositionError(msg)
    if METRIC_NAME not in names:
        raise _expected("a metric name", text, len(text))
    if len(names) != len(pairs):
        msg = f"a label name stands twice in {text[:200]!r}"
        raise ExpositionError(msg)
    return Series(text, tuple(pairs), value, stamp, exemplar)


def _value_and_stamp(line: str, pos: int, after: str) -> tuple[float, Ms | None, int]:
    """OpenMetrics' value and its optional timestamp in seconds, each after exactly one blank."""
    value = _WORD.match(line, pos)
    if value is None:
        raise _expected("a value after " + after, line, pos)
    pos = value.end()
    stamp = None
    given = _WORD.match(line, pos)
    if given is not None and given[1] != "#":
        seconds = _number_at(given[1], given.start(1))
        if not abs(seconds) < float(1 << 53):
            msg = f"invalid timestamp {given[1]}"
            error = ExpositionError(msg)
            error.column = given.start(1) + 1
            raise error
        stamp, pos = round(seconds * 1000), given.end()
    return _number_at(value[1], value.start(1)), stamp, pos


def _labels(line: str, pos: int, pairs: list[tuple[str, str]], *, loose: bool, exemplar: bool = False) -> int:
    """Read label pairs up to and with the closing brace; ``loose``: blanks anywhere, commas optional."""
    while True:
        pos = _skip(line, pos) if loose else pos
        if line[pos : pos + 1] == "}":
            return pos + 1
        name = _LABEL_NAME.match(line, pos)
        if name is None:
            raise _expected("a label name", line, pos)
        key = name[1] or unescape(name[2][1:-1])
        pos = _skip(line, name.end()) if loose else name.end()
        if line[pos : pos + 1] == "=":
            pos = _skip(line, pos + 1) if loose else pos + 1
            value = _STRING.match(line, pos)
            if value is None:
                raise _expected("a quoted label value", line, pos)
            pairs.append((key, unescape(value[0][1:-1])))
            pos = _skip(line, value.end()) if loose else value.end()
            comma_optional = loose
        elif name[2] is not None and line[pos : pos + 1] in {",", "}"} and not exemplar:
            # A quoted text alone is the metric's name.
            pairs.append((METRIC_NAME, key))
            comma_optional = False
        else:
            raise _expected("=", line, pos)
        if line[pos : pos + 1] == ",":
            pos += 1
        elif line[pos : pos + 1] != "}" and not comma_optional:
            raise _expected("a comma or a closing brace", line, pos)


def _skip(line: str, pos: int) -> int:
    match = _SPACE.match(line, pos)
    return match.end() if match else pos


def _expected(what: str, line: str, pos: int) -> ExpositionError:
    found = repr(line[pos : pos + 20]) if pos < len(line) else "the end of the line"
    msg = f"expected {what}, found {found} in {line[:200]!r}"
    error = ExpositionError(msg)
    error.column = pos + 1
    return error


def _number_at(text: str, pos: int) -> float:
    """A value, with its place in the error.

    Raises:
        ExpositionError: not a number.
    """
    try:
        return number(text)
    except ExpositionError as error:
        error.column = pos + 1
        raise
