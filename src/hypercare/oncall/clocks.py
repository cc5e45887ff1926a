"""Response clocks of incidents: acknowledge, assess, investigate, resolve; each warns, and is breached, unless met."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from hypercare.kernel import CommandError, Effect
from hypercare.model.events import (
    ClockPassed,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentResolved,
    IncidentSeverityChanged,
    IncidentTold,
    IncidentUnacknowledged,
)
from hypercare.model.time import SECOND, format_duration
from hypercare.oncall import pages, store
from hypercare.oncall.plan import HIGH, LOW
from hypercare.oncall.tables import clocks, escalations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Row

    from hypercare.channels.notification import Page
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.clockrules import Limit
    from hypercare.oncall.plan import Plan

_KIND: Final = "oncall.clock"
ACKNOWLEDGE: Final = "acknowledge"
WARNING: Final = "warning"
BREACH: Final = "breach"
PHASES: Final = {"assess": "assessed", "investigate": "investigating"}
"""What people say by hand, and what the incident is then."""
_ORDER: Final = ("acknowledge", "assess", "investigate", "resolve")


@dataclasses.dataclass(frozen=True, slots=True)
class MarkPhase:
    """Command: the incident (by id) is assessed, or under investigation (``phase`` as in ``PHASES``).

    Answers with its clocks. Who investigates has assessed.
    """

    id: str
    phase: str
    by: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ClockState:
    """One clock of one incident.

    Attributes:
        started_at: from when it counts.
        warned_at: when the warning was given; none: not yet, or met before.
        met_at: when what it waits for was done; none: not yet.
        met_by: who did it.

    """

    clock: str
    severity: str
    started_at: Ms
    warning_at: Ms
    breach_at: Ms
    warned_at: Ms | None
    breached_at: Ms | None
    met_at: Ms | None
    met_by: str

    @property
    def state(self) -> str:
        """running, warned, breached, met, or late (met after its breach)."""
        if self.met_at is not None:
            return "met" if self.met_at <= self.breach_at else "late"
        if self.breached_at is not None:
            return "breached"
        return "running" if self.warned_at is None else "warned"

    @property
    def took(self) -> Ms | None:
        """How long it took, in ms; none while it runs."""
        return None if self.met_at is None else self.met_at - self.started_at


def load_clocks(db: Connection, incident_id: str) -> tuple[ClockState, ...]:
    """The clocks of an incident, in the order of its phases."""
    query = select(clocks).where(clocks.c.incident_id == incident_id).order_by(clocks.c.place)
    return tuple(_state(row) for row in db.execute(query))


def load_running(db: Connection) -> dict[str, tuple[ClockState, ...]]:
    """The unmet clocks of all incidents, by incident."""
    found: dict[str, tuple[ClockState, ...]] = {}
    query = select(clocks).where(clocks.c.met_at.is_(None)).order_by(clocks.c.incident_id, clocks.c.place)
    for row in db.execute(query):
        found[row.incident_id] = (*found.get(row.incident_id, ()), _state(row))
    return found


def _state(row: Row[Any]) -> ClockState:
    return ClockState(*(getattr(row, field.name) for field in dataclasses.fields(ClockState)))


class Clocks:
    """Starts, meets and reads the clocks."""

    def __init__(
        self, plan: Callable[[], Plan], ready: Callable[[], bool], render: Callable[[str, Page], Mapping[str, Any]]
    ) -> None:
        self._plan = plan
        self._ready = ready
        self._render = render

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop; after whoever keeps the escalations, whose rows are read here."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentAcknowledged, self._on_acknowledged)
        kernel.subscribe(IncidentUnacknowledged, self._on_unacknowledged)
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.subscribe(IncidentSeverityChanged, self._on_severity)
        kernel.on_timer(_KIND, self._on_due)
        kernel.on_message(MarkPhase, self._mark)

    def resume(self, ctx: Context) -> None:
        """Set the timers of all clocks that run: after a start they may have come before there was a plan."""
        for incident_id, running in load_running(ctx.db).items():
            paused = _paused(ctx, incident_id)
            for state in running:
                if not (paused and state.clock == ACKNOWLEDGE):
                    _set_timer(ctx, incident_id, state)

    def hold(self, ctx: Context, incident_id: str) -> None:
        """Nobody is called for now: the time to acknowledge stands still."""
        ctx.cancel_timer(f"{_KIND}:{incident_id}:{ACKNOWLEDGE}")

    def go_on(self, ctx: Context, incident_id: str, paused: Ms) -> None:
        """Somebody is called for again after a pause of ``paused`` ms."""
        for state in load_clocks(ctx.db, incident_id):
            if state.clock == ACKNOWLEDGE and state.met_at is None:
                later = dataclasses.replace(
                    state,
                    started_at=state.started_at + paused,
                    warning_at=state.warning_at + paused,
                    breach_at=state.breach_at + paused,
                )
                times = {"warning_at": later.warning_at, "breach_at": later.breach_at}
                _change(ctx, incident_id, state.clock, started_at=later.started_at, **times)
                _set_timer(ctx, incident_id, later)

    # -- events ------------------------------------------------------------------------------------------------

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        mine = clocks.c.incident_id == event.incident_id
        last = ctx.db.execute(select(func.max(clocks.c.run)).where(mine)).scalar()
        for state in load_clocks(ctx.db, event.incident_id):
            ctx.cancel_timer(f"{_KIND}:{event.incident_id}:{state.clock}")
        ctx.db.execute(delete(clocks).where(mine))
        run = 0 if last is None else last + 1
        for limit in self._limits(str(event.severity)):
            _start(ctx, event.incident_id, str(event.severity), limit, ctx.now, run)

    def _limits(self, severity: str) -> tuple[Limit, ...]:
        return next((rule.limits for rule in self._plan().clocks if rule.severity == severity), ())

    def _on_acknowledged(self, ctx: Context, event: IncidentAcknowledged) -> None:
        _meet(ctx, event.incident_id, (ACKNOWLEDGE,), event.by)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        _meet(ctx, event.incident_id, _ORDER, event.by)

    def _on_unacknowledged(self, ctx: Context, event: IncidentUnacknowledged) -> None:
        """Somebody has to acknowledge again, in the time that the severity allows."""
        known = ctx.db.execute(
            select(clocks.c.severity, clocks.c.run).where(
                clocks.c.incident_id == event.incident_id, clocks.c.clock == ACKNOWLEDGE
            )
        ).first()
        limit = (
            None if known is None else next((i for i in self._limits(known.severity) if i.clock == ACKNOWLEDGE), None)
        )
        if known is None or limit is None:
            return
        where = clocks.c.incident_id == event.incident_id, clocks.c.clock == ACKNOWLEDGE
        ctx.db.execute(delete(clocks).where(*where))
        _start(ctx, event.incident_id, known.severity, limit, ctx.now, known.run + 1)
        if event.calm:
            self.hold(ctx, event.incident_id)

    def _on_severity(self, ctx: Context, event: IncidentSeverityChanged) -> None:
        """Clocks that are not met go by the new severity, from when they began."""
        known = {state.clock: state for state in load_clocks(ctx.db, event.incident_id)}
        if not known:
            return
        begun = min(state.started_at for state in known.values())
        run = ctx.db.execute(select(func.max(clocks.c.run)).where(clocks.c.incident_id == event.incident_id)).scalar()
        limits = {limit.clock: limit for limit in self._limits(str(event.severity))}
        for name in _ORDER:
            state, limit = known.get(name), limits.get(name)
            if state is not None and state.met_at is not None:
                continue
            if state is not None:
                where = clocks.c.incident_id == event.incident_id, clocks.c.clock == name
                ctx.db.execute(delete(clocks).where(*where))
                ctx.cancel_timer(f"{_KIND}:{event.incident_id}:{name}")
            if limit is not None:
                started = begun if state is None else state.started_at
                _start(ctx, event.incident_id, str(event.severity), limit, started, (run or 0) + 1)
        if _paused(ctx, event.incident_id):
            self.hold(ctx, event.incident_id)

    def _mark(self, ctx: Context, command: MarkPhase) -> tuple[ClockState, ...]:
        if command.phase not in PHASES:
            raise CommandError(f"unknown phase {command.phase!r}; one of {', '.join(PHASES)}", 400)
        if not command.by.strip():
            raise CommandError("say who you are: the timeline needs a name", 400)
        escalation = store.load_escalation(ctx.db, command.id)
        if escalation is None:
            raise CommandError(f"there is no incident {command.id}", 404)
        if escalation.state == store.RESOLVED:
            raise CommandError("the incident is resolved", 409)
        if escalation.state != store.ACKNOWLEDGED:
            raise CommandError("nobody has acknowledged the incident yet: acknowledge it first", 409)
        met = ("assess",) if command.phase == "assess" else ("assess", "investigate")
        _meet(ctx, command.id, met, command.by)
        text = f"{PHASES[command.phase]}, says {command.by}" + (f": {command.note}" if command.note else "")
        data = (("note", command.note),) if command.note else ()
        ctx.publish(IncidentTold(command.id, PHASES[command.phase], text, command.by, data))
        return load_clocks(ctx.db, command.id)

    # -- time --------------------------------------------------------------------------------------------------

    def _on_due(self, ctx: Context, key: str) -> None:
        if not self._ready():
            return
        incident_id, _, name = key.removeprefix(f"{_KIND}:").rpartition(":")
        where = clocks.c.incident_id == incident_id, clocks.c.clock == name
        row = ctx.db.execute(select(clocks).where(*where)).first()
        if row is None or row.met_at is not None:
            return
        # After a standstill beyond the breach nobody needs the warning any more.
        if ctx.now >= row.breach_at and row.breached_at is None:
            self._pass(ctx, row, BREACH)
            _change(ctx, incident_id, name, breached_at=ctx.now)
        elif row.warning_at <= ctx.now < row.breach_at and row.warned_at is None:
            self._pass(ctx, row, WARNING)
            _change(ctx, incident_id, name, warned_at=ctx.now)
            ctx.set_timer(key, row.breach_at, _KIND)

    def _pass(self, ctx: Context, row: Row[Any], level: str) -> None:
        """Write it down, publish it, and tell whom the configuration names."""
        rule = next((rule for rule in self._plan().clocks if rule.severity == row.severity), None)
        names = () if rule is None else rule.warn if level == WARNING else rule.tell
        limit = format_duration(row.breach_at - row.started_at)
        gone = format_duration((ctx.now - row.started_at) // SECOND * SECOND)
        what = {ACKNOWLEDGE: "acknowledged", "assess": "assessed", "investigate": "investigated", "resolve": "resolved"}
        text = f"{row.clock} clock ({row.severity}): not {what[row.clock]} after {gone}, "
        text += f"the limit of {limit} is breached" if level == BREACH else f"the limit is {limit}"
        told = (("clock", row.clock), ("limit", limit))
        if level == BREACH or names:
            # A warning that nobody is to hear of would only make the timeline longer.
            ctx.publish(IncidentTold(row.incident_id, f"clock_{level}", text, data=told))
        due_at = row.breach_at if level == BREACH else row.warning_at
        ctx.publish(ClockPassed(row.incident_id, row.clock, level, row.severity, due_at))
        if names:
            self._notify(ctx, row, level, text, names)

    def _notify(self, ctx: Context, row: Row[Any], level: str, text: str, names: tuple[str, ...]) -> None:
        plan = self._plan()
        kept = ctx.db.execute(select(escalations).where(escalations.c.incident_id == row.incident_id)).one()
        if kept.state == store.PAUSED:
            entry = "nobody is told of the clock: " + (kept.paused_why or "no alert calls for anybody")
            ctx.publish(IncidentTold(row.incident_id, "clock_held", entry))
            return
        subject = dataclasses.replace(pages.Subject.load(kept.incident), title=text)
        urgency = HIGH if level == BREACH else LOW
        for recipient in pages.found(plan, names, ctx.now, kept.acknowledged_by or ""):
            page = pages.page(subject, f"{row.clock} clock", recipient.name, 0, ctx.now, plan.external_url)
            for way in recipient.by(urgency):
                key = f"clock:{row.incident_id}:{row.clock}:{row.run}:{level}:{recipient.name}:{way.number}"
                digest = hashlib.blake2b(key.encode(), digest_size=24).hexdigest()
                ctx.emit(
                    Effect(
                        key=f"clock:{digest}",
                        channel=way.channel,
                        target=way.target,
                        subject=f"incident:{row.incident_id}",
                        payload=self._render(way.channel, page),
                        cancel_key=f"clock:{row.incident_id}:{row.clock}",
                    )
                )
            entry = f"{recipient.name} is told of the {level} of the {row.clock} clock"
            ctx.publish(IncidentTold(row.incident_id, "clock_told", entry, data=(("person", recipient.name),)))


def _start(ctx: Context, incident_id: str, severity: str, limit: Limit, at: Ms, run: int) -> None:
    values: dict[str, Any] = {
        "clock": limit.clock, "severity": severity, "started_at": at, "warning_at": at + limit.warning,
        "breach_at": at + limit.breach, "warned_at": None, "breached_at": None, "met_at": None, "met_by": "",
    }  # fmt: skip
    place = _ORDER.index(limit.clock)
    ctx.db.execute(insert(clocks).values(incident_id=incident_id, place=place, run=run, **values))
    _set_timer(ctx, incident_id, ClockState(**values))


def _set_timer(ctx: Context, incident_id: str, state: ClockState) -> None:
    if state.met_at is None and state.breached_at is None:
        due = state.warning_at if state.warned_at is None else state.breach_at
        ctx.set_timer(f"{_KIND}:{incident_id}:{state.clock}", due, _KIND)


def _meet(ctx: Context, incident_id: str, names: tuple[str, ...], by: str) -> None:
    for name in names:
        where = clocks.c.incident_id == incident_id, clocks.c.clock == name, clocks.c.met_at.is_(None)
        if ctx.db.execute(update(clocks).where(*where).values(met_at=ctx.now, met_by=by)).rowcount:
            ctx.cancel_timer(f"{_KIND}:{incident_id}:{name}")
            ctx.cancel(f"clock:{incident_id}:{name}", f"{by} has done what the clock waits for")


def _change(ctx: Context, incident_id: str, name: str, **values: Any) -> None:
    where = clocks.c.incident_id == incident_id, clocks.c.clock == name
    ctx.db.execute(update(clocks).where(*where).values(values))


def _paused(ctx: Context, incident_id: str) -> bool:
    escalation = store.load_escalation(ctx.db, incident_id)
    return escalation is not None and escalation.state == store.PAUSED
