"""Acknowledging: somebody takes an incident, hands it back, or forgets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.incidents import rows, store
from hypercare.incidents.calm import ENDED
from hypercare.incidents.commands import Acknowledge, Unacknowledge
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentAcknowledged, IncidentUnacknowledged
from hypercare.model.time import format_duration, format_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.incidents.settings import IncidentSettings
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel

_FORGOTTEN: Final = "incidents.forgotten"


class Acknowledgements:
    """Commands of people, and the timer that notices when nobody has said anything for too long.

    With ``ack_timeout`` an acknowledged incident whose alerts still call for somebody is given back to the escalation
    when no person has acknowledged, noted or changed anything for that long.
    """

    def __init__(self, settings: Callable[[Context], IncidentSettings]) -> None:
        self._settings = settings

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(Acknowledge, self._acknowledge)
        kernel.on_message(Unacknowledge, self._unacknowledge)
        kernel.on_timer(_FORGOTTEN, self._on_forgotten)

    def watch(self, ctx: Context, incident_id: str) -> None:
        """Set the timer anew: somebody has said something, the incident fires again, or the settings are new."""
        incident = store.load_incident(ctx.db, incident_id)
        timeout = self._settings(ctx).ack_timeout
        key = f"{_FORGOTTEN}:{incident_id}"
        if incident is None or incident.status != store.ACKNOWLEDGED or incident.calm_at is not None or not timeout:
            ctx.cancel_timer(key)
        else:
            ctx.set_timer(key, rows.last_word(ctx, incident_id) + timeout, _FORGOTTEN)

    def _on_forgotten(self, ctx: Context, key: str) -> None:
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_FORGOTTEN}:"))
        timeout = self._settings(ctx).ack_timeout
        # Overdue right after a start there are no settings yet; the first configuration sets the timer anew.
        if incident is None or incident.status != store.ACKNOWLEDGED or incident.calm_at is not None or not timeout:
            return
        silent = ctx.now - rows.last_word(ctx, incident.id)
        if silent < timeout:
            self.watch(ctx, incident.id)
            return
        who = incident.acknowledged_by
        text = f"acknowledged by {who}, but nobody has said a word for {format_duration(silent)}: paging again"
        self._give_back(ctx, incident, rows.MACHINE, text)

    def _acknowledge(self, ctx: Context, command: Acknowledge) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} {since_resolved(incident)}; nothing to acknowledge", 409)
        suffix = f": {command.note}" if command.note else ""
        if incident.status == store.OPEN:
            values = {"acknowledged_at": ctx.now, "acknowledged_by": command.by}
            rows.change(ctx, incident.id, status=store.ACKNOWLEDGED, **values)
            text = f"acknowledged by {command.by}{suffix}"
            rows.tell(ctx, incident.id, "acknowledged", text, by=command.by, note=command.note)
            ctx.publish(IncidentAcknowledged(incident.id, command.by))
        elif incident.acknowledged_by != command.by:
            text = f"{command.by} acknowledged too (after {incident.acknowledged_by}){suffix}"
            rows.tell(ctx, incident.id, "acknowledged", text, by=command.by, note=command.note)
        elif command.note:
            rows.tell(ctx, incident.id, "note", command.note, by=command.by)
        elif self._settings(ctx).ack_timeout:
            rows.tell(ctx, incident.id, "acknowledged", f"{command.by} is still on it", by=command.by)
        self.watch(ctx, incident.id)
        return found(ctx, incident.id)

    def _unacknowledge(self, ctx: Context, command: Unacknowledge) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} {since_resolved(incident)}; nothing to hand back", 409)
        if incident.status != store.ACKNOWLEDGED:
            raise CommandError(f"incident {incident.number} is not acknowledged", 409)
        text = f"handed back by {command.by}" + (f": {command.note}" if command.note else "")
        self._give_back(ctx, incident, command.by, text)
        return found(ctx, incident.id)

    def _give_back(self, ctx: Context, incident: Incident, by: str, text: str) -> None:
        rows.change(ctx, incident.id, status=store.OPEN, acknowledged_at=None, acknowledged_by="")
        rows.tell(ctx, incident.id, "unacknowledged", text, by=by)
        calm = ""
        if incident.calm_at is not None:
            _, suppressed = rows.calling(ctx, incident.id)
            calm = f"every alert that fires is {' or '.join(suppressed)}" if suppressed else ENDED
        ctx.publish(IncidentUnacknowledged(incident.id, by, calm))
        self.watch(ctx, incident.id)


def found(ctx: Context, incident_id: str) -> Incident:
    """An incident by id or number.

    Raises:
        CommandError: there is none.

    """
    incident = store.load_incident(ctx.db, incident_id)
    if incident is None:
        raise CommandError(f"there is no incident {incident_id}", 404)
    return incident


def asked(ctx: Context, ref: str, by: str) -> Incident:
    """The incident that somebody wants something of.

    Raises:
        CommandError: there is none, or nobody says who they are.

    """
    if not by.strip():
        raise CommandError("say who you are: the timeline needs a name", 400)
    return found(ctx, ref)


def since_resolved(incident: Incident) -> str:
    """``was resolved by ada at 2026-01-05T08:00:00Z``."""
    return f"was resolved by {incident.resolved_by} at {format_rfc3339(incident.resolved_at or 0)}"
