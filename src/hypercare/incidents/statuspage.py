"""What the public is told of problems and maintenance: by hand, by escalations, and when an incident ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.incidents import rows, store
from hypercare.incidents.acks import found
from hypercare.incidents.commands import CancelMaintenance, PlanMaintenance, PostStatus
from hypercare.incidents.statusview import (
    IMPACTS,
    PARTIAL,
    RESOLVED,
    STATES,
    Maintenance,
    Post,
    impact_of,
    load_maintenance,
    load_topic,
    load_topic_of,
)
from hypercare.incidents.tables import maintenance, posts
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentResolved, PublicUpdate, StatusPageChanged, StatusPostWanted
from hypercare.model.time import DAY

if TYPE_CHECKING:
    from hypercare.incidents.current import Current
    from hypercare.incidents.settings import StatusPage
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel

_TEXT: Final = 10_000
_TITLE: Final = 200
_LONGEST: Final = 60 * DAY
# What an internal stage is called in public.
_STAGES: Final = {"mitigating": "identified", "": ""}
_WORDS: Final = {
    "investigating": "We are looking into a problem.",
    "identified": "We have found the cause and are working on it.",
    "monitoring": "The problem is mended; we are watching.",
    "resolved": "The problem is over.",
}


class StatusPages:
    """Writes posts. Nothing of an incident gets into one by itself but its state: titles and texts are for us."""

    def __init__(self, settings: Current) -> None:
        self._settings = settings

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(PostStatus, self._post)
        kernel.on_message(PlanMaintenance, self._plan)
        kernel.on_message(CancelMaintenance, self._cancel)
        kernel.subscribe(StatusPostWanted, self._on_wanted)
        kernel.subscribe(PublicUpdate, self._on_update)
        kernel.subscribe(IncidentResolved, self._on_resolved)

    def _page(self, ctx: Context) -> StatusPage | None:
        return self._settings(ctx).status_page

    # -- posts ---------------------------------------------------------------------------------------------------

    def _post(self, ctx: Context, command: PostStatus) -> Post:
        page = self._page(ctx)
        if page is None:
            raise CommandError("there is no status page; write status_page: {} into hypercare.yml", 409)
        if not command.by.strip():
            raise CommandError("say who you are: the page does not show it, the record does", 400)
        if not command.text.strip() or len(command.text) > _TEXT:
            raise CommandError(f"say something to the public, in at most {_TEXT} characters", 400)
        if command.state not in STATES:
            raise CommandError(f"unknown state {command.state!r}; one of {', '.join(STATES)}", 400)
        if command.impact and command.impact not in IMPACTS:
            raise CommandError(f"unknown impact {command.impact!r}; one of {', '.join(IMPACTS)}", 400)
        if len(command.title) > _TITLE:
            raise CommandError(f"a title has at most {_TITLE} characters", 400)
        _check_components(page, command.components)
        incident = found(ctx, command.incident) if command.incident else None
        if command.topic and not load_topic(ctx.db, command.topic):
            raise CommandError(f"there is no topic {command.topic}", 404)
        return self._write(ctx, page, command, incident)

    def _write(self, ctx: Context, page: StatusPage, wanted: PostStatus, incident: Incident | None) -> Post:
        """A post; what is not said is as in the one before on the same topic, else by the incident."""
        topic = wanted.topic or (load_topic_of(ctx.db, incident.id) if incident else "")
        earlier = load_topic(ctx.db, topic) if topic else ()
        last = earlier[-1] if earlier else None
        components = wanted.components or (last.components if last else _components(page, incident))
        impact = wanted.impact or (last.impact if last else impact_of(incident.severity) if incident else PARTIAL)
        about = ", ".join(components)
        title = wanted.title.strip() or (last.title if last else f"Problem with {about}" if about else "Problem")
        post = {
            "topic": topic or ctx.new_id(),
            "incident_id": incident.id if incident else (last.incident_id if last else ""),
            "at": ctx.now,
            "state": wanted.state,
            "impact": impact,
            "title": title,
            "text": wanted.text.strip(),
            "components": json.dumps(components, ensure_ascii=False),
            "by": wanted.by,
        }
        post_id = int(ctx.db.execute(insert(posts).values(post).returning(posts.c.id)).scalar_one())
        if incident is not None:
            text = f"status page: {wanted.state}: {wanted.text.strip()}"
            rows.tell(ctx, incident.id, "status", text, wanted.by, post=post_id)
        ctx.publish(StatusPageChanged(wanted.by))
        return next(p for p in load_topic(ctx.db, str(post["topic"])) if p.id == post_id)

    def _on_wanted(self, ctx: Context, event: StatusPostWanted) -> None:
        """A step of an escalation; one that is repeated changes nothing."""
        page, incident = self._page(ctx), store.load_incident(ctx.db, event.incident_id)
        if page is None or incident is None:
            return
        # Where the step has no text of its own it brings the incident's title, which is ours.
        text = _WORDS[event.state] if event.text == incident.title else event.text
        known = tuple(c for c in event.components if c in {component.name for component in page.components})
        topic = load_topic(ctx.db, load_topic_of(ctx.db, incident.id))
        if topic and (topic[-1].text, topic[-1].state) == (text, event.state):
            return
        command = PostStatus(rows.MACHINE, text, event.state, components=known)
        self._write(ctx, page, command, incident)

    def _on_update(self, ctx: Context, event: PublicUpdate) -> None:
        page, incident = self._page(ctx), store.load_incident(ctx.db, event.incident_id)
        if page is None or incident is None:
            raise CommandError("there is no status page; write status_page: {} into hypercare.yml", 409)
        topic = load_topic(ctx.db, load_topic_of(ctx.db, incident.id))
        state = _STAGES.get(event.stage, event.stage) or (topic[-1].state if topic else STATES[0])
        self._write(ctx, page, PostStatus(event.by, event.text, state), incident)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        """The public is told of the end of what it was told of."""
        page, incident = self._page(ctx), store.load_incident(ctx.db, event.incident_id)
        topic = load_topic(ctx.db, load_topic_of(ctx.db, event.incident_id))
        if incident is not None and incident.merged_into:
            # The posts follow the incident that goes on.
            where = posts.c.incident_id == incident.id
            ctx.db.execute(update(posts).where(where).values(incident_id=incident.merged_into))
        elif page is not None and incident is not None and topic and topic[-1].state != RESOLVED:
            self._write(ctx, page, PostStatus(rows.MACHINE, _WORDS[RESOLVED], RESOLVED), incident)
        ctx.publish(StatusPageChanged(event.by))

    # -- maintenance ---------------------------------------------------------------------------------------------

    def _plan(self, ctx: Context, command: PlanMaintenance) -> Maintenance:
        page = self._page(ctx)
        if page is None:
            raise CommandError("there is no status page; write status_page: {} into hypercare.yml", 409)
        if not command.by.strip():
            raise CommandError("say who you are: the page does not show it, the record does", 400)
        title = " ".join(command.title.split())
        if not title or len(title) > _TITLE or len(command.text) > _TEXT:
            raise CommandError(f"maintenance needs a title of at most {_TITLE} characters", 400)
        if not ctx.now < command.end_at or not 0 < command.end_at - command.start_at <= _LONGEST:
            raise CommandError("maintenance ends after it begins, not in the past, and lasts at most 60 days", 400)
        _check_components(page, command.components)
        maintenance_id = ctx.new_id()
        values: dict[str, Any] = {
            "id": maintenance_id,
            "title": title,
            "text": command.text.strip(),
            "components": json.dumps(command.components, ensure_ascii=False),
            "start_at": command.start_at,
            "end_at": command.end_at,
            "by": command.by,
            "created_at": ctx.now,
            "cancelled_by": "",
        }
        ctx.db.execute(insert(maintenance).values(values))
        ctx.publish(StatusPageChanged(command.by))
        return _maintenance(ctx, maintenance_id)

    def _cancel(self, ctx: Context, command: CancelMaintenance) -> Maintenance:
        known = _maintenance(ctx, command.id)
        if not command.by.strip():
            raise CommandError("say who you are: the page does not show it, the record does", 400)
        if known.cancelled_at is not None or known.end_at <= ctx.now:
            raise CommandError("it is over already", 409)
        where = maintenance.c.id == known.id
        ctx.db.execute(update(maintenance).where(where).values(cancelled_by=command.by, cancelled_at=ctx.now))
        ctx.publish(StatusPageChanged(command.by))
        return _maintenance(ctx, known.id)


def _maintenance(ctx: Context, maintenance_id: str) -> Maintenance:
    row = ctx.db.execute(select(maintenance.c.id).where(maintenance.c.id == maintenance_id)).first()
    if row is None:
        raise CommandError(f"there is no maintenance {maintenance_id}", 404)
    return next(m for m in load_maintenance(ctx.db, 0) if m.id == maintenance_id)


def _components(page: StatusPage, incident: Incident | None) -> tuple[str, ...]:
    if incident is None:
        return ()
    return tuple(c.name for c in page.components if incident.service in c.services)


def _check_components(page: StatusPage, components: tuple[str, ...]) -> None:
    known = [component.name for component in page.components]
    for name in components:
        if name not in known:
            hint = f"one of {', '.join(known)}" if known else "none are configured"
            raise CommandError(f"there is no component {name!r}; {hint}", 400)
