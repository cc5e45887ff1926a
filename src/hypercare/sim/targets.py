"""A scraped process in the virtual world: counters that grow, gauges that waver, histograms that shift."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from hypercare.ports import HttpRequest, PortError
from hypercare.sim.world import ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.model.time import Ms
    from hypercare.sim.world import Answer, World

_REFUSED_AFTER = 1
DEFAULT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclasses.dataclass(slots=True)
class _Counter:
    rate: float
    value: float = 0.0


@dataclasses.dataclass(slots=True)
class _Gauge:
    level: float
    noise: float = 0.0
    slope: float = 0.0


@dataclasses.dataclass(slots=True)
class _Histogram:
    """Observations with an exponential distribution of the given mean, so that quantiles follow one knob."""

    name: str
    labels: str
    bounds: Sequence[float]
    rate: float
    mean: float
    counts: list[float]
    sum: float = 0.0


class SimTarget:
    """One ``/metrics`` endpoint whose truth can be changed while the simulation runs.

    Attributes:
        up: false refuses connections.
        latency: of an answer, ms.
        junk: bytes to answer instead of metrics, or none.

    """

    def __init__(self, world: World, address: str) -> None:
        self.address = address
        self.up = True
        self.latency: Ms = 5
        self.junk: bytes | None = None
        self._world = world
        self._counters: dict[str, _Counter] = {}
        self._gauges: dict[str, _Gauge] = {}
        self._histograms: dict[str, _Histogram] = {}
        self._last = world.clock.now()
        world.host(address, self._answer)

    def counter(self, series: str, rate: float) -> None:
        """A counter that grows by ``rate`` a second; called again it changes the rate from now on."""
        self._advance(self._world.clock.now())
        known = self._counters.get(series)
        if known is None:
            self._counters[series] = _Counter(rate)
        else:
            known.rate = rate

    def gauge(self, series: str, level: float, noise: float = 0.0, slope: float = 0.0) -> None:
        """A gauge at ``level``, wavering by ``noise`` (standard deviation), rising by ``slope`` a second."""
        self._advance(self._world.clock.now())
        self._gauges[series] = _Gauge(level, noise, slope)

    def histogram(
        self, name: str, labels: str, rate: float, mean: float, bounds: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        """A classic histogram of ``rate`` observations a second with the given mean, in seconds."""
        self._advance(self._world.clock.now())
        key = f"{name}{{{labels}}}"
        known = self._histograms.get(key)
        if known is None:
            self._histograms[key] = _Histogram(name, labels, bounds, rate, mean, [0.0] * (len(bounds) + 1))
        else:
            known.rate, known.mean = rate, mean

    def remove(self, series: str) -> None:
        """Stop exposing a counter or gauge."""
        self._counters.pop(series, None)
        self._gauges.pop(series, None)

    def restart(self) -> None:
        """Counters begin at zero again."""
        for counter in self._counters.values():
            counter.value = 0.0
        for histogram in self._histograms.values():
            histogram.counts = [0.0] * len(histogram.counts)
            histogram.sum = 0.0

    def _advance(self, now: Ms) -> None:
        seconds = (now - self._last) / 1000
        self._last = now
        if seconds <= 0:
            return
        for counter in self._counters.values():
            counter.value += counter.rate * seconds
        for gauge in self._gauges.values():
            gauge.level += gauge.slope * seconds
        for histogram in self._histograms.values():
            seen = histogram.rate * seconds
            histogram.sum += seen * histogram.mean
            for i, bound in enumerate(histogram.bounds):
                histogram.counts[i] += seen * (1 - math.exp(-bound / histogram.mean))
            histogram.counts[-1] += seen

    def exposition(self, now: Ms) -> bytes:
        """What ``/metrics`` shows now."""
        self._advance(now)
        gauss = self._world.random.gauss
        lines = [f"{series} {int(c.value)}" for series, c in self._counters.items()]
        for series, g in self._gauges.items():
            value = g.level + gauss(0, g.noise) if g.noise else g.level
            lines.append(f"{series} {value:.10g}")
        for h in self._histograms.values():
            comma = "," if h.labels else ""
            for bound, count in zip((*h.bounds, "+Inf"), h.counts, strict=True):
                lines.append(f'{h.name}_bucket{{{h.labels}{comma}le="{bound}"}} {int(count)}')
            lines.append(f"{h.name}_sum{{{h.labels}}} {h.sum:.6f}")
            lines.append(f"{h.name}_count{{{h.labels}}} {int(h.counts[-1])}")
        return ("\n".join(lines) + "\n").encode()

    def _answer(self, _request: HttpRequest, now: Ms) -> Answer:
        if not self.up:
            return PortError("refused", "connection refused", 0.001, now), _REFUSED_AFTER
        body = self.exposition(now) if self.junk is None else self.junk
        return ok(body, now, self.latency / 1000), self.latency
