"""The room of an incident below /api/hypercare/v1/incidents: severity, roles, tasks, checklists, evidence, merging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.incidents import room_store
from hypercare.incidents.checklist import runbook_of
from hypercare.incidents.commands import (
    AddLink,
    AddTask,
    AssignRole,
    ChangeTask,
    Declare,
    Describe,
    Merge,
    Pin,
    PostUpdate,
    SetSeverity,
    Split,
    TickStep,
)
from hypercare.incidents.similar import related, similar
from hypercare.incidents.stats import load_stats
from hypercare.incidents.store import load_alerts, load_incident
from hypercare.kernel import CommandError
from hypercare.model.severity import Severity  # noqa: TC001 - pydantic reads the annotation
from hypercare.model.time import DAY, Ms
from hypercare.oncall.clocks import load_clocks
from hypercare.web.api.oncall import instant
from hypercare.web.api.timed import timed
from hypercare.web.calls import call

if TYPE_CHECKING:
    from fastapi import APIRouter
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.incidents.store import Incident
    from hypercare.web.auth import Gate

Ref = Annotated[str, Path(description="number or id of the incident", max_length=64)]
Who = Annotated[str, Field(default="", max_length=100)]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


class NewIncident(BaseModel):
    """An incident that no alert tells of."""

    title: str = Field(min_length=1, max_length=500)
    severity: Severity
    service: str = Field(default="", max_length=200)
    by: str = Field(default="", max_length=100)


class NewSeverity(BaseModel):
    """How bad it is after all."""

    severity: Severity
    by: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=2000)


class Description(BaseModel):
    """What is left out stays."""

    title: str | None = Field(default=None, max_length=500)
    impact: str | None = Field(default=None, max_length=10_000)
    cause: str | None = Field(default=None, max_length=2000)
    by: str = Field(default="", max_length=100)


class NewRole(BaseModel):
    """Who takes a role; an empty person takes it from its holder."""

    role: str = Field(min_length=1, max_length=64)
    person: str = Field(default="", max_length=100)
    by: str = Field(default="", max_length=100)


class NewTask(BaseModel):
    """What somebody is to do; ``due`` is an RFC 3339 instant."""

    text: str = Field(min_length=1, max_length=2000)
    owner: str = Field(default="", max_length=100)
    due: str = Field(default="", max_length=64)
    kind: Literal["task", "action"] = "task"
    by: str = Field(default="", max_length=100)


class TaskChange(BaseModel):
    """What is left out stays."""

    done: bool | None = None
    owner: str | None = Field(default=None, max_length=100)
    due: str = Field(default="", max_length=64)
    by: str = Field(default="", max_length=100)


class NewLink(BaseModel):
    """A link to keep."""

    url: str = Field(min_length=1, max_length=2000)
    title: str = Field(default="", max_length=500)
    by: str = Field(default="", max_length=100)


class Tick(BaseModel):
    """A step is done, or an entry pinned; or not after all."""

    done: bool = True
    by: str = Field(default="", max_length=100)


class NewUpdate(BaseModel):
    """What those who wait are told."""

    text: str = Field(min_length=1, max_length=10_000)
    stage: Literal["", "investigating", "identified", "mitigating", "monitoring"] = ""
    public: bool = False
    by: str = Field(default="", max_length=100)


class Into(BaseModel):
    """The incident that goes on, by number or id."""

    into: str = Field(min_length=1, max_length=64)
    by: str = Field(default="", max_length=100)


class Apart(BaseModel):
    """Fingerprints of the alerts that go on in an incident of their own."""

    alerts: tuple[Annotated[str, Field(max_length=64)], ...] = Field(min_length=1, max_length=1000)
    title: str = Field(default="", max_length=500)
    by: str = Field(default="", max_length=100)


def known(db: Connection, ref: str) -> Incident:
    """An incident.

    Raises:
        CommandError: there is none.

    """
    found = load_incident(db, ref)
    if found is None:
        raise CommandError(f"there is no incident {ref}", 404)
    return found


def due(text: str) -> Ms | None:
    """When something is due; none where nothing is said."""
    return instant(text, "due") if text else None


def add_incident_lists(router: APIRouter, app: App, gate: Gate) -> None:
    """What is about all incidents; before ``/incidents/{ref}``, which would take their names for numbers."""

    @router.post("/incidents", operation_id="declare_incident")
    async def declare(request: Request, body: NewIncident) -> Any:
        """Open an incident that no alert tells of; those on call are paged."""
        by = gate.by(request, body.by, "api")
        return timed(await call(app, Declare(by, body.title, body.severity, body.service)))

    @router.get("/incidents/stats", operation_id="incident_stats")
    def stats(
        from_: Annotated[
            str, Query(alias="from", description="an RFC 3339 instant; 30 days ago where it is left out", max_length=64)
        ] = "",
        to: Annotated[str, Query(description="an RFC 3339 instant, excluded; now where left out", max_length=64)] = "",
    ) -> Any:
        """Times to detect, acknowledge and resolve (ms); incidents by severity, service and cause."""
        until = instant(to, "to", app.ports.clock.now() + 1)
        since = instant(from_, "from", until - 30 * DAY)
        with app.state.read() as db:
            return timed(load_stats(db, since, until))

    @router.get("/runbooks", operation_id="runbooks")
    def runbooks() -> Any:
        """The runbooks beside the configuration."""
        return [
            {"name": r.name, "title": r.title, "alerts": r.alerts, "services": r.services}
            for r in app.incidents.settings.runbooks
        ]

    @router.get("/runbooks/{name:path}", operation_id="show_runbook")
    def runbook(name: Annotated[str, Path(max_length=500)]) -> Any:
        """One runbook: its Markdown, and its phases with their steps (``budget``: ms after the opening)."""
        found = next((r for r in app.incidents.settings.runbooks if r.name == name), None)
        if found is None:
            raise CommandError(f"there is no runbook {name}", 404)
        phases = [
            {"name": p.name, "budget": p.until, "steps": [{"text": s.text, "procedure": s.procedure} for s in p.steps]}
            for p in found.phases
        ]
        about = {"name": found.name, "title": found.title, "alerts": found.alerts, "services": found.services}
        return {**about, "text": found.text, "phases": phases}

    @router.get("/incidents/tasks", operation_id="incident_tasks")
    def tasks(kind: Annotated[str, Query(pattern="^(task|action|)$")] = "", *, done: bool = False) -> Any:
        """Open tasks and actions of all incidents, those due first; ``done`` adds those that are done."""
        with app.state.read() as db:
            return timed(room_store.load_tasks(db, kind=kind, open_only=not done))

    @router.post("/incidents/tasks/{task}", operation_id="change_task")
    async def change(request: Request, task: Id, body: TaskChange) -> Any:
        """Done or not, another owner, another due time."""
        by = gate.by(request, body.by, "api")
        return timed(await call(app, ChangeTask(task, by, body.done, body.owner, due(body.due))))


def add_incident_room(router: APIRouter, app: App, gate: Gate) -> None:
    """What is about one incident."""
    _looking(router, app)
    _describing(router, app, gate)
    _working(router, app, gate)

    @router.post("/incidents/{ref}/merge", operation_id="merge_incident")
    async def merge(request: Request, ref: Ref, body: Into) -> Any:
        """Two incidents are one; the other goes on."""
        return timed(await call(app, Merge(ref, gate.by(request, body.by, "api"), body.into)))

    @router.post("/incidents/{ref}/split", operation_id="split_incident")
    async def split(request: Request, ref: Ref, body: Apart) -> Any:
        """One incident is two; the answer is the new one."""
        return timed(await call(app, Split(ref, gate.by(request, body.by, "api"), body.alerts, body.title)))


def _looking(router: APIRouter, app: App) -> None:
    @router.get("/incidents/{ref}/room", operation_id="incident_room")
    def room(ref: Ref) -> Any:
        """Roles, tasks, links, checklists, clocks, runbook."""
        with app.state.read() as db:
            incident = known(db, ref)
            settings = app.incidents.settings
            runbook = runbook_of(settings, incident, load_alerts(db, incident.id))
            found = {
                "roles": room_store.load_roles(db, incident.id),
                "tasks": room_store.load_tasks(db, incident.id),
                "links": room_store.load_links(db, incident.id),
                "checklists": room_store.checklists(room_store.load_steps(db, incident.id)),
                "clocks": load_clocks(db, incident.id),
                "definition": settings.definition(incident.severity),
            }
        shown = None if runbook is None else {"name": runbook.name, "title": runbook.title, "text": runbook.text}
        return {**timed(found), "runbook": shown}

    @router.get("/incidents/{ref}/evidence", operation_id="incident_evidence")
    def evidence(ref: Ref) -> Any:
        """What was kept at the opening: graphs as points, deployments, other alerts."""
        with app.state.read() as db:
            return timed(room_store.load_evidence(db, known(db, ref).id))

    @router.get("/incidents/{ref}/similar", operation_id="similar_incidents")
    def alike(ref: Ref) -> Any:
        """Incidents of the same time, and past ones that are like it; each with the reasons."""
        with app.state.read() as db:
            incident = known(db, ref)
            now = app.ports.clock.now()
            return timed({"related": related(db, incident, now), "similar": similar(db, incident)})


def _describing(router: APIRouter, app: App, gate: Gate) -> None:
    @router.post("/incidents/{ref}/severity", operation_id="set_severity")
    async def severity(request: Request, ref: Ref, body: NewSeverity) -> Any:
        """It is worse, or not as bad."""
        return timed(await call(app, SetSeverity(ref, gate.by(request, body.by, "api"), body.severity, body.note)))

    @router.post("/incidents/{ref}/description", operation_id="describe_incident")
    async def describe(request: Request, ref: Ref, body: Description) -> Any:
        """Title, impact, cause."""
        by = gate.by(request, body.by, "api")
        return timed(await call(app, Describe(ref, by, body.impact, body.cause, body.title)))

    @router.post("/incidents/{ref}/roles", operation_id="assign_role")
    async def role(request: Request, ref: Ref, body: NewRole) -> Any:
        """Somebody takes a role, or hands it over."""
        return timed(await call(app, AssignRole(ref, gate.by(request, body.by, "api"), body.role, body.person)))

    @router.post("/incidents/{ref}/links", operation_id="add_link")
    async def link(request: Request, ref: Ref, body: NewLink) -> Any:
        """Keep a link."""
        return timed(await call(app, AddLink(ref, gate.by(request, body.by, "api"), body.url, body.title)))

    @router.post("/incidents/{ref}/updates", operation_id="post_update")
    async def update(request: Request, ref: Ref, body: NewUpdate) -> Any:
        """Tell those who wait how it stands; ``public``: on the status page, too."""
        by = gate.by(request, body.by, "api")
        return timed(await call(app, PostUpdate(ref, by, body.text, body.stage, body.public)))


def _working(router: APIRouter, app: App, gate: Gate) -> None:
    @router.post("/incidents/{ref}/tasks", operation_id="add_task")
    async def task(request: Request, ref: Ref, body: NewTask) -> Any:
        """Somebody is to do something."""
        by = gate.by(request, body.by, "api")
        return timed(await call(app, AddTask(ref, by, body.text, body.owner, due(body.due), body.kind)))

    @router.post("/incidents/{ref}/steps/{step}", operation_id="tick_step")
    async def tick(request: Request, ref: Ref, step: Id, body: Tick | None = None) -> Any:
        """A step of a checklist is done, or not after all."""
        body = body or Tick()
        return timed(await call(app, TickStep(ref, gate.by(request, body.by, "api"), step, body.done)))

    @router.post("/incidents/{ref}/timeline/{entry}/pin", operation_id="pin_entry")
    async def pin(request: Request, ref: Ref, entry: Id, body: Tick | None = None) -> Any:
        """Keep an entry of the timeline above the others, or no longer."""
        body = body or Tick()
        return timed(await call(app, Pin(ref, gate.by(request, body.by, "api"), entry, body.done)))
