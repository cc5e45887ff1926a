"""Schedules on pages: a list, one of them with its versions, and the editor with its preview."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, unquote

from fastapi import Form, Query
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from hypercare.access import Role
from hypercare.config.schedule_doc import ScheduleError, as_yaml, dump_json, read_schedule
from hypercare.config.schedules import WEEKDAYS
from hypercare.kernel import CommandError
from hypercare.model.time import Ms, from_datetime, to_datetime
from hypercare.oncall.commands import DeleteSchedule, SaveSchedule
from hypercare.oncall.render import render
from hypercare.oncall.store import on_call_now
from hypercare.web import schedule_form, schedules
from hypercare.web.calendar import COLOURS, day_of, row, stretch
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.config.schedules import Schedule
    from hypercare.oncall.outlook import Moved, Outlook
    from hypercare.oncall.turns import Span
    from hypercare.web.pages import Pages
    from hypercare.web.schedule_form import Form as Fields

_WEEKS: Final = 5
_DAYS: Final = (("", "as the first turn"), *((day, day.capitalize()) for day in WEEKDAYS))
_FIELDS: Final = 20_000
_SHOWN: Final = 6
_NEWEST: Final = 2**31 - 1
_Name = Annotated[str, Query(max_length=200)]
_Number = Annotated[int, Query(ge=0, le=_NEWEST)]


@dataclasses.dataclass(slots=True)
class _Desk:
    """What the editor shows.

    Attributes:
        existing: the name of the schedule that is changed; empty: a new one.
        base: the version that it was made from; 0: there is none.
        newest: somebody else's version that came in between.
        focus: the id of the field to go on with.
        errors: by the id of their field.
        confirmed: names the content whose gaps were shown.

    """

    form: Fields
    existing: str = ""
    base: int = 0
    newest: int = 0
    comment: str = ""
    focus: str = ""
    errors: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    preview: dict[str, Any] | None = None
    confirmed: str = ""


@functools.cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(zoneinfo.available_timezones()))


def _first_turn(now: Ms, timezone: str) -> str:
    """Next Monday, nine o'clock."""
    today = to_datetime(now).astimezone(zoneinfo.ZoneInfo(timezone)).date()
    return f"{(today + dt.timedelta(days=7 - today.weekday())).isoformat()}T09:00"


def _started(app: App, of: str, copy: str, version: int) -> _Desk:
    """The editor as it is opened."""
    if of or copy:
        found = schedules.find(app, of or copy, version)
        form = schedule_form.form_of(found.definition)
        if copy:
            return _Desk({**form, "name": ""}, comment=f"copy of {copy}", focus="name")
        if not found.editable:
            raise CommandError(f"{of} is written in {found.place}, and is changed there; copy it instead", 409)
        newest = schedules.find(app, of)
        old = found.stored is not None and (found.stored.version != newest.newest or newest.deleted)
        comment = f"version {found.stored.version} again" if old and found.stored else ""
        return _Desk(form, of, 0 if newest.deleted else newest.newest, comment=comment)
    plan = app.oncall.plan
    zone = plan.schedules[0].timezone if plan.schedules else "UTC"
    return _Desk(schedule_form.new_form(zone, _first_turn(app.ports.clock.now(), zone)), focus="name")


def add_schedule_pages(router: APIRouter, pages: Pages) -> None:
    """All of them."""
    _reading(router, pages)
    _editing(router, pages)


def _reading(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    @router.get("/oncall/schedules")
    def listed(request: Request) -> Response:
        now = {s.schedule: s for s in on_call_now(app.oncall.plan, app.ports.clock.now())}
        return pages.render(request, "schedules.html", known=schedules.known(app, deleted=True), on_duty=now)

    @router.get("/oncall/schedules/{name}")
    def one(request: Request, name: str, version: _Number = 0) -> Response:
        found = schedules.find(app, name, version)
        return pages.render(
            request, "schedule.html", s=found, yaml=as_yaml(found.definition), used=schedules.used_at(app, name),
            versions=schedules.versions_of(app, name) if found.editable else (),
        )  # fmt: skip

    @router.get("/oncall/schedules/{name}/yaml")
    def text(name: str, version: _Number = 0) -> Response:
        return PlainTextResponse(as_yaml(schedules.find(app, name, version).definition))


def _editing(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    def show(request: Request, desk: _Desk, code: int = 200) -> Response:
        if desk.errors and not desk.focus:
            desk.focus = next(iter(desk.errors))
        return pages.render(
            request, "schedule_edit.html", code, d=desk, f=desk.form, names=schedules.people(app), zones=_zones(),
            weekdays=WEEKDAYS, units=_units(desk.form), days=_DAYS, place=schedule_form.place_of,
        )  # fmt: skip

    @router.get("/oncall/editor")
    @needs(Role.ADMIN)
    def editor(request: Request, of: _Name = "", copy: _Name = "", version: _Number = 0) -> Response:
        return show(request, _started(app, of, copy, version))

    @router.post("/oncall/editor")
    @needs(Role.ADMIN)
    async def edited(request: Request) -> Response:
        fields: dict[str, list[str]] = {}
        async with request.form(max_fields=_FIELDS) as sent:
            for name, value in sent.multi_items():
                if isinstance(value, str):
                    fields.setdefault(name, []).append(value)
        desk = _desk(fields)
        act = next(iter(fields.get("act", ())), "preview")
        if act not in {"preview", "save", "over"}:
            desk.focus = schedule_form.press(desk.form, act)
            return show(request, desk)
        draft = _look(app, desk)
        if draft is None or desk.preview is None:
            return show(request, desk, 422)
        sure = not desk.preview["gaps"] or desk.confirmed == _digest(draft)
        if act == "preview" or not sure:
            desk.confirmed = _digest(draft)
            desk.preview["asks"] = act != "preview"
            return show(request, desk)
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        base = None if act == "over" else desk.base
        try:
            stored = await call(app, SaveSchedule(draft.name, dump_json(draft), by, base, desk.comment))
        except CommandError as error:
            desk.errors[""] = [str(error)]
            desk.newest = _newest(app, draft.name) if desk.existing else 0
            return show(request, desk, error.status)
        return _told(f"/oncall/schedules/{quote(draft.name, safe='')}", f"Saved as version {stored.version}.")

    @router.post("/oncall/schedules/{name}/delete")
    @needs(Role.ADMIN)
    async def delete(request: Request, name: str, comment: Annotated[str, Form(max_length=1000)] = "") -> Response:
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        try:
            await call(app, DeleteSchedule(name, by, comment))
        except CommandError as error:
            return _told(f"/oncall/schedules/{quote(name, safe='')}", str(error))
        return _told("/oncall/schedules", f"The schedule {name} is deleted; its versions can be restored.")


def _told(to: str, message: str) -> Response:
    answer = RedirectResponse(to, 303)
    answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def _desk(fields: dict[str, list[str]]) -> _Desk:
    def one(name: str) -> str:
        return next(iter(fields.get(name, ())), "").strip()

    desk = _Desk(schedule_form.read_form(fields), one("existing"), comment=one("comment")[:1000])
    desk.base = int(one("base")) if one("base").isascii() and one("base").isdecimal() else 0
    desk.confirmed = one("confirmed")
    if desk.existing:
        desk.form["name"] = desk.existing
    return desk


def _newest(app: App, name: str) -> int:
    found = schedules.versions_of(app, name)
    return found[0].version if found else 0


def _look(app: App, desk: _Desk) -> Schedule | None:
    """The draft, with its preview on the desk; or none, with what is wrong."""
    try:
        draft = read_schedule(schedule_form.definition_from(desk.form), schedules.people(app))
    except ScheduleError as error:
        desk.errors = schedule_form.errors_of(desk.form, error.troubles)
        return None
    if not desk.existing and (taken := _taken(app, draft.name)):
        desk.errors = {"name": [taken]}
        return None
    desk.preview = _preview(app, draft, schedules.look_ahead(app, draft))
    return draft


def _taken(app: App, name: str) -> str:
    """Why a new schedule cannot have a name; empty: it can."""
    found = next((k for k in schedules.known(app) if k.name == name), None)
    if found is None:
        return ""
    where = f"in {found.place}" if found.place else "here, made on this page"
    return f"there is a schedule of this name already, {where}; expected another name"


def _digest(draft: Schedule) -> str:
    return hashlib.blake2b(dump_json(draft).encode(), digest_size=16).hexdigest()


def _units(form: Fields) -> list[tuple[str, str]]:
    """Units of turns: the usual ones, and any other that the form has."""
    words = {"h": "hours", "d": "days", "w": "weeks", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
    used = {layer["unit"] for layer in form["layers"]}
    return [(unit, word) for unit, word in words.items() if unit in schedule_form.UNITS or unit in used]


def _preview(app: App, draft: Schedule, found: Outlook) -> dict[str, Any]:
    """What the preview shows, in the schedule's own time zone."""
    zone = zoneinfo.ZoneInfo(draft.timezone)
    gaps = [{"text": stretch(g.from_at, g.until, zone), "reason": g.reason} for g in found.gaps]
    doubles = [
        {"text": stretch(o.from_at, o.until, zone), "person": o.person,
         "other": o.schedules[o.schedules[0] == draft.name]}
        for o in found.overlaps
    ]  # fmt: skip
    return {
        "zone": draft.timezone, "until": stretch(found.from_at, found.until, zone), "asks": False,
        "gaps": gaps[:_SHOWN], "more_gaps": gaps[_SHOWN:], "doubles": doubles[:_SHOWN],
        "more_doubles": len(doubles[_SHOWN:]), "console": found.console_only,
        "moved": [_moved(m, zone) for m in found.moved], "days": _days(app, draft, found, zone),
    }  # fmt: skip


def _moved(moved: Moved, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:
    def lines(spans: tuple[Span, ...]) -> dict[str, Any]:
        return {"first": [stretch(*span, zone) for span in spans[:_SHOWN]], "more": len(spans[_SHOWN:])}

    return {"person": moved.person, "hours": moved.more / 3_600_000, "gains": lines(moved.gains),
            "loses": lines(moved.loses)}  # fmt: skip


def _days(app: App, draft: Schedule, found: Outlook, zone: zoneinfo.ZoneInfo) -> list[dict[str, Any]]:
    """The weeks that the preview looks at, from Monday to Sunday."""
    today = to_datetime(found.from_at).astimezone(zone).date()
    monday = today - dt.timedelta(days=today.weekday())
    days = [monday + dt.timedelta(days=i) for i in range(7 * _WEEKS + 1)]
    edges = [from_datetime(dt.datetime.combine(day, dt.time(0), zone)) for day in days]
    with app.state.read() as db:
        then = app.oncall.drafted(db, draft).schedule(draft.name)
    duties = () if then is None else render(then, edges[0], edges[-1])
    colours = {p.name: f"p{i % COLOURS}" for i, p in enumerate(app.oncall.plan.people)}
    return [
        day_of(day, today, [row("", duties, start, end, zone, colours)])
        for day, start, end in zip(days, edges, edges[1:], strict=False)
    ]
