"""Chance that is the same on every machine: raw bits of PCG64 and exact arithmetic, no library distribution."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_FEW = 10.0


class Chance:
    """One stream of chance; the name keeps streams of one seed apart, whatever order they are made in."""

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
        self._random = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))

    def uniform(self) -> float:
        """In [0, 1)."""
        return float(self._random.random())

    def normal(self) -> float:
        """About standard normal: twelve uniforms, their mean taken off."""
        return float(np.add.reduce(self._random.random(12))) - 6.0

    def factor(self, spread: float) -> float:
        """Log-normal around 1."""
        return math.exp(spread * self.normal()) if spread else 1.0

    def counts(self, expected: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Whole numbers with these expected values.

        From ten on they spread as a Poisson law's do (normal, by four uniforms); fewer are rounded up or down by
        chance, which keeps the mean.
        """
        draws = self._random.random((5, len(expected)))
        few = expected + draws[0]
        wide = (draws[1] + draws[2] + draws[3] + draws[4] - 2.0) * np.sqrt(expected * 3.0)
        found: npt.NDArray[np.float64] = np.floor(np.where(expected < _FEW, few, np.maximum(few + wide, 0.0)))
        return found
