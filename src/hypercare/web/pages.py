"""The pages: rendered on the server, refreshed by fragments when something happens; their forms are in forms.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import HTMLResponse, Response

from hypercare.incidents.store import load_incident, load_incidents
from hypercare.kernel import CommandError
from hypercare.model.time import DAY, MINUTE, SECOND, Ms, format_duration, format_rfc3339, to_datetime
from hypercare.oncall.store import load_escalations, on_call_now
from hypercare.reports.overview import alert_lines, overview, target_lines
from hypercare.reports.why import why_one
from hypercare.web.access_pages import add_access_pages
from hypercare.web.action_pages import add_action_pages
from hypercare.web.alert_pages import add_alert_pages
from hypercare.web.auth import TooManyTriesError
from hypercare.web.channels_page import add_channels_page
from hypercare.web.deploy_pages import add_deployment_pages
from hypercare.web.escalation_pages import add_escalation_pages
from hypercare.web.forms import ME, add_forms
from hypercare.web.markdown import render, render_line
from hypercare.web.notices import MESSAGE
from hypercare.web.oidc import add_oidc_pages
from hypercare.web.oncall_pages import add_oncall_pages
from hypercare.web.query_page import add_query_page
from hypercare.web.room_pages import add_room_pages, room_view, runbook_for
from hypercare.web.schedule_pages import add_schedule_pages
from hypercare.web.service_pages import add_service_pages
from hypercare.web.status_pages import add_status_pages

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hypercare.app import App
    from hypercare.web.auth import Gate, Identity
    from hypercare.web.trials import Trials


def ago(at: Ms, now: Ms) -> str:
    """A rough distance in words: ``3m ago``."""
    distance = now - at
    if distance < 0:
        return f"in {format_duration(-distance // SECOND * SECOND)}"
    if distance < 10 * SECOND:
        return "just now"
    unit = SECOND if distance < MINUTE else MINUTE if distance < DAY else 60 * MINUTE
    return f"{format_duration(distance // unit * unit)} ago"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rfc3339"] = format_rfc3339
    environment.tests["web_address"] = lambda url: str(url).startswith(("http://", "https://"))
    environment.filters["ago"] = ago
    environment.filters["clock"] = lambda at: to_datetime(at).strftime("%a %d %b %H:%M:%S UTC")
    environment.filters["markdown_line"] = render_line
    environment.filters["duration"] = lambda ms: format_duration(ms // SECOND * SECOND)
    return environment


class Pages:
    """What every template needs."""

    def __init__(self, app: App, gate: Gate) -> None:
        self.app = app
        self.gate = gate
        self.environment = _environment()

    def render(self, request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        """A page or fragment, with its HTTP status."""
        now = self.app.ports.clock.now()
        closed = self.gate.closed
        identity = self._identity(request) if closed else None
        people = [p.name for p in self.app.config.hypercare.people] or ["web"]
        oncall = [s.person for s in on_call_now(self.app.oncall.plan, now) if s.person]
        fixed = identity is not None and not identity.by_token
        me = identity.name if identity and fixed else unquote(request.cookies.get(ME, "")) or (oncall or people)[0]
        if me not in people:
            people = [me, *people]
        message = unquote(request.cookies.get(MESSAGE, ""))
        text = self.environment.get_template(template).render(
            platform=self.app.config.hypercare.platform, version=self.app.version, here=request.url.path, now=now,
            user=identity.name if identity else "", me=me, me_fixed=fixed, people=people, message=message,
            may_change=not closed if identity is None else identity.may_change,
            is_admin=not closed if identity is None else identity.is_admin, **values,
        )  # fmt: skip
        answer = HTMLResponse(text, code, headers={"Cache-Control": "no-store"})
        if message and not request.url.path.startswith("/fragments/"):
            answer.delete_cookie(MESSAGE)
        return answer

    def _identity(self, request: Request) -> Identity | None:
        try:
            return self.gate.identity(request)
        except TooManyTriesError:
            # A page that is open to everybody is so to them, too.
            return None

    def error(self, request: Request, status: int, text: str) -> HTMLResponse:
        """A refusal as a page."""
        return self.render(request, "error.html", status, status=status, text=text)

    def by(self, request: Request, claimed: str) -> str:
        """Who acts: who is logged in by name, else who they say they are."""
        return self.gate.by(request, claimed, "web")

    def views(self, name: str) -> dict[str, Any]:
        """The data of a page or fragment."""
        now = self.app.ports.clock.now()
        with self.app.state.read() as db:
            return _views(self.app, db, now, name)


def _views(app: App, db: Connection, now: Ms, name: str) -> dict[str, Any]:
    match name:
        case "overview":
            o = overview(app, db, now)
            return {"o": o, "oncall": o.oncall}
        case "incidents":
            return {"incidents": load_incidents(db)}
        case "targets":
            return {"targets": target_lines(app, now)}
        case _:
            escalations = [
                {"incident": incident, "policy": e.policy.name, "round": e.round - e.first_round + 1, "step": e.step,
                 "steps": len(e.policy.steps), "next_at": e.next_at, "paused": e.paused_why}
                for e in load_escalations(db)
                if (incident := load_incident(db, e.incident_id)) is not None
            ]  # fmt: skip
            return {"oncall": on_call_now(app.oncall.plan, now), "escalations": escalations}


def pages_router(pages: Pages, sender: Trials) -> APIRouter:
    """All pages, fragments and their forms; not part of the API's description."""
    router = APIRouter(include_in_schema=False)
    fragments = {"overview": "f_overview.html", "incidents": "f_incident_list.html"}
    fragments |= {"targets": "f_targets.html", "oncall": "f_oncall.html"}

    def page(path: str, name: str) -> None:
        def show(request: Request) -> Response:
            return pages.render(request, f"{name}.html", **pages.views(name))

        router.add_api_route(path, show, methods=["GET"], name=f"page_{name}", response_model=None)

    for path, name in (("/", "overview"), ("/incidents", "incidents"), ("/targets", "targets")):
        page(path, name)
    add_alert_pages(router, pages)
    add_oncall_pages(router, pages)
    add_schedule_pages(router, pages)
    add_room_pages(router, pages)
    add_deployment_pages(router, pages)
    add_status_pages(router, pages)
    add_channels_page(router, pages, sender)
    add_escalation_pages(router, pages)
    add_action_pages(router, pages)
    add_service_pages(router, pages)
    add_query_page(router, pages)

    @router.get("/fragments/incident/{ref}")
    def incident_fragment(request: Request, ref: str) -> Response:
        return pages.render(request, "f_incident.html", **room_view(pages.app, ref))

    @router.get("/fragments/{name}")
    def fragment(request: Request, name: str) -> Response:
        if name not in fragments:
            raise CommandError("no such fragment", 404)
        return pages.render(request, fragments[name], **pages.views(name))

    @router.get("/alerts/{fingerprint}")
    def alert(request: Request, fingerprint: str) -> Response:
        app, now = pages.app, pages.app.ports.clock.now()
        with app.state.read() as db:
            story = why_one(app, db, fingerprint, now)
            if story is None:
                raise CommandError(f"no alert {fingerprint} is known", 404)
            url = next((a.runbook_url for a in alert_lines(app, db, now) if a.labels == story.labels), "")
        book = runbook_for(app, story.labels, url)
        return pages.render(request, "alert.html", story=story, runbook=book, body=book and render(book.text))

    @router.get("/incidents/{ref}")
    def incident(request: Request, ref: str) -> Response:
        return pages.render(request, "incident.html", **room_view(pages.app, ref))

    add_access_pages(router, pages)
    add_oidc_pages(router, pages)
    add_forms(router, pages)
    return router
