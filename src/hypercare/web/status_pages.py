"""The status page for those who write it: what the public sees, posts, maintenance."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.incidents.commands import CancelMaintenance, PlanMaintenance, PostStatus
from hypercare.incidents.statusview import IMPACTS, STATES, load_maintenance, load_posts
from hypercare.incidents.store import load_incidents
from hypercare.kernel import CommandError
from hypercare.model.time import from_datetime
from hypercare.web.calls import call
from hypercare.web.notices import MESSAGE
from hypercare.web.statuspage import WORDS, Copies, view_of

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.model.time import Ms
    from hypercare.web.pages import Pages

_PUBLIC: Final = {"": "page", "/": "page", "/status.json": "json", "/feed.atom": "atom", "/feed.rss": "rss"}
Name = Annotated[str, Form(max_length=200)]


def _instant(text: str) -> Ms:
    try:
        return from_datetime(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
    except (ValueError, OverflowError) as error:
        raise CommandError(f"expected a date and time, found {text[:40]!r}", 400) from error


def _back(message: str) -> RedirectResponse:
    answer = RedirectResponse("/status", 303)
    answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def add_status_pages(router: APIRouter, pages: Pages) -> None:
    """The page with its forms, and what the public gets, below ``/status/public``."""
    app = pages.app
    copies = Copies(app, "/status/public")

    @router.get("/status")
    def show(request: Request) -> Response:
        now, view = app.ports.clock.now(), view_of(app)
        settings = app.incidents.settings.status_page
        with app.state.read() as db:
            posts = load_posts(db, now - settings.history) if settings else ()
            work = [m for m in load_maintenance(db, now) if m.cancelled_at is None]
            incidents = load_incidents(db, "unresolved")
        topics = {post.topic: post for post in posts}
        return pages.render(
            request, "status_admin.html", v=view, words=WORDS, topics=list(topics.values())[::-1], work=work,
            incidents=incidents, states=STATES, impacts=IMPACTS, soon=now - now % 3_600_000 + 3_600_000,
        )  # fmt: skip

    @router.get("/status/public{rest:path}")
    def public(rest: str) -> Response:
        if rest in {"/status.css", "/icon.svg"}:
            return RedirectResponse(f"/static{rest}")
        if rest not in _PUBLIC:
            raise CommandError("there is nothing of that name", 404)
        return copies.answer(_PUBLIC[rest])

    @router.post("/status/posts")
    async def post(
        request: Request, text: Annotated[str, Form(max_length=10_000)], state: Name, about: Name = "",
        impact: Name = "", title: Name = "", components: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
        by: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:  # fmt: skip
        kind, _, name = about.partition(":")
        command = PostStatus(
            pages.by(request, by), text, state, name if kind == "incident" else "", name if kind == "topic" else "",
            impact, title, tuple(components),
        )  # fmt: skip
        try:
            await call(app, command)
        except CommandError as error:
            return _back(str(error))
        return _back("Posted.")

    @router.post("/status/maintenance")
    async def plan(
        request: Request, title: Name, start: Name, end: Name, text: Annotated[str, Form(max_length=10_000)] = "",
        components: Annotated[list[str], Form()] = [], by: Annotated[str, Form(max_length=100)] = "",  # noqa: B006
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        try:
            await call(app, PlanMaintenance(who, title, _instant(start), _instant(end), text, tuple(components)))
        except CommandError as error:
            return _back(str(error))
        return _back("Announced.")

    @router.post("/status/maintenance/{work}/cancel")
    async def cancel(request: Request, work: str, by: Annotated[str, Form(max_length=100)] = "") -> Response:
        try:
            await call(app, CancelMaintenance(work, pages.by(request, by)))
        except CommandError as error:
            return _back(str(error))
        return _back("Cancelled.")
