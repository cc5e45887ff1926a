"""All checks of a watch together: each gets its share of the false alarms that the watch may raise."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypercare.judge.drift import LEAST, Look, drift
from hypercare.judge.excursion import Budget, excursions
from hypercare.model.time import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.judge.findings import Finding
    from hypercare.judge.reference import Reference
    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms

_EXCURSIONS: Final = 0.5
_DRIFT: Final = 0.4
_TREND: Final = 0.1
_SPENDING: Final[tuple[tuple[float, float], ...]] = ((HOUR, 0.4), (4 * HOUR, 0.3), (math.inf, 0.3))
"""Until when (ms since the watch began), and what part of the false drifts the looks until then may spend."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What the checks of one watch may spend together.

    Attributes:
        checks: how many are held against a baseline.
        looks: when the watch looks, ms since it began, rising.
        samples: that each check will see in all.
        step: from one sample to the next, ms.
        false_alarms: the chance that a watch of a deployment that changed nothing has any finding of warning or worse.

    """

    checks: int
    looks: tuple[Ms, ...]
    samples: int
    step: Ms
    false_alarms: float = 0.05

    @property
    def excursion(self) -> Budget:
        """Of one check, over the whole watch."""
        return Budget(self.false_alarms * _EXCURSIONS / max(1, self.checks), max(1, self.samples))

    def drift(self, elapsed: Ms, *, lasting: bool = False) -> float:
        """Of one check at the look that is made so many ms after the watch began.

        What has been found before (`lasting`) may go on being found at the largest share that a look until now had:
        its false alarm, if it is one, has been spent, and a drift must not seem to end because looks have become
        stricter.
        """
        until = bisect_right(self.looks, elapsed)
        spent = spending(self.looks, LEAST * self.step)[:until]
        if not spent:
            return 0.0
        return self.false_alarms * _DRIFT / max(1, self.checks) * (max(spent) if lasting else spent[-1])

    @property
    def trend(self) -> float:
        """Of one check at one look, for its trend."""
        return self.false_alarms * _TREND / max(1, self.checks) / max(1, len(self.looks))

    def excursions(self, samples: Samples, reference: Reference) -> list[Finding]:
        """The excursions of one check so far."""
        return excursions(samples, reference, self.excursion)

    def drifting(
        self, samples: Samples, reference: Reference, now: Ms, started: Ms, *, lasting: bool = False
    ) -> Finding | None:
        """The drift of one check at one look; `lasting`: there was one at the look before."""
        return drift(samples, reference, Look(now, started, self.drift(now - started, lasting=lasting)))


def spending(looks: Sequence[Ms], first: Ms) -> tuple[float, ...]:
    """What part of the false drifts each look may spend, given when it looks; together 1.

    Looks before `first` have too few samples to tell anything and spend nothing. The others of a span share its part
    equally; a part whose span has no look goes to the other spans. Weights that are fixed before the watch begins keep
    the sum of the looks' chances, and so the chance of any false drift, where equal ones had it (Bonferroni). They
    buy early looks, at which a mean is least certain, a bound that a bad release passes within the hour: at late ones
    there are samples enough for a stricter bound.
    """
    spans = [next(i for i, (end, _) in enumerate(_SPENDING) if at <= end) if at >= first else -1 for at in looks]
    whole = sum(part for i, (_, part) in enumerate(_SPENDING) if i in spans)
    return tuple(0.0 if i < 0 else _SPENDING[i][1] / whole / spans.count(i) for i in spans)
