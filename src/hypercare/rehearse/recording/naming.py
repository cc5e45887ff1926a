"""What the columns of a table are: times, values, names; and what their series are called."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zoneinfo
from typing import TYPE_CHECKING, Final

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.time import from_datetime, parse_rfc3339
from hypercare.promql import PromqlError
from hypercare.promql.parser import parse_series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.time import Ms
    from hypercare.sim.scenario import Table

TIMES: Final = ("timestamp", "time", "_time", "unix_timestamp", "datetime", "date", "ts")
METRICS: Final = ("metric", "__name__", "metric_name", "name", "_measurement")
VALUES: Final = ("value", "_value")
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?(e[+]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_EARLIEST: Final = 1e8
"""Unix seconds of 1973: smaller numbers count from somewhere else."""
_SCALES: Final = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))


class ColumnError(ValueError):
    """A column or metric that cannot be a series; the hint says what to write."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclasses.dataclass(frozen=True, slots=True)
class Naming:
    """How a table is to be understood; what is empty is found by the usual words.

    Attributes:
        time: header of the column of times; so ``metric`` and ``value``.
        columns: the series of a column, or of a metric where each line is a sample; empty: it is left out.
        rename: labels by other names.
        labels: labels that all series get.
        zone: of times without an offset.

    """

    time: str = ""
    metric: str = ""
    value: str = ""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rename: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zone: str = ""

    @classmethod
    def of(cls, table: Table) -> Naming:
        """As a scenario says."""
        zone = table.timezone or ""
        return cls(table.time, table.metric, table.value, table.columns, table.rename, table.labels, zone)

    def series(self, name: str, labels: Mapping[str, str] | None = None) -> Labels | None:
        """The series of a column (or metric); none: it is left out.

        Raises:
            ColumnError: it cannot be one.

        """
        text = self.columns.get(name, name)
        if not text.strip():
            return None
        pairs = {**dict(_pairs(text)), **(labels or {})}
        found: dict[str, str] = {}
        for label, value in pairs.items():
            told = self.rename.get(label, label)
            if told != METRIC_NAME and _LABEL.fullmatch(told) is None:
                msg = f"{told!r} is no name of a label"
                raise ColumnError(msg, f"rename it: rename: {{{told!r}: some_label}}")
            found[told] = value
        return Labels({**found, **self.labels}.items())


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    hint = f"say what it is called: columns: {{{text!r}: some_metric}}, or {text!r}: '' to leave it out"
    try:
        pairs, rest = parse_series(text)
    except PromqlError as error:
        raise ColumnError(f"{text!r} is no series: {error.args[0] if error.args else error}", hint) from None
    name = dict(pairs)[METRIC_NAME]
    if rest.strip() or not _METRIC.fullmatch(name):
        msg = f"{text!r} is no name of a metric, and no series such as up{{job='api'}}"
        raise ColumnError(msg, hint)
    return pairs


class Clock:
    """Reads times: RFC 3339, or unix time in seconds, milliseconds, micro- or nanoseconds (told by its size)."""

    def __init__(self, zone: str = "") -> None:
        self._zone = zoneinfo.ZoneInfo(zone) if zone else None
        self._last: tuple[str, Ms] = ("", 0)

    def read(self, text: str) -> Ms:
        """An instant.

        Raises:
            ValueError: it is none; the words say what was expected.

        """
        if text == self._last[0]:
            return self._last[1]
        found = self._read(text.strip())
        self._last = (text, found)
        return found

    def _read(self, text: str) -> Ms:
        if _NUMBER.fullmatch(text):
            number = float(text)
            if number < _EARLIEST:
                msg = f"expected a time, found {text!r}: as unix time it lies before 1973"
                raise ValueError(msg)
            for limit, scale in _SCALES:
                if number < limit:
                    # Whole numbers stay exact: seconds and milliseconds are the common ones.
                    return round(number * scale)
        try:
            return parse_rfc3339(text)
        except (ValueError, OverflowError):
            return self._local(text)

    def _local(self, text: str) -> Ms:
        try:
            when = dt.datetime.fromisoformat(text)
        except ValueError:
            msg = f"expected a time such as 2026-01-05T08:00:00Z or 1767600000, found {text!r}"
            raise ValueError(msg) from None
        if self._zone is None:
            msg = f"{text!r} has no offset, so it is no instant; say in which timezone the times are"
            raise ValueError(msg)
        return from_datetime(when.replace(tzinfo=self._zone))
