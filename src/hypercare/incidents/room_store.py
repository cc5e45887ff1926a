"""Reading what people keep in the room of an incident: roles, tasks, links, checklists, evidence."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from hypercare.incidents.tables import evidence, incidents, links, roles, steps, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from hypercare.model.time import Ms

COMMANDER: Final = "commander"
TASK: Final = "task"
ACTION: Final = "action"


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """Who has a role since when."""

    role: str
    person: str
    assigned_by: str
    assigned_at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What somebody is to do; ``kind``: task (now) or action (so that it does not come again)."""

    id: int
    incident_id: str
    incident: int
    kind: str
    text: str
    owner: str
    due_at: Ms | None
    created_by: str
    created_at: Ms
    done_by: str
    done_at: Ms | None
    reminded_at: Ms | None

    def overdue(self, now: Ms) -> bool:
        """Whether it should have been done by now."""
        return self.done_at is None and self.due_at is not None and self.due_at <= now


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A link that somebody keeps."""

    id: int
    url: str
    title: str
    by: str
    at: Ms


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One item of a checklist.

    Attributes:
        source: the runbook's name; empty: the phases of the configuration.
        budget: so long after the opening its phase should be over, ms; none: no time budget.
        text: Markdown.

    """

    number: int
    source: str
    phase: str
    budget: Ms | None
    text: str
    procedure: str
    done_by: str
    done_at: Ms | None


@dataclasses.dataclass(frozen=True, slots=True)
class Checklist:
    """The steps of one phase."""

    source: str
    phase: str
    budget: Ms | None
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(step.done_at is not None for step in self.steps)


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen at the opening; ``data`` by kind: see ``evidence.py``."""

    id: int
    at: Ms
    kind: str
    title: str
    data: Mapping[str, Any]


def load_roles(db: Connection, incident_id: str) -> tuple[Role, ...]:
    """Who has which role; the commander first."""
    rows = db.execute(select(roles).where(roles.c.incident_id == incident_id).order_by(roles.c.role))
    found = [Role(r.role, r.person, r.assigned_by, r.assigned_at) for r in rows]
    return tuple(sorted(found, key=lambda role: role.role != COMMANDER))


def commander_of(db: Connection, incident_id: str) -> str:
    """Who leads; empty: nobody."""
    where = roles.c.incident_id == incident_id, roles.c.role == COMMANDER
    return str(db.execute(select(roles.c.person).where(*where)).scalar() or "")


def load_tasks(
    db: Connection, incident_id: str = "", kind: str = "", *, open_only: bool = False, limit: int = 1000
) -> tuple[Task, ...]:
    """Tasks, of one incident or all, in the order of their making; those that are due first come first over all."""
    query = select(tasks, incidents.c.number.label("incident")).join(incidents, incidents.c.id == tasks.c.incident_id)
    if incident_id:
        query = query.where(tasks.c.incident_id == incident_id).order_by(tasks.c.id)
    else:
        query = query.order_by(tasks.c.due_at.is_(None), tasks.c.due_at, tasks.c.id)
    if kind:
        query = query.where(tasks.c.kind == kind)
    if open_only:
        query = query.where(tasks.c.done_at.is_(None))
    return tuple(_task(row) for row in db.execute(query.limit(limit)))


def load_task(db: Connection, task: int) -> Task | None:
    """One task."""
    query = select(tasks, incidents.c.number.label("incident")).join(incidents, incidents.c.id == tasks.c.incident_id)
    row = db.execute(query.where(tasks.c.id == task)).first()
    return None if row is None else _task(row)


def load_links(db: Connection, incident_id: str) -> tuple[Link, ...]:
    """The links, oldest first."""
    rows = db.execute(select(links).where(links.c.incident_id == incident_id).order_by(links.c.id))
    return tuple(Link(r.id, r.url, r.title, r.by, r.at) for r in rows)


def load_steps(db: Connection, incident_id: str) -> tuple[Step, ...]:
    """All steps, in order."""
    rows = db.execute(select(steps).where(steps.c.incident_id == incident_id).order_by(steps.c.number))
    return tuple(Step(r.number, r.source, r.phase, r.until, r.text, r.procedure, r.done_by, r.done_at) for r in rows)


def checklists(found: tuple[Step, ...]) -> tuple[Checklist, ...]:
    """The steps by phase, in the order in which the phases come up."""
    parts: dict[tuple[str, str, Ms | None], list[Step]] = {}
    for step in found:
        parts.setdefault((step.source, step.phase, step.budget), []).append(step)
    return tuple(Checklist(*key, tuple(of)) for key, of in parts.items())


def load_evidence(db: Connection, incident_id: str) -> tuple[Evidence, ...]:
    """What was kept, oldest first."""
    rows = db.execute(select(evidence).where(evidence.c.incident_id == incident_id).order_by(evidence.c.id))
    return tuple(Evidence(r.id, r.at, r.kind, r.title, json.loads(r.data)) for r in rows)


def _task(r: Row[Any]) -> Task:
    return Task(
        r.id, r.incident_id, r.incident, r.kind, r.text, r.owner, r.due_at, r.created_by, r.created_at, r.done_by,
        r.done_at, r.reminded_at,
    )  # fmt: skip
