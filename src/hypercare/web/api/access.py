"""Users, tokens, one's own account, and the journal of changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

from hypercare.access import Role, Scope, audit, store
from hypercare.access.commands import (
    AddUser,
    DisableUser,
    EnableUser,
    LogOutEverywhere,
    RevokeToken,
    SetPassword,
    SetRole,
)
from hypercare.kernel import CommandError
from hypercare.model.time import parse_duration, parse_rfc3339
from hypercare.web.accounts import change_password, known_users, new_token, person, token_view, user_view
from hypercare.web.api.timed import timed
from hypercare.web.calls import call
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.app import App
    from hypercare.model.time import Ms
    from hypercare.web.auth import Gate

RoleName = Literal["viewer", "responder", "admin"]
Name = Annotated[str, Path(description="of the user", max_length=100)]
Instant = Annotated[str, Query(description="RFC 3339", max_length=40)]
_LINES = "application/jsonl"


class NewUser(BaseModel):
    """A user to be; without a password nobody can log in under the name until one is set."""

    name: str = Field(min_length=1, max_length=100)
    role: RoleName = "viewer"
    password: str = Field(default="", max_length=1000)
    by: str = Field(default="", max_length=100)


class ChangedUser(BaseModel):
    """What is to be different; what is left out stays."""

    role: RoleName | None = None
    password: str | None = Field(default=None, max_length=1000)
    disabled: bool | None = None
    by: str = Field(default="", max_length=100)


class NewPassword(BaseModel):
    """One's own."""

    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


class NewToken(BaseModel):
    """A token to be; ``expires`` is a duration such as 90d, empty: it does not expire."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=6)
    expires: str = Field(default="90d", max_length=20)
    owner: str = Field(default="", max_length=100, description="a user; empty: who asks")
    by: str = Field(default="", max_length=100)


def access_router(app: App, gate: Gate) -> APIRouter:
    """All paths."""
    router = APIRouter(tags=["access"])
    _users(router, app, gate)
    _tokens(router, app, gate)
    _own(router, app, gate)
    _audit(router, app)
    return router


def _users(router: APIRouter, app: App, gate: Gate) -> None:
    base = "/api/hypercare/v1/admin/users"

    @router.get(base, operation_id="list_users")
    @needs(Role.ADMIN)
    def users() -> Any:
        """Users of the configuration and those made here, with their open sessions."""
        return timed(known_users(app))

    @router.post(base, operation_id="add_user", status_code=201)
    @needs(Role.ADMIN)
    async def add(request: Request, body: NewUser) -> Any:
        """Make a user; the first one is an administrator."""
        hashed = await run_in_threadpool(gate.passwords.hash, body.name, body.password) if body.password else ""
        by = gate.by(request, body.by, "api")
        return timed(user_view(await call(app, AddUser(body.name, Role.of(body.role), by, hashed))))

    @router.patch(f"{base}/{{name}}", operation_id="change_user")
    @needs(Role.ADMIN)
    async def change(request: Request, name: Name, body: ChangedUser) -> Any:
        """Give another role or password, disable, take back; a new password and disabling end all sessions."""
        by = gate.by(request, body.by, "api")
        commands: list[object] = []
        if body.password is not None:
            commands.append(SetPassword(name, by, await run_in_threadpool(gate.passwords.hash, name, body.password)))
        if body.role is not None:
            commands.append(SetRole(name, Role.of(body.role), by))
        if body.disabled is not None:
            commands.append(DisableUser(name, by) if body.disabled else EnableUser(name, by))
        if not commands:
            raise CommandError("nothing is to be changed: send role, password or disabled", 400)
        for command in commands:
            found = await call(app, command)
        return timed(user_view(found))

    @router.post(f"{base}/{{name}}/logout", operation_id="log_out_user")
    @needs(Role.ADMIN)
    async def log_out(request: Request, name: Name) -> Any:
        """End all sessions of a user."""
        return {"ended": await call(app, LogOutEverywhere(name, gate.by(request, "", "api")))}


def _tokens(router: APIRouter, app: App, gate: Gate) -> None:
    base = "/api/hypercare/v1/admin/tokens"

    @router.get(base, operation_id="list_tokens")
    @needs(Role.ADMIN)
    def tokens(*, revoked: bool = False) -> Any:
        """Tokens of all users; never what they are, only how they begin."""
        now = app.ports.clock.now()
        with app.state.read() as db:
            return timed([token_view(t, now) for t in store.load_tokens(db, revoked=revoked)])

    @router.post(base, operation_id="add_token", status_code=201)
    @needs(Role.ADMIN)
    async def add(request: Request, body: NewToken) -> Any:
        """Make a token; the answer is the only place where it is shown."""
        by = gate.by(request, body.by, "api")
        row, secret = await new_token(
            app, gate, body.name, body.owner or by, body.scopes, by, gate.role(request), _lasts(body.expires)
        )
        return timed({**token_view(row, row.created_at), "token": secret})

    @router.delete(f"{base}/{{token_id}}", operation_id="revoke_token", status_code=204)
    @needs(Role.ADMIN)
    async def revoke(request: Request, token_id: Annotated[str, Path(max_length=64)]) -> None:
        """Make a token invalid, at once and for good."""
        await call(app, RevokeToken(token_id, gate.by(request, "", "api")))


def _lasts(text: str) -> Ms:
    try:
        return parse_duration(text) if text else 0
    except ValueError as error:
        msg = f"expires: {error}"
        raise CommandError(msg, 400) from error


def _own(router: APIRouter, app: App, gate: Gate) -> None:
    base = "/api/hypercare/v1/me"

    @router.get(base, operation_id="me")
    def me(request: Request) -> Any:
        """Who one is, and what one may do."""
        found = gate.identity(request) if gate.closed else None
        scopes = sorted(map(str, found.scopes)) if found is not None and found.scopes is not None else None
        name, via = ("", "open") if found is None else (found.name, found.via)
        return {"name": name, "role": str(gate.role(request)), "via": via, "scopes": scopes}

    @router.post(f"{base}/password", operation_id="change_own_password", status_code=204)
    @needs(Role.VIEWER)
    def password(request: Request, body: NewPassword) -> None:
        """Another password; all other sessions of one's own end."""
        change_password(app, gate, request, body.old, body.new)

    @router.post(f"{base}/logout", operation_id="log_out_everywhere")
    @needs(Role.VIEWER)
    async def log_out(request: Request) -> Any:
        """End all sessions of one's own."""
        name = person(gate, request).name
        return {"ended": await call(app, LogOutEverywhere(name, name))}

    @router.get(f"{base}/tokens", operation_id="list_own_tokens")
    def tokens(request: Request) -> Any:
        """One's own tokens."""
        name, now = person(gate, request).name, app.ports.clock.now()
        with app.state.read() as db:
            return timed([token_view(t, now) for t in store.load_tokens(db, name)])

    @router.post(f"{base}/tokens", operation_id="add_own_token", status_code=201)
    @needs(Role.VIEWER)
    async def add(request: Request, body: NewToken) -> Any:
        """Make a token of one's own that may do no more than oneself."""
        me = person(gate, request)
        lasts = _lasts(body.expires)
        row, secret = await new_token(app, gate, body.name, me.name, body.scopes, me.name, me.role, lasts)
        return timed({**token_view(row, row.created_at), "token": secret})

    @router.delete(f"{base}/tokens/{{token_id}}", operation_id="revoke_own_token", status_code=204)
    @needs(Role.VIEWER)
    async def revoke(request: Request, token_id: Annotated[str, Path(max_length=64)]) -> None:
        """Make a token of one's own invalid."""
        name = person(gate, request).name
        await call(app, RevokeToken(token_id, name, name))


def _audit(router: APIRouter, app: App) -> None:
    @router.get("/api/v1/audit", operation_id="audit")
    @needs(Role.ADMIN)
    def journal(
        since: Instant = "", until: Instant = "",
        who: Annotated[str, Query(max_length=100)] = "", action: Annotated[str, Query(max_length=64)] = "",
        before: Annotated[int | None, Query(ge=1, le=2**62, description="older than this row")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Any:  # fmt: skip
        """The journal of changes, the newest first."""
        with app.state.read() as db:
            rows = audit.load(
                db, since=instant_of(since, "since") or 0, until=instant_of(until, "until"), who=who, action=action,
                before=before, limit=limit,
            )  # fmt: skip
        return timed(rows)

    @router.get("/api/v1/audit/export", operation_id="audit_export", response_class=StreamingResponse)
    @needs(Role.ADMIN)
    def export(since: Instant = "") -> Response:
        """The journal from an instant on, the oldest first: one JSON object a line."""
        start = instant_of(since, "since") or 0
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
        return StreamingResponse(_lines(app, start), media_type=_LINES, headers=headers)

    @router.get("/api/v1/audit/verify", operation_id="audit_verify")
    @needs(Role.ADMIN)
    def verify() -> Any:
        """Whether every row carries the hash of the one before it; else the first that does not."""
        with app.state.read() as db:
            broken = audit.broken(db)
            newest = audit.load(db, limit=1)
        last = newest[0] if newest else None
        return {
            "whole": broken is None, "first_broken": broken, "rows_to": last.seq if last else 0,
            "hash": last.hash if last else "",
        }  # fmt: skip


def _lines(app: App, since: Ms) -> Iterator[str]:
    with app.state.read() as db:
        for row in audit.walk(db, since):
            yield json.dumps(timed(row), ensure_ascii=False) + "\n"


def instant_of(text: str, name: str) -> Ms | None:
    """An instant of a parameter; none where it is empty.

    Raises:
        CommandError: it is no RFC 3339.

    """
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise CommandError(msg, 400) from error
