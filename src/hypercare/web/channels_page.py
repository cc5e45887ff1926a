"""The page of receivers and people: how each way to them fares, and a button that tries it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, unquote

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.channels.commands import SendTest
from hypercare.kernel import CommandError
from hypercare.reports.channels import ways
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.pages import Pages
    from hypercare.web.trials import Trials


def add_channels_page(router: APIRouter, pages: Pages, sender: Trials) -> None:
    """The page, its fragment and its form."""

    def views() -> dict[str, Any]:
        with pages.app.state.read() as db:
            found = ways(pages.app, db)
        return {"targets": [(kind, name, list(of)) for (kind, name), of in groupby(found, lambda w: (w.kind, w.name))]}

    @router.get("/channels")
    def page(request: Request) -> Response:
        return pages.render(request, "channels.html", **views())

    @router.get("/fragments/channels")
    def fragment(request: Request) -> Response:
        return pages.render(request, "f_channels.html", **views())

    @router.post("/channels/test")
    async def test(
        request: Request, kind: Annotated[str, Form(pattern="^(receiver|person)$")], name: Annotated[str, Form()]
    ) -> Response:
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        command = SendTest(name if kind == "receiver" else "", name if kind == "person" else "", by)
        try:
            told = "; ".join(
                f"{o.channel}: {o.status}" + (f" ({o.error})" if o.error else "") for o in await sender.send(command)
            )
        except CommandError as error:
            told = str(error)
        answer = RedirectResponse("/channels", 303)
        text = f"Test of {name}: {told}"[:500]
        answer.set_cookie(MESSAGE, quote(text), max_age=60, samesite="strict", httponly=True)
        return answer
