"""The pages of deployments: history, a watch as it runs or ran, two releases compared, reports, and their forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import numpy as np
from fastapi import Form, Query
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.deploys import store
from hypercare.deploys.commands import (
    AddWatchNote,
    AnswerCriterion,
    CancelWatch,
    SignCheckpoint,
    StartWatch,
    WantWatchAction,
)
from hypercare.kernel import CommandError
from hypercare.model.time import MINUTE, SECOND, format_duration
from hypercare.reports import deployment, deployment_chart
from hypercare.reports.deployment_numbers import change, numbers, shown, shown_change, shown_trend
from hypercare.reports.deployment_story import Stories
from hypercare.reports.deployment_text import POLICY
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.store import Watch
    from hypercare.reports.deployment_numbers import CheckNumbers
    from hypercare.reports.deployment_story import Story
    from hypercare.web.pages import Pages

_LISTED: Final = 100
_GRAVE: Final = {"critical": 0, "warning": 1, "note": 2, "unknown": 3, "ok": 4}
_WRONG: Final = ("warning", "critical")
Text = Annotated[str, Form(max_length=10_000)]
Short = Annotated[str, Form(max_length=300)]
By = Annotated[str, Form(max_length=100)]
Ref = Annotated[str, Query(max_length=64)]


def _found(app: App, ref: str) -> Watch:
    with app.state.read() as db:
        watch = store.load_watch(db, ref)
    if watch is None:
        raise CommandError(f"there is no deployment {ref}", 404)
    return watch


def _history(app: App, service: str) -> dict[str, Any]:
    """What the list shows: those under way with their next checkpoint, and those that have ended."""
    now = app.ports.clock.now()
    lines: list[dict[str, Any]] = []
    with app.state.read() as db:
        watches = store.load_watches(db, service=service, limit=_LISTED)
        for w in watches:
            findings = store.load_findings(db, w.id)
            points = store.load_checkpoints(db, w.id)
            left = [p for p in points if p.taken_at is None]
            counts = {level: sum(1 for f in findings if f.level == level) for level in _WRONG}
            lines.append({
                "w": w, "next": left[0] if left and w.status == store.RUNNING else None,
                "taken": len(points) - len(left), "points": len(points), "counts": counts,
                "lasting": [f for f in findings if f.until is None and f.level in _WRONG],
                "unsigned": [p for p in points if p.missed_at is not None and p.signed_at is None],
                "lasted": (w.ended_at or now) - w.started_at,
            })  # fmt: skip
    plans = [plan.name for plan in app.config.hypercare.deployments.plans]
    services = [s.name for s in app.config.hypercare.services]
    return {
        "running": [line for line in lines if line["w"].status == store.RUNNING],
        "ended": [line for line in lines if line["w"].status != store.RUNNING],
        "plans": plans, "services": services, "service": service, "listed": [line["w"] for line in lines],
    }  # fmt: skip


def _view(app: App, stories: Stories, ref: str) -> dict[str, Any]:
    """What the page of one watch shows."""
    s = stories.of(_found(app, ref))
    watch, plan = s.watch, s.watch.plan
    found = {n.row.id: n for n in numbers(s)}
    lines = [_line(s, found[c.row.id], c.missing, c.source) for c in s.checks]
    for line, curves in zip(lines, s.checks, strict=True):
        line["picture"] = deployment_chart.check_picture(s, curves)
        line["with_other"] = curves.other is not None
    lines.sort(key=lambda line: _GRAVE.get(line["state"], 0))
    actions = dict.fromkeys(
        name
        for name in (plan.rollback, plan.retire, *(a for check in plan.all_checks() for a in check.actions))
        if name
    )
    return {
        "s": s, "w": watch, "plan": plan, "lines": lines,
        "strip": deployment_chart.strip(s), "next": s.next_checkpoint,
        "points": [(p, deployment_chart.checkpoint_state(p, s)) for p in s.checkpoints],
        "to_sign": [p for p in s.checkpoints if p.taken_at is not None and p.signed_at is None],
        "found": [(f, deployment_chart.finding_picture(f, s.unit_of(f.check))) for f in reversed(s.findings)],
        "verdicts": tuple(reversed(s.verdicts)), "asked": [c for c in plan.criteria if c.ask],
        "actions": list(actions), "before": _before(app, watch), "value": shown, "journal": tuple(reversed(s.journal)),
        "phases": _phases(s), "answerable": s.running or watch.verdict == "INCONCLUSIVE",
    }  # fmt: skip


def _line(s: Story, n: CheckNumbers, missing: str, source: str) -> dict[str, Any]:
    reading = s.reading_of(n.row.id)
    return {
        "row": n.row, "state": s.state_of(n.row.id), "now": _newest(s, n.row.id), "n": n, "missing": missing,
        "change": shown_change(n.change, n.row), "trend": shown_trend(n) if n.certain else "", "source": source,
        "usual": n.before.median if n.before else reading.get("baseline"),
        "picture": None, "with_other": False, "passed": _passed(s, n.row.id),
    }  # fmt: skip


def _passed(s: Story, check: str) -> bool:
    """Whether the worst that a watch which has ended saw of a check was over by then."""
    found = [f for f in s.findings_of(check) if f.level in _WRONG]
    return bool(found) and not s.running and all(f.until is not None for f in found)


def _newest(s: Story, check: str) -> float | None:
    """The newest value there is."""
    for curves in s.checks:
        if curves.row.id == check:
            usable = curves.during.values[np.isfinite(curves.during.values)]
            return float(usable[-1]) if len(usable) else None
    return None


def _phases(s: Story) -> list[dict[str, Any]]:
    """The phases with whether each is over, runs, or comes."""
    since, begin, found = s.end - s.watch.started_at, 0, []
    for phase in s.watch.plan.phases:
        last = phase is s.watch.plan.phases[-1]
        until = max(phase.until, s.watch.ends_at - s.watch.started_at) if last else phase.until
        place = "over" if since > until else "runs" if since >= begin and s.running else "comes"
        if not s.running and since >= begin:
            place = "over"
        found.append({"name": phase.name, "begin": begin, "until": until, "every": phase.every, "place": place})
        begin = phase.until
    return found


def _before(app: App, watch: Watch) -> Watch | None:
    """The release of the service before this one."""
    with app.state.read() as db:
        earlier = store.load_watches(db, service=watch.service, limit=_LISTED)
    return next((w for w in earlier if w.number < watch.number), None)


# -- comparing ---------------------------------------------------------------------------------------------------


def _comparison(app: App, stories: Stories, a: str, b: str) -> dict[str, Any]:
    left, right = stories.of(_found(app, a)), stories.of(_found(app, b))
    numbers_of = [{n.row.id: n for n in numbers(s)} for s in (left, right)]
    names = list(dict.fromkeys(name for found in numbers_of for name in found))
    one, other = numbers_of
    return {
        "left": left, "right": right, "value": shown,
        "checks": [_compared(name, (left, right), (one.get(name), other.get(name))) for name in names],
        "last": [s.verdicts[-1] if s.verdicts else None for s in (left, right)],
    }  # fmt: skip


def _compared(
    name: str, stories: tuple[Story, Story], found: tuple[CheckNumbers | None, CheckNumbers | None]
) -> dict[str, Any]:
    row = next(n.row for n in found if n is not None)
    medians = [n.during.median if n is not None and n.during is not None else None for n in found]
    relative = None if None in medians else change(*medians, ratio=row.check.ratio)  # type: ignore[arg-type]
    return {
        "name": name, "row": row, "change": shown_change(relative, row), "worse": _worse(row, relative),
        "sides": [
            {"median": shown(n.during.median if n and n.during else None, row),
             "p95": shown(n.during.p95 if n and n.during else None, row),
             "findings": s.findings_of(name), "state": s.state_of(name) if n else "unknown"}
            for s, n in zip(stories, found, strict=True)
        ],
        "picture": deployment_chart.overlaid(*stories, name), "at": _at_checkpoints(stories, name, row),
    }  # fmt: skip


def _worse(row: CheckRow, relative: float | None) -> str:
    """``worse`` or ``better`` where the change is more than what the check tolerates."""
    if relative is None or abs(relative) < row.measure(MINUTE).tolerance or row.check.direction == "either":
        return ""
    return "worse" if (relative > 0) == (row.check.direction == "high") else "better"


def _at_checkpoints(stories: tuple[Story, Story], name: str, row: CheckRow) -> list[tuple[str, str, str]]:
    """The readings of both at the same time after each went out."""
    columns: list[dict[int, float | None]] = [
        {p.due_at - s.watch.started_at: p.readings.get(name, {}).get("value") for p in s.checkpoints if p.taken_at}
        for s in stories
    ]  # fmt: skip
    whens = sorted({*columns[0], *columns[1]})
    return [
        (format_duration(at // SECOND * SECOND), shown(columns[0].get(at), row), shown(columns[1].get(at), row))
        for at in whens
    ]


# -- routes ------------------------------------------------------------------------------------------------------


def add_deployment_pages(router: APIRouter, pages: Pages) -> None:
    """All of them; before the fragments that are found by their name."""
    stories = Stories(pages.app)
    _lists(router, pages, stories)
    _one(router, pages, stories)
    _files(router, pages, stories)
    _forms(router, pages)


def _lists(router: APIRouter, pages: Pages, stories: Stories) -> None:
    app = pages.app

    @router.get("/deployments")
    def page(request: Request, service: Annotated[str, Query(max_length=200)] = "") -> Response:
        return pages.render(request, "deployments.html", **_history(app, service))

    @router.get("/fragments/deployments")
    def fragment(request: Request, service: Annotated[str, Query(max_length=200)] = "") -> Response:
        return pages.render(request, "f_deployments.html", **_history(app, service))

    @router.get("/deployments/compare")
    def compare(request: Request, a: Ref, b: Ref) -> Response:
        return pages.render(request, "deployment_compare.html", **_comparison(app, stories, a, b))


def _one(router: APIRouter, pages: Pages, stories: Stories) -> None:
    @router.get("/deployments/{ref}")
    def page(request: Request, ref: str) -> Response:
        return pages.render(request, "deployment.html", **_view(pages.app, stories, ref))

    @router.get("/fragments/deployment/{ref}")
    def fragment(request: Request, ref: str) -> Response:
        return pages.render(request, "f_deployment.html", **_view(pages.app, stories, ref))


def _files(router: APIRouter, pages: Pages, stories: Stories) -> None:
    app = pages.app

    @router.get("/deployments/{ref}/report")
    def report(ref: str) -> Response:
        return _report(app, stories, ref, "html")

    @router.get("/deployments/{ref}/report.{kind}")
    def report_as(ref: str, kind: str) -> Response:
        return _report(app, stories, ref, kind)

    @router.get("/deployments/{ref}/export.{kind}")
    def export(ref: str, kind: str) -> Response:
        watch = _found(app, ref)
        body = deployment.render_export(app, watch, kind, stories)
        name = f'attachment; filename="deployment-{watch.number}.{kind}"'
        return Response(body, media_type=deployment.EXPORTS[kind], headers={"Content-Disposition": name})


def _report(app: App, stories: Stories, ref: str, kind: str) -> Response:
    body = deployment.render_report(app, _found(app, ref), kind, stories)
    headers = {"Content-Security-Policy": POLICY} if kind == "html" else {}
    return Response(body, media_type=deployment.REPORTS[kind], headers={"Cache-Control": "no-store", **headers})


def _command(what: str, ref: str, by: str, form: dict[str, str]) -> object:
    """What a form of a watch wants."""
    text, name = form["text"].strip(), form["name"].strip()
    match what:
        case "sign":
            if not (name.isascii() and name.isdecimal() and len(name) < 10):
                raise CommandError(f"expected the number of a checkpoint, found {name[:40]!r}", 400)
            return SignCheckpoint(ref, by, int(name), text, form["extra"].strip())
        case "answer":
            return AnswerCriterion(ref, name, form["extra"], by, text)
        case "note":
            return AddWatchNote(ref, text, by)
        case "action":
            return WantWatchAction(ref, name, by, text)
        case "cancel":
            return CancelWatch(ref, by, text)
        case _:
            raise CommandError(f"unknown action {what!r}", 404)


def _answer(path: str, by: str, message: str = "") -> RedirectResponse:
    answer = RedirectResponse(path, 303)
    answer.set_cookie(ME, quote(by), max_age=365 * 86400, samesite="strict", httponly=True)
    if message:
        answer.set_cookie(MESSAGE, quote(message[:500]), max_age=60, samesite="strict", httponly=True)
    return answer


def _forms(router: APIRouter, pages: Pages) -> None:
    app = pages.app

    @router.post("/deployments")
    async def start(
        request: Request, service: Short, version: Short, plan: Short = "", previous: Short = "", by: By = "",
        replace: Annotated[str, Form(max_length=3)] = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        try:
            made = await call(app, StartWatch(service, version, who, plan, previous, replace=replace == "on"))
        except CommandError as error:
            return _answer("/deployments", who, str(error))
        return _answer(f"/deployments/{made.number}", who)

    @router.post("/deployments/{ref}/{what}")
    async def act(
        request: Request, ref: str, what: str, by: By = "", text: Text = "", name: Short = "", extra: Short = "",
    ) -> Response:  # fmt: skip
        who = pages.by(request, by)
        path = f"/deployments/{quote(ref, safe='')}"
        try:
            await call(app, _command(what, ref, who, {"text": text, "name": name, "extra": extra}))
        except CommandError as error:
            if error.status == 404 and what not in {"sign", "answer"}:
                raise
            return _answer(path, who, str(error))
        return _answer(path, who)
