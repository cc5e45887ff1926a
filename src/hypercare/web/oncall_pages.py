"""The on-call page: who is on duty, a calendar of weeks, and changes of shifts by those who may."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import Form, Query
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.kernel import CommandError
from hypercare.model.time import HOUR, Ms, from_datetime, to_datetime
from hypercare.oncall.changes import Change, load_changes
from hypercare.oncall.commands import AddOverride, AddSwap, RemoveChange
from hypercare.oncall.coverage import coverage
from hypercare.oncall.preview import preview, rest_of_shift
from hypercare.oncall.render import OVERRIDE, render
from hypercare.web.calendar import COLOURS, day_of, row, stretch
from hypercare.web.calendar_feed import feed_address
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.oncall.coverage import Gap
    from hypercare.oncall.plan import Plan
    from hypercare.oncall.preview import Preview
    from hypercare.oncall.render import Duty
    from hypercare.web.pages import Pages

_WEEKS: Final = 4
_SHOWN_GAPS: Final = 4
From = Annotated[str, Query(alias="from", max_length=10)]
Zone = Annotated[str, Query(max_length=64)]


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(f"unknown time zone {name!r}", 400) from error


def _day(text: str, today: dt.date) -> dt.date:
    """The Monday of the week that holds a date."""
    try:
        day = dt.date.fromisoformat(text) if text else today
    except ValueError as error:
        raise CommandError(f"from: expected a date such as 2026-01-05, found {text!r}", 400) from error
    if not 1980 <= day.year < 2200:
        raise CommandError("from: expected a date between 1980 and 2200", 400)
    return day - dt.timedelta(days=day.weekday())


def _calendar(pages: Pages, request: Request, first: str, zone_name: str) -> dict[str, Any]:
    """What the calendar's template shows of four weeks."""
    app = pages.app
    plan, now = app.oncall.plan, app.ports.clock.now()
    zone_name = zone_name or (plan.schedules[0].timezone if plan.schedules else "UTC")
    zone = _zone(zone_name)
    today = to_datetime(now).astimezone(zone).date()
    monday = _day(first, today)
    days = [monday + dt.timedelta(days=i) for i in range(7 * _WEEKS + 1)]
    edges = [from_datetime(dt.datetime.combine(day, dt.time(0), zone)) for day in days]
    duties = {s.name: render(s, edges[0], edges[-1]) for s in plan.schedules}
    colours = {p.name: f"p{i % COLOURS}" for i, p in enumerate(plan.people)}
    # What is past cannot be mended; somebody who looks back asks for it.
    found = coverage(plan, now if edges[0] < now < edges[-1] else edges[0], edges[-1])
    gaps = [{"schedule": g.schedule, "text": stretch(g.from_at, g.until, zone), "reason": g.reason} for g in found.gaps]
    with app.state.read() as db:
        made = load_changes(db, since=now)
    soon = to_datetime(-(-now // HOUR) * HOUR).astimezone(zone)
    return {
        "zone": zone_name, "zones": _zones(plan, zone_name), "first": monday.isoformat(),
        "query": urlencode({"from": monday.isoformat(), "zone": zone_name}),
        "before": (monday - dt.timedelta(weeks=_WEEKS)).isoformat(), "after": days[-1].isoformat(),
        "days": [
            day_of(day, today, [row(name, of, start, end, zone, colours) for name, of in duties.items()])
            for day, start, end in zip(days, edges, edges[1:], strict=False)
        ],
        "gaps": gaps[:_SHOWN_GAPS], "more_gaps": gaps[_SHOWN_GAPS:], "runs": edges[0] <= now < edges[-1],
        "schedules": [s.name for s in plan.schedules], "people": [p.name for p in plan.people],
        "feeds": [(name or "Subscribe", feed_address(app, pages.gate, request, name))
                  for name in ("", *(s.name for s in plan.schedules))],
        "changes": [_change(change, zone) for change in made],
        "soon": soon.strftime("%Y-%m-%dT%H:%M"), "later": (soon + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
    }  # fmt: skip


def _zones(plan: Plan, shown: str) -> list[str]:
    return sorted({"UTC", shown, *(s.timezone for s in plan.schedules), *(p.timezone for p in plan.people)})


def _change(change: Change, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:
    return {
        "id": change.id, "person": change.person, "other": change.other, "schedule": change.schedule,
        "text": stretch(change.start_at, change.end_at, zone), "created_by": change.created_by,
        "comment": change.comment, "kind": OVERRIDE if not change.other else change.kind,
    }  # fmt: skip


def _preview(found: Preview, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:
    def lines(duties: tuple[Duty, ...]) -> list[str]:
        return [f"{d.person}: {stretch(d.start, d.end, zone)}" for d in duties]

    def gaps(of: tuple[Gap, ...]) -> list[str]:
        return [f"{g.schedule}: {stretch(g.from_at, g.until, zone)}: {g.reason}" for g in of]

    return {
        "changes": found.changes, "before": lines(found.before), "after": lines(found.after),
        "opens": gaps(found.opens), "closes": gaps(found.closes),
        "doubles": [f"{o.person} in {' and '.join(o.schedules)}: {stretch(o.from_at, o.until, zone)}"
                    for o in found.doubles],
    }  # fmt: skip


def _local(text: str, zone: zoneinfo.ZoneInfo) -> Ms:
    try:
        return from_datetime(dt.datetime.fromisoformat(text).replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        raise CommandError(f"expected a date and time, found {text[:40]!r}", 400) from error


def _answer(first: str, zone: str, message: str) -> RedirectResponse:
    """Back to the weeks that were shown."""
    query = urlencode({k: v for k, v in (("from", first), ("zone", zone)) if v})
    answer = RedirectResponse(f"/oncall?{query}" if query else "/oncall", 303)
    answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def add_oncall_pages(router: APIRouter, pages: Pages) -> None:
    """The page, its calendar as a fragment, and the targets of its forms."""

    @router.get("/oncall")
    def page(request: Request, first: From = "", zone: Zone = "") -> Response:
        return pages.render(request, "oncall.html", **pages.views("oncall"), c=_calendar(pages, request, first, zone),
                            given=None, preview=None)  # fmt: skip

    @router.get("/fragments/oncall-calendar")
    def fragment(request: Request, first: From = "", zone: Zone = "") -> Response:
        return pages.render(request, "f_oncall_calendar.html", c=_calendar(pages, request, first, zone))

    @router.post("/oncall/changes")
    async def change(
        *, request: Request, schedule: Annotated[str, Form(max_length=200)],
        person: Annotated[str, Form(max_length=200)],
        start: Annotated[str, Form(max_length=40)], end: Annotated[str, Form(max_length=40)],
        zone: Annotated[str, Form(max_length=64)], other: Annotated[str, Form(max_length=200)] = "",
        comment: Annotated[str, Form(max_length=1000)] = "", from_day: Annotated[str, Form(max_length=10)] = "",
        act: Annotated[str, Form(max_length=10)] = "change",
    ) -> Response:  # fmt: skip
        where = _zone(zone)
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        span = _local(start, where), _local(end, where)
        command = AddSwap(schedule, person, other, *span, by, comment) if other else AddOverride(
            schedule, person, *span, by, comment
        )  # fmt: skip
        try:
            if act == "preview":
                shown = _preview(preview(pages.app.oncall.plan, command), where)
                given = {"schedule": schedule, "person": person, "other": other, "start": start, "end": end,
                         "comment": comment}  # fmt: skip
                calendar = _calendar(pages, request, from_day, zone)
                return pages.render(
                    request, "oncall.html", **pages.views("oncall"), c=calendar, given=given, preview=shown
                )
            await call(pages.app, command)
        except CommandError as error:
            return _answer(from_day, zone, str(error))
        done = f"{person} and {other} swap their shifts." if other else f"{person} stands in."
        return _answer(from_day, zone, done)

    @router.post("/oncall/take-over")
    async def take_over(request: Request, schedule: Annotated[str, Form(max_length=200)]) -> Response:
        by, now = pages.by(request, unquote(request.cookies.get(ME, ""))), pages.app.ports.clock.now()
        try:
            held, until = rest_of_shift(pages.app.oncall.plan, schedule, now)
            if held == by:
                return _answer("", "", f"You are on call in {schedule} already.")
            await call(pages.app, AddOverride(schedule, by, now, until, by, f"took over from {held}"))
        except CommandError as error:
            return _answer("", "", str(error))
        return _answer("", "", f"You are on call in {schedule} now, for {held}.")

    @router.post("/oncall/changes/{change_id}/remove")
    async def remove(request: Request, change_id: str) -> Response:
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        try:
            await call(pages.app, RemoveChange(change_id, by))
        except CommandError as error:
            return _answer("", "", str(error))
        return _answer("", "", "Taken out.")
