"""Incidents that are like another, and why: what was done then may help now."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hypercare.incidents import store
from hypercare.incidents.tables import incident_alerts
from hypercare.model.time import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from hypercare.incidents.store import Incident
    from hypercare.model.time import Ms

_CANDIDATES: Final = 500
_PART: Final = 500
_ROWS: Final = 10_000
_SHOWN: Final = 8
_LEAST: Final = 3.0
_SERVICE, _ALERTS, _LABELS = 2.0, 4.0, 2.0
_AROUND: Final = HOUR
# These say what an alert is, not where; they count by themselves.
_APART: Final = frozenset({"alertname", "service", "severity"})


@dataclasses.dataclass(frozen=True, slots=True)
class Traits:
    """By what incidents are compared."""

    service: str
    alerts: frozenset[str]
    labels: frozenset[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Likeness:
    """An incident that is like another: how much (0 to 8), and why."""

    incident: Incident
    score: float
    reasons: tuple[str, ...]


def likeness(one: Traits, other: Traits) -> tuple[float, tuple[str, ...]]:
    """How much two incidents are alike, and why; symmetric, and greatest for equal traits.

    2 for the same service, up to 4 for the share of alert names in common, up to 2 for that of labels (Jaccard).
    """
    score = 0.0
    reasons: list[str] = []
    if one.service and one.service == other.service:
        score += _SERVICE
        reasons.append(f"the same service, {one.service}")
    both = one.alerts & other.alerts
    if both:
        score += _ALERTS * len(both) / len(one.alerts | other.alerts)
        reasons.append(f"the same alert{'s' if len(both) > 1 else ''}, {', '.join(sorted(both))}")
    shared = one.labels & other.labels
    if shared:
        score += _LABELS * len(shared) / len(one.labels | other.labels)
        named = ", ".join(f"{name}={value}" for name, value in sorted(shared)[:3])
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        reasons.append(f"{len(shared)} of {len(one.labels)} labels, {named}{more}")
    return score, tuple(reasons)


def similar(db: Connection, incident: Incident) -> tuple[Likeness, ...]:
    """Past incidents that are most like one, best first, of equal ones the newest first."""
    past = [i for i in store.load_incidents(db, store.RESOLVED, _CANDIDATES) if _other(i, incident)]
    traits = _traits(db, [incident, *past])
    found = [Likeness(i, *likeness(traits[incident.id], traits[i.id])) for i in past]
    best = sorted((f for f in found if f.score >= _LEAST), key=lambda f: (-f.score, -f.incident.number))
    return tuple(best[:_SHOWN])


def related(db: Connection, incident: Incident, now: Ms) -> tuple[Likeness, ...]:
    """Incidents of the same time: merged into it first, then by likeness; the time alone is a reason, too."""
    around = [i for i in store.load_incidents(db, None, _CANDIDATES) if i.id != incident.id]
    until = (incident.resolved_at or now) + _AROUND
    same_time = [
        i
        for i in around
        if i.opened_at <= until and (i.resolved_at is None or i.resolved_at >= incident.opened_at - _AROUND)
    ]
    traits = _traits(db, [incident, *same_time])
    found: list[Likeness] = []
    for other in same_time:
        score, reasons = likeness(traits[incident.id], traits[other.id])
        if other.merged_into == incident.id:
            found.append(Likeness(other, 10.0, ("merged into this one",)))
        elif incident.merged_into == other.id:
            found.append(Likeness(other, 10.0, ("goes on in its place",)))
        elif score or other.status != store.RESOLVED:
            found.append(Likeness(other, score, (*reasons, "at the same time")))
    return tuple(sorted(found, key=lambda f: (-f.score, -f.incident.number))[:_SHOWN])


def _other(one: Incident, incident: Incident) -> bool:
    return one.id != incident.id and not one.merged_into


def _traits(db: Connection, found: Iterable[Incident]) -> Mapping[str, Traits]:
    incidents = list(found)
    names: dict[str, set[str]] = {i.id: {i.labels.get("alertname")} - {""} for i in incidents}
    c = incident_alerts.c
    ids = [i.id for i in incidents]
    for start in range(0, len(ids), _PART):
        query = select(c.incident_id, c.labels).where(c.incident_id.in_(ids[start : start + _PART])).limit(_ROWS)
        for row in db.execute(query):
            names[row.incident_id].add(json.loads(row.labels).get("alertname", ""))
    return {
        i.id: Traits(i.service, frozenset(names[i.id] - {""}), frozenset(p for p in i.labels if p[0] not in _APART))
        for i in incidents
    }
