"""Our own API of silences, below /api/hypercare/v1/silences: matchers as texts, lengths of time, recurrences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from hypercare.config import parse_matchers
from hypercare.config.matcher_text import format_matcher
from hypercare.kernel import CommandError
from hypercare.model.time import format_rfc3339, parse_duration, parse_rfc3339
from hypercare.routing.commands import ExpireSilence, PutSilence
from hypercare.routing.store import load_silence, load_silences
from hypercare.web.api.recurring import Intervals, read_intervals, read_text, recurrence_json
from hypercare.web.calls import call

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.routing.silences import Silence
    from hypercare.web.auth import Gate


class WantedSilence(BaseModel):
    """A silence to create or change; ``every`` or ``recurrence`` makes it recur, neither leaves that as it was."""

    id: str = Field(default="", max_length=64, description="of the silence to change; empty: a new one")
    matchers: list[str] = Field(min_length=1, max_length=1000, examples=[['service="api"']])
    starts_at: str = Field(default="", max_length=64, description="RFC 3339; empty: now")
    ends_at: str = Field(default="", max_length=64, description="RFC 3339")
    duration: str = Field(default="", max_length=40, description="instead of ends_at, such as 4h or 30d")
    by: str = Field(default="", max_length=100)
    comment: str = Field(min_length=1, max_length=10_000)
    every: str | None = Field(default=None, max_length=10_000, examples=["mon-fri 02:00-04:00"])
    zone: str = Field(default="UTC", max_length=100, examples=["Europe/Madrid"])
    recurrence: Intervals | None = None


def silences_router(app: App, gate: Gate) -> APIRouter:
    """Silences."""
    router = APIRouter(prefix="/api/hypercare/v1/silences", tags=["hypercare"])
    clock = app.ports.clock

    @router.get("", operation_id="list_silences")
    def silences(state: Annotated[str | None, Query(pattern="^(active|pending|expired)$")] = None) -> Any:
        """Silences in the order in which they were made; one that waits for its next window is pending."""
        now = clock.now()
        with app.state.read() as db:
            found = load_silences(db)
        return [_json(s, now) for s in found if state is None or s.shown_state(now) == state]

    @router.get("/{silence_id}", operation_id="show_silence")
    def silence(silence_id: str) -> Any:
        """One silence."""
        return _json(_found(app, silence_id), clock.now())

    @router.post("", operation_id="put_silence")
    async def put(request: Request, wanted: WantedSilence) -> Any:
        """Create a silence, or change one: its id, which is a new one where the old silence had to end."""
        command = _command(wanted, gate.by(request, wanted.by, "api"), clock.now())
        return {"id": await call(app, command)}

    @router.delete("/{silence_id}", operation_id="expire_silence")
    async def expire(silence_id: str) -> Any:
        """End a silence now."""
        await call(app, ExpireSilence(silence_id))
        return {}

    return router


def _command(wanted: WantedSilence, by: str, now: Ms) -> PutSilence:
    starts = _instant(wanted.starts_at) if wanted.starts_at else now
    if bool(wanted.ends_at) == bool(wanted.duration):
        raise CommandError("give either ends_at or duration", 400)
    ends = _instant(wanted.ends_at) if wanted.ends_at else max(starts, now) + _duration(wanted.duration)
    if wanted.every is not None and wanted.recurrence is not None:
        raise CommandError("give either every or recurrence", 400)
    text, intervals = wanted.every, wanted.recurrence
    recurrence = read_intervals(intervals) if text is None else read_text(text, wanted.zone)
    always = recurrence is None and (text is not None or intervals is not None)
    return PutSilence((_matchers(wanted.matchers),), starts, ends, by, wanted.comment, wanted.id, recurrence, always)


def _json(silence: Silence, now: Ms) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": str(silence.shown_state(now)),
        "matchers": [[format_matcher(m) for m in matchers] for matchers in silence.matcher_sets],
        "starts_at": format_rfc3339(silence.starts_at),
        "ends_at": format_rfc3339(silence.ends_at),
        "updated_at": format_rfc3339(silence.updated_at),
        "by": silence.created_by,
        "comment": silence.comment,
        **recurrence_json(silence, now),
    }


def _found(app: App, silence_id: str) -> Silence:
    with app.state.read() as db:
        silence = load_silence(db, silence_id)
    if silence is None:
        message = f"silence {silence_id} not found"
        raise CommandError(message, 404)
    return silence


def _matchers(texts: list[str]) -> tuple[Matcher, ...]:
    try:
        return tuple(matcher for text in texts for matcher in parse_matchers(text))
    except ValueError as error:
        message = f"bad matcher: {error}"
        raise CommandError(message, 400) from error


def _instant(text: str) -> Ms:
    try:
        at = parse_rfc3339(text)
        # At the edges of the calendar an offset leads out of it.
        format_rfc3339(at)
    except (ValueError, OverflowError) as error:
        message = f"not a valid time: {text!r}; expected RFC 3339 such as 2026-01-05T09:00:00Z"
        raise CommandError(message, 400) from error
    return at


def _duration(text: str) -> Ms:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CommandError(str(error), 400) from error
