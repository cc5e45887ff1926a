"""The page that a signed link about an action opens: one button that approves it, or declines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

from hypercare.access import Role
from hypercare.access.store import any_user, load_user
from hypercare.actions.commands import ApproveRun, RefuseRun
from hypercare.actions.store import WAITING, Run, load_run
from hypercare.channels.links import APPROVE, DECISION_PATH, REFUSE, Link, LinkError
from hypercare.kernel import ORIGIN, CommandError, Origin
from hypercare.web.calls import call
from hypercare.web.roles import open_to_all

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.web.pages import Pages

_SIGNED: Final = "the link is signed for one person, one run of an action and some time, and works once"
# The token must not travel on in a Referer, nor the page stay in a cache or an index.
_HEADERS: Final = {"Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}


def decision_router(pages: Pages) -> APIRouter:
    """The page and its button; not part of the API's description. Opening it decides nothing: scanners open links."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{DECISION_PATH}{{token}}")
    @open_to_all(_SIGNED)
    def show(request: Request, token: str) -> Response:
        try:
            link, run = _read(pages, token)
        except LinkError as error:
            return _answer(pages, request, 403, refused=str(error))
        return _answer(pages, request, 200, link, run, refused="" if run else "this run is not known here any more")

    @router.post(f"{DECISION_PATH}{{token}}")
    @open_to_all(_SIGNED)
    async def act(request: Request, token: str) -> Response:
        try:
            link, run = _read(pages, token)
        except LinkError as error:
            return _answer(pages, request, 403, refused=str(error))
        number = int(link.incident)
        approves = link.action == APPROVE
        command = ApproveRun(number, link.person) if approves else RefuseRun(number, link.person)
        known = ORIGIN.get() or Origin()
        # The journal of changes tells the way, but not the token, which is a secret while it is valid.
        mark = ORIGIN.set(
            dataclasses.replace(known, who=link.person, via="signed link", request=f"POST {DECISION_PATH}…")
        )
        problem = ""
        try:
            await call(pages.app, command)
        except CommandError as error:
            problem = str(error)
        finally:
            ORIGIN.reset(mark)
        with pages.app.state.read() as db:
            run = load_run(db, number)
        return _answer(pages, request, 409 if problem else 200, link, run, problem=problem)

    return router


def _read(pages: Pages, token: str) -> tuple[Link, Run | None]:
    """What a token allows, and the run it is about.

    Raises:
        LinkError: it allows nothing (any more), or the person may not decide.

    """
    app = pages.app
    link = app.channels.signer.read(token, app.ports.clock.now())
    if link.action not in {APPROVE, REFUSE}:
        raise LinkError("this link is for something else")
    if link.person not in {person.name for person in app.config.hypercare.people}:
        msg = f"{link.person} is not among the people of the configuration any more"
        raise LinkError(msg)
    with app.state.read() as db:
        if _role(pages, db, link.person) < Role.RESPONDER:
            msg = f"{link.person} may not decide that: it needs an account with the role responder"
            raise LinkError(msg)
        return link, load_run(db, int(link.incident))


def _role(pages: Pages, db: Connection, person: str) -> Role:
    """What a person may do now, and not when they were asked; where nobody has an account, who is asked may decide."""
    web = pages.app.config.hypercare.web
    configured = {user.name: user.role for user in web.users}
    if person in configured:
        return Role[configured[person].upper()]
    user = load_user(db, person)
    if user is not None:
        return Role.NOBODY if user.disabled_at is not None else user.role
    return Role.NOBODY if configured or web.oidc is not None or any_user(db) else Role.RESPONDER


def _answer(
    pages: Pages, request: Request, status: int, link: Link | None = None, run: Run | None = None, *,
    refused: str = "", problem: str = "",
) -> Response:  # fmt: skip
    approves = link is not None and link.action == APPROVE
    what = pages.app.actions.action(run.action) if run is not None else None
    answer = pages.render(
        request, "decision.html", status, r=run, link=link, approves=approves, refused=refused, problem=problem,
        description=what.description if what is not None else "", waits=run is not None and run.state == WAITING,
    )  # fmt: skip
    answer.headers.update(_HEADERS)
    return answer
