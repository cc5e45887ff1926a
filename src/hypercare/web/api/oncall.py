"""On-call below /api/hypercare/v1/oncall: who, when, for what; coverage and load; overrides, swaps, calendars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response

from hypercare.kernel import CommandError
from hypercare.model.errors import InputError
from hypercare.model.labels import Labels
from hypercare.model.time import WEEK, YEAR, Ms, parse_rfc3339
from hypercare.oncall.changes import load_changes
from hypercare.oncall.commands import AddOverride, AddSwap, ImportShifts, RemoveChange
from hypercare.oncall.coverage import coverage
from hypercare.oncall.fairness import fairness, pages_of
from hypercare.oncall.ical import read_calendar
from hypercare.oncall.pages import recipients
from hypercare.oncall.render import render
from hypercare.oncall.store import load_escalations, on_call_now
from hypercare.web.api.timed import timed
from hypercare.web.calendar_feed import MEDIA, calendar_of
from hypercare.web.calls import call

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.oncall.plan import Plan
    from hypercare.web.auth import Gate

_SPAN: Final = 3 * YEAR
_EARLIEST: Final = parse_rfc3339("1980-01-01T00:00:00Z")
_LATEST: Final = parse_rfc3339("2200-01-01T00:00:00Z")
_CALENDAR: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}
}

At = Annotated[str, Query(description="an RFC 3339 instant; now where it is left out", max_length=64)]
From = Annotated[str, Query(alias="from", description="an RFC 3339 instant; now where it is left out", max_length=64)]
To = Annotated[str, Query(description="an RFC 3339 instant, excluded; four weeks after from", max_length=64)]
Only = Annotated[str, Query(description="one schedule; all where it is left out", max_length=200)]


class NewOverride(BaseModel):
    """Somebody stands in; ``from`` and ``until`` are RFC 3339 instants."""

    schedule: str = Field(max_length=200)
    person: str = Field(max_length=200)
    from_: str = Field(alias="from", max_length=64)
    until: str = Field(max_length=64)
    by: str = Field(default="", max_length=100)
    comment: str = Field(default="", max_length=1000)


class NewSwap(BaseModel):
    """Two people take each other's turns; ``from`` and ``until`` are RFC 3339 instants."""

    schedule: str = Field(max_length=200)
    people: tuple[str, str]
    from_: str = Field(alias="from", max_length=64)
    until: str = Field(max_length=64)
    by: str = Field(default="", max_length=100)
    comment: str = Field(default="", max_length=1000)


class NewCalendar(BaseModel):
    """An iCalendar file whose events become overrides of a schedule."""

    schedule: str = Field(max_length=200)
    calendar: str = Field(max_length=5_000_000)
    by: str = Field(default="", max_length=100)


def instant(text: str, name: str, default: Ms | None = None) -> Ms:
    """An instant that a request names.

    Raises:
        CommandError: it is none, or too far from today to mean anything.

    """
    if not text and default is not None:
        return default
    try:
        # A plus that was not encoded arrives as a space.
        found = parse_rfc3339(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise CommandError(f"{name}: expected an instant such as 2026-01-05T09:00:00Z, found {text!r}", 400) from error
    if not _EARLIEST <= found <= _LATEST:
        raise CommandError(f"{name}: expected an instant between 1980 and 2200", 400)
    return found


def _span(start: str, end: str, now: Ms) -> tuple[Ms, Ms]:
    begins = instant(start, "from", now)
    ends = instant(end, "to", begins + 4 * WEEK)
    if not begins < ends <= begins + _SPAN:
        raise CommandError("to: a span ends after it begins, and within three years", 400)
    return begins, ends


def _pair(text: str) -> tuple[str, str]:
    """A label and its value, which may stand in quotes as in a matcher."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise CommandError(f"not a label with its value: {text!r}; expected such as service=api")
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return name.strip(), value[1:-1] if quoted else value


def _known(plan: Plan, schedule: str) -> None:
    if schedule and plan.schedule(schedule) is None:
        raise CommandError(f"there is no schedule {schedule!r}", 404)


def add_oncall(router: APIRouter, app: App, gate: Gate) -> None:
    """All paths below /oncall."""
    _asking(router, app)
    _proving(router, app)
    _calendars(router, app, gate)
    _changing(router, app, gate)


def _asking(router: APIRouter, app: App) -> None:
    clock = app.ports.clock

    @router.get("/oncall", operation_id="on_call")
    def oncall(at: At = "") -> Any:
        """Who is on call now, or at an instant, and the escalations under way."""
        when = instant(at, "at", clock.now())
        with app.state.read() as db:
            return timed({"now": on_call_now(app.oncall.plan, when), "escalations": load_escalations(db)})

    @router.get("/oncall/for", operation_id="on_call_for")
    def for_(
        label: Annotated[list[str], Query(description="name=value, of an alert", max_length=100)] = [],  # noqa: B006 - FastAPI copies it
        policy: Annotated[str, Query(description="of this policy, whatever the labels", max_length=200)] = "",
        at: At = "",
    ) -> Any:
        """Who would be paged for an alert with these labels, step by step, if it began now or at an instant."""
        when, plan = instant(at, "at", clock.now()), app.oncall.plan
        pairs = dict(_pair(text) for text in label)
        if policy and plan.policy(policy) is None:
            raise CommandError(f"there is no policy {policy!r}", 404)
        labels = Labels(pairs.items())
        service = app.config.hypercare.service_of(labels)
        named = policy or (service.escalation if service else "")
        severity = app.config.hypercare.incidents.severity_of(labels, service.tier if service else None)
        chosen = plan.choose(named, labels, str(severity) if labels.get("severity") else "")
        steps = [
            {"after_seconds": step.after / 1000, "at": when + step.after, "notify": list(step.notify),
             "what": step.what, "condition": str(step.condition) if step.condition else "",
             "people": [r.name for r in recipients(plan, step.notify, when + step.after)] if step.notify else []}
            for step in chosen.steps
        ]  # fmt: skip
        return timed({"policy": chosen.name, "at": when, "steps": steps})

    @router.get("/oncall/shifts", operation_id="on_call_shifts")
    def shifts(
        from_: From = "", to: To = "", schedule: Only = "",
        person: Annotated[str, Query(description="of one person", max_length=200)] = "",
    ) -> Any:  # fmt: skip
        """Every shift of a span, cut off at its ends."""
        start, end = _span(from_, to, clock.now())
        plan = app.oncall.plan
        _known(plan, schedule)
        return [
            timed({"schedule": s.name, "person": d.person, "start_at": d.start, "end_at": d.end, "source": d.source})
            for s in plan.schedules
            if schedule in {"", s.name}
            for d in render(s, start, end)
            if person in {"", d.person}
        ]


def _proving(router: APIRouter, app: App) -> None:
    clock = app.ports.clock

    @router.get("/oncall/coverage", operation_id="on_call_coverage")
    def proof(from_: From = "", to: To = "", schedule: Only = "") -> Any:
        """Whether somebody reachable is on call at every minute; else the gaps, and who holds two roles at once."""
        start, end = _span(from_, to, clock.now())
        _known(app.oncall.plan, schedule)
        found = coverage(app.oncall.plan, start, end, schedule)
        return {"covered": found.covered, **timed(found)}

    @router.get("/oncall/fairness", operation_id="on_call_fairness")
    def load(from_: From = "", to: To = "", schedule: Only = "") -> Any:
        """Hours, nights (22:00 to 07:00), weekends and pages of each person, by their own clock; four weeks back."""
        now = clock.now()
        start, end = _span(from_, to, now) if from_ else _span("", to, now - 4 * WEEK)
        _known(app.oncall.plan, schedule)
        with app.state.read() as db:
            pages = pages_of(db, start, end)
        hour = 3_600_000
        people = [
            {"person": s.person, "shifts": s.shifts, "hours": s.time / hour, "night_hours": s.night / hour,
             "weekend_hours": s.weekend / hour, "share": s.share, "pages": s.pages}
            for s in fairness(app.oncall.plan, start, end, pages, schedule)
        ]  # fmt: skip
        return timed({"from_at": start, "until": end, "people": people})


def _calendars(router: APIRouter, app: App, gate: Gate) -> None:
    @router.get("/oncall/calendar.ics", operation_id="on_call_calendar", response_class=Response, responses=_CALENDAR)
    def calendar(schedule: Only = "", person: Annotated[str, Query(max_length=200)] = "") -> Response:
        """An iCalendar feed to subscribe to: half a year ahead, four weeks back; of a schedule, of a person, or all."""
        plan = app.oncall.plan
        _known(plan, schedule)
        if person and plan.person(person) is None:
            raise CommandError(f"{person!r} is not among the people", 404)
        return Response(calendar_of(app, schedule, person), media_type=MEDIA)

    @router.post("/oncall/import", operation_id="import_calendar")
    async def take(request: Request, body: NewCalendar) -> Any:
        """Put the events of an iCalendar file into a schedule as overrides; all of them or none."""
        plan = app.oncall.plan
        _known(plan, body.schedule)
        wanted = plan.schedule(body.schedule)
        try:
            events = read_calendar(body.calendar, plan, wanted.timezone if wanted else "UTC")
        except InputError as error:
            lines = "; ".join(
                f"line {p.line}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in error.problems[:20]
            )
            raise CommandError(lines, 400) from error
        by = gate.by(request, body.by, "api")
        return timed(list(await call(app, ImportShifts(body.schedule, events, by))))


def _changing(router: APIRouter, app: App, gate: Gate) -> None:
    @router.get("/oncall/changes", operation_id="on_call_changes")
    def made(schedule: Only = "", *, all: bool = False) -> Any:  # noqa: A002 - the parameter's name in the address
        """Overrides and swaps that people made and that are not over; ``all`` adds those over and taken out."""
        since = None if all else app.ports.clock.now()
        with app.state.read() as db:
            return timed(load_changes(db, schedule=schedule, since=since, removed=all))

    @router.post("/oncall/overrides", operation_id="add_override")
    async def override(request: Request, body: NewOverride) -> Any:
        """Somebody stands in."""
        start, end = instant(body.from_, "from"), instant(body.until, "until")
        by = gate.by(request, body.by, "api")
        return timed(await call(app, AddOverride(body.schedule, body.person, start, end, by, body.comment)))

    @router.post("/oncall/swaps", operation_id="add_swap")
    async def swap(request: Request, body: NewSwap) -> Any:
        """Two people take each other's turns."""
        start, end = instant(body.from_, "from"), instant(body.until, "until")
        by = gate.by(request, body.by, "api")
        return timed(await call(app, AddSwap(body.schedule, *body.people, start, end, by, body.comment)))

    @router.delete("/oncall/changes/{change}", operation_id="remove_change")
    async def remove(
        request: Request, change: Annotated[str, Path(max_length=64)], by: Annotated[str, Query(max_length=100)] = ""
    ) -> Any:
        """Take out an override or a swap."""
        return timed(await call(app, RemoveChange(change, gate.by(request, by, "api"))))
