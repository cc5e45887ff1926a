"""Reading on-call: who is on duty, which escalations are under way."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from hypercare.oncall.plan import Policy
from hypercare.oncall.rotation import on_call
from hypercare.oncall.tables import escalations

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Row

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan

RUNNING: Final = "running"
PAUSED: Final = "paused"
ACKNOWLEDGED: Final = "acknowledged"
RESOLVED: Final = "resolved"
EXHAUSTED: Final = "exhausted"
STOPPED: Final = "stopped"
UNDER_WAY: Final = (RUNNING, PAUSED)


@dataclasses.dataclass(frozen=True, slots=True)
class OnCallNow:
    """Who is on call in a schedule.

    Attributes:
        person: empty where nobody is.
        until: the next hand-off; none where nobody is on call.
        next_person: who takes over then (may be the same person); empty where nobody does.

    """

    schedule: str
    person: str
    since: Ms | None
    until: Ms | None
    next_person: str


@dataclasses.dataclass(frozen=True, slots=True)
class Escalation:
    """The escalation of one incident.

    Attributes:
        state: running, paused, acknowledged, resolved, exhausted (no step is left) or stopped (by a step's condition).
        round: from 0, counted since the incident was first opened.
        step: the step that comes next, from 0; as many as there are steps: the end of the round.
        next_at: when it is due; none once the escalation has ended, or while it is paused.
        paused_at: since when no alert calls for anybody; none while one does.
        paused_why: the reason.

    """

    incident_id: str
    state: str
    policy: Policy
    opened_at: Ms
    first_round: int
    round: int
    step: int
    next_at: Ms | None
    ended_at: Ms | None
    paused_at: Ms | None = None
    paused_why: str = ""


def on_call_now(plan: Plan, now: Ms) -> tuple[OnCallNow, ...]:
    """Who is on call in every schedule, in the order of the configuration."""
    found: list[OnCallNow] = []
    for schedule in plan.schedules:
        shift = on_call(schedule, now)
        if shift is None:
            found.append(OnCallNow(schedule.name, "", None, None, ""))
        else:
            after = on_call(schedule, shift.end)
            name = after.person if after else ""
            found.append(OnCallNow(schedule.name, shift.person, shift.start, shift.end, name))
    return tuple(found)


def load_escalations(
    db: Connection, states: Collection[str] | None = UNDER_WAY, limit: int = 1000
) -> tuple[Escalation, ...]:
    """Escalations, the newest first; of every state if ``states`` is none."""
    query = select(escalations).order_by(escalations.c.opened_at.desc(), escalations.c.incident_id).limit(limit)
    if states is not None:
        query = query.where(escalations.c.state.in_(states))
    return tuple(_escalation(row) for row in db.execute(query))


def load_escalation(db: Connection, incident_id: str) -> Escalation | None:
    """The escalation of an incident."""
    row = db.execute(select(escalations).where(escalations.c.incident_id == incident_id)).first()
    return None if row is None else _escalation(row)


def _escalation(row: Row[Any]) -> Escalation:
    return Escalation(
        row.incident_id,
        row.state,
        Policy.load(row.snapshot),
        row.opened_at,
        row.first_round,
        row.round,
        row.step,
        row.next_at,
        row.ended_at,
        row.paused_at,
        row.paused_why or "",
    )
