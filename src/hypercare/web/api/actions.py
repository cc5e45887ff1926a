"""Actions and their runs, below /api/hypercare/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.actions.commands import ApproveRun, RefuseRun, RunAction
from hypercare.actions.store import load_outputs, load_run, load_runs
from hypercare.kernel import CommandError
from hypercare.web.api.timed import timed
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.web.auth import Gate

Number = Annotated[int, Path(description="number of the run", ge=1, le=2**31 - 1)]


class Ask(BaseModel):
    """Run an action: why, with which values for its places, and whether only to say what it would do."""

    by: str = Field(default="", max_length=100)
    reason: str = Field(default="", max_length=1_000)
    context: dict[str, Annotated[str, Field(max_length=256)]] = Field(default_factory=dict, max_length=20)
    dry_run: bool = False


class Decision(BaseModel):
    """Who approves or refuses, and a word about it."""

    by: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=1_000)


def actions_view(app: App) -> list[dict[str, Any]]:
    """The actions of the configuration, in their order."""
    return [
        {
            "name": action.name, "description": action.description, "steps": len(action.all_steps()),
            "approval": action.approval, "dry_run": app.actions.all_dry or bool(action.dry_run),
            "once_within_seconds": action.once_within / 1000, "max_per_day": action.max_per_day,
            "repeatable": action.repeatable, "retries": action.retries,
        }
        for action in app.actions.actions
    ]  # fmt: skip


def run_view(app: App, number: int) -> dict[str, Any]:
    """One run with what it said.

    Raises:
        CommandError: there is none.

    """
    with app.state.read() as db:
        run, said = load_run(db, number), load_outputs(db, (number,))
    if run is None:
        raise CommandError(f"there is no run #{number}", 404)
    return {**timed(run), "outputs": timed(said[number])}


def actions_router(app: App, gate: Gate) -> APIRouter:
    """All of it."""
    router = APIRouter(prefix="/api/hypercare/v1/actions", tags=["hypercare"])

    @router.get("", operation_id="actions")
    def actions() -> Any:
        """The actions of the configuration."""
        return actions_view(app)

    @router.get("/runs", operation_id="action_runs")
    def runs(
        state: Annotated[str, Query(max_length=16)] = "", action: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:  # fmt: skip
        """Runs, the newest first; ``state`` such as waiting."""
        with app.state.read() as db:
            return timed(load_runs(db, states=(state,) if state else (), action=action, limit=limit))

    @router.get("/runs/{number}", operation_id="action_run")
    def one(number: Number) -> Any:
        """One run with its output."""
        return run_view(app, number)

    @router.post("/{name}/run", operation_id="run_action")
    async def run(request: Request, name: Annotated[str, Path(max_length=64)], body: Ask | None = None) -> Any:
        """Ask for an action; answers with the run, which may wait for an approval, or be refused."""
        body = body or Ask()
        who, context = gate.by(request, body.by, "api"), tuple(body.context.items())
        number = await call(app, RunAction(name, who, body.reason, context, body.dry_run))
        return run_view(app, number)

    @router.post("/runs/{number}/approve", operation_id="approve_run")
    async def approve(request: Request, number: Number, body: Decision | None = None) -> Any:
        """Let a run begin that waits for it."""
        await call(app, ApproveRun(number, gate.by(request, (body or Decision()).by, "api")))
        return run_view(app, number)

    @router.post("/runs/{number}/refuse", operation_id="refuse_run")
    async def refuse(request: Request, number: Number, body: Decision | None = None) -> Any:
        """Do not let it begin."""
        body = body or Decision()
        await call(app, RefuseRun(number, gate.by(request, body.by, "api"), body.note))
        return run_view(app, number)

    return router
