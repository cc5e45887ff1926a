"""Domain events: how rooms of one floor hear of each other. The kernel delivers them within one transaction."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from hypercare.model.alerts import Alert
    from hypercare.model.decision import Decision, Reason
    from hypercare.model.severity import Severity
    from hypercare.model.time import Ms


@dataclasses.dataclass(frozen=True, slots=True)
class DomainEvent:
    """Base of all events; ``kind`` is its name in logs and feeds."""

    kind: ClassVar[str] = "event"


@dataclasses.dataclass(frozen=True, slots=True)
class AlertsReceived(DomainEvent):
    """Alerts began, changed or ended: from our rules (``source`` "rules") or through the API ("api")."""

    kind: ClassVar[str] = "alerts.received"
    alerts: tuple[Alert, ...]
    source: str = "rules"


@dataclasses.dataclass(frozen=True, slots=True)
class GroupNotified(DomainEvent):
    """A group's notification passed every stage and was put in the outbox, once a receiver and flush."""

    kind: ClassVar[str] = "group.notified"
    receiver: str
    group_key: str
    group_labels: tuple[tuple[str, str], ...]
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    reason: Reason


@dataclasses.dataclass(frozen=True, slots=True)
class AlertsBeganAgain(DomainEvent):
    """Alerts have begun again before their group told their end, or while they are damped, and passed every stage.

    To receivers this is no news.

    Attributes:
        alerts: with the instant at which each began, by our clock.

    """

    kind: ClassVar[str] = "alerts.again"
    alerts: tuple[tuple[Alert, Ms], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class AlertResolved(DomainEvent):
    """An alert has ended, whether or not anybody was to be notified of it; one that is damped only when it is calm."""

    kind: ClassVar[str] = "alert.resolved"
    alert: Alert
    at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class SuppressionChanged(DomainEvent):
    """Alerts that fire came under a silence or an inhibiting alert, or out of it.

    Attributes:
        changes: per fingerprint what holds the alert back now; none: nothing does.
        whole: all alerts that are held back are among the changes; any other is not.

    """

    kind: ClassVar[str] = "alerts.suppression"
    changes: tuple[tuple[str, Decision | None], ...]
    whole: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentOpened(DomainEvent):
    """An incident began, or began again, and somebody has to be paged.

    Attributes:
        number: its short name for people.
        taken_by: who has it already; nobody is paged then. ``IncidentAcknowledged`` follows.

    """

    kind: ClassVar[str] = "incident.opened"
    incident_id: str
    title: str
    severity: Severity
    service: str
    labels: tuple[tuple[str, str], ...]
    runbook_url: str = ""
    policy: str = ""
    number: int = 0
    taken_by: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentAcknowledged(DomainEvent):
    """Somebody took it."""

    kind: ClassVar[str] = "incident.acknowledged"
    incident_id: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentResolved(DomainEvent):
    """It is over."""

    kind: ClassVar[str] = "incident.resolved"
    incident_id: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentUnacknowledged(DomainEvent):
    """Nobody has it any more: handed back, or forgotten.

    Attributes:
        by: a person, or "hypercare".
        calm: why nobody needs to be paged for now (as in ``IncidentCalm``); empty where somebody does.

    """

    kind: ClassVar[str] = "incident.unacknowledged"
    incident_id: str
    by: str
    calm: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentCalm(DomainEvent):
    """None of the alerts of an unresolved incident calls for anybody now: ended, silenced or inhibited (``why``)."""

    kind: ClassVar[str] = "incident.calm"
    incident_id: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentFires(DomainEvent):
    """An alert of an incident that was calm and that nobody has acknowledged calls for somebody again."""

    kind: ClassVar[str] = "incident.fires"
    incident_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentChanged(DomainEvent):
    """Something in the room of an incident has changed; ``what`` names it (note, role, task, step, severity, …)."""

    kind: ClassVar[str] = "incident.changed"
    incident_id: str
    what: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class PublicUpdate(DomainEvent):
    """Somebody wants the public to hear an update of an incident; ``stage`` as in ``PostUpdate``."""

    kind: ClassVar[str] = "incident.public_update"
    incident_id: str
    text: str
    stage: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class StatusPageChanged(DomainEvent):
    """What the public reads has changed."""

    kind: ClassVar[str] = "status.changed"
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Deployed(DomainEvent):
    """A new version of a service went out."""

    kind: ClassVar[str] = "deployed"
    service: str
    version: str
    by: str = ""
    url: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class WatchFound(DomainEvent):
    """The watch of a deployment has a finding: new, or graver than it was.

    Attributes:
        level: note, warning or critical.
        method: limit, excursion, drift, trend or burn.

    """

    kind: ClassVar[str] = "deploy.finding"
    watch_id: str
    number: int
    service: str
    version: str
    check: str
    level: str
    method: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class WatchChanged(DomainEvent):
    """A watch began, was looked at, signed, concluded, or ended; ``what`` says which in a word."""

    kind: ClassVar[str] = "deploy.changed"
    watch_id: str
    number: int
    service: str
    version: str
    what: str
    verdict: str = ""
    by: str = "hypercare"


@dataclasses.dataclass(frozen=True, slots=True)
class ActionWanted(DomainEvent):
    """An action of the configuration is asked for (roll back, restart, scale, …).

    Attributes:
        request_id: the same however often it is asked: it runs once.
        action: its name in ``actions``.
        context: names and values that its texts may use: service, version, previous, check, …

    """

    kind: ClassVar[str] = "action.wanted"
    request_id: str
    action: str
    reason: str
    by: str
    context: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ActionEnded(DomainEvent):
    """An action that was asked for has come to its end.

    Attributes:
        state: done, failed (it ran and said so, or timed out), refused (by a person, or by a guard against repeating),
            interrupted (we stopped while it ran: nobody knows how far it got).
        text: for people: exit code, the last lines of its output, or who refused.

    """

    kind: ClassVar[str] = "action.ended"
    request_id: str
    action: str
    state: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class PageSent(DomainEvent):
    """A page for an incident was put in the outbox for a person."""

    kind: ClassVar[str] = "page.sent"
    incident_id: str
    person: str
    channel: str
    step: int


@dataclasses.dataclass(frozen=True, slots=True)
class EscalationExhausted(DomainEvent):
    """The last step has passed and nobody acknowledged."""

    kind: ClassVar[str] = "escalation.exhausted"
    incident_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentTold(DomainEvent):
    """Something to write into the timeline of an incident by a room that is not its keeper.

    Attributes:
        entry: the kind of the timeline entry.
        by: a person, or "hypercare".
        data: more of it, for machines.

    """

    kind: ClassVar[str] = "incident.told"
    incident_id: str
    entry: str
    text: str
    by: str = "hypercare"
    data: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentAlertsJoined(DomainEvent):
    """So many alerts began to fire (again) within an incident."""

    kind: ClassVar[str] = "incident.alerts_joined"
    incident_id: str
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentSeverityChanged(DomainEvent):
    """An unresolved incident is worse, or less bad, than it was."""

    kind: ClassVar[str] = "incident.severity_changed"
    incident_id: str
    severity: Severity
    by: str = "hypercare"


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentWanted(DomainEvent):
    """A step of an escalation asks for another incident; ``request_id`` is the same whenever it is asked again."""

    kind: ClassVar[str] = "incident.wanted"
    request_id: str
    cause: str
    title: str
    severity: Severity
    service: str
    labels: tuple[tuple[str, str], ...]
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class StatusPostWanted(DomainEvent):
    """A step of an escalation asks for a word on the status page.

    Attributes:
        components: those it is about; none: those of the service.
        state: investigating, identified, monitoring or resolved.

    """

    kind: ClassVar[str] = "status_page.wanted"
    request_id: str
    incident_id: str
    text: str
    state: str
    service: str
    components: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class ProcedureWanted(DomainEvent):
    """A step of an escalation asks for a procedure; the row of ``request_id`` waits until somebody takes it."""

    kind: ClassVar[str] = "procedure.wanted"
    request_id: str
    procedure: str
    incident_id: str
    service: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class ClockPassed(DomainEvent):
    """A response clock of an incident has come to its warning or breach (``level``) and is not met."""

    kind: ClassVar[str] = "clock.passed"
    incident_id: str
    clock: str
    level: str
    severity: str
    due_at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class AuditFound(DomainEvent):
    """The auditor found something that should have happened and has not; ``key`` names it until it is cleared."""

    kind: ClassVar[str] = "audit.found"
    key: str
    check: str
    subject: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class AuditCleared(DomainEvent):
    """A finding of the auditor holds no more."""

    kind: ClassVar[str] = "audit.cleared"
    key: str
    check: str
    subject: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class HeartbeatChanged(DomainEvent):
    """A heartbeat is withheld from now on, for these reasons; or, without reasons, goes out again."""

    kind: ClassVar[str] = "heartbeat.changed"
    name: str
    reasons: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleChanged(DomainEvent):
    """Somebody has put an override or a swap into a schedule, or taken one out."""

    kind: ClassVar[str] = "oncall.schedule_changed"
    schedule: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class EffectDelivered(DomainEvent):
    """The outside accepted an effect of the outbox.

    Attributes:
        subject: what it was about, e.g. ``incident:7`` or ``group:…``.
        receipt: what the outside calls it (names and values), where a channel keeps that.

    """

    kind: ClassVar[str] = "effect.delivered"
    effect_id: str
    channel: str
    target: str
    subject: str
    attempts: int
    receipt: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class EffectDelayed(DomainEvent):
    """The first try of an effect has failed; the next one is at ``next_at``. Later tries are not told."""

    kind: ClassVar[str] = "effect.delayed"
    effect_id: str
    channel: str
    target: str
    subject: str
    error: str
    next_at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class EffectFailed(DomainEvent):
    """An effect will not be tried again: it was refused for good, or its time has run out."""

    kind: ClassVar[str] = "effect.failed"
    effect_id: str
    channel: str
    target: str
    subject: str
    error: str


@dataclasses.dataclass(frozen=True, slots=True)
class EffectCancelled(DomainEvent):
    """An effect of the outbox was not delivered, because it had become needless; ``reason`` says why."""

    kind: ClassVar[str] = "effect.cancelled"
    effect_id: str
    channel: str
    target: str
    subject: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigReloaded(DomainEvent):
    """The running configuration was replaced."""

    kind: ClassVar[str] = "config.reloaded"
    config_hash: str


@dataclasses.dataclass(frozen=True, slots=True)
class ActionChanged(DomainEvent):
    """A run of an action came into another state, or to its next step."""

    kind: ClassVar[str] = "action.changed"
    number: int
    action: str
    service: str
    state: str
    by: str
