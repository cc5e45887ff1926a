"""The pages of an incident: its room, its post-mortem; runbooks; statistics; and the targets of their forms."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.incidents import room_store, store
from hypercare.incidents.checklist import runbook_of
from hypercare.incidents.commands import (
    AddLink,
    AddNote,
    AddTask,
    AssignRole,
    ChangeTask,
    Declare,
    Describe,
    EditPostmortem,
    Merge,
    MovePostmortem,
    PassMilestone,
    Pin,
    PostUpdate,
    SetSeverity,
    Split,
    StartPostmortem,
    TickStep,
)
from hypercare.incidents.postmortem import exported, load_milestones, load_postmortem
from hypercare.incidents.similar import related, similar
from hypercare.incidents.stats import load_stats
from hypercare.incidents.updates import STAGES
from hypercare.kernel import CommandError
from hypercare.model.runbooks import find_runbook
from hypercare.model.severity import Severity
from hypercare.model.time import DAY, Ms, from_datetime
from hypercare.oncall.clocks import load_clocks
from hypercare.web import charts, markdown
from hypercare.web.calls import call
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.model.labels import Labels
    from hypercare.model.runbooks import Runbook
    from hypercare.web.pages import Pages

Text = Annotated[str, Form(max_length=10_000)]
Short = Annotated[str, Form(max_length=2000)]
By = Annotated[str, Form(max_length=100)]
_STATS: Final = 30 * DAY


def room_view(app: App, ref: str) -> dict[str, Any]:
    """What the room's template shows."""
    now, settings = app.ports.clock.now(), app.incidents.settings
    with app.state.read() as db:
        i = store.load_incident(db, ref)
        if i is None:
            raise CommandError(f"there is no incident {ref}", 404)
        alerts, timeline = store.load_alerts(db, i.id), store.load_timeline(db, i.id)
        lists = room_store.checklists(room_store.load_steps(db, i.id))
        kept = room_store.load_evidence(db, i.id)
        into = store.load_incident(db, i.merged_into) if i.merged_into else None
        view = {
            "i": i, "into": into, "incident_alerts": alerts, "timeline": timeline,
            "pinned": [t for t in timeline if t.pinned_at], "definition": settings.definition(i.severity),
            "roles": room_store.load_roles(db, i.id), "tasks": room_store.load_tasks(db, i.id),
            "links": room_store.load_links(db, i.id), "clocks": load_clocks(db, i.id), "checklists": lists,
            "graphs": [{"title": e.title, "data": e.data, "svg": charts.chart(e.data, i.opened_at)}
                       for e in kept if e.kind == "graph"],
            "deployments": [d for e in kept if e.kind == "deployments" for d in e.data["items"]],
            "others": [a for e in kept if e.kind == "alerts" for a in e.data["items"]],
            "kept": bool(kept), "related": related(db, i, now), "similar": similar(db, i),
            "postmortem": load_postmortem(db, i.id),
            "mergeable": [o for o in store.load_incidents(db, "unresolved") if o.id != i.id],
        }  # fmt: skip
    runbook = runbook_of(settings, i, alerts)
    body = markdown.render(runbook.text) if runbook else ""
    definitions = [settings.definition(s) for s in Severity]
    public = settings.status_page is not None
    return {**view, "runbook": runbook, "runbook_html": body, "definitions": definitions, "stages": STAGES,
            "public": public, "kinds": ("note", "finding", "decision", "action")}  # fmt: skip


def runbook_for(app: App, labels: Labels, url: str) -> Runbook | None:
    """The runbook beside the configuration for an alert; ``url``: its own link."""
    service = app.config.hypercare.service_of(labels)
    urls = [link for link in (url, service.runbook if service else "") if link]
    name = service.name if service else labels.get("service")
    return find_runbook(app.incidents.settings.runbooks, urls, [labels.get("alertname")], name)


def _due(text: str) -> Ms | None:
    if not text.strip():
        return None
    try:
        return from_datetime(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
    except (ValueError, OverflowError) as error:
        raise CommandError(f"expected a date and time, found {text[:40]!r}", 400) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise CommandError(f"expected a number, found {text[:40]!r}", 400)
    return int(text)


def _back(path: str, message: str = "") -> RedirectResponse:
    answer = RedirectResponse(path, 303)
    if message:
        answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def add_room_pages(router: APIRouter, pages: Pages) -> None:
    """All of them; before ``/incidents/{ref}``."""
    _lists(router, pages)
    _room(router, pages)
    _postmortem(router, pages)


def _lists(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    @router.get("/incidents/stats")
    def stats(request: Request) -> Response:
        now = app.ports.clock.now()
        with app.state.read() as db:
            found, tasks = load_stats(db, now - _STATS, now + 1), room_store.load_tasks(db, open_only=True)
        return pages.render(request, "incident_stats.html", s=found, tasks=tasks, days=_STATS // DAY)

    @router.post("/incidents/declare")
    async def declare(
        request: Request, title: Short, severity: Annotated[str, Form(max_length=2)],
        service: Annotated[str, Form(max_length=200)] = "", by: By = "",
    ) -> Response:  # fmt: skip
        if severity not in set(Severity):
            raise CommandError(f"unknown severity {severity!r}", 400)
        try:
            made = await call(app, Declare(pages.by(request, by), title, Severity(severity), service))
        except CommandError as error:
            return _back("/incidents", str(error))
        return _back(f"/incidents/{made.number}")

    @router.get("/runbooks/{name:path}")
    def runbook(request: Request, name: str) -> Response:
        found = next((r for r in app.incidents.settings.runbooks if r.name == name), None)
        if found is None:
            raise CommandError(f"there is no runbook {name}", 404)
        return pages.render(request, "runbook.html", runbook=found, body=markdown.render(found.text))


def _command(what: str, ref: str, by: str, form: dict[str, str], picked: list[str]) -> object:
    """What a form of the room wants."""
    text, name = form["text"], form["name"]
    match what:
        case "note":
            return AddNote(ref, by, text, name or "note", pinned=form["flag"] == "on")
        case "severity":
            if name not in set(Severity):
                raise CommandError(f"unknown severity {name!r}", 400)
            return SetSeverity(ref, by, Severity(name), text)
        case "describe":
            return Describe(ref, by, impact=text, cause=form["extra"])
        case "role":
            return AssignRole(ref, by, name, form["extra"])
        case "task" | "action":
            return AddTask(ref, by, text, name, _due(form["extra"]), what)
        case "done":
            return ChangeTask(_number(name), by, done=form["flag"] == "on")
        case "tick":
            return TickStep(ref, by, _number(name), form["flag"] == "on")
        case "pin":
            return Pin(ref, by, _number(name), form["flag"] == "on")
        case "link":
            return AddLink(ref, by, text, name)
        case "update":
            return PostUpdate(ref, by, text, name, form["flag"] == "on")
        case "merge":
            return Merge(ref, by, name)
        case "split":
            return Split(ref, by, tuple(picked), text)
        case _:
            raise CommandError(f"unknown action {what!r}", 404)


def _room(router: APIRouter, pages: Pages) -> None:
    @router.post("/incidents/{ref}/room/{what}")
    async def act(  # noqa: PLR0917 - the fields of a form
        request: Request, ref: str, what: str, by: By = "", text: Text = "", name: Short = "", extra: Short = "",
        flag: Annotated[str, Form(max_length=3)] = "", picked: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:  # fmt: skip
        form = {"text": text, "name": name, "extra": extra, "flag": flag}
        path = f"/incidents/{quote(ref, safe='')}"
        if form["flag"] not in {"", "on", "off"}:
            raise CommandError("a mark is on or off", 400)
        try:
            answer = await call(pages.app, _command(what, ref, pages.by(request, by), form, picked))
        except CommandError as error:
            if error.status == 404:
                raise
            return _back(path, str(error))
        if what in {"merge", "split"}:
            path = f"/incidents/{answer.number}"
        return _back(path + ("/postmortem" if what == "action" else ""))


def _postmortem(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    @router.get("/incidents/{ref}/postmortem")
    def show(request: Request, ref: str) -> Response:
        with app.state.read() as db:
            i = store.load_incident(db, ref)
            if i is None:
                raise CommandError(f"there is no incident {ref}", 404)
            found = load_postmortem(db, i.id)
            body = markdown.render(exported(db, found)) if found else ""
            milestones = load_milestones(db, i.id)
            actions = room_store.load_tasks(db, i.id, room_store.ACTION)
        return pages.render(request, "postmortem.html", i=i, p=found, body=body, milestones=milestones, actions=actions)

    @router.post("/incidents/{ref}/postmortem")
    async def act(
        request: Request, ref: str, act: Annotated[str, Form(max_length=20)], by: By = "",
        text: Annotated[str, Form(max_length=500_000)] = "", version: Annotated[str, Form(max_length=9)] = "0",
        name: Annotated[str, Form(max_length=20)] = "", flag: Annotated[str, Form(max_length=3)] = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        path = f"/incidents/{quote(ref, safe='')}/postmortem"
        commands: dict[str, object] = {
            "start": StartPostmortem(ref, who),
            # A browser sends other line breaks than everybody else.
            "edit": EditPostmortem(ref, who, text.replace("\r\n", "\n"), _number(version)),
            "move": MovePostmortem(ref, who, name),
            "milestone": PassMilestone(ref, who, name, flag == "on"),
        }
        if act not in commands:
            raise CommandError(f"unknown action {act!r}", 400)
        try:
            await call(app, commands[act])
        except CommandError as error:
            if error.status == 404:
                raise
            if act == "edit":
                # What somebody has written must not be lost with the refusal.
                return _conflict(pages, request, ref, text, str(error))
            return _back(path, str(error))
        return _back(path, "Saved." if act == "edit" else "")


def _conflict(pages: Pages, request: Request, ref: str, text: str, why: str) -> Response:
    with pages.app.state.read() as db:
        i = store.load_incident(db, ref)
        found = load_postmortem(db, i.id) if i else None
    return pages.render(request, "postmortem_conflict.html", 409, i=i, p=found, text=text, why=why)
