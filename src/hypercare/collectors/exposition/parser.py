"""The whole formats: metadata, comments, samples, and what must stand where.

As strict as Prometheus' own tokenizer, which takes what well-meaning programs send; the grouping rules that
OpenMetrics asks of producers are not checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypercare.collectors.exposition.lines import (
    Comment,
    ExpositionError,
    Meta,
    Series,
    number,
    openmetrics_series,
    text_series,
    unescape,
)
from hypercare.collectors.exposition.strict import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_METRIC: Final = r'([a-zA-Z_:][a-zA-Z0-9_:]*|"(?:\\.|[^\\"])*")'
_TEXT_META: Final = re.compile(
    rf"[ \t]*#[ \t]+(HELP|TYPE)[ \t]+(?:{_METRIC}(?:[ \t]+(.*)|(?=$)))?", re.ASCII | re.DOTALL
)
_OM_META: Final = re.compile(rf"# (HELP|TYPE|UNIT) (?:{_METRIC}(?: (.*)|(?=$)))?", re.ASCII | re.DOTALL)
_HELP_ESCAPE: Final = re.compile(r"\\([\\n])")
TEXT_TYPES: Final = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
    "summary": "summary",
    "untyped": "unknown",
}
OPENMETRICS_TYPES: Final = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_BOUND_LABEL: Final = {"histogram": "le", "gaugehistogram": "le", "summary": "quantile"}


class Parser:
    """Reads line after line; create one for each body."""

    def __init__(self, *, openmetrics: bool) -> None:
        self.openmetrics = openmetrics
        self.type = "unknown"
        self.family = ""
        self._ended = False

    def line(self, line: str) -> Meta | Comment | Series | None:
        """What a line says; none for a blank one and for the end mark.

        Raises:
            ExpositionError: it is not in the format.
        """
        if self.openmetrics:
            return self._openmetrics(line)
        stripped = line.lstrip(" \t")
        if not stripped:
            return None
        return self._text_comment(line) if stripped[0] == "#" else self._bounds(text_series(line))

    def finish(self) -> None:
        """Check that nothing is missing at the end.

        Raises:
            ExpositionError: OpenMetrics without its end mark: the body may have been cut off.
        """
        if self.openmetrics and not self._ended:
            msg = "data does not end with # EOF"
            raise ExpositionError(msg)

    def _text_comment(self, line: str) -> Meta | Comment:
        match = _TEXT_META.match(line)
        if match is None:
            return Comment(line.lstrip(" \t"))
        kind, metric, text = match.groups()
        if metric is None or match.end() != len(line):
            msg = f"expected a metric name after {kind} in {line[:200]!r}"
            raise ExpositionError(msg)
        name = unescape(metric[1:-1]) if metric[0] == '"' else metric
        if kind == "HELP":
            help_text = _HELP_ESCAPE.sub(lambda m: "\\" if m[1] == "\\" else "\n", text or "")
            return Meta("help", name, _valid(help_text))
        if text not in TEXT_TYPES:
            msg = f"invalid metric type {text!r}"
            raise ExpositionError(msg)
        self.type, self.family = TEXT_TYPES[text], name
        return Meta("type", name, self.type)

    def _openmetrics(self, line: str) -> Meta | Comment | Series | None:
        if self._ended:
            msg = "unexpected data after # EOF"
            raise ExpositionError(msg)
        if line[:1] != "#":
            return self._bounds(openmetrics_series(line))
        if line == "# EOF":
            self._ended = True
            return None
        match = _OM_META.fullmatch(line)
        if match is None or match[2] is None or match[3] is None:
            msg = f"expected # HELP, # TYPE, # UNIT with a metric name and text, or # EOF, found {line[:200]!r}"
            raise ExpositionError(msg)
        kind, metric, text = match.groups()
        name = unescape(metric[1:-1]) if metric[0] == '"' else metric
        if kind == "HELP":
            return Meta("help", name, _valid(unescape(text)))
        if kind == "UNIT":
            if text and not name.endswith(f"_{text}"):
                msg = f'unit "{text}" is not a suffix of metric "{name}"'
                raise ExpositionError(msg)
            return Meta("unit", name, text)
        if text not in OPENMETRICS_TYPES:
            msg = f"invalid metric type {text!r}"
            raise ExpositionError(msg)
        self.type, self.family = text, name
        return Meta("type", name, text)

    def _bounds(self, series: Series) -> Series:
        """Write bucket bounds and quantiles in one way, so that ``le="1"`` and ``le="1.0"`` are one series."""
        bound = _BOUND_LABEL.get(self.type)
        if bound is None or all(name != bound for name, _ in series.pairs):
            return series
        pairs = tuple((n, canonical_bound(v) if n == bound else v) for n, v in series.pairs)
        return Series(series.text, pairs, series.value, series.timestamp, series.exemplar)


def canonical_bound(text: str) -> str:
    """A bound as Prometheus 3 and OpenMetrics write it: ``1`` becomes ``1.0``; what is no number stays."""
    try:
        return bound_text(number(text))
    except ExpositionError:
        return text


def bound_text(value: float) -> str:
    """A bound as OpenMetrics writes it."""
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _valid(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = f"not valid UTF-8: {text[:100]!r}"
            raise ExpositionError(msg) from None
    return text


def parse(body: bytes, *, openmetrics: bool, strict: bool = False) -> Iterator[Meta | Comment | Series]:
    """Everything in a body, in the order of the lines.

    Args:
        body: the whole exposition.
        openmetrics: the format.
        strict: hold it to all rules of OpenMetrics, not only to those that Prometheus holds to (see ``strict.py``).

    Raises:
        ExpositionError: with the number of the line.

    """
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    parser, rules = Parser(openmetrics=openmetrics), Rules()
    for at, raw in enumerate(lines, 1):
        entry = parse_line(parser, raw, at)
        if entry is not None:
            if strict:
                _hold_to(lambda entry=entry: rules.take(entry), at)  # type: ignore[misc]
            yield entry
    parser.finish()
    if strict:
        _hold_to(rules.finish, len(lines))


def _hold_to(rule: Callable[[], None], at: int) -> None:
    try:
        rule()
    except ExpositionError as error:
        msg = f"line {at}: {error}"
        raise ExpositionError(msg) from None


def parse_line(parser: Parser, raw: bytes, at: int) -> Meta | Comment | Series | None:
    """One line, with its number in the error.

    Raises:
        ExpositionError: not in the format, or not UTF-8.
    """
    try:
        return parser.line(raw.decode())
    except UnicodeDecodeError:
        if (
            not parser.openmetrics
            and raw.lstrip()[:1] == b"#"
            and not raw.lstrip(b"# \t").startswith((b"HELP", b"TYPE"))
        ):
            return Comment(raw.decode("utf-8", "replace"))
        msg = f"line {at}: not valid UTF-8: {raw[:100]!r}"
        raise ExpositionError(msg) from None
    except ExpositionError as error:
        placed = ExpositionError(f"line {at}: {error}")
        placed.column = error.column
        raise placed from None
