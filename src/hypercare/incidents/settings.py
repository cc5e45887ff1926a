"""What incidents are told by the configuration, in this room's own words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import MINUTE, Ms

if TYPE_CHECKING:
    from hypercare.model.severity import Severity

CRITICAL: Final = (Matcher("severity", MatchOp.EQUAL, "critical"),)


@dataclasses.dataclass(frozen=True, slots=True)
class SeverityRule:
    """Alerts that fit all ``matchers`` (of services of ``tier``, where given) make an incident of this severity."""

    severity: Severity
    matchers: tuple[Matcher, ...]
    tier: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What an incident takes from the service it is about.

    Attributes:
        match: label sets that belong to the service though they do not name it; each is a list of matchers of which
            all must fit.
        policy: escalation policy of its incidents; empty: on-call chooses.

    """

    name: str
    match: tuple[tuple[Matcher, ...], ...] = ()
    runbook_url: str = ""
    policy: str = ""
    tier: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentSettings:
    """When incidents open, how bad they are, and how they end.

    Attributes:
        open: an alert opens or joins an incident if any of these lists of matchers fits it whole; none: no incidents.
        group_by: alerts that agree in these labels share an incident.
        severities: the first rule that fits decides; where none does, the ``severity`` label (see ``grouping``).
        quiet_time: ms without a firing alert before an incident resolves itself; an incident that ended less than this
            ago is opened again rather than followed by a new one.
        confirm: true leaves the resolution to a person.
        ack_timeout: ms without a word from anybody after which an acknowledgement counts as forgotten; 0: never.

    """

    open: tuple[tuple[Matcher, ...], ...] = (CRITICAL,)
    group_by: tuple[str, ...] = ("alertname", "service")
    severities: tuple[SeverityRule, ...] = ()
    services: tuple[ServiceSettings, ...] = ()
    quiet_time: Ms = 10 * MINUTE
    confirm: bool = False
    ack_timeout: Ms = 0
