"""Drills with real channels and people, below /api/hypercare/v1/drills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.incidents.commands import Resolve
from hypercare.kernel import CommandError
from hypercare.model.time import SECOND
from hypercare.rehearse.live import alert_of, incident_of, is_only_drill, measured, started_at
from hypercare.rehearse.stories.scoring import as_json
from hypercare.routing.commands import ReceiveAlerts
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.web.auth import Gate

Drill = Annotated[str, Path(description="the name that its beginning answered with", max_length=20)]


class DrillBegin(BaseModel):
    """How grave the alert says it is, and after how long it ends by itself."""

    severity: str = Field(default="critical", min_length=1, max_length=50)
    wait_seconds: int = Field(default=900, ge=10, le=86_400)


class DrillEnd(BaseModel):
    """Who ends it."""

    by: str = Field(default="", max_length=100)


def drills_router(app: App, gate: Gate) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/hypercare/v1/drills", tags=["drills"])

    def state(drill: str) -> dict[str, Any]:
        if started_at(drill) is None:
            raise CommandError(f"there is no drill {drill!r}", 404)
        with app.state.read() as db:
            incident = incident_of(db, drill)
            lines = measured(db, drill, app.oncall.plan.audit.undelivered_after)
        return {
            "id": drill,
            "incident": incident.number if incident else None,
            "taken_by": incident.acknowledged_by if incident else "",
            "over": bool(incident and incident.resolved_at is not None),
            **as_json(lines),
        }

    @router.post("", operation_id="begin_drill")
    async def begin(wanted: DrillBegin) -> Any:
        """Send an alert marked [DRILL] the whole way: routing, channels, incident, pages. No action runs for it."""
        now = app.ports.clock.now()
        alert = alert_of(str(now), wanted.severity, now, now + (wanted.wait_seconds + 60) * SECOND)
        refused = await call(app, ReceiveAlerts((alert,)))
        if refused:
            raise CommandError("; ".join(refused), 400)
        return {"id": str(now)}

    @router.get("/{drill}", operation_id="get_drill")
    def get(drill: Drill) -> Any:
        """What is measured so far."""
        return state(drill)

    @router.post("/{drill}/end", operation_id="end_drill")
    async def end(request: Request, drill: Drill, wanted: DrillEnd) -> Any:
        """End the alert and resolve its incident, unless something real has joined it."""
        found = state(drill)
        now = app.ports.clock.now()
        began = started_at(drill) or now
        with app.state.read() as db:
            incident = incident_of(db, drill)
            mine = incident is not None and incident.resolved_at is None and is_only_drill(db, incident)
        if incident is not None:
            # An alert that opened no incident ends by itself.
            await call(app, ReceiveAlerts((alert_of(drill, incident.labels.get("severity"), began, now),)))
        if incident is not None and mine:
            await call(app, Resolve(incident.id, gate.by(request, wanted.by, "api"), "the drill is over"))
        return {**found, "over": True}

    return router
