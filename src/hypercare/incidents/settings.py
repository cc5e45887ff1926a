"""What incidents are told by the configuration, in this room's own words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import DAY, HOUR, MINUTE, Ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.model.runbooks import Runbook
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
class Definition:
    """What a severity means; ``updates``: so often those who wait expect news, ms, 0 for no schedule."""

    severity: Severity
    name: str
    text: str
    updates: Ms = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the work, over ``until`` ms after the opening; for some severities, or (none named) for all."""

    name: str
    until: Ms
    steps: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Recipient:
    """A person or a receiver; ``ways`` are (channel, target) as in effects."""

    name: str
    ways: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NoticeRule:
    """Who is told of incidents of some severities (none named: all), and when: opened, updated, resolved."""

    to: tuple[Recipient, ...]
    severities: tuple[Severity, ...] = ()
    on: tuple[str, ...] = ("opened", "updated", "resolved")


@dataclasses.dataclass(frozen=True, slots=True)
class PostmortemRules:
    """Which incidents need a post-mortem, and until when after their end, ms."""

    severities: tuple[Severity, ...] = ()
    evidence: Ms = 2 * HOUR
    meeting: Ms = 24 * HOUR
    document: Ms = 72 * HOUR


@dataclasses.dataclass(frozen=True, slots=True)
class Component:
    """A part of the platform under its public name, and the services whose incidents show in its state."""

    name: str
    description: str = ""
    services: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StatusPage:
    """The page for the public; see ``config.incident_room.StatusPageConfig``."""

    title: str = ""
    url: str = ""
    components: tuple[Component, ...] = ()
    automatic: bool = True
    history: Ms = 14 * DAY


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
        definitions: of the severities.
        phases: of the work.
        notices: who is told beside those who are paged.
        texts: templates in place of the built-in ones, by use: opened, updated, resolved, postmortem.
        postmortem: what follows.
        people: by name, for reminders.
        status_page: none: there is none.
        external_url: where people reach us; may be empty.
        platform: its name.

    """

    open: tuple[tuple[Matcher, ...], ...] = (CRITICAL,)
    group_by: tuple[str, ...] = ("alertname", "service")
    severities: tuple[SeverityRule, ...] = ()
    services: tuple[ServiceSettings, ...] = ()
    quiet_time: Ms = 10 * MINUTE
    confirm: bool = False
    ack_timeout: Ms = 0
    definitions: tuple[Definition, ...] = ()
    phases: tuple[Phase, ...] = ()
    runbooks: tuple[Runbook, ...] = ()
    notices: tuple[NoticeRule, ...] = ()
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    postmortem: PostmortemRules = PostmortemRules()
    people: tuple[Recipient, ...] = ()
    status_page: StatusPage | None = None
    external_url: str = ""
    platform: str = "platform"

    def definition(self, severity: Severity) -> Definition:
        """What a severity means; its bare name where nobody says."""
        return next((d for d in self.definitions if d.severity == severity), Definition(severity, str(severity), ""))

    def person(self, name: str) -> Recipient | None:
        """How somebody is reached."""
        return next((person for person in self.people if person.name == name), None)
