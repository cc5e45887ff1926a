"""The page of escalations under way: next steps with their countdown, clocks, findings of the auditor, heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.auditor.store import load_findings
from hypercare.kernel import CommandError
from hypercare.oncall.clocks import PHASES, MarkPhase
from hypercare.reports.escalations import escalations_under_way
from hypercare.web.api.response import incident_of
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.web.pages import Pages


def _view(pages: Pages) -> dict[str, Any]:
    app = pages.app
    with app.state.read() as db:
        lines = escalations_under_way(app, db, app.ports.clock.now())
        findings = load_findings(db)
    return {"lines": lines, "findings": findings, "heartbeats": tuple(app.auditor.heartbeats.status.values())}


def add_escalation_pages(router: APIRouter, pages: Pages) -> None:
    """The page, its fragment, and the form by which people say how far they are."""

    @router.get("/escalations")
    def page(request: Request) -> Response:
        return pages.render(request, "escalations.html", **_view(pages))

    @router.get("/fragments/escalations")
    def fragment(request: Request) -> Response:
        return pages.render(request, "f_escalations.html", **_view(pages))

    @router.post("/incidents/{ref}/phase")
    async def phase(
        request: Request, ref: str, phase: Annotated[str, Form(max_length=20)],
        by: Annotated[str, Form(max_length=100)] = "", note: Annotated[str, Form(max_length=10_000)] = "",
    ) -> Response:  # fmt: skip
        who, incident = pages.by(request, by), incident_of(pages.app, ref)
        message = f"#{incident.number} is {PHASES.get(phase, phase)}."
        try:
            await call(pages.app, MarkPhase(incident.id, phase, who, note))
        except CommandError as error:
            message = str(error)
        answer = RedirectResponse(f"/incidents/{incident.number}", 303)
        answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
        answer.set_cookie(ME, quote(who), max_age=365 * 86400, samesite="strict", httponly=True)
        return answer
