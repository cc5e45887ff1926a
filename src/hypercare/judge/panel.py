"""All checks of a watch together: each gets its share of the false alarms that the watch may raise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypercare.judge.drift import Look, drift
from hypercare.judge.excursion import Budget, excursions

if TYPE_CHECKING:
    from hypercare.judge.findings import Finding
    from hypercare.judge.reference import Reference
    from hypercare.judge.series import Samples
    from hypercare.model.time import Ms

_EXCURSIONS: Final = 0.5
_DRIFT: Final = 0.4
_TREND: Final = 0.1


@dataclass(frozen=True, slots=True)
class Panel:
    """What the checks of one watch may spend together.

    Attributes:
        checks: how many are held against a baseline.
        looks: how often the watch looks in all.
        samples: that each check will see in all.
        false_alarms: the chance that a watch of a deployment that changed nothing has any finding of warning or worse.

    """

    checks: int
    looks: int
    samples: int
    false_alarms: float = 0.05

    @property
    def excursion(self) -> Budget:
        """Of one check, over the whole watch."""
        return Budget(self.false_alarms * _EXCURSIONS / max(1, self.checks), max(1, self.samples))

    @property
    def drift(self) -> float:
        """Of one check at one look."""
        return self.false_alarms * _DRIFT / max(1, self.checks) / max(1, self.looks)

    @property
    def trend(self) -> float:
        """Of one check at one look, for its trend."""
        return self.false_alarms * _TREND / max(1, self.checks) / max(1, self.looks)

    def excursions(self, samples: Samples, reference: Reference) -> list[Finding]:
        """The excursions of one check so far."""
        return excursions(samples, reference, self.excursion)

    def drifting(self, samples: Samples, reference: Reference, now: Ms, started: Ms) -> Finding | None:
        """The drift of one check at one look."""
        return drift(samples, reference, Look(now, started, self.drift))
