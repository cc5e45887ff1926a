"""The page that a signed link opens: one button, for somebody who was woken and has no session on this phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotation

from hypercare.channels.links import ACKNOWLEDGE, PATH, Link, LinkError
from hypercare.conversations.people import by_receiver
from hypercare.incidents.commands import Acknowledge
from hypercare.incidents.store import Incident, load_incident
from hypercare.kernel import CommandError
from hypercare.web.calls import call
from hypercare.web.roles import open_to_all

if TYPE_CHECKING:
    from hypercare.web.pages import Pages

_SIGNED = "the link is signed for one person, one incident and some time"
# The token must not travel on in a Referer, nor the page stay in a cache or an index.
_HEADERS = {"Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}


def link_router(pages: Pages) -> APIRouter:
    """The page and its button; not part of the API's description."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{PATH}{{token}}")
    @open_to_all(_SIGNED)
    def show(request: Request, token: str) -> Response:
        return _show(pages, request, token)

    @router.post(f"{PATH}{{token}}")
    @open_to_all(_SIGNED)
    async def act(request: Request, token: str, by: Annotated[str, Form(max_length=100)] = "") -> Response:
        try:
            link = _read(pages, token)
        except LinkError as error:
            return _answer(pages, request, 403, None, refused=str(error))
        who = by.strip() if by_receiver(link.person) else link.person
        if not who:
            return _show(pages, request, token, "Say who you are.")
        try:
            await call(pages.app, Acknowledge(link.incident, who, "by the link in the page"))
        except CommandError as error:
            return _show(pages, request, token, str(error))
        return _show(pages, request, token)

    return router


def _show(pages: Pages, request: Request, token: str, message: str = "") -> Response:
    try:
        link = _read(pages, token)
    except LinkError as error:
        return _answer(pages, request, 403, None, refused=str(error))
    with pages.app.state.read() as db:
        incident = load_incident(db, link.incident)
    if incident is None:
        return _answer(pages, request, 404, None, refused="this incident is not known here any more")
    return _answer(pages, request, 200, incident, link=link, problem=message)


def _read(pages: Pages, token: str) -> Link:
    link = pages.app.channels.signer.read(token, pages.app.ports.clock.now())
    if link.action != ACKNOWLEDGE:
        raise LinkError("this link is for something else")
    return link


def _answer(
    pages: Pages,
    request: Request,
    status: int,
    incident: Incident | None,
    *,
    link: Link | None = None,
    refused: str = "",
    problem: str = "",
) -> Response:
    asks = link is not None and by_receiver(link.person)
    names = [person.name for person in pages.app.config.hypercare.people] if asks else []
    answer = pages.render(
        request, "link.html", status, i=incident, link=link, refused=refused, problem=problem, asks=asks, names=names
    )
    answer.headers.update(_HEADERS)
    return answer
