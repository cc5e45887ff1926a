"""Two incidents that are one, one that is two, and incidents that no alert opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update

from hypercare.incidents import rows, store
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import Declare, Merge, Split
from hypercare.incidents.grouping import describe
from hypercare.incidents.tables import incident_alerts, links, tasks
from hypercare.kernel import CommandError
from hypercare.model.events import (
    IncidentAcknowledged,
    IncidentAlertsJoined,
    IncidentChanged,
    IncidentOpened,
    IncidentResolved,
    IncidentSeverityChanged,
    IncidentWanted,
)
from hypercare.model.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.incidents.calm import Calm
    from hypercare.incidents.store import Incident, IncidentAlert
    from hypercare.kernel import Context, Kernel
    from hypercare.model.severity import Severity

_CHAIN: Final = 100
_TITLE: Final = 500


class Merging:
    """Commands of people, and the wish of an escalation's step for another incident.

    Args:
        calm: looks at incidents whose alerts have changed.
        ended: called after an incident has been given up for another.

    """

    def __init__(self, calm: Calm, ended: Callable[[Context, str], None]) -> None:
        self._calm = calm
        self._ended = ended

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(Merge, self._merge)
        kernel.on_message(Split, self._split)
        kernel.on_message(Declare, self._declare)
        kernel.subscribe(IncidentWanted, self._on_wanted)

    # -- two are one ---------------------------------------------------------------------------------------------

    def _merge(self, ctx: Context, command: Merge) -> Incident:
        one, into = asked(ctx, command.id, command.by), found(ctx, command.into)
        if one.id == into.id:
            raise CommandError("an incident cannot be merged into itself", 400)
        for incident in (one, into):
            if incident.status == store.RESOLVED:
                raise CommandError(f"incident {incident.number} is over; only incidents that go on are merged", 409)
        moved = _move_alerts(ctx, one.id, into.id)
        for table in (tasks, links):
            ctx.db.execute(update(table).where(table.c.incident_id == one.id).values(incident_id=into.id))
        severity = min(one.severity, into.severity)
        rows.change(ctx, into.id, severity=severity, started_at=min(one.started_at, into.started_at))
        text = f"incident {one.number} is merged into this one, with {_alerts(moved)}: {one.title}"
        rows.tell(ctx, into.id, "merged", text, command.by, incident=one.number)
        if severity != into.severity:
            ctx.publish(IncidentSeverityChanged(into.id, severity, command.by))
        if moved:
            ctx.publish(IncidentAlertsJoined(into.id, moved))
        over = {"status": store.RESOLVED, "resolved_at": ctx.now, "resolved_by": command.by, "merged_into": into.id}
        rows.change(ctx, one.id, **over)
        note = f"merged into incident {into.number}"
        rows.tell(ctx, one.id, "merged", f"{note}: {into.title}", command.by, incident=into.number)
        self._ended(ctx, one.id)
        self._calm.touch(ctx, into.id)
        ctx.publish(IncidentResolved(one.id, command.by, note))
        ctx.publish(IncidentChanged(into.id, "merged", command.by))
        return found(ctx, into.id)

    # -- one is two ----------------------------------------------------------------------------------------------

    def _split(self, ctx: Context, command: Split) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} is over", 409)
        alerts = store.load_alerts(ctx.db, incident.id)
        known = {alert.fingerprint for alert in alerts}
        wanted = tuple(dict.fromkeys(command.alerts))
        unknown = [fingerprint for fingerprint in wanted if fingerprint not in known]
        if unknown or not wanted:
            raise CommandError(f"incident {incident.number} has no alert {', '.join(unknown) or '(none named)'}", 404)
        if len(wanted) == len(known):
            raise CommandError("these are all of its alerts; at least one has to stay", 409)
        going = [alert for alert in alerts if alert.fingerprint in wanted]
        fresh = self._split_off(ctx, incident, going, command)
        for fingerprint in wanted:
            _move_alerts(ctx, incident.id, fresh, fingerprint)
        new = found(ctx, fresh)
        told = ", ".join(dict.fromkeys(describe(alert.labels) for alert in going))
        rows.tell(ctx, incident.id, "split", f"incident {new.number} is split off: {told}", command.by)
        rows.tell(ctx, fresh, "split", f"split off from incident {incident.number}: {told}", command.by)
        for incident_id in (incident.id, fresh):
            self._calm.touch(ctx, incident_id)
        announce(ctx, new, taken_by=incident.acknowledged_by)
        ctx.publish(IncidentAlertsJoined(fresh, len(wanted)))
        if incident.status == store.ACKNOWLEDGED:
            ctx.publish(IncidentAcknowledged(fresh, incident.acknowledged_by))
        ctx.publish(IncidentChanged(incident.id, "split", command.by))
        return found(ctx, fresh)

    @staticmethod
    def _split_off(ctx: Context, incident: Incident, going: Sequence[IncidentAlert], command: Split) -> str:
        first = going[0]
        title = command.title.strip() or first.annotations.get("summary") or first.labels.get("alertname")
        taken = incident.status == store.ACKNOWLEDGED
        values = {
            # A key of its own: what else fires under the old one belongs to the incident that it was split off from.
            "key": f"split:{ctx.new_id()}",
            "title": title[:_TITLE] or incident.title,
            "severity": incident.severity,
            "status": incident.status,
            "service": incident.service,
            "runbook_url": first.annotations.get("runbook_url") or incident.runbook_url,
            "policy": incident.policy,
            "started_at": min(alert.starts_at for alert in going),
            "acknowledged_at": ctx.now if taken else None,
            "acknowledged_by": incident.acknowledged_by if taken else "",
        }
        shared = Labels(p for p in first.labels if all(other.labels.get(p[0]) == p[1] for other in going))
        number, incident_id = rows.create(ctx, values, shared)
        text = f"incident {number} opened as {incident.severity}: {values['title']}"
        rows.tell(ctx, incident_id, "opened", text, command.by, number=number, severity=incident.severity)
        return incident_id

    # -- without alerts ------------------------------------------------------------------------------------------

    def _declare(self, ctx: Context, command: Declare) -> Incident:
        if not command.by.strip():
            raise CommandError("say who you are: the timeline needs a name", 400)
        title = " ".join(command.title.split())
        if not title or len(title) > _TITLE:
            raise CommandError(f"an incident needs a title of at most {_TITLE} characters", 400)
        labels = Labels.of(service=command.service)
        values = _values(f"hand:{ctx.new_id()}", title, command.severity, command.service, ctx.now)
        return _open(ctx, values, labels, command.by, f": {title}")

    def _on_wanted(self, ctx: Context, event: IncidentWanted) -> None:
        key = f"wanted:{event.request_id}"
        if store.load_latest(ctx.db, key) is not None:
            return
        cause = store.load_incident(ctx.db, event.cause)
        values = _values(key, event.title[:_TITLE], event.severity, event.service, ctx.now)
        suffix = f": {event.title}" + (f"; because of incident {cause.number}" if cause else "")
        fresh = _open(ctx, values, Labels(event.labels), rows.MACHINE, suffix)
        if cause is not None:
            rows.tell(ctx, cause.id, "linked", f"incident {fresh.number} is opened by policy {event.by}")


def _values(key: str, title: str, severity: Severity, service: str, now: int) -> dict[str, Any]:
    return {
        "key": key, "title": title, "severity": severity, "status": store.OPEN, "service": service,
        "runbook_url": "", "policy": "", "started_at": now,
    }  # fmt: skip


def _open(ctx: Context, values: dict[str, Any], labels: Labels, by: str, suffix: str) -> Incident:
    number, incident_id = rows.create(ctx, values, labels)
    text = f"incident {number} opened as {values['severity']}{suffix}"
    rows.tell(ctx, incident_id, "opened", text, by, number=number, severity=values["severity"])
    incident = found(ctx, incident_id)
    announce(ctx, incident)
    return incident


def announce(ctx: Context, incident: Incident, taken_by: str = "") -> None:
    """Tell the other rooms that an incident began, or began again; ``taken_by`` has it already, nobody is paged."""
    ctx.publish(
        IncidentOpened(
            incident_id=incident.id,
            title=incident.title,
            severity=incident.severity,
            service=incident.service,
            labels=incident.labels.pairs,
            runbook_url=incident.runbook_url,
            policy=incident.policy,
            number=incident.number,
            taken_by=taken_by,
        )
    )


def goes_on(ctx: Context, incident: Incident | None) -> Incident | None:
    """The incident that goes on in place of one that was merged."""
    for _ in range(_CHAIN):
        if incident is None or not incident.merged_into:
            break
        incident = store.load_incident(ctx.db, incident.merged_into)
    return incident


def _move_alerts(ctx: Context, source: str, target: str, fingerprint: str = "") -> int:
    """Give alerts of an incident to another; how many different ones."""
    c = incident_alerts.c
    query = select(c.fingerprint, c.starts_at, c.ends_at).where(c.incident_id == source)
    if fingerprint:
        query = query.where(c.fingerprint == fingerprint)
    moved = ctx.db.execute(query).all()
    there = select(c.fingerprint, c.starts_at).where(c.incident_id == target)
    known = {(row.fingerprint, row.starts_at) for row in ctx.db.execute(there)}
    for row in moved:
        same = c.fingerprint == row.fingerprint, c.starts_at == row.starts_at
        mine = c.incident_id == source, *same
        if (row.fingerprint, row.starts_at) in known:
            ctx.db.execute(delete(incident_alerts).where(*mine))
            if row.ends_at is None:
                ctx.db.execute(update(incident_alerts).where(c.incident_id == target, *same).values(ends_at=None))
        else:
            ctx.db.execute(update(incident_alerts).where(*mine).values(incident_id=target))
    return len({row.fingerprint for row in moved})


def _alerts(count: int) -> str:
    return "1 alert" if count == 1 else f"{count} alerts"
