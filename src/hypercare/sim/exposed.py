"""The page of one process: counters, histograms, gauges, written as text with one format string."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from hypercare.sim.chance import Chance

    Floats = npt.NDArray[np.float64]

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CELLS: Final = len(BOUNDS) + 1
_ROOT2: Final = math.sqrt(2.0)
_MEMO: dict[tuple[float, float], tuple[tuple[float, ...], float]] = {}


def shares(median: float, spread: float) -> tuple[tuple[float, ...], float]:
    """What part of log-normal observations falls into each bucket (not cumulated), and their mean."""
    known = _MEMO.get((median, spread))
    if known is None:
        below = [0.5 * (1.0 + math.erf(math.log(bound / median) / (spread * _ROOT2))) for bound in BOUNDS]
        cells = tuple(b - a for a, b in zip((0.0, *below), (*below, 1.0), strict=True))
        if len(_MEMO) > 20_000:
            _MEMO.clear()
        known = _MEMO[median, spread] = cells, median * math.exp(spread * spread / 2)
    return known


@dataclasses.dataclass(frozen=True, slots=True)
class Flow:
    """Observations of a histogram: so many a second, log-normal."""

    rate: float
    median: float
    spread: float


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """What happens in a process for a while; the keys are whole series (``name{labels}``).

    Attributes:
        counters: growth a second, in whole steps.
        amounts: growth a second of counters that count fractions (seconds, dollars).
        flows: observations by histogram.
        gauges: values.

    """

    counters: Mapping[str, float]
    amounts: Mapping[str, float]
    flows: Mapping[str, Flow]
    gauges: Mapping[str, float]


class Exposed:
    """Counts what a truth brings, and writes it.

    The series stay those of the first truth until ``reset``: a process that begins to show others has restarted.
    """

    def __init__(self, chance: Chance, truth: Truth) -> None:
        self._chance = chance
        self._counters, self._flows = tuple(truth.counters), tuple(truth.flows)
        self._text, self._order = _layout(self._counters, tuple(truth.amounts), self._flows, tuple(truth.gauges))
        self._counts = np.zeros(len(self._counters) + len(self._flows) * _CELLS)
        self._sums = np.zeros(len(self._flows))
        self._amounts = np.zeros(len(truth.amounts))
        self.take(truth)

    def take(self, truth: Truth) -> None:
        """From now on this holds."""
        cells = [shares(flow.median, flow.spread) for flow in truth.flows.values()]
        rates = list(truth.counters.values())
        for flow, (parts, _) in zip(truth.flows.values(), cells, strict=True):
            rates += [flow.rate * part for part in parts]
        self._rates = np.array(rates, dtype=np.float64)
        self._means = np.array([mean for _, mean in cells], dtype=np.float64)
        self._growth = np.array(list(truth.amounts.values()), dtype=np.float64)
        self._values = np.array(list(truth.gauges.values()), dtype=np.float64)

    def reset(self) -> None:
        """All counters begin at zero."""
        self._counts[:] = 0.0
        self._sums[:] = 0.0
        self._amounts[:] = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds <= 0:
            return
        new = self._chance.counts(self._rates * seconds)
        self._counts += new
        self._amounts += self._growth * seconds
        seen = new[len(self._counters) :].reshape(-1, _CELLS)
        self._sums += np.add.reduce(seen, axis=1) * self._means

    def text(self) -> bytes:
        """The page now."""
        plain = len(self._counters)
        cumulated = np.cumsum(self._counts[plain:].reshape(-1, _CELLS), axis=1).ravel()
        everything = np.concatenate((self._counts[:plain], cumulated, self._sums, self._amounts, self._values))
        return self._text % tuple(everything[self._order].tolist())


def _layout(
    counters: Sequence[str], amounts: Sequence[str], flows: Sequence[str], gauges: Sequence[str]
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The format of a page (bytes are put together faster than text), and which value goes into which place."""
    lines: list[str] = []
    order: list[int] = []
    typed: set[str] = set()

    def type_of(name: str, kind: str) -> None:
        if name not in typed:
            typed.add(name)
            lines.append(f"# TYPE {name} {kind}")

    for n, series in enumerate(counters):
        type_of(series.partition("{")[0], "counter")
        lines.append(f"{_literal(series)} %d")
        order.append(n)
    cells, sums = len(counters), len(counters) + len(flows) * _CELLS
    for n, series in enumerate(flows):
        name, _, inner = series.partition("{")
        labels = _literal(inner.removesuffix("}"))
        comma = "," if labels else ""
        type_of(name, "histogram")
        lines += [f'{name}_bucket{{{labels}{comma}le="{bound}"}} %d' for bound in (*BOUNDS, "+Inf")]
        order += range(cells + n * _CELLS, cells + (n + 1) * _CELLS)
        lines += [f"{name}_sum{{{labels}}} %.6f", f"{name}_count{{{labels}}} %d"]
        order += [sums + n, cells + (n + 1) * _CELLS - 1]
    for n, series in enumerate(amounts):
        type_of(series.partition("{")[0], "counter")
        lines.append(f"{_literal(series)} %.6f")
        order.append(sums + len(flows) + n)
    for n, series in enumerate(gauges):
        type_of(series.partition("{")[0], "gauge")
        lines.append(f"{_literal(series)} %.10g")
        order.append(sums + len(flows) + len(amounts) + n)
    return ("\n".join(lines) + "\n").encode(), np.array(order, dtype=np.int64)


def _literal(text: str) -> str:
    return text.replace("%", "%%")
