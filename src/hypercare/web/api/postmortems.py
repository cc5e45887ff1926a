"""Post-mortems and the status page below /api/hypercare/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse

from hypercare.incidents import room_store
from hypercare.incidents.commands import (
    CancelMaintenance,
    EditPostmortem,
    MovePostmortem,
    PassMilestone,
    PlanMaintenance,
    PostStatus,
    StartPostmortem,
)
from hypercare.incidents.postmortem import exported, load_milestones, load_postmortem
from hypercare.incidents.statusview import load_maintenance, load_posts, status_view
from hypercare.kernel import CommandError
from hypercare.web.api.incident_room import Ref, known
from hypercare.web.api.oncall import instant
from hypercare.web.api.timed import timed
from hypercare.web.calls import call

if TYPE_CHECKING:
    from fastapi import APIRouter
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.web.auth import Gate

_MARKDOWN = "text/markdown; charset=utf-8"
_SHOWN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}}


class Start(BaseModel):
    """``anew`` replaces the text of a draft."""

    anew: bool = False
    by: str = Field(default="", max_length=100)


class Edit(BaseModel):
    """The whole text; ``version`` is the one that was edited, 0: whatever is there."""

    text: str = Field(max_length=500_000)
    version: int = Field(default=0, ge=0, le=2**31 - 1)
    by: str = Field(default="", max_length=100)


class Move(BaseModel):
    """Where it goes."""

    state: Literal["draft", "review", "done"]
    by: str = Field(default="", max_length=100)


class Passed(BaseModel):
    """Done, or not after all."""

    done: bool = True
    by: str = Field(default="", max_length=100)


class NewPost(BaseModel):
    """What the public is told; see ``PostStatus``."""

    text: str = Field(min_length=1, max_length=10_000)
    state: Literal["investigating", "identified", "monitoring", "resolved"] = "investigating"
    incident: str = Field(default="", max_length=64)
    topic: str = Field(default="", max_length=64)
    impact: Literal["", "none", "degraded", "partial", "major"] = ""
    title: str = Field(default="", max_length=200)
    components: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=100)
    by: str = Field(default="", max_length=100)


class NewMaintenance(BaseModel):
    """Announced work; ``from`` and ``until`` are RFC 3339 instants."""

    title: str = Field(min_length=1, max_length=200)
    from_: str = Field(alias="from", max_length=64)
    until: str = Field(max_length=64)
    text: str = Field(default="", max_length=10_000)
    components: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=100)
    by: str = Field(default="", max_length=100)


def add_postmortems(router: APIRouter, app: App, gate: Gate) -> None:
    """The document of an incident, and what is due after it."""

    @router.get("/incidents/{ref}/postmortem", operation_id="show_postmortem")
    def show(ref: Ref) -> Any:
        """The post-mortem with its actions and what is due by when."""
        with app.state.read() as db:
            return _whole(db, ref)

    @router.get("/incidents/{ref}/postmortem.md", operation_id="export_postmortem", response_class=PlainTextResponse,
                responses=_SHOWN)  # fmt: skip
    def export(ref: Ref) -> PlainTextResponse:
        """The post-mortem as Markdown, with its action items."""
        with app.state.read() as db:
            incident = known(db, ref)
            found = load_postmortem(db, incident.id)
            if found is None:
                raise CommandError(f"incident {incident.number} has no post-mortem", 404)
            text = exported(db, found)
        name = f'attachment; filename="postmortem-{incident.number}.md"'
        return PlainTextResponse(text, media_type=_MARKDOWN, headers={"Content-Disposition": name})

    @router.post("/incidents/{ref}/postmortem", operation_id="start_postmortem")
    async def start(request: Request, ref: Ref, body: Start | None = None) -> Any:
        """Draw one up from the timeline."""
        body = body or Start()
        return timed(await call(app, StartPostmortem(ref, gate.by(request, body.by, "api"), body.anew)))

    @router.put("/incidents/{ref}/postmortem", operation_id="edit_postmortem")
    async def edit(request: Request, ref: Ref, body: Edit) -> Any:
        """Write it; 409 where somebody has changed it since ``version``."""
        return timed(await call(app, EditPostmortem(ref, gate.by(request, body.by, "api"), body.text, body.version)))

    @router.post("/incidents/{ref}/postmortem/state", operation_id="move_postmortem")
    async def move(request: Request, ref: Ref, body: Move) -> Any:
        """From draft to review to done, or a step back."""
        return timed(await call(app, MovePostmortem(ref, gate.by(request, body.by, "api"), body.state)))

    @router.post("/incidents/{ref}/milestones/{name}", operation_id="pass_milestone")
    async def milestone(
        request: Request, ref: Ref, name: Annotated[str, Path(max_length=16)], body: Passed | None = None
    ) -> Any:
        """The evidence is confirmed, or those involved have met."""
        body = body or Passed()
        return timed(await call(app, PassMilestone(ref, gate.by(request, body.by, "api"), name, body.done)))


def _whole(db: Connection, ref: str) -> Any:
    incident = known(db, ref)
    found = load_postmortem(db, incident.id)
    if found is None:
        raise CommandError(f"incident {incident.number} has no post-mortem", 404)
    more = {
        "incident": incident,
        "actions": room_store.load_tasks(db, incident.id, room_store.ACTION),
        "milestones": load_milestones(db, incident.id),
    }
    return {**timed(found), **timed(more)}


def add_status_page(router: APIRouter, app: App, gate: Gate) -> None:
    """What the public reads, and the posts and maintenance behind it."""

    @router.get("/status-page", operation_id="status_page")
    def page() -> Any:
        """The page as the public sees it."""
        settings = app.incidents.settings.status_page
        if settings is None:
            raise CommandError("there is no status page; write status_page: {} into hypercare.yml", 404)
        with app.state.read() as db:
            return timed(status_view(db, settings, app.ports.clock.now()))

    @router.get("/status-page/posts", operation_id="status_posts")
    def posts() -> Any:
        """All posts and maintenance on the page, with what the public does not see."""
        settings = app.incidents.settings.status_page
        since = app.ports.clock.now() - (settings.history if settings else 0)
        with app.state.read() as db:
            return timed({"posts": load_posts(db, since), "maintenance": load_maintenance(db, since)})

    @router.post("/status-page/posts", operation_id="post_status")
    async def post(request: Request, body: NewPost) -> Any:
        """Tell the public."""
        by = gate.by(request, body.by, "api")
        command = PostStatus(
            by, body.text, body.state, body.incident, body.topic, body.impact, body.title, body.components
        )
        return timed(await call(app, command))

    @router.post("/status-page/maintenance", operation_id="plan_maintenance")
    async def plan(request: Request, body: NewMaintenance) -> Any:
        """Announce work."""
        start, end = instant(body.from_, "from"), instant(body.until, "until")
        by = gate.by(request, body.by, "api")
        return timed(await call(app, PlanMaintenance(by, body.title, start, end, body.text, body.components)))

    @router.delete("/status-page/maintenance/{work}", operation_id="cancel_maintenance")
    async def cancel(request: Request, work: Annotated[str, Path(max_length=64)]) -> Any:
        """It does not take place, or is over before its time."""
        return timed(await call(app, CancelMaintenance(work, gate.by(request, "", "api"))))
