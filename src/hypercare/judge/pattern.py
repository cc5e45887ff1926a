"""New patterns: kinds of errors (a status, a type, a cause) that the baseline did not have and the watch has.

A kind that is only rare may be missing in the baseline by chance. Were it as frequent there as in the watch, each of
the moments at which it occurs would lie in the watch with the probability watch / (watch + baseline), independently:
that all k of them do has that probability to the power of k. A burst is one moment, however many events it has. Only
what is less probable than the check may spend on false alarms is a finding.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from hypercare.judge.findings import Finding, Level, Method
from hypercare.model.time import HOUR, SECOND, format_duration
from hypercare.model.units import PORTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.model.time import Ms

_LASTS: Ms = HOUR
"""A kind that does not occur for so long has passed."""
_MOMENTS = 2
"""One burst is no pattern."""
_SHOWN = 5


@dataclasses.dataclass(slots=True)
class Tally:
    """One kind that the baseline does not have.

    Attributes:
        first: when it occurred first, ms.
        last: when it did last.
        events: how often in all.
        moments: in how many samples.
        traffic: events of all kinds since it occurred first.

    """

    first: Ms
    last: Ms
    events: float = 0.0
    moments: int = 0
    traffic: float = 0.0

    @property
    def share(self) -> float:
        """Of the traffic since it occurred first; 0 where that is not known."""
        return self.events / self.traffic if self.traffic > 0 else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """What makes a kind worth a word.

    Attributes:
        events: fewer are none.
        warning: a smaller share of the traffic is none.
        critical: the share from which on it is critical; none: it never is.
        chance: of a false alarm that may be spent.

    """

    events: float
    warning: float
    critical: float | None
    chance: float


class Kinds:
    """The kinds of one check: those of the baseline, and what has come since.

    Args:
        known: kinds that occurred in the baseline.
        baseline: how long that was, ms.
        started: when the watch began, ms.

    """

    def __init__(self, known: frozenset[str], baseline: Ms, started: Ms) -> None:
        self.known = known
        self.baseline = baseline
        self._started = started
        self._counters: dict[str, float] = {}
        self.new: dict[str, Tally] = {}

    def feed(self, at: Ms, counters: Mapping[str, float], traffic: float) -> None:
        """One sample: counters by kind (a smaller value than before began anew), and the events since the last one."""
        for kind, value in sorted(counters.items()):
            before = self._counters.get(kind, 0.0)
            self._counters[kind] = value
            more = value - before if value >= before else value
            if kind in self.known or more <= 0 or at <= self._started:
                continue
            tally = self.new.setdefault(kind, Tally(at, at))
            tally.last, tally.moments = at, tally.moments + 1
            tally.events += more
        for tally in self.new.values():
            tally.traffic += max(traffic, 0.0)

    def events(self) -> float:
        """Of all new kinds together."""
        return sum(tally.events for tally in self.new.values())

    def improbability(self, tally: Tally, now: Ms) -> float:
        """The chance that a kind as frequent in the baseline occurred in the watch alone."""
        watch = max(now - self._started, 1)
        return math.exp(tally.moments * math.log(watch / (watch + max(self.baseline, 1))))

    def found(self, now: Ms, bounds: Bounds) -> Finding | None:
        """The new kinds that are beyond chance and worth a word, the most frequent first; none: nothing lasts."""
        worst = [
            (kind, tally)
            for kind, tally in sorted(self.new.items(), key=lambda item: (-item[1].events, item[0]))
            if now - tally.last < _LASTS
            and tally.moments >= _MOMENTS
            and tally.events >= bounds.events
            and tally.share >= bounds.warning
            and self.improbability(tally, now) < bounds.chance
        ]
        if not worst:
            return None
        share = max(tally.share for _, tally in worst)
        grave = bounds.critical is not None and share >= bounds.critical
        return Finding(
            method=Method.PATTERN,
            level=Level.CRITICAL if grave else Level.WARNING,
            since=min(tally.first for _, tally in worst),
            at=now,
            until=None,
            value=share,
            bound=0.0,
            change=None,
            reason=f"{_listed(worst, now)}; none in the {format_duration(self.baseline // HOUR * HOUR)} before",
        )


def _listed(worst: Sequence[tuple[str, Tally]], now: Ms) -> str:
    texts = [
        f"{kind!r}: {tally.events:.0f} events ({PORTION.of(tally.share, 3)} of the traffic) in"
        f" {format_duration(max(now - tally.first, SECOND) // SECOND * SECOND)}"
        for kind, tally in worst[:_SHOWN]
    ]
    if len(worst) > _SHOWN:
        texts.append(f"{len(worst) - _SHOWN} more")
    return "new: " + ", ".join(texts)
