"""The pages of alerts (by group, filtered) and of silences (list, create with a preview, edit, expire)."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import Form
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.config import parse_matchers
from hypercare.config.matcher_text import format_matcher
from hypercare.kernel import CommandError
from hypercare.model.matchers import Matcher, MatchOp, matches_all
from hypercare.model.time import DAY, SECOND, YEAR, format_duration, parse_duration
from hypercare.reports.overview import alert_line, alert_lines
from hypercare.routing.commands import PutSilence
from hypercare.routing.recurrence_text import window_text
from hypercare.routing.silences import SilenceState
from hypercare.routing.store import load_groups, load_silence, load_silences
from hypercare.web.api.recurring import read_text
from hypercare.web.calls import call
from hypercare.web.forms import ME
from hypercare.web.notices import MESSAGE

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.model.labels import Labels
    from hypercare.model.time import Ms
    from hypercare.routing.silences import Silence
    from hypercare.routing.store import AlertView
    from hypercare.web.pages import Pages

_MOST: Final = 400
"""Alerts on one page; whoever has more filters."""
_STATES: Final = ("all", "active", "suppressed")
_PREVIEWED: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Filter:
    """What of the alerts is asked for; ``problem`` says why the matchers cannot be read."""

    text: str
    state: str
    receiver: str
    matchers: tuple[Matcher, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, request: Request) -> _Filter:
        asked = request.query_params
        text, receiver = asked.get("filter", "").strip(), asked.get("receiver", "")
        state = asked.get("state", "all")
        if state not in _STATES:
            state = "all"
        try:
            return cls(text, state, receiver, parse_matchers(text) if text else ())
        except ValueError as error:
            return cls(text, state, receiver, problem=f"The filter is no matcher: {error}")

    def takes(self, view: AlertView) -> bool:
        if self.state != "all" and (view.state == "suppressed") != (self.state == "suppressed"):
            return False
        return matches_all(self.matchers, view.alert.labels)

    @property
    def query(self) -> str:
        """For the address of the fragment."""
        given = {"filter": self.text, "state": self.state, "receiver": self.receiver}
        return "?" + urlencode({k: v for k, v in given.items() if v and v != "all"})


def matchers_of(labels: Labels) -> str:
    """The text of matchers that fit just these labels."""
    return ", ".join(format_matcher(Matcher(n, MatchOp.EQUAL, v)) for n, v in labels)


def _alerts_view(pages: Pages, wanted: _Filter) -> dict[str, Any]:
    app = pages.app
    now = app.ports.clock.now()
    with app.state.read() as db:
        found = load_groups(db, app.routing_settings, now)
    groups, shown, total = [], 0, 0
    for group in found:
        if wanted.receiver and group.receiver != wanted.receiver:
            continue
        views = [] if wanted.problem else [v for v in group.alerts if wanted.takes(v)]
        total += len(views)
        lines = [(alert_line(v), matchers_of(v.alert.labels)) for v in views[: max(0, _MOST - shown)]]
        shown += len(lines)
        if lines:
            groups.append({"receiver": group.receiver, "labels": group.labels, "next_flush": group.next_flush,
                           "matchers": matchers_of(group.labels), "alerts": lines, "size": len(views)})  # fmt: skip
    receivers = [r.name for r in app.config.alertmanager.receivers]
    return {"groups": groups, "filter": wanted, "states": _STATES, "receivers": receivers, "more": total - shown}


def _silence_line(silence: Silence, now: Ms) -> dict[str, Any]:
    return {"id": silence.id, "state": str(silence.shown_state(now)), "comment": silence.comment,
            "created_by": silence.created_by, "starts_at": silence.starts_at, "ends_at": silence.ends_at,
            "text": _text(silence), "editable": len(silence.matcher_sets) == 1,
            "every": "" if silence.recurrence is None else str(silence.recurrence),
            "window": silence.window(now), "window_text": window_text(silence, now)}  # fmt: skip


def _text(silence: Silence) -> str:
    return " or ".join("{" + ", ".join(map(format_matcher, ms)) + "}" for ms in silence.matcher_sets)


def _silences_view(pages: Pages) -> dict[str, Any]:
    app = pages.app
    now = app.ports.clock.now()
    with app.state.read() as db:
        lines = [_silence_line(s, now) for s in sorted(load_silences(db), key=lambda s: (s.ends_at, s.id))]
        labels = [a.labels for a in alert_lines(app, db, now)] if lines else []
        kept = {s.id: s for s in load_silences(db)}
    for line in lines:
        silence = kept.get(line["id"])
        line["hits"] = sum(silence.matches(each) for each in labels) if silence and line["state"] != "expired" else 0
    by_state = {str(s): [line for line in lines if line["state"] == s] for s in SilenceState}
    order = (SilenceState.ACTIVE, SilenceState.PENDING, SilenceState.EXPIRED)
    return {"states": [(str(s), by_state[str(s)]) for s in order]}


def _preview(pages: Pages, text: str) -> dict[str, Any]:
    """What matchers that somebody is writing would hit."""
    app = pages.app
    now = app.ports.clock.now()
    try:
        matchers = parse_matchers(text) if text.strip() else ()
    except ValueError as error:
        return {"problem": f"This is no matcher yet: {error}", "hits": (), "count": 0, "asked": True}
    if not matchers:
        return {"problem": "", "hits": (), "count": 0, "asked": False}
    with app.state.read() as db:
        hits = [a for a in alert_lines(app, db, now) if matches_all(matchers, a.labels)]
    return {"problem": "", "hits": hits[:_PREVIEWED], "count": len(hits), "asked": True}


def add_alert_pages(router: APIRouter, pages: Pages) -> None:
    """Alerts and silences; before the fragments of all other pages."""

    @router.get("/alerts")
    def alerts(request: Request) -> Response:
        return pages.render(request, "alerts.html", **_alerts_view(pages, _Filter.of(request)))

    @router.get("/fragments/alerts")
    def alerts_fragment(request: Request) -> Response:
        return pages.render(request, "f_alert_groups.html", **_alerts_view(pages, _Filter.of(request)))

    @router.get("/silences")
    def silences(request: Request) -> Response:
        return pages.render(request, "silences.html", **_silences_view(pages))

    @router.get("/fragments/silences")
    def silences_fragment(request: Request) -> Response:
        return pages.render(request, "f_silences.html", **_silences_view(pages))

    @router.get("/silences/new")
    def new(request: Request, matchers: str = "", edit: str = "") -> Response:
        values = {"matchers": matchers, "duration": "1h", "comment": "", "id": "", "begins": "", "every": ""}
        if edit:
            values = _to_edit(pages, edit)
        zones = sorted({person.timezone for person in pages.app.config.hypercare.people})
        return pages.render(request, "silence.html", s=values, zones=zones, **_preview(pages, values["matchers"]))

    @router.get("/fragments/silence-preview")
    def preview(request: Request, matchers: str = "") -> Response:
        return pages.render(request, "f_preview.html", **_preview(pages, matchers))

    _post(router, pages)


def _to_edit(pages: Pages, silence_id: str) -> dict[str, str]:
    now = pages.app.ports.clock.now()
    with pages.app.state.read() as db:
        silence = load_silence(db, silence_id)
    if silence is None or len(silence.matcher_sets) != 1:
        raise CommandError("no such silence", 404)
    expired = silence.state(now) is SilenceState.EXPIRED
    lasts = silence.ends_at - (silence.starts_at if expired else max(now, silence.starts_at))
    return {
        "matchers": ", ".join(format_matcher(m) for m in silence.matcher_sets[0]),
        "duration": format_duration(max(SECOND, lasts // SECOND * SECOND)),
        "comment": silence.comment,
        # What has ended is not changed any more: the same begins anew.
        "id": "" if expired else silence.id,
        "every": "" if silence.recurrence is None else str(silence.recurrence),
        "begins": format_duration((silence.starts_at - now) // SECOND * SECOND) if silence.starts_at > now else "",
    }


def _post(router: APIRouter, pages: Pages) -> None:
    @router.post("/silences")
    async def put(
        request: Request, matchers: Annotated[str, Form(max_length=100_000)], duration: Annotated[str, Form()],
        comment: Annotated[str, Form(max_length=200)], begins: Annotated[str, Form(max_length=40)] = "",
        id: Annotated[str, Form(max_length=64)] = "",  # noqa: A002 - the field's name in the form
        every: Annotated[str, Form(max_length=1000)] = "", zone: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:  # fmt: skip
        now = pages.app.ports.clock.now()
        wanted, lasts, wait = _read(matchers, duration, begins)
        recurrence = read_text(every, zone)
        starts = now + wait
        if id and not wait:
            with pages.app.state.read() as db:
                old = load_silence(db, id)
            if old is not None and old.state(now) is SilenceState.ACTIVE:
                starts = old.starts_at
        by = pages.by(request, unquote(request.cookies.get(ME, "")))
        ends, always = max(now, starts) + lasts, recurrence is None
        await call(pages.app, PutSilence((wanted,), starts, ends, by, comment, id, recurrence, always))
        answer = RedirectResponse("/silences", 303)
        often = "" if recurrence is None else f", only {recurrence}"
        text = f"Silenced for {duration}{f', in {begins}' if wait else ''}{often}."
        answer.set_cookie(MESSAGE, quote(text[:500]), max_age=60, samesite="strict", httponly=True)
        return answer


def _read(matchers: str, duration: str, begins: str) -> tuple[tuple[Matcher, ...], Ms, Ms]:
    """Matchers, how long, and after what time, as the form has them.

    Raises:
        CommandError: they cannot be read.

    """
    try:
        if matchers.startswith("["):
            wanted = tuple(Matcher(str(n), MatchOp.EQUAL, str(v)) for n, v in json.loads(matchers))
        else:
            wanted = parse_matchers(matchers)
        lasts = parse_duration(duration.strip())
        wait = parse_duration(begins.strip()) if begins.strip() else 0
    except (ValueError, TypeError, RecursionError) as error:
        text = f'that is no silence: expected matchers such as service="api", and durations such as 4h: {error}'
        raise CommandError(text, 400) from error
    if not 0 < lasts <= YEAR or wait > 90 * DAY:
        raise CommandError("a silence lasts up to a year and begins within 90 days", 400)
    return wanted, lasts, wait
