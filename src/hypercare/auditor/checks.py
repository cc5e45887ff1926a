"""Looks over the rows of other rooms for what is overdue. Each check reads; none changes anything."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, func, or_, select

from hypercare.auditor.tables import audit_findings
from hypercare.incidents.store import OPEN, load_incident, load_incidents
from hypercare.incidents.tables import incidents
from hypercare.kernel.outbox import FAILED, PENDING, SENT
from hypercare.kernel.tables import outbox, timers
from hypercare.model.time import MINUTE, SECOND, format_duration, format_rfc3339
from hypercare.oncall import store
from hypercare.oncall.tables import escalations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Audit

_STEPS: Final = "oncall.escalate"
_INCIDENT: Final = "incident:"
_MOST: Final = 100_000
_SHOWN_ERROR: Final = 200
_LONGEST_CALM: Final = 10 * MINUTE
"""Rows may be changed by hand, too: then nobody counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """Something that should have happened and has not.

    Attributes:
        key: equal for the same thing at every look.
        check: step, timer, page, unreached, owner or lane.
        subject: ``incident:<id>``, or a name.
        avoid: channels and targets that may be the cause, so that nobody is told through them.

    """

    key: str
    check: str
    subject: str
    text: str
    avoid: tuple[str, ...] = ()


_UNDER_WAY: Final = (store.RUNNING, store.EXHAUSTED, store.STOPPED)
# Built once: in quiet times the look costs this one query, and building the others would cost more than asking them.
_ANYTHING: Final = select(
    or_(
        exists().where(escalations.c.state.in_(_UNDER_WAY)),
        exists().where(incidents.c.status == OPEN),
        exists().where(audit_findings.c.cleared_at.is_(None)),
    ).label("anything"),
    select(func.min(timers.c.due_at)).scalar_subquery().label("due"),
    select(func.min(outbox.c.created_at)).where(outbox.c.state == PENDING).scalar_subquery().label("waiting"),
)


def calm_until(db: Connection, audit: Audit, now: Ms) -> Ms:
    """Until when no look finds anything, and nothing found before is to be cleared, unless rows change; 0: look now."""
    row = db.execute(_ANYTHING).one()
    if row.anything:
        return 0
    until = now + _LONGEST_CALM
    if row.due is not None:
        until = min(until, row.due + audit.late_after)
    if row.waiting is not None:
        until = min(until, row.waiting + min(audit.undelivered_after, audit.stuck_after))
    return until if until >= now else 0


def look(db: Connection, audit: Audit, now: Ms) -> tuple[Finding, ...]:
    """All findings at an instant."""
    return (
        *_late_steps(db, audit, now),
        *_late_timers(db, audit, now),
        *_undelivered(db, audit, now),
        *_unreached(db),
        *_unowned(db, audit, now),
        *_stuck(db, audit, now),
    )


def _name(db: Connection, incident_id: str) -> str:
    incident = load_incident(db, incident_id)
    return f"#{incident.number} {incident.title}" if incident else f"incident {incident_id}"


def _long(ms: Ms) -> str:
    return format_duration(ms // SECOND * SECOND)


def _late_steps(db: Connection, audit: Audit, now: Ms) -> Iterator[Finding]:
    """Steps whose time has passed and that have not gone out."""
    for escalation in store.load_escalations(db, (store.RUNNING,), _MOST):
        if escalation.next_at is not None and escalation.next_at < now - audit.late_after:
            where = _name(db, escalation.incident_id)
            late = _long(now - escalation.next_at)
            text = f"{where}: step {escalation.step + 1} of policy {escalation.policy.name} is {late} overdue"
            yield Finding(f"step:{escalation.incident_id}", "step", f"{_INCIDENT}{escalation.incident_id}", text)


def _late_timers(db: Connection, audit: Audit, now: Ms) -> Iterator[Finding]:
    """Stored deadlines that nobody has taken; those of steps are told with their incident."""
    query = select(timers).where(timers.c.due_at < now - audit.late_after, timers.c.kind != _STEPS)
    for row in db.execute(query.order_by(timers.c.due_at, timers.c.key).limit(100)):
        text = f"the deadline {row.key} of {format_rfc3339(row.due_at)} has passed and was not worked off"
        yield Finding(f"timer:{row.key}"[:255], "timer", row.kind, text)


def _undelivered(db: Connection, audit: Audit, now: Ms) -> Iterator[Finding]:
    """Pages that still have not arrived."""
    c = outbox.c
    where = c.state == PENDING, c.created_at < now - audit.undelivered_after, c.subject.startswith(_INCIDENT)
    for row in db.execute(select(outbox).where(*where).order_by(c.seq).limit(100)):
        told = f" ({row.error[:_SHOWN_ERROR]})" if row.error else ""
        tries = "1 try" if row.attempts == 1 else f"{row.attempts} tries"
        text = (
            f"{_name(db, row.subject.removeprefix(_INCIDENT))}: the page to {_who(row.target)} via {row.channel} has "
            f"not arrived after {_long(now - row.created_at)} and {tries}{told}"
        )
        yield Finding(f"page:{row.id}", "page", row.subject, text, (row.channel, row.target))


def _unreached(db: Connection) -> Iterator[Finding]:
    """Incidents whose every page was refused: nobody knows."""
    c, e = outbox.c, escalations.c
    under_way = e.state.in_(_UNDER_WAY)
    for row in db.execute(select(e.incident_id, e.opened_at).where(under_way).order_by(e.incident_id)).all():
        subject = f"{_INCIDENT}{row.incident_id}"
        mine = c.subject == subject, c.created_at >= row.opened_at
        grouped = db.execute(select(c.state, func.count().label("count")).where(*mine).group_by(c.state))
        counts = {str(each.state): int(each._mapping["count"]) for each in grouped}  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping
        if counts.get(FAILED, 0) and not counts.get(SENT, 0) and not counts.get(PENDING, 0):
            bad = db.execute(select(c.channel, c.target, c.error).where(*mine, c.state == FAILED).order_by(c.seq)).all()
            text = f"{_name(db, row.incident_id)}: nobody was reached; {_who(bad[-1].target)} via {bad[-1].channel}: "
            text += bad[-1].error[:_SHOWN_ERROR]
            avoid = tuple(dict.fromkeys(name for each in bad for name in (each.channel, each.target)))
            yield Finding(f"unreached:{row.incident_id}", "unreached", subject, text, avoid)


def _unowned(db: Connection, audit: Audit, now: Ms) -> Iterator[Finding]:
    """Open incidents that nobody has, and for which nobody will be paged any more."""
    for incident in load_incidents(db, OPEN, _MOST):
        if incident.calm_at is not None:
            continue
        escalation = store.load_escalation(db, incident.id)
        if escalation is None:
            since, why = incident.opened_at, "and it has no escalation"
        elif escalation.state in {store.EXHAUSTED, store.STOPPED}:
            since, why = escalation.ended_at or incident.opened_at, "and no step is left"
        else:
            continue
        if since < now - audit.unowned_after:
            text = f"#{incident.number} {incident.title}: nobody has acknowledged after "
            text += f"{_long(now - incident.opened_at)}, {why}"
            yield Finding(f"owner:{incident.id}", "owner", f"{_INCIDENT}{incident.id}", text)


def _stuck(db: Connection, audit: Audit, now: Ms) -> Iterator[Finding]:
    """Lanes of the outbox whose first effect does not go out; pages are told one by one."""
    c = outbox.c
    old = c.state == PENDING, c.created_at < now - audit.stuck_after, ~c.subject.startswith(_INCIDENT)
    first = select(func.min(c.seq).label("seq")).where(*old).group_by(c.channel, c.target).subquery()
    rows = db.execute(select(outbox).join(first, first.c.seq == c.seq).order_by(c.seq).limit(100)).all()
    for row in rows:
        waiting = select(func.count()).where(c.state == PENDING, c.target == row.target, c.channel == row.channel)
        count = int(db.execute(waiting).scalar_one())
        told = f": {row.error[:_SHOWN_ERROR]}" if row.error else ""
        text = f"{count} notification{'s' if count > 1 else ''} to {row.target} via {row.channel} wait, the first for "
        text += f"{_long(now - row.created_at)}{told}"
        yield Finding(f"lane:{row.channel}:{row.target}"[:255], "lane", row.target, text, (row.channel, row.target))


def _who(target: str) -> str:
    """``ana`` of ``person/ana/0``; other targets as they are."""
    parts = target.split("/")
    return "/".join(parts[1:-1]) if len(parts) >= 3 and parts[0] == "person" else target
