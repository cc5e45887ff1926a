"""Updates on schedule: those who wait are told how it stands, and the commander is reminded when they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.incidents import room_store, rows, store
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import PostUpdate
from hypercare.incidents.notices import UPDATED
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentOpened, IncidentResolved, PublicUpdate
from hypercare.model.time import MINUTE, format_duration

if TYPE_CHECKING:
    from hypercare.incidents.current import Current
    from hypercare.incidents.notices import Notices
    from hypercare.incidents.room import Room
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

_UPDATE: Final = "incidents.update"
_SHORTEST: Final = 5 * MINUTE
STAGES: Final = ("investigating", "identified", "mitigating", "monitoring")


class Updates:
    """The command of people, and the timer that notices when news are overdue.

    An incident has a schedule while somebody is told of its updates, or its severity shows on a public page.
    """

    def __init__(self, room: Room, notices: Notices, settings: Current) -> None:
        self._room = room
        self._notices = notices
        self._settings = settings

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.on_message(PostUpdate, self._post)
        kernel.on_timer(_UPDATE, self._settings.patient(_UPDATE, self._on_due))

    def schedule(self, ctx: Context, incident: Incident, since: Ms) -> None:
        """Expect the next update so long after ``since`` as the severity says."""
        every = self._settings(ctx).definition(incident.severity).updates
        wanted = self._notices.told(ctx, incident.severity, UPDATED) or self._settings(ctx).status_page is not None
        key = f"{_UPDATE}:{incident.id}"
        if not every or not wanted or incident.status == store.RESOLVED:
            rows.change(ctx, incident.id, next_update_at=None)
            ctx.cancel_timer(key)
            return
        rows.change(ctx, incident.id, next_update_at=since + every)
        ctx.set_timer(key, since + every, _UPDATE)

    def on_severity(self, ctx: Context, incident: Incident) -> None:
        """Another severity has another schedule; it counts from the last news."""
        said = [e.at for e in store.load_timeline(ctx.db, incident.id) if e.kind in {"update", "opened", "reopened"}]
        self.schedule(ctx, incident, max(said, default=incident.opened_at))

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        incident = store.load_incident(ctx.db, event.incident_id)
        if incident is not None:
            self.schedule(ctx, incident, ctx.now)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        rows.change(ctx, event.incident_id, next_update_at=None)
        ctx.cancel_timer(f"{_UPDATE}:{event.incident_id}")

    def _post(self, ctx: Context, command: PostUpdate) -> Incident:
        incident = asked(ctx, command.id, command.by)
        if not command.text.strip():
            raise CommandError("the update is empty", 400)
        if incident.status == store.RESOLVED:
            raise CommandError(f"incident {incident.number} is over; there is nothing to update", 409)
        if command.stage and command.stage not in STAGES:
            raise CommandError(f"unknown stage {command.stage!r}; one of {', '.join(STAGES)}", 400)
        if command.stage:
            rows.change(ctx, incident.id, stage=command.stage)
        stage = f" ({command.stage})" if command.stage else ""
        rows.tell(ctx, incident.id, "update", f"update{stage}: {command.text}", command.by, stage=command.stage)
        self.schedule(ctx, incident, ctx.now)
        self._notices.announce(ctx, incident.id, UPDATED, command.text)
        if command.public:
            ctx.publish(PublicUpdate(incident.id, command.text, command.stage or incident.stage, command.by))
        self._room.changed(ctx, incident.id, "update", command.by)
        return found(ctx, incident.id)

    def _on_due(self, ctx: Context, key: str) -> None:
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_UPDATE}:"))
        if incident is None or incident.status == store.RESOLVED or incident.next_update_at is None:
            return
        late = ctx.now - incident.next_update_at
        names = (room_store.commander_of(ctx.db, incident.id), incident.acknowledged_by)
        state = f"is overdue by {format_duration(late)}" if late else "is due"
        title = f"An update of incident #{incident.number} {state}"
        who = self._notices.remind(ctx, incident, names, title, incident.title)
        # Where nobody can be reminded, once is enough.
        if who or not late:
            rows.tell(ctx, incident.id, "reminder", f"an update {state}" + (f"; {who} is reminded" if who else ""))
        every = self._settings(ctx).definition(incident.severity).updates
        # Right after a start the settings may not be there yet; what is stored is enough to go on.
        again = max(every, _SHORTEST) if every else _SHORTEST
        ctx.set_timer(key, ctx.now + again, _UPDATE)
