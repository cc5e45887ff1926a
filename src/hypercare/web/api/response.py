"""Escalations under way, response clocks, findings of the auditor and heartbeats, below /api/hypercare/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.auditor.store import load_findings
from hypercare.incidents.store import load_incident
from hypercare.kernel import CommandError
from hypercare.model.plain import plain
from hypercare.oncall.acting import load_requests
from hypercare.oncall.clocks import MarkPhase, load_clocks
from hypercare.reports.escalations import escalations_under_way
from hypercare.web.api.timed import timed, timed_values
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.incidents.store import Incident
    from hypercare.oncall.clocks import ClockState
    from hypercare.web.auth import Gate

Ref = Annotated[str, Path(description="number or id of the incident", max_length=64)]


class Phase(BaseModel):
    """Who says that an incident is assessed, or under investigation, and a word about it."""

    by: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=10_000)


def incident_of(app: App, ref: str) -> Incident:
    """An incident by number or id.

    Raises:
        CommandError: there is none.

    """
    with app.state.read() as db:
        found = load_incident(db, ref)
    if found is None:
        raise CommandError(f"there is no incident {ref}", 404)
    return found


def clocks_json(states: tuple[ClockState, ...]) -> Any:
    """Clocks with their state and how long they took."""
    return [
        timed_values({**plain(s), "state": s.state, "took_seconds": None if s.took is None else s.took / 1000})
        for s in states
    ]


def response_router(app: App, gate: Gate) -> APIRouter:
    """All of it."""
    router = APIRouter(prefix="/api/hypercare/v1", tags=["hypercare"])

    @router.get("/escalations", operation_id="escalations")
    def escalations() -> Any:
        """Escalations under way: what comes next and when, what waits, and the clocks."""
        with app.state.read() as db:
            return [
                {**timed(e), "clocks": clocks_json(e.clocks)}
                for e in escalations_under_way(app, db, app.ports.clock.now())
            ]

    @router.get("/incidents/{ref}/clocks", operation_id="incident_clocks")
    def clocks(ref: Ref) -> Any:
        """The response clocks of an incident: acknowledge, assess, investigate, resolve."""
        found = incident_of(app, ref)
        with app.state.read() as db:
            return clocks_json(load_clocks(db, found.id))

    @router.post("/incidents/{ref}/assess", operation_id="assess_incident")
    async def assess(request: Request, ref: Ref, body: Phase | None = None) -> Any:
        """Say that it is assessed; answers with the clocks."""
        body = body or Phase()
        command = MarkPhase(incident_of(app, ref).id, "assess", gate.by(request, body.by, "api"), body.note)
        return clocks_json(await call(app, command))

    @router.post("/incidents/{ref}/investigate", operation_id="investigate_incident")
    async def investigate(request: Request, ref: Ref, body: Phase | None = None) -> Any:
        """Say that it is under investigation; answers with the clocks."""
        body = body or Phase()
        command = MarkPhase(incident_of(app, ref).id, "investigate", gate.by(request, body.by, "api"), body.note)
        return clocks_json(await call(app, command))

    @router.get("/audit/findings", operation_id="audit_findings")
    def findings(*, all: bool = False) -> Any:  # noqa: A002 - the parameter's name in the address
        """What should have happened and has not; ``all`` adds what is over."""
        with app.state.read() as db:
            return timed(load_findings(db, all=all))

    @router.get("/heartbeats", operation_id="heartbeats")
    def heartbeats() -> Any:
        """The signs of life that go out, and why one is withheld."""
        return [
            {**timed(status), "every_seconds": status.every / 1000} for status in app.auditor.heartbeats.status.values()
        ]

    @router.get("/oncall/requests", operation_id="step_requests")
    def requests(*, all: bool = False) -> Any:  # noqa: A002 - the parameter's name in the address
        """Procedures that steps of escalations asked for and nobody has taken; ``all``: those taken, too."""
        with app.state.read() as db:
            return timed(load_requests(db, waiting=not all))

    return router
