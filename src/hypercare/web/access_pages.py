"""Users, one's own account, and the audit log as pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import Form, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.access import Role, Scope, audit, store
from hypercare.access.commands import AddUser, DisableUser, EnableUser, LogOutEverywhere, RevokeToken, SetRole
from hypercare.access.roles import ROLE_OF_SCOPE, ROLES, SCOPES
from hypercare.kernel import CommandError
from hypercare.model.time import DAY
from hypercare.web.accounts import change_password, known_users, new_token, person, token_view
from hypercare.web.auth import TooManyTriesError
from hypercare.web.calls import call
from hypercare.web.notices import MESSAGE
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.pages import Pages

_ROWS = 100
_Short = Annotated[str, Form(max_length=100)]
_Password = Annotated[str, Form(max_length=1000)]


def add_access_pages(router: APIRouter, pages: Pages) -> None:
    """The pages and the targets of their forms."""
    _users(router, pages)
    _account(router, pages)
    _audit(router, pages)


def _told(to: str, message: str) -> Response:
    answer = RedirectResponse(to, 303)
    answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def _users(router: APIRouter, pages: Pages) -> None:
    app, gate = pages.app, pages.gate

    @router.get("/users")
    @needs(Role.ADMIN)
    def users(request: Request) -> Response:
        now = app.ports.clock.now()
        with app.state.read() as db:
            tokens = [token_view(t, now) for t in store.load_tokens(db)]
        return pages.render(request, "users.html", users=known_users(app), tokens=tokens, roles=list(ROLES))

    @router.post("/users")
    @needs(Role.ADMIN)
    async def add(request: Request, name: _Short, role: _Short, password: _Password) -> Response:
        try:
            hashed = await run_in_threadpool(gate.passwords.hash, name, password)
            await call(app, AddUser(name, ROLES[role], gate.by(request, "", "page"), hashed))
        except KeyError:
            return _told("/users", f"There is no role {role}.")
        except CommandError as error:
            return _told("/users", str(error))
        return _told("/users", f"{name} is {role}.")

    @router.post("/users/{name}/act")
    @needs(Role.ADMIN)
    async def act(request: Request, name: str, act: _Short, role: _Short = "") -> Response:
        by = gate.by(request, "", "page")
        if act == "role" and role in ROLES:
            command: object = SetRole(name, ROLES[role], by)
        elif act in {"disable", "enable", "logout"}:
            kinds = {"disable": DisableUser, "enable": EnableUser, "logout": LogOutEverywhere}
            command = kinds[act](name, by)
        else:
            raise CommandError(f"unknown action {act!r}", 400)
        try:
            await call(app, command)
        except CommandError as error:
            return _told("/users", str(error))
        return _told("/users", "Done.")

    @router.post("/users/tokens/{token_id}/revoke")
    @needs(Role.ADMIN)
    async def revoke(request: Request, token_id: str) -> Response:
        try:
            await call(app, RevokeToken(token_id, gate.by(request, "", "page")))
        except CommandError as error:
            return _told("/users", str(error))
        return _told("/users", "Revoked.")


def _account(router: APIRouter, pages: Pages) -> None:
    app, gate = pages.app, pages.gate

    def show(request: Request, made: str = "", code: int = 200) -> Response:
        me = person(gate, request)
        now = app.ports.clock.now()
        one = next((u for u in known_users(app) if u["name"] == me.name), None)
        with app.state.read() as db:
            tokens = [token_view(t, now) for t in store.load_tokens(db, me.name)]
        scopes = [s for s in SCOPES if ROLE_OF_SCOPE[Scope(s)] <= me.role]
        return pages.render(
            request, "account.html", code, account=one, role=str(me.role), tokens=tokens, scopes=scopes, made=made
        )

    @router.get("/account")
    def account(request: Request) -> Response:
        return show(request)

    @router.post("/account/password")
    @needs(Role.VIEWER)
    def password(request: Request, old: _Password, new: _Password) -> Response:
        try:
            change_password(app, gate, request, old, new)
        except TooManyTriesError:
            return _told("/account", "There were too many tries. Wait five minutes.")
        except CommandError as error:
            return _told("/account", str(error))
        return _told("/account", "The password is changed; other sessions have ended.")

    @router.post("/account/logout")
    @needs(Role.VIEWER)
    async def log_out(request: Request) -> Response:
        name = person(gate, request).name
        await call(app, LogOutEverywhere(name, name))
        return RedirectResponse("/login", 303)

    @router.post("/account/tokens")
    @needs(Role.VIEWER)
    async def token(
        request: Request,
        name: _Short,
        scopes: Annotated[list[Scope], Form(min_length=1)],
        days: Annotated[int, Form(ge=0, le=3650)] = 90,
    ) -> Response:
        me = person(gate, request)
        try:
            _, secret = await new_token(app, gate, name, me.name, scopes, me.name, me.role, days * DAY)
        except CommandError as error:
            return _told("/account", str(error))
        return await run_in_threadpool(show, request, secret, 201)

    @router.post("/account/tokens/{token_id}/revoke")
    @needs(Role.VIEWER)
    async def revoke(request: Request, token_id: str) -> Response:
        name = person(gate, request).name
        try:
            await call(app, RevokeToken(token_id, name, name))
        except CommandError as error:
            return _told("/account", str(error))
        return _told("/account", "Revoked.")


def _audit(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    @router.get("/audit")
    @needs(Role.ADMIN)
    def journal(
        request: Request, who: Annotated[str, Query(max_length=100)] = "",
        action: Annotated[str, Query(max_length=64)] = "",
        before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    ) -> Response:  # fmt: skip
        with app.state.read() as db:
            rows = audit.load(db, who=who.strip(), action=action.strip(), before=before, limit=_ROWS)
        older = rows[-1].seq if len(rows) == _ROWS else None
        return pages.render(request, "audit.html", rows=rows, who=who, action=action, older=older)
