"""Alertmanager's API v2: a Prometheus sends its alerts here, amtool reads and silences."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection  # noqa: TC002 - part of the signature that FastAPI reads
from starlette.responses import JSONResponse, Response

from hypercare.access import Area, Role
from hypercare.config import dump, parse_matchers
from hypercare.kernel import CommandError
from hypercare.model.alerts import Alert
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp, matches_all
from hypercare.model.time import format_rfc3339, parse_rfc3339
from hypercare.routing.commands import ExpireSilence, PutSilence, ReceiveAlerts
from hypercare.routing.silences import make_matcher
from hypercare.routing.store import AlertStatus, AlertView, load_alerts, load_groups, load_silence, load_silences
from hypercare.web.api.recurring import Intervals, read_intervals, recurrence_json
from hypercare.web.calls import call
from hypercare.web.errors import sendable
from hypercare.web.roles import needs

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.model.time import Ms
    from hypercare.routing.silences import Silence

Filter = Annotated[list[str] | None, Query(alias="filter", description="matchers")]
# What Alertmanager says of an alert that never ends by itself.
_LATER: Ms = 5 * 60_000


class PostedAlert(BaseModel):
    """An alert as Prometheus sends it."""

    model_config = ConfigDict(extra="ignore")
    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    startsAt: str | None = None  # noqa: N815 - the name of the API
    endsAt: str | None = None  # noqa: N815 - the name of the API
    generatorURL: str = ""  # noqa: N815 - the name of the API


class PostedMatcher(BaseModel):
    """One matcher of a silence."""

    name: str
    value: str
    isRegex: bool  # noqa: N815 - the name of the API
    isEqual: bool | None = None  # noqa: N815 - the name of the API

    def matcher(self) -> Matcher:
        """As ours."""
        ops = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
        return make_matcher(self.name, ops[self.isRegex, self.isEqual is not False], self.value)


class PostedSilence(BaseModel):
    """A silence to create or change."""

    id: str = ""
    matchers: list[PostedMatcher] = Field(min_length=1)
    startsAt: str  # noqa: N815 - the name of the API
    endsAt: str  # noqa: N815 - the name of the API
    createdBy: str  # noqa: N815 - the name of the API
    comment: str
    recurrence: Intervals | None = None


@lru_cache(1024)
def _instant(text: str | None) -> Ms:
    if not text or text.startswith("0001-01-01"):
        return 0
    try:
        at = parse_rfc3339(text)
        # At the edges of the calendar an offset leads out of it.
        format_rfc3339(at)
    except (ValueError, OverflowError) as error:
        message = f"not a valid time: {text!r}; expected RFC 3339 such as 2026-01-05T09:00:00Z"
        raise CommandError(message, 400) from error
    return at


def _matchers(texts: list[str] | None) -> tuple[Matcher, ...]:
    try:
        return tuple(m for text in texts or [] for m in parse_matchers(text) or _nothing())
    except ValueError as error:
        message = f"bad matcher format: {error}"
        raise CommandError(message, 400) from error


def _nothing() -> tuple[Matcher, ...]:
    raise ValueError("it is empty")


def _receiver_matcher(pattern: str) -> Matcher:
    try:
        return Matcher("receiver", MatchOp.REGEX, pattern)
    except ValueError as error:
        message = f"failed to parse receiver param: {error}"
        raise CommandError(message, 400) from error


def matcher_json(matcher: Matcher) -> dict[str, Any]:
    """One matcher in the API's form."""
    regex = matcher.op in {MatchOp.REGEX, MatchOp.NOT_REGEX}
    equal = matcher.op in {MatchOp.EQUAL, MatchOp.REGEX}
    return {"name": matcher.name, "value": matcher.value, "isRegex": regex, "isEqual": equal}


def _silence_json(silence: Silence, now: Ms) -> dict[str, Any]:
    # Nothing but the fields of Alertmanager, unless it recurs, which Alertmanager does not know.
    return recurrence_json(silence, now) | {
        "id": silence.id,
        "status": {"state": str(silence.shown_state(now))},
        "updatedAt": format_rfc3339(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": format_rfc3339(silence.starts_at),
        "endsAt": format_rfc3339(silence.ends_at),
        "matchers": [matcher_json(m) for matchers in silence.matcher_sets for m in matchers],
    }


def _state(view: AlertView) -> str:
    """The state in Alertmanager's API, which judges an alert when asked: it never shows one as unprocessed.

    amtool leaves unprocessed alerts out, so that nobody would see a new one before its group_wait has passed.
    """
    return AlertStatus.ACTIVE if view.state == AlertStatus.UNPROCESSED else view.state


def _alert_json(view: AlertView, now: Ms) -> dict[str, Any]:
    alert = view.alert
    status = {
        "state": _state(view),
        "silencedBy": view.silenced_by,
        "inhibitedBy": view.inhibited_by,
        "mutedBy": view.muted_by,
    }
    # Alertmanager has no such field; it is there only where it has something to say.
    flaps = {} if view.flapping_since is None else {"flappingSince": format_rfc3339(view.flapping_since)}
    return flaps | {
        "annotations": alert.annotations.as_dict(),
        "endsAt": format_rfc3339(now + _LATER if alert.ends_at is None else alert.ends_at),
        "fingerprint": view.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": format_rfc3339(alert.starts_at),
        "status": status,
        "updatedAt": format_rfc3339(view.updated_at),
        "generatorURL": alert.generator_url,
        "labels": alert.labels.as_dict(),
    }


class _Wanted:
    """The query parameters that choose alerts."""

    def __init__(
        self,
        filters: Filter = None,
        *,
        active: bool = True,
        silenced: bool = True,
        inhibited: bool = True,
        receiver: str = "",
    ) -> None:
        self.matchers = _matchers(filters)
        self.active, self.silenced, self.inhibited = active, silenced, inhibited
        self.receiver = _receiver_matcher(receiver) if receiver else None

    def takes(self, view: AlertView) -> bool:
        """Whether an alert is asked for."""
        if _state(view) == AlertStatus.ACTIVE and not self.active:
            return False
        if (view.silenced_by and not self.silenced) or (view.inhibited_by and not self.inhibited):
            return False
        if self.receiver and not any(self.receiver.matches_value(name) for name in view.receivers):
            return False
        return matches_all(self.matchers, view.alert.labels)


def alertmanager_router(app: App) -> APIRouter:
    """All paths under /api/v2."""
    router = APIRouter(prefix="/api/v2", tags=["alertmanager"])
    clock = app.ports.clock

    @router.get("/status", operation_id="am_status")
    def status() -> Any:
        """State of this process, in Alertmanager's words; there is no cluster."""
        info = {"version": "0.25.0", "revision": f"hypercare-{app.version}"}
        info |= dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")
        cluster = {"name": "", "peers": [], "status": "disabled"}
        config = {"original": dump(app.config.alertmanager)}
        return {"cluster": cluster, "config": config, "uptime": format_rfc3339(app.started_at), "versionInfo": info}

    @router.get("/receivers", operation_id="am_receivers")
    def receivers() -> Any:
        """Names of all receivers."""
        return [{"name": r.name} for r in app.config.alertmanager.receivers]

    @router.get("/alerts", operation_id="am_alerts")
    def alerts(
        filters: Filter = None, *, active: bool = True, silenced: bool = True, inhibited: bool = True,
        unprocessed: bool = True, receiver: str = "",
    ) -> Any:  # fmt: skip
        """Firing alerts."""
        # Part of the API, and without effect, as there.
        del unprocessed
        wanted = _Wanted(filters, active=active, silenced=silenced, inhibited=inhibited, receiver=receiver)
        now = clock.now()
        with app.state.read() as db:
            views = load_alerts(db, app.routing_settings, now)
        return [_alert_json(v, now) for v in views if wanted.takes(v)]

    @router.post("/alerts", operation_id="am_post_alerts")
    @needs(Role.RESPONDER, Area.INGEST)
    async def post_alerts(posted: list[PostedAlert]) -> Response:
        """Take alerts; those that are not valid are named, the others are taken."""
        taken = tuple(
            Alert(
                Labels.of(p.labels),
                Labels.of(p.annotations or {}),
                _instant(p.startsAt),
                _instant(p.endsAt) or None,
                p.generatorURL,
            )
            for p in posted
        )
        refused = await call(app, ReceiveAlerts(taken))
        return JSONResponse(sendable("; ".join(refused)), 400) if refused else JSONResponse({})

    @router.get("/alerts/groups", operation_id="am_groups")
    def groups(
        filters: Filter = None, *, active: bool = True, silenced: bool = True, inhibited: bool = True,
        receiver: str = "",
    ) -> Any:  # fmt: skip
        """Firing alerts by group."""
        wanted = _Wanted(filters, active=active, silenced=silenced, inhibited=inhibited, receiver=receiver)
        now = clock.now()
        with app.state.read() as db:
            found = load_groups(db, app.routing_settings, now)
        answer = []
        for group in found:
            alerts = [_alert_json(v, now) for v in group.alerts if wanted.takes(v)]
            if alerts:
                head = {"labels": group.labels.as_dict(), "receiver": {"name": group.receiver}}
                answer.append({**head, "alerts": alerts})
        return answer

    _silences(router, app)
    return router


def _silences(router: APIRouter, app: App) -> None:
    clock = app.ports.clock

    @router.get("/silences", operation_id="am_silences")
    def silences(filters: Filter = None) -> Any:
        """All silences, expired ones too; active first, those that end first on top."""
        wanted = _matchers(filters)
        now = clock.now()
        with app.state.read() as db:
            found = [s for s in load_silences(db) if _silence_fits(s, wanted)]
        order = {"active": 0, "pending": 1, "expired": 2}
        return [_silence_json(s, now) for s in sorted(found, key=lambda s: (order[str(s.shown_state(now))], s.ends_at))]

    @router.post("/silences", operation_id="am_post_silence")
    async def post_silence(posted: PostedSilence) -> Any:
        """Create a silence, or change one; left out, ``recurrence`` (unknown to Alertmanager) stays as it was."""
        matchers = tuple(_posted(i, m) for i, m in enumerate(posted.matchers))
        start, end = _instant(posted.startsAt), _instant(posted.endsAt)
        recurrence, always = read_intervals(posted.recurrence), posted.recurrence == []
        put = PutSilence((matchers,), start, end, posted.createdBy, posted.comment, posted.id, recurrence, always)
        return {"silenceID": await call(app, put)}

    @router.get("/silence/{silence_id}", operation_id="am_silence")
    def silence(silence_id: str) -> Any:
        """One silence."""
        with app.state.read() as db:
            return _silence_json(_found(db, silence_id), clock.now())

    @router.delete("/silence/{silence_id}", operation_id="am_expire_silence")
    async def expire(silence_id: str) -> Any:
        """End a silence now."""
        await call(app, ExpireSilence(silence_id))
        return {}


def _posted(index: int, matcher: PostedMatcher) -> Matcher:
    try:
        return matcher.matcher()
    except ValueError as error:
        message = f"invalid silence: invalid label matcher {index}: {error}"
        raise CommandError(message, 400) from error


def _found(db: Connection, silence_id: str) -> Silence:
    silence = load_silence(db, silence_id)
    if silence is None:
        message = f"silence {silence_id} not found"
        raise CommandError(message, 404)
    return silence


def _silence_fits(silence: Silence, wanted: tuple[Matcher, ...]) -> bool:
    """As Alertmanager's list: every filter must match the text of a matcher of that name."""
    texts = {m.name: m.value for matchers in silence.matcher_sets for m in matchers}
    return all(m.matches_value(texts.get(m.name, "")) for m in wanted)
