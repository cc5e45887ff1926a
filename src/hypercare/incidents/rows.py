"""Writing incidents, within the transaction of a kernel step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.incidents.store import RESOLVED
from hypercare.incidents.tables import incident_alerts, incidents, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.kernel import Context
    from hypercare.model.alerts import Alert
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

MACHINE: Final = "hypercare"
"""Who did what no person did."""
_PART: Final = 500


def tell(ctx: Context, incident_id: str, kind: str, text: str, by: str = MACHINE, **data: Any) -> None:
    """Add to the timeline."""
    row = {"incident_id": incident_id, "at": ctx.now, "kind": kind, "by": by, "text": text, "data": _json(data)}
    ctx.db.execute(insert(timeline).values(row))


def create(ctx: Context, values: dict[str, Any], labels: Labels) -> tuple[int, str]:
    """Write a new open incident; its number and id."""
    incident_id = ctx.new_id()
    row = {
        **values,
        "id": incident_id,
        "labels": _json(labels.as_dict()),
        "opened_at": ctx.now,
        "acknowledged_by": "",
        "resolved_by": "",
    }
    result = ctx.db.execute(insert(incidents).values(row).returning(incidents.c.number))
    return int(result.scalar_one()), incident_id


def change(ctx: Context, incident_id: str, **values: Any) -> None:
    """Change columns of an incident."""
    ctx.db.execute(update(incidents).where(incidents.c.id == incident_id).values(values))


def put_alert(ctx: Context, incident_id: str, alert: Alert) -> None:
    """Write that an alert of an incident fires."""
    # A source may report an alert as ended and then as firing again with its old start: that row comes back to life.
    same = {"incident_id": incident_id, "fingerprint": alert.fingerprint, "starts_at": alert.starts_at}
    where = [incident_alerts.c[name] == value for name, value in same.items()]
    if ctx.db.execute(update(incident_alerts).where(*where).values(ends_at=None)).rowcount:
        return
    texts = {"labels": _json(alert.labels.as_dict()), "annotations": _json(alert.annotations.as_dict())}
    ctx.db.execute(insert(incident_alerts).values({**same, **texts, "ends_at": None}))


def end_alert(ctx: Context, fingerprint: str, at: Ms) -> tuple[str, ...]:
    """Write that an alert has ended; the ids of the incidents in which it fired, oldest first."""
    c = incident_alerts.c
    firing = c.fingerprint == fingerprint, c.ends_at.is_(None)
    query = select(c.incident_id).join(incidents, incidents.c.id == c.incident_id).where(*firing)
    ids: tuple[str, ...] = tuple(dict.fromkeys(ctx.db.execute(query.order_by(incidents.c.number)).scalars()))
    if ids:
        ctx.db.execute(update(incident_alerts).where(*firing).values(ends_at=at))
    return ids


def known_firing(ctx: Context, alerts: Sequence[Alert]) -> frozenset[str]:
    """Fingerprints of those alerts whose firing an incident has taken note of.

    After a person has resolved an incident whose alerts still fire, these are repeated to receivers; only a new start
    is a new firing.
    """
    c = incident_alerts.c
    query = select(c.fingerprint, c.starts_at, incidents.c.status).join(incidents, incidents.c.id == c.incident_id)
    query = query.where(c.ends_at.is_(None))
    starts = {a.fingerprint: a.starts_at for a in alerts}
    rows = [row for part in _parts(alerts) for row in ctx.db.execute(query.where(c.fingerprint.in_(part)))]
    return frozenset(r.fingerprint for r in rows if r.status != RESOLVED or r.starts_at == starts[r.fingerprint])


def ended_in_unresolved(ctx: Context, alerts: Sequence[Alert]) -> Iterable[tuple[str, Alert]]:
    """(incident id, alert) for alerts that fired and ended in incidents that are not resolved."""
    c = incident_alerts.c
    query = select(c.incident_id, c.fingerprint).join(incidents, incidents.c.id == c.incident_id).distinct()
    query = query.where(incidents.c.status != RESOLVED).order_by(c.incident_id)
    places: dict[str, list[str]] = {}
    for part in _parts(alerts):
        of_part = query.where(c.fingerprint.in_(part))
        firing = of_part.where(c.ends_at.is_(None))
        still = {(row.incident_id, row.fingerprint) for row in ctx.db.execute(firing)}
        for row in ctx.db.execute(of_part):
            if (row.incident_id, row.fingerprint) not in still:
                places.setdefault(row.fingerprint, []).append(row.incident_id)
    return [(place, alert) for alert in alerts for place in places.get(alert.fingerprint, ())]


def _parts(alerts: Sequence[Alert]) -> Iterable[list[str]]:
    """Fingerprints in lists that fit into one statement: databases limit the number of values."""
    fingerprints = list(dict.fromkeys(a.fingerprint for a in alerts))
    return (fingerprints[i : i + _PART] for i in range(0, len(fingerprints), _PART))


def last_step(ctx: Context, incident_id: str) -> int | None:
    """The escalation step of the newest page in the timeline since the incident was last opened."""
    c = timeline.c
    kinds = ("page_sent", "reopened")
    query = select(c.kind, c.data).where(c.incident_id == incident_id, c.kind.in_(kinds))
    row = ctx.db.execute(query.order_by(c.seq.desc()).limit(1)).first()
    return None if row is None or row.kind == "reopened" else int(json.loads(row.data)["step"])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
