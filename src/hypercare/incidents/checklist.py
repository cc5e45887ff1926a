"""Phases of the work: checklists of the configuration and of runbooks, ticks, and what is open when time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, update

from hypercare.incidents import room_store, rows, store
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import TickStep
from hypercare.incidents.tables import steps
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentOpened, IncidentResolved
from hypercare.model.runbooks import Runbook, find_runbook
from hypercare.model.time import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.incidents.room import Room
    from hypercare.incidents.settings import IncidentSettings
    from hypercare.incidents.store import Incident, IncidentAlert
    from hypercare.kernel import Context, Kernel

_PHASE: Final = "incidents.phase"


class Checklists:
    """Keeps the steps of each incident as they were when it opened."""

    def __init__(self, room: Room, settings: Callable[[Context], IncidentSettings]) -> None:
        self._room = room
        self._settings = settings

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.on_message(TickStep, self._tick)
        kernel.on_timer(_PHASE, self._on_phase)

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        incident = store.load_incident(ctx.db, event.incident_id)
        if incident is not None:
            self.complete(ctx, incident)

    def complete(self, ctx: Context, incident: Incident) -> None:
        """Add the phases and runbooks that belong to the incident as it is now, and are not there yet."""
        settings = self._settings(ctx)
        known = {(s.source, s.phase) for s in room_store.load_steps(ctx.db, incident.id)}
        fresh: list[dict[str, Any]] = []
        for phase in settings.phases:
            if ("", phase.name) not in known and (not phase.severities or incident.severity in phase.severities):
                fresh += [_row("", phase.name, phase.until, text, "") for text in phase.steps]
        runbook = runbook_of(settings, incident, store.load_alerts(ctx.db, incident.id))
        for part in runbook.phases if runbook else ():
            if runbook and (runbook.name, part.name) not in known:
                fresh += [_row(runbook.name, part.name, part.until, s.text, s.procedure) for s in part.steps]
        if fresh:
            query = select(func.max(steps.c.number)).where(steps.c.incident_id == incident.id)
            first = int(ctx.db.execute(query).scalar() or 0) + 1
            values = [{**row, "incident_id": incident.id, "number": first + i} for i, row in enumerate(fresh)]
            ctx.db.execute(insert(steps), values)
        self._watch(ctx, incident)

    def _watch(self, ctx: Context, incident: Incident) -> None:
        """Have a timer where the next phase should be over."""
        key = f"{_PHASE}:{incident.id}"
        query = select(func.min(steps.c.until)).where(steps.c.incident_id == incident.id)
        until = ctx.db.execute(query.where(steps.c.until > ctx.now - incident.opened_at)).scalar()
        if until is None or incident.status == store.RESOLVED:
            ctx.cancel_timer(key)
        else:
            ctx.set_timer(key, incident.opened_at + int(until), _PHASE)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        ctx.cancel_timer(f"{_PHASE}:{event.incident_id}")

    def _on_phase(self, ctx: Context, key: str) -> None:
        incident = store.load_incident(ctx.db, key.removeprefix(f"{_PHASE}:"))
        if incident is None or incident.status == store.RESOLVED:
            return
        lists = room_store.checklists(room_store.load_steps(ctx.db, incident.id))
        ended = [c for c in lists if c.budget is not None and incident.opened_at + c.budget <= ctx.now]
        told = max((c.budget or 0 for c in ended), default=0)
        for part in ended:
            if part.budget == told:
                text = f"the time for {part.phase} is over ({format_duration(told)}): "
                text += f"{part.done} of {len(part.steps)} steps are done"
                rows.tell(ctx, incident.id, "phase", text, phase=part.phase, done=part.done, steps=len(part.steps))
        self._watch(ctx, incident)

    def _tick(self, ctx: Context, command: TickStep) -> Incident:
        incident = asked(ctx, command.id, command.by)
        step = next((s for s in room_store.load_steps(ctx.db, incident.id) if s.number == command.step), None)
        if step is None:
            raise CommandError(f"incident {incident.number} has no step {command.step}", 404)
        if command.done == (step.done_at is not None):
            return incident
        values = {"done_at": ctx.now, "done_by": command.by} if command.done else {"done_at": None, "done_by": ""}
        where = steps.c.incident_id == incident.id, steps.c.number == step.number
        ctx.db.execute(update(steps).where(*where).values(values))
        text = f"{step.phase}: {step.text}" + ("" if command.done else " (not done after all)")
        rows.tell(ctx, incident.id, "step", text, command.by, step=step.number, done=command.done)
        self._room.changed(ctx, incident.id, "step", command.by)
        return found(ctx, incident.id)


def runbook_of(settings: IncidentSettings, incident: Incident, alerts: Sequence[IncidentAlert]) -> Runbook | None:
    """The runbook beside the configuration for an incident, if there is one."""
    urls = [url for alert in alerts if (url := alert.annotations.get("runbook_url"))]
    service = next((s.runbook_url for s in settings.services if s.name == incident.service), "")
    names = [alert.labels.get("alertname") for alert in alerts]
    return find_runbook(settings.runbooks, [*urls, incident.runbook_url, service], names, incident.service)


def _row(source: str, phase: str, until: int | None, text: str, procedure: str) -> dict[str, Any]:
    return {
        "source": source, "phase": phase, "until": until, "text": text, "procedure": procedure, "done_by": "",
    }  # fmt: skip
