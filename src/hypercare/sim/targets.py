"""A scraped process in the virtual world: counters that grow, gauges that waver, histograms that shift."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from hypercare.ports import HttpRequest, PortError
from hypercare.sim.world import ok

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.time import Ms
    from hypercare.sim.world import Answer, World

_REFUSED_AFTER = 1
DEFAULT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclasses.dataclass(slots=True)
class _Series:
    """One line of the page: after ``s`` seconds the value has grown by ``rate * s * part``.

    Attributes:
        form: how the value is written.
        noise: standard deviation of what is added where it is shown.

    """

    form: str
    rate: float
    part: float = 1.0
    noise: float = 0.0
    value: float = 0.0


@dataclasses.dataclass(slots=True)
class _Histogram:
    """Observations with an exponential distribution of the given mean, so that quantiles follow one knob.

    Attributes:
        lines: the buckets by their bounds, then the sum, then the number.

    """

    bounds: Sequence[float]
    lines: dict[str, _Series]

    def set(self, rate: float, mean: float) -> None:
        """So many observations a second from now on, with this mean."""
        parts = [*(1 - math.exp(-bound / mean) for bound in self.bounds), 1.0, mean, 1.0]
        for line, part in zip(self.lines.values(), parts, strict=True):
            line.rate, line.part = rate, part


class _Page:
    """The lines as arrays, and one format string for all of them; made anew whenever one of them changes."""

    def __init__(self, lines: dict[str, _Series]) -> None:
        self._lines = list(lines.values())
        text = "\n".join(f"{name.replace('%', '%%')} {line.form}" for name, line in lines.items()) + "\n"
        # Bytes are put together faster than text.
        self._text = text.encode()
        self._values = np.array([line.value for line in self._lines], dtype=np.float64)
        self._rates = np.array([line.rate for line in self._lines], dtype=np.float64)
        self._parts = np.array([line.part for line in self._lines], dtype=np.float64)
        # Whole numbers are written faster than floats: those at the head of the page are counters.
        self._whole = next((n for n, line in enumerate(self._lines) if line.form != "%d"), len(self._lines))
        self._noisy = [(place, line.noise) for place, line in enumerate(self._lines) if line.noise]
        # What a span of time adds; scraped regularly it is the same span again and again.
        self._added = self._rates * 0.0
        self._span = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds != self._span:
            self._added, self._span = self._rates * seconds * self._parts, seconds
        self._values += self._added

    def give_back(self) -> None:
        """Tell the lines what they have come to."""
        for line, value in zip(self._lines, self._values.tolist(), strict=True):
            line.value = value

    def text(self, gauss: Callable[[float, float], float]) -> bytes:
        """The page now."""
        head = self._values[: self._whole].astype(np.int64).tolist()
        values: list[float] = head + self._values[self._whole :].tolist()
        for place, noise in self._noisy:
            values[place] += gauss(0, noise)
        return self._text % tuple(values)


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
        self._counters: dict[str, _Series] = {}
        self._gauges: dict[str, _Series] = {}
        self._histograms: dict[str, _Histogram] = {}
        self._page: _Page | None = None
        self._last = world.clock.now()
        world.host(address, self._answer)

    def counter(self, series: str, rate: float) -> None:
        """A counter that grows by ``rate`` a second; called again it changes the rate from now on."""
        self._change()
        self._counters.setdefault(series, _Series("%d", rate)).rate = rate

    def gauge(self, series: str, level: float, noise: float = 0.0, slope: float = 0.0) -> None:
        """A gauge at ``level``, wavering by ``noise`` (standard deviation), rising by ``slope`` a second."""
        self._change()
        self._gauges[series] = _Series("%.10g", slope, noise=noise, value=level)

    def histogram(
        self, name: str, labels: str, rate: float, mean: float, bounds: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        """A classic histogram of ``rate`` observations a second with the given mean, in seconds."""
        self._change()
        key = f"{name}{{{labels}}}"
        known = self._histograms.get(key)
        if known is None:
            comma = "," if labels else ""
            buckets = [f'{name}_bucket{{{labels}{comma}le="{bound}"}}' for bound in (*bounds, "+Inf")]
            lines = {bucket: _Series("%d", rate) for bucket in buckets}
            lines[f"{name}_sum{{{labels}}}"] = _Series("%.6f", rate)
            lines[f"{name}_count{{{labels}}}"] = _Series("%d", rate)
            known = self._histograms[key] = _Histogram(bounds, lines)
        known.set(rate, mean)

    def remove(self, series: str) -> None:
        """Stop exposing a counter or gauge."""
        self._change()
        self._counters.pop(series, None)
        self._gauges.pop(series, None)

    def restart(self) -> None:
        """Counters begin at zero again."""
        self._change()
        for counter in self._counters.values():
            counter.value = 0.0
        for histogram in self._histograms.values():
            for line in histogram.lines.values():
                line.value = 0.0

    def _change(self) -> None:
        """Something is to be another way from now on."""
        page = self._advanced(self._world.clock.now())
        page.give_back()
        self._page = None

    def _advanced(self, now: Ms) -> _Page:
        """The page, all that has happened until now counted."""
        page = self._page
        if page is None:
            lines = {**self._counters, **self._gauges}
            for histogram in self._histograms.values():
                lines.update(histogram.lines)
            page = self._page = _Page(lines)
        seconds = (now - self._last) / 1000
        self._last = now
        if seconds > 0:
            page.advance(seconds)
        return page

    def exposition(self, now: Ms) -> bytes:
        """What ``/metrics`` shows now."""
        return self._advanced(now).text(self._world.random.gauss)

    def _answer(self, _request: HttpRequest, now: Ms) -> Answer:
        if not self.up:
            return PortError("refused", "connection refused", 0.001, now), _REFUSED_AFTER
        body = self.exposition(now) if self.junk is None else self.junk
        return ok(body, now, self.latency / 1000), self.latency
