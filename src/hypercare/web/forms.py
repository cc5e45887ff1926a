"""What people do on the pages: acknowledge, note, resolve, silence, log in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import Form
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.access import Role
from hypercare.incidents.commands import Acknowledge, AddNote, Resolve, Unacknowledge
from hypercare.kernel import CommandError
from hypercare.routing.commands import ExpireSilence
from hypercare.web.auth import COOKIE, SECURE_COOKIE, TooManyTriesError, address_of, session_secret
from hypercare.web.calls import call
from hypercare.web.notices import MESSAGE
from hypercare.web.roles import needs, open_to_all

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.auth import Identity
    from hypercare.web.pages import Pages

ME: Final = "hypercare_me"
_NOT_RIGHT: Final = "That is not right: no user has this name and this password."
_TOO_MANY: Final = "There were too many tries. Wait five minutes."


def inside(path: str, fallback: str = "/") -> str:
    """A path on this server, or the fallback where it leads elsewhere (``//other.site``)."""
    plain = path.isprintable() and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if plain else fallback


def _back(request: Request, fallback: str, message: str = "") -> RedirectResponse:
    """Back to the page on which the form stood, never to another site."""
    try:
        came = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        came = urlsplit("")
    own = came.netloc == request.headers.get("host", "")
    answer = RedirectResponse(inside(came.path, fallback) if own and came.path else fallback, 303)
    if message:
        # Not in the address, where a link from elsewhere could put words into our mouth.
        answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def add_forms(router: APIRouter, pages: Pages) -> None:
    """The targets of all forms."""
    _incidents(router, pages)
    _silences(router, pages)
    _log_in(router, pages)


def _incidents(router: APIRouter, pages: Pages) -> None:
    @router.post("/incidents/{ref}/act")
    async def act(
        request: Request, ref: str, act: Annotated[str, Form()], by: Annotated[str, Form()] = "",
        text: Annotated[str, Form(max_length=10_000)] = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        commands = {
            "ack": Acknowledge(ref, who),
            "unack": Unacknowledge(ref, who),
            "resolve": Resolve(ref, who),
            "note": AddNote(ref, who, text),
        }
        if act not in commands:
            raise CommandError(f"unknown action {act!r}", 400)
        page = f"/incidents/{quote(ref, safe='')}"
        try:
            await call(pages.app, commands[act])
        except CommandError as error:
            if error.status == 404:
                raise
            return _back(request, page, str(error))
        answer = _back(request, page)
        answer.set_cookie(ME, quote(who), max_age=365 * 86400, samesite="strict", httponly=True)
        return answer


def _silences(router: APIRouter, pages: Pages) -> None:
    @router.post("/silences/{silence_id}/expire")
    async def expire(request: Request, silence_id: str) -> Response:
        await call(pages.app, ExpireSilence(silence_id))
        return _back(request, "/silences", "The silence has ended.")


def _log_in(router: APIRouter, pages: Pages) -> None:
    gate = pages.gate

    @router.get("/login")
    @open_to_all("the way in")
    def login(request: Request) -> Response:
        return pages.render(
            request, "login.html", next=inside(request.query_params.get("next", "/")), problem="", sso=sso(pages)
        )

    @router.post("/login")
    @open_to_all("the way in; tries are limited")
    async def enter(
        request: Request, password: Annotated[str, Form(max_length=1000)],
        name: Annotated[str, Form(max_length=100)] = "",
        next: Annotated[str, Form()] = "/",  # noqa: A002 - the field's name in the form
    ) -> Response:  # fmt: skip
        address, name = address_of(request), name.strip()
        try:
            identity = await run_in_threadpool(gate.log_in, name, password, address)
        except TooManyTriesError:
            return pages.render(request, "login.html", 429, next=inside(next), problem=_TOO_MANY, sso=sso(pages))
        if identity is None:
            await run_in_threadpool(gate.note_failure, request, name, "wrong name or password")
            answer = RedirectResponse(f"/login?next={quote(inside(next), safe='/')}", 303)
            answer.set_cookie(MESSAGE, quote(_NOT_RIGHT), max_age=60, samesite="strict", httponly=True)
            return answer
        return await run_in_threadpool(enter_session, pages, request, identity, inside(next))

    @router.post("/logout")
    @needs(Role.VIEWER)
    def leave(request: Request) -> Response:
        gate.close_session(session_secret(request))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        answer.delete_cookie(SECURE_COOKIE, secure=True)
        return answer


def enter_session(pages: Pages, request: Request, identity: Identity, to: str, via: str = "password") -> Response:
    """Open a session and go on to a page."""
    gate = pages.gate
    secret, secure = gate.open_session(request, identity, via), gate.is_secure(request)
    answer = RedirectResponse(to, 303)
    # Lax: a link in a notification has to find the session; forms of other sites are refused by their origin.
    lasts = pages.app.access.sessions.lasts // 1000
    name = SECURE_COOKIE if secure else COOKIE
    answer.set_cookie(name, secret, max_age=lasts, samesite="lax", httponly=True, secure=secure)
    return answer


def sso(pages: Pages) -> str:
    """What the button of the other way to log in says; empty: there is none."""
    oidc = pages.app.config.hypercare.web.oidc
    return "" if oidc is None else oidc.title
