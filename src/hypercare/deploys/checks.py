"""The rows of a watch: each check for each of its services, with expressions and bounds filled in."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from hypercare.judge.findings import Level
from hypercare.judge.limits import Limit
from hypercare.judge.reference import Measure
from hypercare.judge.series import Direction, Scale
from hypercare.model.time import SECOND
from hypercare.model.units import PORTION, Unit

if TYPE_CHECKING:
    from hypercare.config.deployments import Check, Thresholds
    from hypercare.deploys.store import Watch
    from hypercare.model.time import Ms

_PLACE: Final = re.compile(r"\$(service|version|previous|color|other_color|window)\b")
_TOLERANCE: Final = {True: 0.01, False: 0.2}
"""Ratio or level: one point, or a fifth."""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckRow:
    """One check for one service.

    Attributes:
        id: unique within the watch, for people.
        expr: resolved.
        traffic: resolved; may be empty.

    """

    id: str
    check: Check
    service: str
    expr: str
    traffic: str
    bounds: Thresholds

    @property
    def minimum_traffic(self) -> float:
        """Events a second."""
        return self.bounds.minimum_traffic or 0.0

    @property
    def unit(self) -> Unit:
        """Of its values; sizes are written as its bounds are."""
        bounds = self.bounds
        beside = bounds.baseline, bounds.target, bounds.warning, bounds.critical
        return PORTION if self.check.ratio else Unit(self.check.unit).beside(beside)

    def measure(self, step: Ms) -> Measure:
        """How it is compared with a baseline whose samples are `step` ms apart."""
        check = self.check
        # The judge counts events a sample, people say events a second.
        least = self.minimum_traffic * step / SECOND if self.traffic else 0.0
        scale = Scale.RATIO if check.ratio else Scale.LEVEL
        return Measure(Direction(check.direction), scale, check.tolerance or _TOLERANCE[check.ratio], least, self.unit)

    def limits(self) -> tuple[Limit, ...]:
        """Its hard bounds, the graver first; those of a check for new kinds are none of its value."""
        if self.check.pattern:
            return ()
        above = self.check.direction != "low"
        levels = ((Level.CRITICAL, self.bounds.critical), (Level.WARNING, self.bounds.warning))
        return tuple(
            Limit(bound, above, level, self.check.for_, self.minimum_traffic, self.unit)
            for level, bound in levels
            if bound is not None
        )

    def curve_label(self) -> tuple[str, str] | None:
        """Which of the expression's series is meant; none: there is one."""
        return (self.check.by, self.service) if self.check.by else None


def rows_of(watch: Watch) -> tuple[CheckRow, ...]:
    """All rows of a watch's plan."""
    plan = watch.plan
    found: list[CheckRow] = []
    for check in plan.all_checks():
        services = check.services or tuple(check.per) or plan.services or (watch.service,)
        for service in services:
            name = check.name if len(services) == 1 else f"{check.name} · {service}"
            expr, traffic = (resolve(text, watch, service) for text in (check.expr, check.traffic))
            found.append(CheckRow(name, check, service, expr, traffic, check.bounds(service)))
    return tuple(found)


def resolve(text: str, watch: Watch, service: str, window: str = "", *, swapped: bool = False) -> str:
    """An expression with its places filled in.

    Args:
        text: with ``$service`` and the like.
        watch: of which version and colours are.
        service: of the check.
        window: what ``$window`` becomes.
        swapped: the colours change places: the other one is measured.

    """
    mine, other = (watch.other_color, watch.color) if swapped else (watch.color, watch.other_color)
    values = {
        "service": service, "version": watch.version, "previous": watch.previous, "color": mine,
        "other_color": other, "window": window,
    }  # fmt: skip
    return _PLACE.sub(lambda match: values[match[1]], text)
