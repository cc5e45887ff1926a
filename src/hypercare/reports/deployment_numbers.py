"""Numbers of a deployment's checks: before and after, errors, trends, cost; and how a value is written for people."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hypercare.judge.trend import slope
from hypercare.model.time import DAY, HOUR
from hypercare.model.units import Unit

if TYPE_CHECKING:
    from hypercare.deploys.checks import CheckRow
    from hypercare.judge.series import Samples
    from hypercare.judge.trend import Slope
    from hypercare.model.time import Ms
    from hypercare.reports.deployment_story import CheckCurves, Story

CERTAINTY: Final = 0.05
"""The two-sided error of the interval of a slope."""
NOTHING: Final = "\N{EN DASH}"
"""How a value that is not there is written."""
_DIGITS: Final = 3
_MONEY: Final = re.compile(r"(\$|€|£|[A-Z]{3})/(h|hour|d|day)")


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """How the usable samples of a stretch lie, in the check's unit."""

    count: int
    least: float
    median: float
    p95: float
    most: float


@dataclasses.dataclass(frozen=True, slots=True)
class Errors:
    """Events that went wrong, of a check whose value is a share of events.

    Attributes:
        bad: during the watch.
        events: of this many.
        usual: the share in the baseline; none where there is none.

    """

    bad: float
    events: float
    usual: float | None

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.bad / self.events if self.events > 0 else 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a check that measures money an hour or a day adds up to.

    Attributes:
        unit: the currency.
        spent: over the watch.
        usual: what the baseline would have spent in that time; none where there is none.

    """

    unit: str
    spent: float
    usual: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CheckNumbers:
    """Before and after of one check.

    Attributes:
        change: of the median, relative (level) or in points (ratio); none without a baseline.
        trend: how fast the floor of its values rises during the watch; none with too few samples.
        limit_in: after how many ms that line reaches the critical limit; none where it does not within a year.

    """

    row: CheckRow
    before: Spread | None
    during: Spread | None
    change: float | None
    trend: Slope | None
    limit_in: Ms | None
    errors: Errors | None
    cost: Cost | None

    @property
    def certain(self) -> bool:
        """Whether the interval of the slope lies on one side of nought."""
        return self.trend is not None and (self.trend.low > 0 or self.trend.high < 0)


def numbers(story: Story) -> tuple[CheckNumbers, ...]:
    """Of all checks, in the order of the plan."""
    return tuple(_numbers(story, curves) for curves in story.checks)


def _numbers(story: Story, curves: CheckCurves) -> CheckNumbers:
    row = curves.row
    least = row.measure(story.watch.plan.sample_every).minimum_traffic
    during = curves.during.usable(least)
    before = None if curves.against is None else curves.against.usable(least)
    now, then = spread(during), None if before is None else spread(before)
    trend = slope(during, CERTAINTY)
    critical = row.bounds.critical
    limit_in = trend.reaches(critical) if trend and critical is not None and row.check.direction != "low" else None
    return CheckNumbers(
        row=row,
        before=then,
        during=now,
        change=None if now is None or then is None else change(then.median, now.median, ratio=row.check.ratio),
        trend=trend,
        limit_in=limit_in,
        errors=_errors(row, during, before),
        cost=_cost(row, during, before, story.end - story.watch.started_at),
    )


def spread(samples: Samples) -> Spread | None:
    """How samples lie; none without any."""
    if not len(samples):
        return None
    least, median, p95, most = np.quantile(samples.values, [0, 0.5, 0.95, 1]).tolist()
    return Spread(len(samples), least, median, p95, most)


def change(before: float, after: float, *, ratio: bool) -> float | None:
    """Relative for levels, in points (1 is everything) for ratios; none where a level was nought before."""
    if ratio:
        return after - before
    return (after - before) / abs(before) if before else None


def _errors(row: CheckRow, during: Samples, before: Samples | None) -> Errors | None:
    if not row.check.ratio or row.check.direction == "low" or during.traffic is None or not len(during):
        return None
    usual = None
    if before is not None and before.traffic is not None and float(before.traffic.sum()) > 0:
        usual = float((before.values * before.traffic).sum() / before.traffic.sum())
    return Errors(float((during.values * during.traffic).sum()), float(during.traffic.sum()), usual)


def _cost(row: CheckRow, during: Samples, before: Samples | None, span: Ms) -> Cost | None:
    match = _MONEY.fullmatch(row.check.unit.replace(" ", ""))
    if match is None or not len(during):
        return None
    units = span / (HOUR if match[2].startswith("h") else DAY)
    usual = float(before.values.mean()) * units if before is not None and len(before) else None
    return Cost(match[1], float(during.values.mean()) * units, usual)


def shown(value: float | None, row: CheckRow) -> str:
    """A value of a check for people: ``12.5 ms``, ``0.3 %``, ``1.2 GB``; a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else row.unit.of(value, _DIGITS)


def written(value: float | None, unit: str) -> str:
    """A value in a unit for people; a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else Unit(unit).of(value, _DIGITS)


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def shown_change(value: float | None, row: CheckRow) -> str:
    """A change of a check's median: ``+12 %``, or ``+0.4 points`` for shares; a dash where there is none."""
    if value is None:
        return NOTHING
    sign = "+" if value > 0 else ""
    return f"{sign}{_short(value * 100)} {'points' if row.check.ratio else '%'}"


def shown_trend(found: CheckNumbers) -> str:
    """A slope with its interval in words; a dash where there is none."""
    if found.trend is None:
        return NOTHING
    trend, row = found.trend, found.row
    word = "steady" if not found.certain else "rises" if trend.per_hour > 0 else "falls"
    interval = f"{shown(trend.low, row)} to {shown(trend.high, row)}"
    return f"{word}: {shown(trend.per_hour, row)} an hour ({interval})"
