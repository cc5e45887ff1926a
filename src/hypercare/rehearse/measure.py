"""How a response went: achieved times against target times, read from the rows that the response left behind."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.incidents.postmortem import load_milestones, load_postmortem
from hypercare.incidents.room_store import load_evidence, load_links, load_tasks
from hypercare.incidents.store import load_alerts, load_timeline
from hypercare.model.decision import Reason
from hypercare.model.time import DAY, HOUR, SECOND, format_duration
from hypercare.oncall.clocks import load_clocks
from hypercare.oncall.coverage import coverage
from hypercare.routing.journal import load_journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from hypercare.incidents.store import Incident, TimelineEntry
    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Plan

SOON: Final = 2 * HOUR
MEETING: Final = DAY
DOCUMENT: Final = 3 * DAY


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One thing that has to happen in time.

    Attributes:
        part: what it belongs to: a scenario, the escalation, the time after the incident.
        target: ms it may take.
        achieved: ms it took; none: it did not happen.

    """

    part: str
    what: str
    target: Ms
    achieved: Ms | None

    @property
    def passed(self) -> bool:
        """Whether it happened in time."""
        return self.achieved is not None and self.achieved <= self.target


def answers(db: Connection, incident: Incident, part: str) -> tuple[Line, ...]:
    """The response clocks of an incident: how long until it was acknowledged, assessed, investigated, resolved."""
    names = {"acknowledge": "acknowledged", "assess": "answered", "investigate": "investigated", "resolve": "resolved"}
    return tuple(Line(part, names[c.clock], c.breach_at - c.started_at, c.took) for c in load_clocks(db, incident.id))


def reached(
    db: Connection, incident: Incident, part: str, levels: Iterable[tuple[str, tuple[str, ...], Ms]]
) -> tuple[Line, ...]:
    """When a page first arrived at each level; a level is its name, its people, and the target after the opening."""
    entries = load_timeline(db, incident.id)
    return tuple(
        Line(part, f"{name} reached", target, _first_page(entries, incident, people)) for name, people, target in levels
    )


def _first_page(entries: Iterable[TimelineEntry], incident: Incident, people: tuple[str, ...]) -> Ms | None:
    found = (e.at for e in entries if e.kind == "page_delivered" and e.data.get("person") in people)
    first = next(found, None)
    return None if first is None else first - incident.opened_at


def afterwards(db: Connection, incident: Incident, part: str) -> tuple[Line, ...]:
    """Ten things to do after an incident, each measured from its end: within 2 hours, a day, three days."""
    end = incident.resolved_at
    if end is None:
        return (Line(part, "resolved", 0, None),)
    entries = load_timeline(db, incident.id)
    alerts = load_alerts(db, incident.id)
    evidence = load_evidence(db, incident.id)
    milestones = {m.name: m.done_at for m in load_milestones(db, incident.id)}
    document = load_postmortem(db, incident.id)
    actions = [t for t in load_tasks(db, incident.id, "action") if t.owner and t.due_at is not None]
    links = [e.at for e in entries if e.kind == "link"] if load_links(db, incident.id) else []
    cleared = [a.ends_at for a in alerts if a.ends_at is not None]
    told = _resolved_told(db, max(cleared, default=end))
    done = document.done_at if document else None
    text = document.text.lower() if document else ""
    moments: tuple[tuple[str, Ms, Ms | None], ...] = (
        ("alerts cleared", SOON, max(cleared) if alerts and len(cleared) == len(alerts) else None),
        ("resolution told", SOON, min(told, default=None)),
        ("evidence kept", SOON, max((e.at for e in evidence), default=None)),
        ("evidence confirmed", SOON, milestones.get("evidence")),
        ("meeting held", MEETING, milestones.get("meeting")),
        ("timeline reviewed", MEETING, document.created_at if document and "timeline" in text else None),
        ("lessons written", DOCUMENT, done if "lessons" in text else None),
        ("document done", DOCUMENT, done),
        ("actions with owner and due date", DOCUMENT, max((t.created_at for t in actions), default=None)),
        ("runbook updated", DOCUMENT, min(links, default=None)),
    )
    return tuple(Line(part, what, target, None if at is None else max(0, at - end)) for what, target, at in moments)


def _resolved_told(db: Connection, since: Ms) -> list[Ms]:
    """When receivers were told that the alerts of a group have ended."""
    entries = load_journal(db, since=since, limit=100_000)
    return [e.at for e in entries if e.decision.send and e.decision.reason is Reason.RESOLVED]


def covered(plan: Plan, start: Ms, end: Ms, part: str) -> tuple[Line, ...]:
    """For each schedule how many ms of a span nobody reachable was on call: none may be."""
    gaps = coverage(plan, start, end).gaps
    return tuple(
        Line(part, f"{s.name}: not covered", 0, sum(g.until - g.from_at for g in gaps if g.schedule == s.name))
        for s in plan.schedules
    )


def as_table(lines: Iterable[Line]) -> str:
    """Achieved against target, a line each, and how many were in time."""
    lines = tuple(lines)
    rows = [("", "", "target", "achieved", "")]
    last = ""
    for line in lines:
        achieved = "-" if line.achieved is None else format_duration(line.achieved // SECOND * SECOND)
        mark = "in time" if line.passed else "MISSED"
        rows.append((line.part if line.part != last else "", line.what, format_duration(line.target), achieved, mark))
        last = line.part
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    body = "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return f"{body}\n{sum(line.passed for line in lines)} of {len(lines)} in time\n"
