"""Schedules below /api/hypercare/v1/oncall/schedules: looked at, tried, kept, restored, deleted; shifts taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import PlainTextResponse, Response

from hypercare.access import Role
from hypercare.config.schedule_doc import ScheduleError, as_yaml, definition_of, dump_json, read_schedule, read_text
from hypercare.kernel import CommandError
from hypercare.model.errors import InputError
from hypercare.model.time import format_rfc3339
from hypercare.oncall.commands import AddOverride, AddSwap, DeleteSchedule, RestoreSchedule, SaveSchedule
from hypercare.oncall.preview import preview, rest_of_shift
from hypercare.web import schedules
from hypercare.web.api.oncall import instant
from hypercare.web.api.timed import timed, timed_values
from hypercare.web.calls import call
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.config.schedules import Schedule
    from hypercare.oncall.outlook import Outlook
    from hypercare.oncall.turns import Span
    from hypercare.web.auth import Gate

_LONGEST: Final = 1_000_000
_NEWEST: Final = 2**31 - 1
Name = Annotated[str, Path(description="name of the schedule", max_length=200)]


class Draft(BaseModel):
    """A schedule as hypercare.yml has it below ``oncall.schedules``: as JSON, or as YAML text."""

    definition: dict[str, Any] | None = Field(default=None, examples=[{
        "timezone": "Europe/Berlin",
        "rotation": {"people": ["ana", "ben"], "every": "weekly", "start": "2026-01-05T09:00"},
    }])  # fmt: skip
    yaml: str = Field(default="", max_length=_LONGEST)


class NewVersion(Draft):
    """A schedule to keep.

    Attributes:
        version: the one that was looked at when it was written, 0: there was none; left out: whatever there is.
        accept_gaps: keep it although the coming four weeks have gaps.

    """

    version: int | None = Field(default=None, ge=0, le=_NEWEST)
    accept_gaps: bool = False
    comment: str = Field(default="", max_length=1000)
    by: str = Field(default="", max_length=100)


class Restored(BaseModel):
    """An earlier version that is to count again."""

    version: int = Field(ge=1, le=_NEWEST)
    accept_gaps: bool = False
    comment: str = Field(default="", max_length=1000)
    by: str = Field(default="", max_length=100)


class TriedChange(BaseModel):
    """An override, or, where ``other`` is given, a swap; ``from`` and ``until`` are RFC 3339 instants."""

    schedule: str = Field(max_length=200)
    person: str = Field(max_length=200)
    other: str = Field(default="", max_length=200)
    from_: str = Field(alias="from", max_length=64)
    until: str = Field(max_length=64)


class TakeOver(BaseModel):
    """Who takes over the rest of the running shift; who is logged in by name, where ``person`` is left out."""

    schedule: str = Field(max_length=200)
    person: str = Field(default="", max_length=200)
    by: str = Field(default="", max_length=100)


def add_schedules(router: APIRouter, app: App, gate: Gate) -> None:
    """All paths."""
    _looking(router, app)
    _keeping(router, app, gate)
    _shifts(router, app, gate)


def _looking(router: APIRouter, app: App) -> None:
    @router.get("/oncall/schedules", operation_id="list_schedules")
    def listed(*, deleted: Annotated[bool, Query(description="with those deleted")] = False) -> Any:
        """Schedules of hypercare.yml and those made while it runs."""
        return timed_values([k.about() for k in schedules.known(app, deleted=deleted)])

    @router.get("/oncall/schedules/{name}", operation_id="show_schedule")
    def show(name: Name, version: Annotated[int, Query(ge=0, le=_NEWEST, description="0: the newest")] = 0) -> Any:
        """One schedule with its definition, what refers to it, and its YAML."""
        found = schedules.find(app, name, version)
        return {
            **timed_values(found.about()), "definition": definition_of(found.definition),
            "yaml": as_yaml(found.definition), "used_by": list(schedules.used_at(app, name)),
        }  # fmt: skip

    @router.get("/oncall/schedules/{name}/versions", operation_id="list_schedule_versions")
    def versions(name: Name) -> Any:
        """Who saved what and when, the newest first; none of a schedule of hypercare.yml."""
        schedules.find(app, name)
        return [
            timed({"version": v.version, "how": v.how, "saved_by": v.saved_by, "saved_at": v.saved_at,
                   "comment": v.comment})
            for v in schedules.versions_of(app, name)
        ]  # fmt: skip

    @router.get("/oncall/schedules/{name}/yaml", operation_id="export_schedule", response_class=PlainTextResponse)
    def export(
        name: Name, version: Annotated[int, Query(ge=0, le=_NEWEST, description="0: the newest")] = 0
    ) -> Response:
        """The lines for hypercare.yml."""
        return PlainTextResponse(as_yaml(schedules.find(app, name, version).definition))

    @router.post("/oncall/schedules/{name}/preview", operation_id="preview_schedule")
    def tried(name: Name, body: Draft) -> Any:
        """The coming four weeks as they would be: shifts, who gains and loses them, gaps, overlaps; keeps nothing."""
        return outlook_json(schedules.look_ahead(app, drafted(app, name, body)))


def _keeping(router: APIRouter, app: App, gate: Gate) -> None:
    @router.put("/oncall/schedules/{name}", operation_id="save_schedule")
    @needs(Role.ADMIN)
    async def save(request: Request, name: Name, body: NewVersion) -> Any:
        """Keep a schedule as its next version; with gaps in the coming four weeks only where they are accepted."""
        draft = drafted(app, name, body)
        _accepted(app, draft, accept=body.accept_gaps)
        by = gate.by(request, body.by, "api")
        stored = await call(app, SaveSchedule(name, dump_json(draft), by, body.version, body.comment))
        return {"name": name, "version": stored.version}

    @router.post("/oncall/schedules/{name}/restore", operation_id="restore_schedule")
    @needs(Role.ADMIN)
    async def restore(request: Request, name: Name, body: Restored) -> Any:
        """Let an earlier version, also of a deleted schedule, be the newest."""
        _accepted(app, schedules.find(app, name, body.version).definition, accept=body.accept_gaps)
        by = gate.by(request, body.by, "api")
        stored = await call(app, RestoreSchedule(name, body.version, by, body.comment))
        return {"name": name, "version": stored.version}

    @router.delete("/oncall/schedules/{name}", operation_id="delete_schedule")
    @needs(Role.ADMIN)
    async def delete(
        request: Request, name: Name, by: Annotated[str, Query(max_length=100)] = "",
        comment: Annotated[str, Query(max_length=1000)] = "",
    ) -> Any:  # fmt: skip
        """Let a schedule be no more, unless something refers to it; its versions can be restored."""
        stored = await call(app, DeleteSchedule(name, gate.by(request, by, "api"), comment))
        return {"name": name, "version": stored.version}


def _shifts(router: APIRouter, app: App, gate: Gate) -> None:
    @router.post("/oncall/preview", operation_id="preview_change")
    def tried(body: TriedChange) -> Any:
        """What an override or a swap would change: who is on call now and then, gaps, who would be on call twice."""
        start, end = instant(body.from_, "from"), instant(body.until, "until")
        people = (body.person, body.other) if body.other else (body.person,)
        command: AddOverride | AddSwap = AddOverride(body.schedule, body.person, start, end, "")
        if len(people) > 1:
            command = AddSwap(body.schedule, body.person, body.other, start, end, "")
        found = preview(app.oncall.plan, command)
        duties = {
            key: [_duty(d.person, d.start, d.end, d.source) for d in getattr(found, key)] for key in ("before", "after")
        }
        return {
            "schedule": found.schedule, "changes": found.changes, **duties,
            "opens": timed(found.opens), "closes": timed(found.closes), "doubles": timed(found.doubles),
        }  # fmt: skip

    @router.post("/oncall/take-over", operation_id="take_over_shift")
    async def take_over(request: Request, body: TakeOver) -> Any:
        """Be on call now, until the end of the running shift."""
        by = gate.by(request, body.by, "api")
        person, now = body.person or by, app.ports.clock.now()
        held, until = rest_of_shift(app.oncall.plan, body.schedule, now)
        if held == person:
            raise CommandError(f"{person} is on call in {body.schedule} already", 409)
        return timed(await call(app, AddOverride(body.schedule, person, now, until, by, f"took over from {held}")))


def drafted(app: App, name: str, body: Draft) -> Schedule:
    """The schedule that a request holds; its name is that of the path where it says none.

    Raises:
        CommandError: all that is wrong with it.

    """
    try:
        if (body.definition is None) == (not body.yaml):
            raise CommandError("expected definition or yaml, and not both", 400)
        data = read_text(body.yaml) if body.yaml else body.definition
        draft = read_schedule({**(data or {}), "name": (data or {}).get("name", name)}, schedules.people(app))
    except (ScheduleError, InputError) as error:
        raise CommandError(str(error), 400) from error
    if draft.name != name:
        raise CommandError(f"it is called {draft.name!r}, not {name!r}", 400)
    return draft


def _accepted(app: App, draft: Schedule, *, accept: bool) -> None:
    gaps = () if accept else schedules.look_ahead(app, draft).gaps
    if gaps:
        told = "; ".join(f"{format_rfc3339(g.from_at)} to {format_rfc3339(g.until)}: {g.reason}" for g in gaps[:5])
        more = f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""
        raise CommandError(f"not every minute is covered: {told}{more}; accept_gaps keeps it all the same", 409)


def outlook_json(found: Outlook) -> dict[str, Any]:
    """An outlook as JSON values."""
    return {
        "schedule": found.schedule, "from_at": format_rfc3339(found.from_at), "until": format_rfc3339(found.until),
        "covered": not found.gaps,
        "shifts": [_duty(d.person, d.start, d.end, d.source) for d in found.duties],
        "moved": [
            {"person": m.person, "more_hours": m.more / 3_600_000, "gains": _spans(m.gains), "loses": _spans(m.loses)}
            for m in found.moved
        ],
        "gaps": timed(found.gaps), "overlaps": timed(found.overlaps), "console_only": list(found.console_only),
    }  # fmt: skip


def _spans(of: tuple[Span, ...]) -> list[dict[str, str]]:
    return [{"from_at": format_rfc3339(start), "until": format_rfc3339(end)} for start, end in of]


def _duty(person: str, start: int, end: int, source: str) -> dict[str, Any]:
    return {"person": person, "start_at": format_rfc3339(start), "end_at": format_rfc3339(end), "source": source}
