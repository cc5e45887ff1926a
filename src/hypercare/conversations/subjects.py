"""What a message is about: its incidents, its alerts, and how things stand with them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from hypercare.channels.memory import ACKNOWLEDGED, OPEN, RESOLVED, Standing
from hypercare.channels.notification import common
from hypercare.incidents import store
from hypercare.incidents.tables import incident_alerts, incidents
from hypercare.model.labels import EMPTY, Labels
from hypercare.routing.tables import alerts as routing_alerts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from hypercare.channels.memory import Message
    from hypercare.incidents.store import Incident

INCIDENT: Final = "incident:"
GROUP: Final = "group:"
_PART: Final = 500


@dataclasses.dataclass(frozen=True, slots=True)
class About:
    """What a message is about now.

    Attributes:
        incidents: of its alerts that fire; of a page its own.
        labels: what all of its alerts that fire have in common; empty where none fires.

    """

    incidents: tuple[Incident, ...]
    labels: Labels

    @property
    def unresolved(self) -> tuple[Incident, ...]:
        """Those that are not over."""
        return tuple(i for i in self.incidents if i.status != store.RESOLVED)


def about(db: Connection, message: Message) -> About:
    """What a message is about."""
    if message.subject.startswith(INCIDENT):
        incident = store.load_incident(db, message.subject.removeprefix(INCIDENT))
        if incident is None:
            return About((), EMPTY)
        firing = tuple(a.labels for a in store.load_alerts(db, incident.id) if a.ends_at is None)
        return About((incident,), common(firing))
    return About(incidents_of(db, message.alerts), _labels(db, message.alerts))


def incidents_of(db: Connection, fingerprints: tuple[str, ...]) -> tuple[Incident, ...]:
    """The newest incident of each of some alerts that fire, in the order of their numbers."""
    c = incident_alerts.c
    latest: dict[str, int] = {}
    query = select(c.fingerprint, incidents.c.number).join(incidents, incidents.c.id == c.incident_id)
    for part in _parts(fingerprints):
        for row in db.execute(query.where(c.fingerprint.in_(part), c.ends_at.is_(None))):
            latest[row.fingerprint] = max(row.number, latest.get(row.fingerprint, 0))
    found = (store.load_incident(db, str(number)) for number in sorted(set(latest.values())))
    return tuple(incident for incident in found if incident is not None)


def fingerprints_of(db: Connection, incident_id: str) -> frozenset[str]:
    """The alerts of an incident, past ones too."""
    query = select(incident_alerts.c.fingerprint).where(incident_alerts.c.incident_id == incident_id)
    return frozenset(db.execute(query).scalars())


def standing_of(found: tuple[Incident, ...]) -> Standing:
    """How things stand with some incidents: as open as the most open of them."""
    statuses = {incident.status for incident in found}
    status = OPEN if store.OPEN in statuses else ACKNOWLEDGED if store.ACKNOWLEDGED in statuses else RESOLVED
    told = [_told(incident) for incident in found if incident.status != store.OPEN]
    return Standing(status if found else OPEN, "; ".join(told))


def _told(incident: Incident) -> str:
    by = incident.acknowledged_by if incident.status == store.ACKNOWLEDGED else incident.resolved_by
    return f"Incident #{incident.number} {incident.status} by {by}"


def _labels(db: Connection, fingerprints: tuple[str, ...]) -> Labels:
    c = routing_alerts.c
    query = select(c.labels).where(c.ended.is_(False))
    found: list[str] = []
    for part in _parts(fingerprints):
        found += db.execute(query.where(c.fingerprint.in_(part))).scalars()
    return common(tuple(Labels.of(json.loads(text)) for text in found))


def _parts(fingerprints: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    return (fingerprints[i : i + _PART] for i in range(0, len(fingerprints), _PART))
