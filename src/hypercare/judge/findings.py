"""What the judge found, and what it could not tell."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms


class Level(enum.StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    CRITICAL = "critical"


class Method(enum.StrEnum):
    """The way to a finding."""

    LIMIT = "limit"
    EXCURSION = "excursion"
    DRIFT = "drift"
    TREND = "trend"
    BURN = "burn"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        method: how it was found.
        level: how bad.
        since: when it began to be seen, ms.
        at: when it was established, ms.
        until: when it had passed; None while it lasts.
        value: the value that established it, in the check's unit.
        bound: what it was held against, in the check's unit.
        change: against the baseline, relative (level) or in points (ratio); None without a baseline.
        reason: one sentence for people.

    """

    method: Method
    level: Level
    since: Ms
    at: Ms
    until: Ms | None
    value: float
    bound: float
    change: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why nothing could be said: it is never taken for good.

    Attributes:
        missing: one sentence: what is missing, how much there is, how much is needed.

    """

    missing: str
