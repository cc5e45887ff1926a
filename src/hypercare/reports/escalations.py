"""Escalations under way, as people want to see them: what comes next, to whom, and how long until then."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.incidents.store import load_incident
from hypercare.oncall.clocks import load_clocks
from hypercare.oncall.later import load_later
from hypercare.oncall.pages import recipients
from hypercare.oncall.store import RUNNING, load_escalations

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms
    from hypercare.oncall.clocks import ClockState
    from hypercare.oncall.later import LaterPage
    from hypercare.oncall.plan import Plan
    from hypercare.oncall.policy import Step
    from hypercare.oncall.store import Escalation


@dataclasses.dataclass(frozen=True, slots=True)
class StepLine:
    """One step of an escalation.

    Attributes:
        number: as written in the policy.
        what: what it does, in words.
        people: whom it reaches as things stand; of steps that tell nobody none.
        due_at: when; none where the escalation does not run.
        done: whether its time has come already.
        condition: on which it depends, in words; empty: none.

    """

    number: int
    what: str
    people: tuple[str, ...]
    due_at: Ms | None
    done: bool
    condition: str


@dataclasses.dataclass(frozen=True, slots=True)
class EscalationLine:
    """One escalation.

    Attributes:
        state: running or paused.
        paused_why: the reason; empty where it runs.
        next_at: when the next step, or the end of the round, is due; none where it does not run.
        round: from 1.
        waiting: pages that are held or follow later.

    """

    incident_id: str
    number: int
    title: str
    severity: str
    service: str
    policy: str
    state: str
    paused_why: str
    began_at: Ms
    next_at: Ms | None
    round: int
    rounds: int
    steps: tuple[StepLine, ...]
    waiting: tuple[LaterPage, ...]
    clocks: tuple[ClockState, ...]

    @property
    def next(self) -> StepLine | None:
        """The step that comes next; none where only the end of the round does."""
        return next((step for step in self.steps if not step.done), None)


def escalations_under_way(app: App, db: Connection, now: Ms) -> tuple[EscalationLine, ...]:
    """Those that run or are paused: the worst incident first, then whose next step comes first."""
    found = [
        _line(app.oncall.plan, db, escalation, incident, now)
        for escalation in load_escalations(db)
        if (incident := load_incident(db, escalation.incident_id)) is not None
    ]
    return tuple(sorted(found, key=lambda line: (line.severity, line.next_at is None, line.next_at or 0, line.number)))


def _line(plan: Plan, db: Connection, escalation: Escalation, incident: Incident, now: Ms) -> EscalationLine:
    policy, running = escalation.policy, escalation.state == RUNNING
    round_ = escalation.round - escalation.first_round
    steps = tuple(
        _step(plan, step, index, index < escalation.step,
              policy.due(escalation.opened_at, round_, index) if running else None, now)
        for index, step in enumerate(policy.steps)
    )  # fmt: skip
    return EscalationLine(
        incident_id=incident.id,
        number=incident.number,
        title=incident.title,
        severity=str(incident.severity),
        service=incident.service,
        policy=policy.name,
        state=escalation.state,
        paused_why=escalation.paused_why,
        began_at=escalation.opened_at,
        next_at=escalation.next_at,
        round=round_ + 1,
        rounds=policy.repeat + 1,
        steps=steps,
        waiting=load_later(db, incident.id),
        clocks=load_clocks(db, incident.id),
    )


def _step(plan: Plan, step: Step, index: int, done: bool, due: Ms | None, now: Ms) -> StepLine:  # noqa: FBT001 - one caller
    people: tuple[str, ...] = ()
    if step.notify:
        people = tuple(r.name for r in recipients(plan, step.notify, max(now, due or now)))
    condition = str(step.condition) if step.condition else ""
    return StepLine(step.number or index + 1, step.what, people, due, done, condition)
