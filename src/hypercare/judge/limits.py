"""Hard limits: a value past its bound for long enough, whatever the baseline says. They hold at every sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypercare.judge.findings import Finding, Method
from hypercare.model.time import format_duration
from hypercare.model.units import PLAIN, Unit

if TYPE_CHECKING:
    from hypercare.judge.findings import Level
    from hypercare.model.time import Ms

_HOLE: Final = 5
"""So many steps without a usable sample end a stretch: nobody knows what was in them."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound.

    Attributes:
        bound: in the check's unit; a value equal to it is within.
        above: whether values above are wrong, else those below.
        level: of the finding.
        lasting: how long it must be past the bound without a break, ms; 0: one sample suffices.
        minimum_traffic: samples with less neither break nor begin anything.
        unit: of the bound and the values, for the reason.

    """

    bound: float
    above: bool
    level: Level
    lasting: Ms = 0
    minimum_traffic: float = 0.0
    unit: Unit = PLAIN

    def broken(self, value: float) -> bool:
        """Whether the value is past the bound."""
        return value > self.bound if self.above else value < self.bound


class Crossing:
    """The limits of one row, the gravest first."""

    __slots__ = ("_last", "_limits", "_since", "_step")

    def __init__(self, limits: tuple[Limit, ...], step: Ms) -> None:
        self._limits = limits
        self._since: list[Ms | None] = [None] * len(limits)
        self._step = step
        self._last: Ms | None = None

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return bool(self._limits)

    def feed(self, at: Ms, value: float, traffic: float | None) -> Finding | None:
        """Take one sample; the gravest limit that is crossed for long enough by now, or None.

        A sample without a value, or with too little traffic, changes nothing until the hole is too long.
        """
        limits = self._limits
        usable = not math.isnan(value) and (traffic is None or traffic >= limits[0].minimum_traffic)
        if not usable:
            if self._last is not None and at - self._last > _HOLE * self._step:
                self._since = [None] * len(limits)
            return self._gravest(at, value)
        if self._last is not None and at - self._last > _HOLE * self._step:
            self._since = [None] * len(limits)
        self._last = at
        for index, limit in enumerate(limits):
            if not limit.broken(value):
                self._since[index] = None
            elif self._since[index] is None:
                self._since[index] = at
        return self._gravest(at, value)

    def _gravest(self, at: Ms, value: float) -> Finding | None:
        last = self._last
        for limit, since in zip(self._limits, self._since, strict=True):
            if since is None or last is None or last - since < limit.lasting:
                continue
            side = "above" if limit.above else "below"
            lasted = f" for {format_duration(limit.lasting)}" if limit.lasting else ""
            bound = limit.bound
            named = "the last value", limit.unit.of(bound)
            shown, edge = named if math.isnan(value) else limit.unit.apart(value, bound)
            reason = f"{shown} is {side} the {limit.level} limit of {edge}{lasted}"
            return Finding(
                Method.LIMIT, limit.level, since, at, None, bound if math.isnan(value) else value, bound, None, reason
            )
        return None
