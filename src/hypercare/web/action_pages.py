"""The page of actions: what waits for an approval, what runs, what there is to run, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.actions.commands import ApproveRun, RefuseRun, RunAction
from hypercare.actions.store import OPEN, WAITING, load_outputs, load_runs
from hypercare.config.actions import PLACES
from hypercare.kernel import CommandError
from hypercare.web.api.actions import actions_view
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.pages import Pages

_SHOWN = 50


def _view(pages: Pages) -> dict[str, Any]:
    app = pages.app
    with app.state.read() as db:
        shown = (*load_runs(db, states=OPEN, limit=1000), *load_runs(db, limit=_SHOWN))
        runs = tuple({run.number: run for run in shown}.values())
        said = load_outputs(db, tuple(run.number for run in runs))
    return {
        "waiting": [run for run in runs if run.state == WAITING],
        "under_way": [run for run in runs if run.state in OPEN and run.state != WAITING],
        "ended": [run for run in runs if run.state not in OPEN],
        "said": said,
    }


def add_action_pages(router: APIRouter, pages: Pages) -> None:
    """The page, its fragment and its forms."""

    @router.get("/actions")
    def page(request: Request) -> Response:
        known = actions_view(pages.app)
        return pages.render(request, "actions.html", actions=known, places=PLACES, **_view(pages))

    @router.get("/fragments/actions")
    def fragment(request: Request) -> Response:
        return pages.render(request, "f_actions.html", **_view(pages))

    async def carry_out(who: str, command: object, message: str) -> Response:
        try:
            number = await call(pages.app, command)
            message = message.format(number)
        except CommandError as error:
            message = str(error)
        answer = RedirectResponse("/actions", 303)
        answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
        answer.set_cookie(ME, quote(who), max_age=365 * 86400, samesite="strict", httponly=True)
        return answer

    @router.post("/actions/runs/{number}/decide")
    async def decide(
        request: Request, number: int, act: Annotated[str, Form(max_length=10)],
        by: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        if act == "approve":
            return await carry_out(who, ApproveRun(number, who), "#{} is approved.")
        return await carry_out(who, RefuseRun(number, who), "#{} is refused.")

    @router.post("/actions/run")
    async def run(
        request: Request, name: Annotated[str, Form(max_length=64)], values: Annotated[str, Form(max_length=1000)] = "",
        reason: Annotated[str, Form(max_length=1000)] = "", dry_run: Annotated[str, Form(max_length=3)] = "",
        by: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        pairs = (word.partition("=") for word in values.split())
        context = tuple((place, value) for place, _, value in pairs)
        return await carry_out(who, RunAction(name, who, reason, context, bool(dry_run)), "Asked for: #{}.")
