"""Writing incidents, within the transaction of a kernel step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from hypercare.incidents.grouping import describe
from hypercare.incidents.store import RESOLVED
from hypercare.incidents.tables import incident_alerts, incidents, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.kernel import Context
    from hypercare.model.alerts import Alert
    from hypercare.model.events import SuppressionChanged
    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms

MACHINE: Final = "hypercare"
"""Who did what no person did."""
_PART: Final = 500
_MANY: Final = 100
_FEW: Final = 20


def tell(ctx: Context, incident_id: str, kind: str, text: str, by: str = MACHINE, **data: Any) -> None:
    """Add to the timeline."""
    tell_at(ctx, ctx.now, incident_id, kind, text, by, **data)


def tell_at(ctx: Context, at: Ms, incident_id: str, kind: str, text: str, by: str = MACHINE, **data: Any) -> int:
    """Add to the timeline what was at another time; the entry's name."""
    row = {"incident_id": incident_id, "at": at, "kind": kind, "by": by, "text": text, "data": _json(data)}
    return int(ctx.db.execute(insert(timeline).values(row).returning(timeline.c.seq)).scalar_one())


def pin(ctx: Context, entry: int) -> None:
    """Keep an entry of the timeline above the others."""
    ctx.db.execute(update(timeline).where(timeline.c.seq == entry).values(pinned_at=ctx.now))


def create(ctx: Context, values: dict[str, Any], labels: Labels) -> tuple[int, str]:
    """Write a new open incident; its number and id."""
    incident_id = ctx.new_id()
    row = {
        "acknowledged_by": "",
        "resolved_by": "",
        **values,
        "id": incident_id,
        "labels": _json(labels.as_dict()),
        "opened_at": ctx.now,
    }
    result = ctx.db.execute(insert(incidents).values(row).returning(incidents.c.number))
    return int(result.scalar_one()), incident_id


def change(ctx: Context, incident_id: str, **values: Any) -> None:
    """Change columns of an incident."""
    ctx.db.execute(update(incidents).where(incidents.c.id == incident_id).values(values))


def put_alerts(ctx: Context, incident_id: str, alerts: Sequence[Alert]) -> None:
    """Write that alerts of an incident fire."""
    c = incident_alerts.c
    known: set[tuple[str, Ms]] = set()
    still: set[str] = set()
    for part in _parts(alerts):
        query = select(c.fingerprint, c.starts_at, c.ends_at)
        for row in ctx.db.execute(query.where(c.incident_id == incident_id, c.fingerprint.in_(part))):
            known.add((row.fingerprint, row.starts_at))
            if row.ends_at is None:
                still.add(row.fingerprint)
    again: dict[tuple[str, Ms], dict[str, Any]] = {}
    fresh: dict[tuple[str, Ms], dict[str, Any]] = {}
    for alert in alerts:
        key = alert.fingerprint, alert.starts_at
        if key in known:
            again[key] = {"f": key[0], "s": key[1]}
        elif key not in fresh:
            texts = {"labels": _json(alert.labels.as_dict()), "annotations": _json(alert.annotations.as_dict())}
            fresh[key] = {"incident_id": incident_id, "fingerprint": key[0], "starts_at": key[1], **texts}
    over = [{"f": fingerprint} for fingerprint in dict.fromkeys(f for f, _ in fresh) if fingerprint in still]
    if over:
        # Nobody said that it ended before it began again (it was damped, or its sender was away).
        firing = c.incident_id == incident_id, c.fingerprint == bindparam("f"), c.ends_at.is_(None)
        ctx.db.execute(update(incident_alerts).where(*firing).values(ends_at=ctx.now), over)
    if again:
        # A source may report an alert as ended and then as firing again with its old start: that row is alive again.
        same = c.incident_id == incident_id, c.fingerprint == bindparam("f"), c.starts_at == bindparam("s")
        ctx.db.execute(update(incident_alerts).where(*same).values(ends_at=None, suppressed=None), list(again.values()))
    if fresh:
        ctx.db.execute(insert(incident_alerts), list(fresh.values()))


def end_alerts(ctx: Context, alerts: Sequence[Alert]) -> dict[str, list[Alert]]:
    """Write that alerts end now; by incident those that fired in it, the oldest incident first."""
    c = incident_alerts.c
    by_fingerprint = {alert.fingerprint: alert for alert in alerts}
    found: dict[str, dict[str, Alert]] = {}
    numbers: dict[str, int] = {}
    for part in _parts(alerts):
        firing = c.fingerprint.in_(part), c.ends_at.is_(None)
        query = select(c.incident_id, c.fingerprint, incidents.c.number)
        hits = ctx.db.execute(query.join(incidents, incidents.c.id == c.incident_id).where(*firing)).all()
        for row in hits:
            numbers[row.incident_id] = row.number
            found.setdefault(row.incident_id, {})[row.fingerprint] = by_fingerprint[row.fingerprint]
        if hits:
            ctx.db.execute(update(incident_alerts).where(*firing).values(ends_at=ctx.now))
    return {i: [a for f, a in by_fingerprint.items() if f in found[i]] for i in sorted(found, key=numbers.__getitem__)}


def tell_alerts(ctx: Context, incident_id: str, alerts: Sequence[Alert], kind: str, verb: str) -> None:
    """Add alerts to the timeline, one by one; of very many at once the first, and how many more."""
    lines: list[tuple[str, dict[str, Any]]] = [
        (f"alert {verb}: {describe(a.labels)}", {"fingerprint": a.fingerprint, "starts_at": a.starts_at})
        for a in alerts[: _FEW if len(alerts) > _MANY else None]
    ]
    if len(alerts) > _MANY:
        lines.append((f"{len(alerts) - _FEW} more alerts: {verb}", {"count": len(alerts) - _FEW}))
    row = {"incident_id": incident_id, "at": ctx.now, "kind": kind, "by": MACHINE}
    if lines:
        ctx.db.execute(insert(timeline), [{**row, "text": text, "data": _json(data)} for text, data in lines])


def suppress(ctx: Context, event: SuppressionChanged) -> tuple[str, ...]:
    """Write which firing alerts are held back; the unresolved incidents for which that is news, oldest first."""
    c = incident_alerts.c
    wanted = {fingerprint: decision and str(decision.reason) for fingerprint, decision in event.changes}
    query = select(c.incident_id, c.fingerprint, c.starts_at, c.suppressed)
    query = query.join(incidents, incidents.c.id == c.incident_id).order_by(incidents.c.number)
    query = query.where(c.ends_at.is_(None), incidents.c.status != RESOLVED)
    # Silences hold back few alerts or many; firing alerts of unresolved incidents are the fewer of many.
    if len(wanted) <= _PART and not event.whole:
        query = query.where(c.fingerprint.in_(tuple(wanted)))
    changed = [
        row
        for row in ctx.db.execute(query)
        if (event.whole or row.fingerprint in wanted) and wanted.get(row.fingerprint) != row.suppressed
    ]
    if changed:
        same = c.incident_id == bindparam("i"), c.fingerprint == bindparam("f"), c.starts_at == bindparam("s")
        values = [
            {"i": row.incident_id, "f": row.fingerprint, "s": row.starts_at, "why": wanted.get(row.fingerprint)}
            for row in changed
        ]
        ctx.db.execute(update(incident_alerts).where(*same).values(suppressed=bindparam("why")), values)
    return tuple(dict.fromkeys(row.incident_id for row in changed))


def calling(ctx: Context, incident_id: str) -> tuple[int, tuple[str, ...]]:
    """How many firing alerts of an incident call for somebody, and what holds back the others."""
    c = incident_alerts.c
    query = select(c.suppressed, func.count()).where(c.incident_id == incident_id, c.ends_at.is_(None))
    counts = {row[0]: int(row[1]) for row in ctx.db.execute(query.group_by(c.suppressed))}
    return counts.get(None, 0), tuple(sorted(why for why in counts if why))


def has_alerts(ctx: Context, incident_id: str) -> bool:
    """Whether any alert ever fired in an incident."""
    query = select(incident_alerts.c.fingerprint).where(incident_alerts.c.incident_id == incident_id).limit(1)
    return ctx.db.execute(query).first() is not None


def last_word(ctx: Context, incident_id: str) -> Ms:
    """When a person last did or said something."""
    c = timeline.c
    query = select(func.max(c.at)).where(c.incident_id == incident_id, c.by != MACHINE)
    return int(ctx.db.execute(query).scalar() or 0)


def known_firing(ctx: Context, alerts: Sequence[Alert]) -> frozenset[str]:
    """Fingerprints of those alerts whose firing an incident has taken note of.

    After a person has resolved an incident whose alerts still fire, these are repeated to receivers; only a start after
    that is a new firing.
    """
    c = incident_alerts.c
    query = select(c.fingerprint, c.starts_at, incidents.c.status, incidents.c.resolved_at)
    query = query.join(incidents, incidents.c.id == c.incident_id)
    query = query.where(c.ends_at.is_(None))
    starts = {a.fingerprint: a.starts_at for a in alerts}
    rows = [row for part in _parts(alerts) for row in ctx.db.execute(query.where(c.fingerprint.in_(part)))]
    return frozenset(
        r.fingerprint
        for r in rows
        # What is damped may have begun again in the meantime without a word.
        if r.status != RESOLVED or starts[r.fingerprint] <= max(r.starts_at, r.resolved_at)
    )


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
