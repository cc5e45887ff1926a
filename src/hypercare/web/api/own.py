"""Our own REST API, below /api/hypercare/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.incidents.commands import Acknowledge, AddNote, Resolve, Unacknowledge
from hypercare.incidents.store import load_alerts, load_incident, load_incidents, load_timeline
from hypercare.kernel import CommandError
from hypercare.kernel.tables import outbox
from hypercare.oncall.clocks import load_clocks
from hypercare.reports import check, overview, render_text
from hypercare.web.api.incident_room import add_incident_lists, add_incident_room
from hypercare.web.api.oncall import add_oncall, instant
from hypercare.web.api.postmortems import add_postmortems, add_status_page
from hypercare.web.api.response import clocks_json
from hypercare.web.api.schedules import add_schedules
from hypercare.web.api.timed import timed, timed_values
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.web.auth import Gate
    from hypercare.web.live import Live

Ref = Annotated[str, Path(description="number or id of the incident", max_length=64)]


class Act(BaseModel):
    """Who does something, and what they say to it; who is logged in by name acts under that name."""

    by: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=10_000)


class Resolution(Act):
    """Also what it was."""

    cause: str = Field(default="", max_length=2000)


class Note(BaseModel):
    """A line for the timeline; ``at`` is an RFC 3339 instant in the past, now where it is left out."""

    by: str = Field(default="", max_length=100)
    text: str = Field(min_length=1, max_length=10_000)
    kind: Literal["note", "finding", "decision", "action"] = "note"
    at: str = Field(default="", max_length=64)
    pinned: bool = False


def own_router(app: App, live: Live, gate: Gate) -> APIRouter:
    """Status, check, incidents, on-call, deliveries, live events."""
    router = APIRouter(prefix="/api/hypercare/v1", tags=["hypercare"])
    clock = app.ports.clock

    @router.get("/status", operation_id="status")
    def status() -> Any:
        """The platform at a glance."""
        with app.state.read() as db:
            return timed(overview(app, db, clock.now()))

    @router.get("/check", operation_id="check")
    def look(*, text: bool = False) -> Any:
        """One look over services, targets, alerts and thresholds, with the exit code of the command."""
        with app.state.read() as db:
            report = check(app, db, clock.now())
        body = report.as_json()
        return {**body, "text": render_text(report, app)} if text else body

    @router.get("/incidents", operation_id="list_incidents")
    def incidents(
        status: Annotated[str | None, Query(pattern="^(open|acknowledged|resolved|unresolved)$")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:
        """The newest incidents first."""
        with app.state.read() as db:
            return timed(load_incidents(db, status, limit))

    # Before what takes any word for the number of an incident.
    add_incident_lists(router, app, gate)

    @router.get("/incidents/{ref}", operation_id="show_incident")
    def incident(ref: Ref) -> Any:
        """One incident with its alerts and timeline."""
        with app.state.read() as db:
            found = load_incident(db, ref)
            if found is None:
                raise CommandError(f"there is no incident {ref}", 404)
            parts = {"alerts": load_alerts(db, found.id), "timeline": load_timeline(db, found.id)}
            clocks = clocks_json(load_clocks(db, found.id))
        return {**timed(found), **timed(parts), "clocks": clocks}

    _actions(router, app, gate)
    add_incident_room(router, app, gate)
    add_postmortems(router, app, gate)
    add_status_page(router, app, gate)
    add_oncall(router, app, gate)
    add_schedules(router, app, gate)

    @router.get("/deliveries", operation_id="deliveries")
    def deliveries(
        state: Annotated[str | None, Query(pattern="^(pending|sent|failed|cancelled)$")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:
        """What was put in the outbox, newest first; content is left out."""
        c = outbox.c
        query = select(
            c.id, c.channel, c.target, c.subject, c.state, c.attempts, c.created_at, c.next_at, c.done_at, c.error
        )
        if state:
            query = query.where(c.state == state)
        with app.state.read() as db:
            return [timed_values(dict(row._mapping)) for row in db.execute(query.order_by(c.seq.desc()).limit(limit))]  # noqa: SLF001 - SQLAlchemy's public name for a row's mapping

    @router.get("/events", operation_id="events", response_class=StreamingResponse)
    def events(request: Request) -> StreamingResponse:
        """Domain events as they happen (server-sent events); ends with the session or token it was opened with."""
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(live.stream(gate.watch(request)), media_type="text/event-stream", headers=headers)

    return router


def _actions(router: APIRouter, app: App, gate: Gate) -> None:
    @router.post("/incidents/{ref}/ack", operation_id="acknowledge_incident")
    async def ack(request: Request, ref: Ref, act: Act | None = None) -> Any:
        """Take it: stops the escalation."""
        act = act or Act()
        return timed(await call(app, Acknowledge(ref, gate.by(request, act.by, "api"), act.note)))

    @router.post("/incidents/{ref}/unack", operation_id="unacknowledge_incident")
    async def unack(request: Request, ref: Ref, act: Act | None = None) -> Any:
        """Hand it back: those on call are paged from the beginning."""
        act = act or Act()
        return timed(await call(app, Unacknowledge(ref, gate.by(request, act.by, "api"), act.note)))

    @router.post("/incidents/{ref}/notes", operation_id="add_note")
    async def note(request: Request, ref: Ref, act: Note) -> Any:
        """Add to the timeline."""
        at = instant(act.at, "at") if act.at else None
        by = gate.by(request, act.by, "api")
        return timed(await call(app, AddNote(ref, by, act.text, act.kind, at, act.pinned)))

    @router.post("/incidents/{ref}/resolve", operation_id="resolve_incident")
    async def resolve(request: Request, ref: Ref, act: Resolution | None = None) -> Any:
        """Confirm that it is over."""
        act = act or Resolution()
        return timed(await call(app, Resolve(ref, gate.by(request, act.by, "api"), act.note, act.cause)))
