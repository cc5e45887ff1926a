"""What a check measured: samples over time, with the traffic behind each."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypercare.model.time import Ms


class Direction(enum.StrEnum):
    """Which way is worse."""

    HIGH = "high"
    LOW = "low"
    EITHER = "either"

    @property
    def signs(self) -> tuple[int, ...]:
        """+1 where a rise is worse, -1 where a fall is."""
        return {"high": (1,), "low": (-1,), "either": (1, -1)}[self.value]


class Scale(enum.StrEnum):
    """How values are compared.

    LEVEL: amounts such as latencies and bytes. RATIO: a share of events, 0 to 1, whose number is the traffic.
    """

    LEVEL = "level"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Samples:
    """One check's measurements, oldest first.

    Attributes:
        times: instants in ms, strictly rising, shape [n].
        values: shape [n]; NaN where there is none.
        traffic: events behind each value, shape [n]; None where traffic plays no part.

    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    traffic: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """How many instants there are."""
        return len(self.times)

    def between(self, start: Ms, end: Ms) -> Samples:
        """The samples with start < time <= end."""
        low, high = np.searchsorted(self.times, [start, end], side="right")
        traffic = None if self.traffic is None else self.traffic[low:high]
        return Samples(self.times[low:high], self.values[low:high], traffic)

    def usable(self, minimum_traffic: float = 0.0) -> Samples:
        """The samples that have a finite value and at least this traffic.

        What had too little traffic is unknown, not good: it is left out here and counted by the caller.
        """
        keep = np.isfinite(self.values)
        if self.traffic is not None:
            keep &= np.isfinite(self.traffic) & (self.traffic >= minimum_traffic)
        traffic = None if self.traffic is None else self.traffic[keep]
        return Samples(self.times[keep], self.values[keep], traffic)

    @property
    def interval(self) -> Ms:
        """The usual distance between samples in ms (median); 0 with fewer than two."""
        return int(np.median(np.diff(self.times))) if len(self.times) > 1 else 0
