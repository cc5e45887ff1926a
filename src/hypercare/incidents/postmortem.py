"""After an incident: a document drawn from its timeline, what is due by when, and reminders of it."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.incidents import room_store, rows, store
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import EditPostmortem, MovePostmortem, PassMilestone, StartPostmortem
from hypercare.incidents.facts import facts_of, moment
from hypercare.incidents.reminders import due_text, next_reminder
from hypercare.incidents.room_store import ACTION, load_tasks
from hypercare.incidents.tables import milestones, postmortems
from hypercare.incidents.templates import BrokenTextError, render_text
from hypercare.kernel import CommandError
from hypercare.model.events import IncidentResolved

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from hypercare.incidents.current import Current
    from hypercare.incidents.notices import Notices
    from hypercare.incidents.room import Room
    from hypercare.incidents.store import Incident
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

_log = logging.getLogger(__name__)
_KIND: Final = "incidents.milestone"
DRAFT, REVIEW, DONE = "draft", "review", "done"
_MOVES: Final = {DRAFT: (REVIEW,), REVIEW: (DRAFT, DONE), DONE: (REVIEW,)}
EVIDENCE, MEETING, DOCUMENT = "evidence", "meeting", "document"
WANTED: Final = {
    EVIDENCE: "see that all alerts are clear and the evidence is kept",
    MEETING: "meet with all who were involved",
    DOCUMENT: "finish the document",
}
_LONGEST: Final = 500_000


@dataclasses.dataclass(frozen=True, slots=True)
class Postmortem:
    """The document; ``version`` counts up with each change."""

    incident_id: str
    state: str
    text: str
    version: int
    created_at: Ms
    changed_at: Ms
    changed_by: str
    done_at: Ms | None


@dataclasses.dataclass(frozen=True, slots=True)
class Milestone:
    """Something that is due after an incident."""

    name: str
    due_at: Ms
    created_at: Ms
    done_by: str
    done_at: Ms | None
    reminded_at: Ms | None

    @property
    def wanted(self) -> str:
        """What is to be done."""
        return WANTED.get(self.name, self.name)


def load_postmortem(db: Connection, incident_id: str) -> Postmortem | None:
    """The document of an incident."""
    row = db.execute(select(postmortems).where(postmortems.c.incident_id == incident_id)).first()
    return None if row is None else Postmortem(*_cells(row))


def load_milestones(db: Connection, incident_id: str) -> tuple[Milestone, ...]:
    """What is due after an incident, the first first."""
    c = milestones.c
    query = select(c.name, c.due_at, c.created_at, c.done_by, c.done_at, c.reminded_at)
    return tuple(
        Milestone(*_cells(row)) for row in db.execute(query.where(c.incident_id == incident_id).order_by(c.due_at))
    )


def exported(db: Connection, postmortem: Postmortem) -> str:
    """The document with the action items as they stand."""
    text = postmortem.text.rstrip()
    actions = load_tasks(db, postmortem.incident_id, ACTION)
    if any(line.strip().lower() == "## action items" for line in text.splitlines()):
        return text + "\n"
    lines = [
        f"- [{' ' if a.done_at is None else 'x'}] {a.text} ({a.owner}, due {moment(a.due_at)[:10]})" for a in actions
    ]
    return text + "\n\n## Action items\n\n" + ("\n".join(lines) or "None.") + "\n"


class Postmortems:
    """Commands of people, and timers that remind of what is due."""

    def __init__(self, room: Room, notices: Notices, settings: Current) -> None:
        self._room = room
        self._notices = notices
        self._settings = settings

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.on_message(StartPostmortem, self._start)
        kernel.on_message(EditPostmortem, self._edit)
        kernel.on_message(MovePostmortem, self._move)
        kernel.on_message(PassMilestone, self._pass)
        kernel.on_timer(_KIND, self._settings.patient(_KIND, self._on_due))

    # -- what is drawn up ----------------------------------------------------------------------------------------

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        incident = store.load_incident(ctx.db, event.incident_id)
        if incident is None or incident.merged_into:
            return
        known = load_postmortem(ctx.db, incident.id)
        if known is None and incident.severity not in self._settings(ctx).postmortem.severities:
            return
        self._expect(ctx, incident, ctx.now)
        if known is None:
            self._draw(ctx, incident, rows.MACHINE)

    def _start(self, ctx: Context, command: StartPostmortem) -> Postmortem:
        incident = asked(ctx, command.id, command.by)
        known = load_postmortem(ctx.db, incident.id)
        if known is not None and not command.anew:
            raise CommandError(f"incident {incident.number} has a post-mortem already", 409)
        if known is not None and known.state != DRAFT:
            raise CommandError(f"the post-mortem is in {known.state}; only a draft is drawn up anew", 409)
        if known is None:
            self._expect(ctx, incident, incident.resolved_at or ctx.now)
        self._draw(ctx, incident, command.by)
        self._room.changed(ctx, incident.id, "postmortem", command.by)
        return _known(ctx, incident)

    def _draw(self, ctx: Context, incident: Incident, by: str) -> None:
        settings = self._settings(ctx)
        facts = facts_of(ctx.db, incident, settings, ctx.now)
        try:
            text = render_text("postmortem", settings.texts.get("postmortem", ""), facts)
        except BrokenTextError as error:
            _log.warning("the template of post-mortems is faulty, the built-in one is used: %s", error)
            rows.tell(ctx, incident.id, "template_failed", f"the template for post-mortems is faulty: {error}")
            text = render_text("postmortem", "", facts)
        known = load_postmortem(ctx.db, incident.id)
        values: dict[str, Any] = {"state": DRAFT, "text": text, "changed_at": ctx.now, "changed_by": by}
        values["version"] = 1 if known is None else known.version + 1
        if known is None:
            ctx.db.execute(insert(postmortems).values(incident_id=incident.id, created_at=ctx.now, **values))
        else:
            ctx.db.execute(update(postmortems).where(postmortems.c.incident_id == incident.id).values(values))
        rows.tell(ctx, incident.id, "postmortem", "a post-mortem is drawn up from the timeline", by)

    def _expect(self, ctx: Context, incident: Incident, since: Ms) -> None:
        """Set what is due, counted from the end of the incident; what is done stays done."""
        rules = self._settings(ctx).postmortem
        due = {EVIDENCE: rules.evidence, MEETING: rules.meeting, DOCUMENT: rules.document}
        known = {m.name: m for m in load_milestones(ctx.db, incident.id)}
        for name, after in due.items():
            times: dict[str, Any] = {"due_at": since + after, "created_at": since, "reminded_at": None}
            where = milestones.c.incident_id == incident.id, milestones.c.name == name
            if name not in known:
                ctx.db.execute(insert(milestones).values(incident_id=incident.id, name=name, done_by="", **times))
            elif known[name].done_at is None:
                ctx.db.execute(update(milestones).where(*where).values(times))
            self._watch(ctx, incident.id, name)

    # -- what people do ------------------------------------------------------------------------------------------

    def _edit(self, ctx: Context, command: EditPostmortem) -> Postmortem:
        incident = asked(ctx, command.id, command.by)
        known = _known(ctx, incident)
        if known.state == DONE:
            raise CommandError("the post-mortem is done; take it back to review first", 409)
        if command.version and command.version != known.version:
            who = f"{known.changed_by} has changed it since (version {known.version})"
            raise CommandError(f"{who}; look at that first, nothing is overwritten", 409)
        if len(command.text) > _LONGEST:
            raise CommandError(f"a post-mortem has at most {_LONGEST} characters", 413)
        if command.text != known.text:
            values = {"text": command.text, "version": known.version + 1, "changed_at": ctx.now}
            where = postmortems.c.incident_id == incident.id
            ctx.db.execute(update(postmortems).where(where).values(**values, changed_by=command.by))
            rows.tell(ctx, incident.id, "postmortem", f"{command.by} wrote in the post-mortem", command.by)
            self._room.changed(ctx, incident.id, "postmortem", command.by)
        return _known(ctx, incident)

    def _move(self, ctx: Context, command: MovePostmortem) -> Postmortem:
        incident = asked(ctx, command.id, command.by)
        known = _known(ctx, incident)
        if command.state not in _MOVES:
            raise CommandError(f"unknown state {command.state!r}; one of {', '.join(_MOVES)}", 400)
        if command.state not in _MOVES[known.state]:
            allowed = " or ".join(_MOVES[known.state])
            raise CommandError(f"from {known.state} it goes to {allowed}, not to {command.state}", 409)
        done = ctx.now if command.state == DONE else None
        values: dict[str, Any] = {"state": command.state, "done_at": done, "version": known.version + 1}
        where = postmortems.c.incident_id == incident.id
        ctx.db.execute(update(postmortems).where(where).values(**values, changed_at=ctx.now, changed_by=command.by))
        rows.tell(ctx, incident.id, "postmortem", f"post-mortem: {known.state} to {command.state}", command.by)
        if DONE in {known.state, command.state}:
            self._put(ctx, incident, DOCUMENT, command.by, done=command.state == DONE)
        self._room.changed(ctx, incident.id, "postmortem", command.by)
        return _known(ctx, incident)

    def _pass(self, ctx: Context, command: PassMilestone) -> Milestone:
        incident = asked(ctx, command.id, command.by)
        known = {m.name: m for m in load_milestones(ctx.db, incident.id)}
        if command.name not in known:
            raise CommandError(f"nothing of the name {command.name!r} is due after incident {incident.number}", 404)
        if command.name == DOCUMENT:
            raise CommandError("the document is done when the post-mortem is", 409)
        if command.done != (known[command.name].done_at is not None):
            self._put(ctx, incident, command.name, command.by, done=command.done)
            text = known[command.name].wanted + ("" if command.done else " (not done after all)")
            rows.tell(ctx, incident.id, "milestone", f"after the incident: {text}", command.by, name=command.name)
            self._room.changed(ctx, incident.id, "milestone", command.by)
        return next(m for m in load_milestones(ctx.db, incident.id) if m.name == command.name)

    def _put(self, ctx: Context, incident: Incident, name: str, by: str, *, done: bool) -> None:
        where = milestones.c.incident_id == incident.id, milestones.c.name == name
        values = {"done_at": ctx.now, "done_by": by} if done else {"done_at": None, "done_by": ""}
        ctx.db.execute(update(milestones).where(*where).values(values))
        self._watch(ctx, incident.id, name)

    # -- reminders -----------------------------------------------------------------------------------------------

    def _watch(self, ctx: Context, incident_id: str, name: str) -> None:
        key = f"{_KIND}:{incident_id}:{name}"
        milestone = next((m for m in load_milestones(ctx.db, incident_id) if m.name == name), None)
        at = None
        if milestone is not None and milestone.done_at is None:
            after = max(milestone.created_at, milestone.reminded_at or 0)
            at = next_reminder(milestone.created_at, milestone.due_at, after)
        if at is None:
            ctx.cancel_timer(key)
        else:
            ctx.set_timer(key, at, _KIND)

    def _on_due(self, ctx: Context, key: str) -> None:
        incident_id, _, name = key.removeprefix(f"{_KIND}:").partition(":")
        milestone = next((m for m in load_milestones(ctx.db, incident_id) if m.name == name), None)
        if milestone is None or milestone.done_at is not None:
            return
        incident = found(ctx, incident_id)
        # While it goes on again nobody writes about its end.
        if incident.status == store.RESOLVED:
            state = due_text(milestone.due_at, ctx.now)
            names = (room_store.commander_of(ctx.db, incident.id), incident.acknowledged_by, incident.resolved_by)
            title = f"Post-mortem of incident #{incident.number}: {name} {state}"
            who = self._notices.remind(ctx, incident, names, title, f"{milestone.wanted}: {incident.title}")
            told = f"{milestone.wanted}: {state}" + (f"; {who} is reminded" if who else "")
            rows.tell(ctx, incident.id, "reminder", told, milestone=name)
        where = milestones.c.incident_id == incident_id, milestones.c.name == name
        ctx.db.execute(update(milestones).where(*where).values(reminded_at=ctx.now))
        self._watch(ctx, incident_id, name)


def _cells(row: Row[Any]) -> Any:
    return tuple(row)


def _known(ctx: Context, incident: Incident) -> Postmortem:
    postmortem = load_postmortem(ctx.db, incident.id)
    if postmortem is None:
        raise CommandError(f"incident {incident.number} has no post-mortem", 404)
    return postmortem
