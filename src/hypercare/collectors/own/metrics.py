"""A small registry: rooms count with plain functions, ``render`` shows it all."""

from __future__ import annotations

import dataclasses
import threading
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, TypeAlias

from hypercare import __version__
from hypercare.collectors.exposition.formats import wants_openmetrics
from hypercare.collectors.exposition.render import format_value, render
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypercare.model.time import Ms
    from hypercare.ports import OwnProcess

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Pairs: TypeAlias = "tuple[tuple[str, str], ...]"
DEFAULT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MAX_SERIES: Final = 2000
"""Series of one family; more would be a label that counts things instead of naming kinds."""


@dataclasses.dataclass(slots=True)
class _Family:
    type: str
    help: str
    bounds: tuple[float, ...] = ()
    values: dict[Pairs, float] = dataclasses.field(default_factory=dict)
    counts: dict[Pairs, list[float]] = dataclasses.field(default_factory=dict)


class OwnMetrics:
    """Counters, gauges and histograms by name; all functions may be called from any thread.

    Names begin with ``hypercare_`` and are described before first use, so that each has a help text.

    Args:
        started_at: when the program began, to tell its uptime; none: not told.
        process: what tells of the process, under names of its own; none: not told.

    """

    def __init__(self, started_at: Ms | None = None, process: OwnProcess | None = None) -> None:
        self._lock = threading.Lock()
        self._families: dict[str, _Family] = {}
        self._readers: list[Callable[[], Iterable[Reading]]] = [] if process is None else [process.readings]
        self._started_at = started_at
        self.describe("hypercare_build_info", "gauge", "Version of the running program.")
        self.set("hypercare_build_info", 1, version=__version__)

    def describe(self, name: str, kind: str, text: str, buckets: tuple[float, ...] = DEFAULT_BUCKETS) -> None:
        """Say what a metric is; saying it again changes nothing.

        Args:
            name: as in the text format.
            kind: counter, gauge or histogram.
            text: the help text.
            buckets: upper bounds of a histogram, ascending.

        Raises:
            ValueError: no such kind.

        """
        if kind not in {"counter", "gauge", "histogram"}:
            msg = f"{name}: a metric is a counter, a gauge or a histogram, not {kind!r}"
            raise ValueError(msg)
        with self._lock:
            if name not in self._families:
                self._families[name] = _Family(kind, text, buckets if kind == "histogram" else ())
                if kind == "counter":
                    # A counter that is not there yet has no increase when it first counts.
                    self._families[name].values[()] = 0.0

    def add(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Count."""
        if not labels:
            with self._lock:
                values = self._families[name].values
                if () in values or len(values) < _MAX_SERIES:
                    values[()] = values.get((), 0.0) + amount
            return
        pairs = _pairs(labels)
        with self._lock:
            values = self._families[name].values
            if pairs and () in values and not values[()]:
                del values[()]
            if pairs in values or len(values) < _MAX_SERIES:
                values[pairs] = values.get(pairs, 0.0) + amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        pairs = _pairs(labels)
        with self._lock:
            values = self._families[name].values
            if pairs in values or len(values) < _MAX_SERIES:
                values[pairs] = value

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Put a value into a histogram."""
        pairs = _pairs(labels)
        with self._lock:
            family = self._families[name]
            if pairs not in family.counts and len(family.counts) >= _MAX_SERIES:
                return
            counts = family.counts.setdefault(pairs, [0.0] * (len(family.bounds) + 2))
            counts[bisect_left(family.bounds, value)] += 1
            counts[-1] += value

    def read_from(self, reader: Callable[[], Iterable[Reading]]) -> None:
        """Ask a function for more families whenever the metrics are shown; it must be quick and safe in any thread."""
        self._readers.append(reader)

    def render(self, now: Ms, accept: str = "") -> bytes:
        """All metrics in the text format, or in OpenMetrics where an Accept header asks for that."""
        families: list[Reading] = []
        if self._started_at is not None:
            uptime = ((), max(now - self._started_at, 0) / 1000)
            families.append(Reading("hypercare_uptime_seconds", "gauge", "Time since the start.", (uptime,)))
        with self._lock:
            families += [_reading(name, family) for name, family in sorted(self._families.items())]
        for reader in self._readers:
            families += reader()
        return render(families, openmetrics=wants_openmetrics(accept))


def content_type(accept: str) -> str:
    """Content-Type of what ``OwnMetrics.render`` gives for an Accept header."""
    return OPENMETRICS_TYPE if wants_openmetrics(accept) else TEXT_TYPE


def _pairs(labels: dict[str, str]) -> Pairs:
    return tuple(sorted(labels.items())) if labels else ()


def _reading(name: str, family: _Family) -> Reading:
    if family.type != "histogram":
        return Reading(name, family.type, family.help, tuple(family.values.items()))
    samples: list[tuple[Pairs, float]] = []
    for pairs, counts in family.counts.items():
        total = 0.0
        for bound, count in zip((*family.bounds, float("inf")), counts, strict=False):
            total += count
            samples.append(((("", "_bucket"), *pairs, ("le", format_value(bound))), total))
        samples.append(((("", "_sum"), *pairs), counts[-1]))
        samples.append(((("", "_count"), *pairs), total))
    return Reading(name, "histogram", family.help, tuple(samples))
