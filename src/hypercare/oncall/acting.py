"""What steps do beside paging, and whether their condition holds; all of it told in the timeline."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select, update

from hypercare.kernel import CommandError
from hypercare.model.events import (
    IncidentAlertsJoined,
    IncidentTold,
    IncidentWanted,
    ProcedureWanted,
    StatusPostWanted,
)
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, MINUTE, format_duration, to_datetime
from hypercare.oncall.policy import INCIDENT, PROCEDURE, SKIP, STATUS, WAIT
from hypercare.oncall.tables import alert_counts, step_requests

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.pages import Subject
    from hypercare.oncall.policy import Action, Condition, Step

_KEPT: Final = DAY
"""Counts of alerts are kept as long as any condition may look back, at most."""
_LOOK_AGAIN: Final = 10 * MINUTE


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a step is done now.

    Attributes:
        do: now.
        instead: what happens where it is not: ``skip``, ``stop`` or ``wait``.
        until: how long to wait.
        why: in words.

    """

    do: bool
    instead: str = SKIP
    until: Ms = 0
    why: str = ""


def judge(ctx: Context, incident_id: str, condition: Condition | None) -> Verdict:
    """Ask a step's condition."""
    if condition is None:
        return Verdict(do=True)
    if condition.hours is None:
        count = _alerts(ctx, incident_id, condition.within)
        why = f"{count} alert{'' if count == 1 else 's'} began in the last {format_duration(condition.within)}"
        if count > condition.more_than:
            return Verdict(do=True, why=f"{why}, more than {condition.more_than}")
        return Verdict(do=False, instead=condition.otherwise, why=f"{why}, not more than {condition.more_than}")
    is_open = condition.hours.is_open(ctx.now)
    why = f"{to_datetime(ctx.now):%a %H:%M} UTC is {'within' if is_open else 'outside of'} {condition.hours.name}"
    if is_open != condition.outside:
        return Verdict(do=True, why=why)
    until = 0
    if condition.otherwise == WAIT:
        # A calendar that does not open within weeks is looked at again, so that nothing is forgotten.
        until = condition.hours.changes_at(ctx.now, to_open=not condition.outside) or ctx.now + _LOOK_AGAIN
    return Verdict(do=False, instead=condition.otherwise, until=until, why=why)


def _alerts(ctx: Context, incident_id: str, within: Ms) -> int:
    c = alert_counts.c
    query = select(func.sum(c.count)).where(c.incident_id == incident_id, c.at > ctx.now - within)
    return int(ctx.db.execute(query).scalar() or 0)


DRILL: Final = "drill"
"""The label of alerts that are none: steps of an escalation page people for them, and do nothing else."""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A procedure that a step asks for; ``taken_at`` is none until somebody runs it."""

    id: str
    kind: str
    name: str
    incident_id: str
    service: str
    policy: str
    requested_at: Ms
    taken_at: Ms | None
    taken_by: str


@dataclasses.dataclass(frozen=True, slots=True)
class TakeRequest:
    """Command: ``by`` runs what a step asked for; answers with the ``Request``, once."""

    id: str
    by: str


class Actions:
    """Asks other rooms to act, and counts the alerts of incidents."""

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentAlertsJoined, self._on_joined)
        kernel.on_message(TakeRequest, take)

    def _on_joined(self, ctx: Context, event: IncidentAlertsJoined) -> None:
        c = alert_counts.c
        ctx.db.execute(delete(alert_counts).where(c.incident_id == event.incident_id, c.at <= ctx.now - _KEPT))
        here = c.incident_id == event.incident_id, c.at == ctx.now
        values = {"count": c.count + event.count}
        if not ctx.db.execute(update(alert_counts).where(*here).values(values)).rowcount:
            row = {"incident_id": event.incident_id, "at": ctx.now, "count": event.count}
            ctx.db.execute(insert(alert_counts).values(row))

    def act(self, ctx: Context, subject: Subject, policy: str, step: Step, key: str) -> None:
        """Do what a step says; ``key`` tells one time from another."""
        action = step.action
        if action is None:
            return
        if subject.labels.get(DRILL):
            # People are drilled, not the platform: nothing runs, and the public hears nothing.
            _tell(ctx, subject, policy, f"left out, this is a drill: {action}", "drill")
            return
        request_id = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        if action.kind == PROCEDURE:
            self._want_procedure(ctx, subject, policy, action, request_id)
        elif action.kind == INCIDENT:
            self._want_incident(ctx, subject, policy, action, request_id)
        elif action.kind == STATUS:
            text = action.name or subject.title
            ctx.publish(
                StatusPostWanted(request_id, subject.id, text, action.state, subject.service, action.components)
            )
            _tell(ctx, subject, policy, f"status page: {action.state}: {text}", "status_page")

    def _want_procedure(self, ctx: Context, subject: Subject, policy: str, action: Action, request_id: str) -> None:
        if ctx.db.execute(select(step_requests.c.id).where(step_requests.c.id == request_id)).first():
            return
        row = {
            "id": request_id, "kind": PROCEDURE, "name": action.name, "incident_id": subject.id,
            "service": subject.service, "policy": policy, "requested_at": ctx.now, "taken_by": "",
        }  # fmt: skip
        ctx.db.execute(insert(step_requests).values(row))
        ctx.publish(ProcedureWanted(request_id, action.name, subject.id, subject.service, policy))
        _tell(ctx, subject, policy, f"procedure {action.name} is to run", "procedure_wanted")

    def _want_incident(self, ctx: Context, subject: Subject, policy: str, action: Action, request_id: str) -> None:
        severity = Severity(action.state or subject.severity)
        title = action.name or subject.title
        labels = tuple(sorted(subject.labels.items()))
        ctx.publish(IncidentWanted(request_id, subject.id, title, severity, subject.service, labels, policy))
        _tell(ctx, subject, policy, f"another incident is to open as {severity}: {title}", "incident_wanted")


def _tell(ctx: Context, subject: Subject, policy: str, text: str, entry: str) -> None:
    ctx.publish(IncidentTold(subject.id, entry, f"{text} (policy {policy})", data=(("policy", policy),)))


def take(ctx: Context, command: TakeRequest) -> Request:
    """Mark a request as taken.

    Raises:
        CommandError: there is none, or somebody else has it.

    """
    found = load_requests(ctx.db, request_id=command.id)
    if not found:
        raise CommandError(f"there is no request {command.id}", 404)
    if found[0].taken_at is not None:
        raise CommandError(f"{found[0].taken_by} has taken it already", 409)
    values = {"taken_at": ctx.now, "taken_by": command.by}
    ctx.db.execute(update(step_requests).where(step_requests.c.id == command.id).values(values))
    return dataclasses.replace(found[0], taken_at=ctx.now, taken_by=command.by)


def load_requests(db: Connection, *, request_id: str = "", waiting: bool = False) -> tuple[Request, ...]:
    """What steps asked for, the oldest first; ``waiting``: what nobody has taken."""
    c = step_requests.c
    query = select(step_requests).order_by(c.requested_at, c.id)
    if request_id:
        query = query.where(c.id == request_id)
    if waiting:
        query = query.where(c.taken_at.is_(None))
    return tuple(
        Request(*(getattr(row, field.name) for field in dataclasses.fields(Request))) for row in db.execute(query)
    )
