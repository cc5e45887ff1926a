"""How long the phases of an incident may take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """One clock: ``acknowledge``, ``assess``, ``investigate`` or ``resolve``; ms from the opening of the incident."""

    clock: str
    warning: Ms
    breach: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class ClockRule:
    """The clocks of incidents of a severity.

    Attributes:
        warn: who is told when a clock comes to its warning; as in steps, and ``role:assignee``.
        tell: who is told of a breach.

    """

    severity: str
    limits: tuple[Limit, ...]
    warn: tuple[str, ...] = ()
    tell: tuple[str, ...] = ()
