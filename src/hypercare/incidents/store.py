"""Reading incidents: for the loop itself, and for pages, API, commands and reports in other threads."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from hypercare.incidents.tables import incident_alerts, incidents, timeline
from hypercare.model.labels import Labels
from hypercare.model.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row, Select

    from hypercare.model.time import Ms

OPEN: Final = "open"
ACKNOWLEDGED: Final = "acknowledged"
RESOLVED: Final = "resolved"


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """One incident.

    Attributes:
        number: for people: short, counted from 1.
        id: for machines: unique over all installations.
        status: open, acknowledged or resolved.
        started_at: when the first of its alerts began to fire.
        alerts_cleared_at: since when none of its alerts fires; none while one does.
        resolved_by: a person, or "hypercare" where it was the quiet time.
        firing: how many of its alerts fire now.
        calm_at: since when none of its alerts calls for anybody (ended, silenced or inhibited); none while one does.
        impact: who feels it, in a person's words.
        cause: what it was, in a person's words.
        stage: how far the work is: investigating, identified, mitigating, monitoring; empty: nobody has said.
        merged_into: id of the incident that goes on in its place.
        next_update_at: when those who wait expect news next.

    """

    number: int
    id: str
    title: str
    severity: Severity
    status: str
    service: str
    labels: Labels
    runbook_url: str
    policy: str
    started_at: Ms
    opened_at: Ms
    acknowledged_at: Ms | None
    acknowledged_by: str
    alerts_cleared_at: Ms | None
    resolved_at: Ms | None
    resolved_by: str
    firing: int = 0
    calm_at: Ms | None = None
    impact: str = ""
    cause: str = ""
    stage: str = ""
    merged_into: str = ""
    next_update_at: Ms | None = None

    @property
    def time_to_detect(self) -> Ms:
        """From the first alert's start to the opening, in ms."""
        return max(0, self.opened_at - self.started_at)

    @property
    def time_to_acknowledge(self) -> Ms | None:
        """From the opening to the acknowledgement, in ms; none while there is none."""
        return None if self.acknowledged_at is None else self.acknowledged_at - self.opened_at

    @property
    def time_to_resolve(self) -> Ms | None:
        """From the opening to the resolution, in ms; none while there is none."""
        return None if self.resolved_at is None else self.resolved_at - self.opened_at


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentAlert:
    """One stretch of time in which an alert of an incident fired; ``ends_at`` is none while it does.

    Attributes:
        suppressed: "silenced" or "inhibited" while nobody needs to hear of it though it fires.

    """

    fingerprint: str
    labels: Labels
    annotations: Labels
    starts_at: Ms
    ends_at: Ms | None
    suppressed: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened.

    Attributes:
        kind: opened, reopened, alert_joined, alert_resolved, severity_raised, page_sent, page_delivered, page_failed,
            page_cancelled, escalated, exhausted, acknowledged, unacknowledged, alerts_clear, alerts_held,
            alerts_firing, resolved; by hand note, finding, decision, action; of the room severity_changed, described,
            role, task, link, step, phase, update, notice, reminder, evidence, merged, split, postmortem, status.
        by: a person, or "hypercare".
        seq: names the entry.
        pinned_at: since when it stands above the others; none: it does not.

    """

    at: Ms
    kind: str
    by: str
    text: str
    data: Mapping[str, Any]
    seq: int = 0
    pinned_at: Ms | None = None


def load_incidents(db: Connection, status: str | None = None, limit: int = 100) -> tuple[Incident, ...]:
    """The newest incidents first.

    Args:
        db: a connection.
        status: open, acknowledged or resolved; "unresolved" for both of the first; none for all.
        limit: how many at most.

    """
    query = _query()
    if status == "unresolved":
        query = query.where(incidents.c.status != RESOLVED)
    elif status is not None:
        query = query.where(incidents.c.status == status)
    rows = db.execute(query.order_by(incidents.c.number.desc()).limit(limit))
    return tuple(_incident(row) for row in rows)


def load_opened(db: Connection, since: Ms, until: Ms) -> tuple[Incident, ...]:
    """The incidents that opened with ``since <= t < until``, by number."""
    opened = incidents.c.opened_at >= since, incidents.c.opened_at < until
    return tuple(_incident(row) for row in db.execute(_query().where(*opened).order_by(incidents.c.number)))


def load_incident(db: Connection, ref: str) -> Incident | None:
    """An incident by its id or its number (``7`` or ``#7``)."""
    digits = ref.removeprefix("#")
    # An id has 32 digits, so that a short number cannot be one.
    by_number = digits.isascii() and digits.isdecimal() and len(digits) < 16
    where = incidents.c.number == int(digits) if by_number else incidents.c.id == ref
    row = db.execute(_query().where(where)).first()
    return None if row is None else _incident(row)


def load_latest(db: Connection, key: str) -> Incident | None:
    """The newest incident of a grouping key."""
    query = _query().where(incidents.c.key == key).order_by(incidents.c.number.desc()).limit(1)
    row = db.execute(query).first()
    return None if row is None else _incident(row)


def load_alerts(db: Connection, incident_id: str) -> tuple[IncidentAlert, ...]:
    """The alerts of an incident, by start."""
    query = select(incident_alerts).where(incident_alerts.c.incident_id == incident_id)
    rows = db.execute(query.order_by(incident_alerts.c.starts_at, incident_alerts.c.fingerprint))
    return tuple(
        IncidentAlert(
            row.fingerprint,
            Labels.of(json.loads(row.labels)),
            Labels.of(json.loads(row.annotations)),
            row.starts_at,
            row.ends_at,
            row.suppressed or "",
        )
        for row in rows
    )


def load_timeline(db: Connection, incident_id: str) -> tuple[TimelineEntry, ...]:
    """What happened, by time; what happened at one instant in the order of writing."""
    query = select(timeline).where(timeline.c.incident_id == incident_id).order_by(timeline.c.at, timeline.c.seq)
    rows = db.execute(query)
    return tuple(TimelineEntry(r.at, r.kind, r.by, r.text, json.loads(r.data), r.seq, r.pinned_at) for r in rows)


def _query() -> Select[Any]:
    still = incident_alerts.c.incident_id == incidents.c.id, incident_alerts.c.ends_at.is_(None)
    firing = select(func.count(incident_alerts.c.fingerprint.distinct())).where(*still).scalar_subquery()
    return select(incidents, firing.label("firing"))


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        number=row.number,
        id=row.id,
        title=row.title,
        severity=Severity(row.severity),
        status=row.status,
        service=row.service,
        labels=Labels.of(json.loads(row.labels)),
        runbook_url=row.runbook_url,
        policy=row.policy,
        started_at=row.started_at,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        alerts_cleared_at=row.alerts_cleared_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        firing=row.firing,
        calm_at=row.calm_at,
        impact=row.impact or "",
        cause=row.cause or "",
        stage=row.stage or "",
        merged_into=row.merged_into or "",
        next_update_at=row.next_update_at,
    )
