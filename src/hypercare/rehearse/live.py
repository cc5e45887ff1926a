"""A drill with real channels and people: an alert that says it is none, and what became of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hypercare.incidents.store import load_alerts, load_incidents, load_timeline
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.oncall.acting import DRILL
from hypercare.oncall.store import load_escalation
from hypercare.rehearse.measure import Line, answers

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms

MARK: Final = "[DRILL]"
_ID: Final = re.compile(r"[0-9]{10,16}")


def alert_of(drill: str, severity: str, started_at: Ms, ends_at: Ms) -> Alert:
    """The alert of a drill: it names no service, so that it joins no real incident, and ends by itself."""
    labels = {"alertname": "Drill", DRILL: drill, "severity": severity}
    notes = {
        "summary": f"{MARK} please acknowledge, nothing is broken",
        "description": f"{MARK} A rehearsal of alerting and paging. No service is affected; do not repair anything.",
    }
    return Alert(Labels.of(labels), Labels.of(notes), started_at, ends_at)


def started_at(drill: str) -> Ms | None:
    """When a drill began, by its name; none: that is no drill's name."""
    return int(drill) if _ID.fullmatch(drill) else None


def incident_of(db: Connection, drill: str) -> Incident | None:
    """The incident that a drill opened."""
    return next((i for i in load_incidents(db, limit=1000) if i.labels.get(DRILL) == drill), None)


def is_only_drill(db: Connection, incident: Incident) -> bool:
    """Whether nothing real belongs to an incident."""
    return all(alert.labels.get(DRILL) for alert in load_alerts(db, incident.id))


def measured(db: Connection, drill: str, patience: Ms) -> tuple[Line, ...]:
    """Opening, pages of each step, and the response clocks.

    Args:
        db: a connection.
        drill: its name.
        patience: how long a page may be under way, ms.

    """
    began = started_at(drill)
    incident = incident_of(db, drill)
    if incident is None or began is None:
        return (Line(MARK, "incident opened", patience, None),)
    lines = [Line(MARK, "incident opened", patience, incident.opened_at - began)]
    entries = load_timeline(db, incident.id)
    escalation = load_escalation(db, incident.id)
    policy = escalation.policy.steps if escalation is not None else ()
    over = incident.acknowledged_at or incident.resolved_at
    for number, step in enumerate(policy):
        due = incident.opened_at + step.after
        sent = [e for e in entries if e.kind == "page_sent" and e.data.get("step") == number]
        if not sent or (over is not None and due >= over):
            continue
        people = {e.data.get("person") for e in sent}
        arrived = [
            e.at for e in entries if e.kind == "page_delivered" and e.data.get("person") in people and e.at >= due
        ]
        first = min(arrived, default=None)
        what = f"step {number + 1} reached {', '.join(sorted(str(p) for p in people))}"
        lines.append(Line(MARK, what, step.after + patience, None if first is None else first - incident.opened_at))
    clocks = answers(db, incident, MARK)
    return (*lines, *(line for line in clocks if line.what == "acknowledged"))
