"""Deployments under watch, below /api/hypercare/v1/deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.deploys import store
from hypercare.deploys.commands import (
    AddWatchNote,
    AnswerCriterion,
    CancelWatch,
    SignCheckpoint,
    StartWatch,
    WantWatchAction,
)
from hypercare.kernel import CommandError
from hypercare.model.time import parse_rfc3339
from hypercare.web.api.timed import timed
from hypercare.web.calls import call

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.deploys.store import Watch
    from hypercare.web.auth import Gate

Ref = Annotated[str, Path(description="number or id of the watch, or the service: its newest", max_length=200)]
_Short = Field(default="", max_length=200)
_By = Field(default="", max_length=100)


class Deployment(BaseModel):
    """A version that went out; from a person, or from CI."""

    service: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=200)
    plan: str = _Short
    previous: str = _Short
    color: str = _Short
    other_color: str = _Short
    url: str = Field(default="", max_length=2000)
    at: str = Field(default="", max_length=64, description="when it went out (RFC 3339); empty: now")
    replace: bool = False
    by: str = _By


class Signature(BaseModel):
    """Somebody has looked at a checkpoint; number 0: the last one taken."""

    number: int = Field(default=0, ge=0, le=100_000)
    notes: str = Field(default="", max_length=10_000)
    action: str = Field(default="", max_length=10_000)
    by: str = _By


class Answer(BaseModel):
    """What a person says to a criterion."""

    criterion: str = Field(min_length=1, max_length=200)
    state: Literal["pass", "concern", "fail"]
    note: str = Field(default="", max_length=10_000)
    by: str = _By


class Word(BaseModel):
    """A note, or why something is done."""

    text: str = Field(default="", max_length=10_000)
    by: str = _By


class Wish(BaseModel):
    """An action that a person asks for."""

    action: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=10_000)
    by: str = _By


def deployments_router(app: App, gate: Gate) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/hypercare/v1/deployments", tags=["deployments"])

    @router.get("", operation_id="list_deployments")
    def deployments(
        status: Annotated[str | None, Query(pattern="^(running|done|cancelled)$")] = None,
        service: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:
        """The newest first."""
        with app.state.read() as db:
            return [_brief(watch) for watch in store.load_watches(db, status, service, limit)]

    @router.post("", operation_id="start_deployment")
    async def start(request: Request, body: Deployment) -> Any:
        """Watch a version that went out: for CI, at the end of its deployment step."""
        at = None
        if body.at:
            try:
                at = parse_rfc3339(body.at)
            except ValueError as error:
                raise CommandError(f"at: {error}", 400) from error
        command = StartWatch(
            body.service, body.version, gate.by(request, body.by, "api"), body.plan, body.previous, body.color,
            body.other_color, body.url, at, body.replace,
        )  # fmt: skip
        return _brief(await call(app, command))

    @router.get("/{ref}", operation_id="show_deployment")
    def show(ref: Ref) -> Any:
        """One watch: checkpoints, findings, verdicts, actions, journal."""
        with app.state.read() as db:
            return _whole(db, ref)

    @router.post("/{ref}/sign", operation_id="sign_checkpoint")
    async def sign(request: Request, ref: Ref, body: Signature | None = None) -> Any:
        """Sign a checkpoint."""
        body = body or Signature()
        by = gate.by(request, body.by, "api")
        return _brief(await call(app, SignCheckpoint(ref, by, body.number, body.notes, body.action)))

    @router.post("/{ref}/answer", operation_id="answer_criterion")
    async def answer(request: Request, ref: Ref, body: Answer) -> Any:
        """Answer a criterion that asks a person."""
        by = gate.by(request, body.by, "api")
        return _brief(await call(app, AnswerCriterion(ref, body.criterion, body.state, by, body.note)))

    @router.post("/{ref}/notes", operation_id="note_deployment")
    async def note(request: Request, ref: Ref, body: Word) -> Any:
        """Write a line into the journal."""
        return _brief(await call(app, AddWatchNote(ref, body.text, gate.by(request, body.by, "api"))))

    @router.post("/{ref}/action", operation_id="want_deployment_action")
    async def action(request: Request, ref: Ref, body: Wish) -> Any:
        """Ask for an action, such as the roll-back."""
        by = gate.by(request, body.by, "api")
        return _brief(await call(app, WantWatchAction(ref, body.action, by, body.reason)))

    @router.post("/{ref}/cancel", operation_id="cancel_deployment")
    async def cancel(request: Request, ref: Ref, body: Word | None = None) -> Any:
        """Watch no longer; nothing is concluded."""
        body = body or Word()
        return _brief(await call(app, CancelWatch(ref, gate.by(request, body.by, "api"), body.text)))

    return router


def _brief(watch: Watch) -> dict[str, Any]:
    found: dict[str, Any] = timed(watch)
    found.pop("plan_json")
    return found


def _whole(db: Connection, ref: str) -> dict[str, Any]:
    watch = store.load_watch(db, ref)
    if watch is None:
        raise CommandError(f"there is no deployment {ref}", 404)
    return {
        **_brief(watch),
        "checkpoints": timed(store.load_checkpoints(db, watch.id)),
        "findings": timed(store.load_findings(db, watch.id)),
        "verdicts": timed(store.load_verdicts(db, watch.id)),
        "answers": timed(store.load_answers(db, watch.id)),
        "actions": timed(store.load_requests(db, watch.id)),
        "journal": timed(store.load_journal(db, watch.id)),
    }
