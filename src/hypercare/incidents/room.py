"""What people keep in the room of an incident: severity, impact and cause, roles, links, pinned entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, update

from hypercare.incidents import room_store, rows, store
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import AddLink, AssignRole, Describe, Pin, SetSeverity
from hypercare.incidents.room_store import COMMANDER
from hypercare.incidents.tables import links, roles, timeline
from hypercare.kernel import CommandError
from hypercare.model.events import (
    IncidentAcknowledged,
    IncidentChanged,
    IncidentSeverityChanged,
    IncidentUnacknowledged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel

_TITLE: Final = 500
_ROLE: Final = 64


class Room:
    """Commands of people.

    Args:
        heard: called with an incident's id after somebody has done something in its room.
        on_severity: called after the severity has changed.

    """

    def __init__(self, heard: Callable[[Context, str], None], on_severity: Callable[[Context, Incident], None]) -> None:
        self._heard = heard
        self._on_severity = on_severity

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(SetSeverity, self._set_severity)
        kernel.on_message(Describe, self._describe)
        kernel.on_message(AssignRole, self._assign)
        kernel.on_message(AddLink, self._add_link)
        kernel.on_message(Pin, self._pin)
        kernel.subscribe(IncidentAcknowledged, self._on_acknowledged)
        kernel.subscribe(IncidentUnacknowledged, self._on_unacknowledged)

    def changed(self, ctx: Context, incident_id: str, what: str, by: str) -> None:
        """Somebody has done something: it counts as a word, and pages show it."""
        self._heard(ctx, incident_id)
        ctx.publish(IncidentChanged(incident_id, what, by))

    def _set_severity(self, ctx: Context, command: SetSeverity) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if incident.severity == command.severity:
            raise CommandError(f"incident {incident.number} is {command.severity} already", 409)
        rows.change(ctx, incident.id, severity=command.severity)
        suffix = f": {command.note}" if command.note else ""
        text = f"severity changed from {incident.severity} to {command.severity}{suffix}"
        rows.tell(ctx, incident.id, "severity_changed", text, command.by, severity=command.severity)
        if incident.status != store.RESOLVED:
            ctx.publish(IncidentSeverityChanged(incident.id, command.severity, command.by))
        self._on_severity(ctx, found(ctx, incident.id))
        self.changed(ctx, incident.id, "severity", command.by)
        return found(ctx, incident.id)

    def _describe(self, ctx: Context, command: Describe) -> Incident:
        incident = asked(ctx, command.id, command.by)
        given = {"impact": command.impact, "cause": command.cause, "title": command.title}
        values = {k: v.strip() for k, v in given.items() if v is not None and v.strip() != getattr(incident, k)}
        if not values.get("title", "-"):
            raise CommandError("an incident needs a title", 400)
        if len(values.get("title", "")) > _TITLE:
            raise CommandError(f"a title has at most {_TITLE} characters", 400)
        for name, value in values.items():
            text = f"{name}: {value}" if value else f"{name} taken out"
            rows.tell(ctx, incident.id, "described", text, command.by, **{name: value})
        if values:
            rows.change(ctx, incident.id, **values)
            self.changed(ctx, incident.id, "description", command.by)
        return found(ctx, incident.id)

    # -- roles ---------------------------------------------------------------------------------------------------

    def _assign(self, ctx: Context, command: AssignRole) -> Incident:
        incident = asked(ctx, command.id, command.by)
        role, person = command.role.strip().lower(), command.person.strip()
        if not role or len(role) > _ROLE:
            raise CommandError(f"a role is a word such as {COMMANDER}, of at most {_ROLE} characters", 400)
        held = next((r for r in room_store.load_roles(ctx.db, incident.id) if r.role == role), None)
        if held is None and not person:
            raise CommandError(f"nobody is {role} of incident {incident.number}", 409)
        if held is not None and held.person == person:
            raise CommandError(f"{person} is {role} already", 409)
        if not person:
            text = f"{held.person if held else 'nobody'} is no longer {role}"
        elif held is None:
            text = f"{person} is {role}"
        else:
            text = f"{held.person} hands over to {person}: {role}"
        self.put_role(ctx, incident.id, role, person, command.by)
        rows.tell(ctx, incident.id, "role", text, command.by, role=role, person=person)
        self.changed(ctx, incident.id, "role", command.by)
        return found(ctx, incident.id)

    @staticmethod
    def put_role(ctx: Context, incident_id: str, role: str, person: str, by: str) -> None:
        """Write who has a role; an empty person: nobody."""
        where = roles.c.incident_id == incident_id, roles.c.role == role
        ctx.db.execute(delete(roles).where(*where))
        if person:
            values: dict[str, Any] = {"incident_id": incident_id, "role": role, "person": person}
            ctx.db.execute(insert(roles).values(**values, assigned_by=by, assigned_at=ctx.now))

    def _on_acknowledged(self, ctx: Context, event: IncidentAcknowledged) -> None:
        """Who takes an incident leads, until somebody else is named."""
        if store.load_incident(ctx.db, event.incident_id) and not room_store.commander_of(ctx.db, event.incident_id):
            self.put_role(ctx, event.incident_id, COMMANDER, event.by, rows.MACHINE)

    def _on_unacknowledged(self, ctx: Context, event: IncidentUnacknowledged) -> None:
        for role in room_store.load_roles(ctx.db, event.incident_id):
            if role.role == COMMANDER and role.assigned_by == rows.MACHINE:
                self.put_role(ctx, event.incident_id, COMMANDER, "", rows.MACHINE)

    # -- links and pins ------------------------------------------------------------------------------------------

    def _add_link(self, ctx: Context, command: AddLink) -> Incident:
        incident = asked(ctx, command.id, command.by)
        url, title = command.url.strip(), command.title.strip()
        if not url.startswith(("http://", "https://")) or not url.isprintable() or " " in url:
            raise CommandError("a link begins with http:// or https://", 400)
        values: dict[str, Any] = {"incident_id": incident.id, "url": url, "title": title or url, "at": ctx.now}
        ctx.db.execute(insert(links).values(**values, by=command.by))
        rows.tell(ctx, incident.id, "link", f"link: {title or url}", command.by, url=url)
        self.changed(ctx, incident.id, "link", command.by)
        return incident

    def _pin(self, ctx: Context, command: Pin) -> Incident:
        incident = asked(ctx, command.id, command.by)
        where = timeline.c.incident_id == incident.id, timeline.c.seq == command.entry
        values = {"pinned_at": ctx.now if command.pinned else None}
        if not ctx.db.execute(update(timeline).where(*where).values(values)).rowcount:
            raise CommandError(f"incident {incident.number} has no entry {command.entry}", 404)
        self.changed(ctx, incident.id, "pin", command.by)
        return incident
