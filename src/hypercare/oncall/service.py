"""Escalations in the loop: page a step, wait, page the next, until somebody acknowledges."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.kernel.outbox import CANCELLED
from hypercare.kernel.tables import outbox
from hypercare.model.events import (
    EscalationExhausted,
    IncidentAcknowledged,
    IncidentCalm,
    IncidentFires,
    IncidentOpened,
    IncidentResolved,
    IncidentTold,
    IncidentUnacknowledged,
)
from hypercare.model.labels import Labels
from hypercare.model.time import MINUTE, Ms, to_datetime
from hypercare.oncall import later, pages, store
from hypercare.oncall.acting import Actions, judge
from hypercare.oncall.changes import Changes, load_changes, with_changes
from hypercare.oncall.clocks import Clocks
from hypercare.oncall.editing import Editing
from hypercare.oncall.plan import Plan
from hypercare.oncall.policy import STOP, WAIT
from hypercare.oncall.reading import plan_of, schedule_of
from hypercare.oncall.stored import Shelf, load_stored
from hypercare.oncall.tables import escalations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from hypercare.channels.notification import Page
    from hypercare.config import Config
    from hypercare.config.schedules import Schedule as Definition
    from hypercare.kernel import Context, Kernel
    from hypercare.oncall.acting import Verdict
    from hypercare.oncall.plan import Receiver
    from hypercare.oncall.policy import Step
    from hypercare.oncall.store import Escalation

_KIND: Final = "oncall.escalate"
_GOES_ON: Final = {"state": store.RUNNING, "paused_at": None, "paused_why": None}
_REMIND_AFTER: Final[Ms] = 5 * MINUTE
"""Whoever was paged before a pause as long as this is paged again when it ends: they may think that it is over."""


class OnCallService:
    """Keeps the escalations.

    Attributes:
        plan: what applies now, schedules, overrides and swaps that people made included; immutable and
            replaced as a whole, may be read from any thread.

    """

    def __init__(
        self,
        render: Callable[[str, Page], Mapping[str, Any]],
        receivers: Callable[[Config], tuple[Receiver, ...]] = lambda _: (),
    ) -> None:
        """Create.

        Args:
            render: a page as the named channel sends it.
            receivers: the receivers of a configuration with their targets, for steps that name one.

        """
        self.plan = Plan()
        # Of the file alone, and with the schedules that people made.
        self._file = Plan()
        self._told = Plan()
        self._config: Config | None = None
        self._shelf = Shelf()
        self._configured = False
        self._receivers = receivers
        self._pager = later.Pager(lambda: self.plan, lambda: self._configured, render)
        self._actions = Actions()
        self._clocks = Clocks(lambda: self.plan, lambda: self._configured, render)

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentAcknowledged, self._on_acknowledged)
        kernel.subscribe(IncidentUnacknowledged, self._on_unacknowledged)
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.subscribe(IncidentCalm, self._on_calm)
        kernel.subscribe(IncidentFires, self._on_fires)
        kernel.on_timer(_KIND, self._on_due)
        Changes(lambda: self._told, self._replace).register(kernel)
        Editing(lambda: self._told, lambda: self._config, self.catch_up).register(kernel)
        self._pager.register(kernel)
        self._actions.register(kernel)
        self._clocks.register(kernel)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        self.apply(ctx, plan_of(config.hypercare, self._receivers(config)))
        ctx.after_commit(lambda: self._know(config))

    def apply(self, ctx: Context, plan: Plan) -> None:
        """Work by this plan from now on.

        An escalation under way goes on at its step with the new policy of its name; where there is none any more, with
        the steps as they were when it began.
        """
        # Only with the commit: a reload that another room refuses leaves everything as it was.
        told = self._shelf.lay(plan, load_stored(ctx.db))
        changed = with_changes(told, load_changes(ctx.db))
        ctx.after_commit(lambda: self._take(plan, told, changed))
        self._pager.resume(ctx)
        self._clocks.resume(ctx)
        for escalation in store.load_escalations(ctx.db, limit=100_000):
            policy = plan.policy(escalation.policy.name)
            if policy is None or policy.dump() == escalation.policy.dump():
                if escalation.next_at is not None:
                    ctx.set_timer(f"{_KIND}:{escalation.incident_id}", escalation.next_at, _KIND)
                continue
            step = min(escalation.step, len(policy.steps))
            if escalation.state == store.PAUSED:
                _change(ctx, escalation.incident_id, snapshot=policy.dump(), step=step)
                continue
            next_at = policy.due(escalation.opened_at, escalation.round - escalation.first_round, step)
            _save(ctx, escalation.incident_id, snapshot=policy.dump(), step=step, next_at=next_at)

    def catch_up(self, ctx: Context) -> None:
        """See the schedules, overrides and swaps in the rows: another replica may have been given them."""
        told = self._shelf.lay(self._file, load_stored(ctx.db))
        changed = with_changes(told, load_changes(ctx.db))
        ctx.after_commit(lambda: self._lay(told, changed))

    def drafted(self, db: Connection, draft: Definition) -> Plan:
        """The plan as it would be with one schedule as drafted, changes by people laid over; from any thread."""
        told = self._told
        schedule = schedule_of(draft, told.away)
        schedules = tuple(schedule if s.name == draft.name else s for s in told.schedules)
        if schedule not in schedules:
            schedules = (*schedules, schedule)
        return with_changes(dataclasses.replace(told, schedules=schedules), load_changes(db))

    def _take(self, file: Plan, told: Plan, plan: Plan) -> None:
        self._file = file
        self._lay(told, plan)
        self._configured = True

    def _lay(self, told: Plan, plan: Plan) -> None:
        self._told = told
        self._replace(plan)

    def _know(self, config: Config) -> None:
        self._config = config

    def _replace(self, plan: Plan) -> None:
        self.plan = plan

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        policy = self.plan.choose(event.policy, Labels(event.labels), str(event.severity))
        earlier = store.load_escalation(ctx.db, event.incident_id)
        round_ = earlier.round + 1 if earlier else 0
        values: dict[str, Any] = {
            "policy": policy.name,
            "snapshot": policy.dump(),
            "incident": pages.Subject.of(event).dump(),
            "opened_at": ctx.now,
            "first_round": round_,
            "round": round_,
            "step": 0,
            "ended_at": None,
        }
        if earlier is None:
            ctx.db.execute(insert(escalations).values(incident_id=event.incident_id, **values, **_GOES_ON))
        else:
            _change(ctx, event.incident_id, **values, **_GOES_ON)
        _save(ctx, event.incident_id, next_at=policy.due(ctx.now, 0, 0))
        if not event.taken_by:
            self._advance(ctx, event.incident_id)

    def _on_due(self, ctx: Context, key: str) -> None:
        if not self._configured:
            # Overdue right after a start: who is on call is not known yet. The first ``apply`` sets the timer anew.
            return
        self._advance(ctx, key.removeprefix(f"{_KIND}:"))

    def _on_acknowledged(self, ctx: Context, event: IncidentAcknowledged) -> None:
        _stop(ctx, event.incident_id, store.ACKNOWLEDGED)
        _change(ctx, event.incident_id, acknowledged_by=event.by)
        self._pager.withdraw(ctx, event.incident_id, f"{event.by} has acknowledged the incident")

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        _stop(ctx, event.incident_id, store.RESOLVED)
        self._pager.withdraw(ctx, event.incident_id, "the incident is resolved")

    def _on_unacknowledged(self, ctx: Context, event: IncidentUnacknowledged) -> None:
        """Page from the beginning; not before an alert calls for somebody."""
        earlier = store.load_escalation(ctx.db, event.incident_id)
        if earlier is not None:
            self._begin_again(ctx, earlier)
            if event.calm:
                _pause(ctx, event.incident_id, event.calm)

    def _on_calm(self, ctx: Context, event: IncidentCalm) -> None:
        """The clock of the escalation stops while no alert calls for anybody."""
        if _pause(ctx, event.incident_id, event.why):
            self._clocks.hold(ctx, event.incident_id)
        self._pager.withdraw(ctx, event.incident_id, event.why)

    def _on_fires(self, ctx: Context, event: IncidentFires) -> None:
        """Go on where the pause began; if nobody answered to the very end, from the beginning."""
        escalation = store.load_escalation(ctx.db, event.incident_id)
        if escalation is None:
            return
        if escalation.state in {store.EXHAUSTED, store.STOPPED}:
            self._begin_again(ctx, escalation)
        elif escalation.state == store.PAUSED and escalation.paused_at is not None:
            self._clocks.go_on(ctx, event.incident_id, ctx.now - escalation.paused_at)
            self._go_on(ctx, escalation, ctx.now - escalation.paused_at)

    def _begin_again(self, ctx: Context, earlier: Escalation) -> None:
        """From the first step, with keys of their own for the pages."""
        policy, round_ = self.plan.policy(earlier.policy.name) or earlier.policy, earlier.round + 1
        values: dict[str, Any] = {"first_round": round_, "round": round_, "step": 0, "ended_at": None}
        values |= {"snapshot": policy.dump(), "opened_at": ctx.now}
        # Through the timer: in the step that takes a configuration the new plan does not apply yet.
        _save(ctx, earlier.incident_id, next_at=policy.due(ctx.now, 0, 0), **values, **_GOES_ON)

    def _go_on(self, ctx: Context, escalation: Escalation, paused: Ms) -> None:
        policy, step, round_, first = escalation.policy, escalation.step, escalation.round, escalation.first_round
        opened_at = escalation.opened_at + paused
        withdrawn = _withdrawn(ctx, escalation)
        if step > 0 and (withdrawn or paused >= _REMIND_AFTER):
            # The last step once more, with earlier ones that did not arrive; as a round of its own, for new keys.
            last, round_, first = step - 1, round_ + 1, first + 1
            opened_at = ctx.now - policy.due(0, round_ - first, last)
            step = min(last, *withdrawn, last)
        next_at = policy.due(opened_at, round_ - first, step)
        values: dict[str, Any] = {"opened_at": opened_at, "first_round": first, "round": round_, "step": step}
        _save(ctx, escalation.incident_id, next_at=next_at, **values, **_GOES_ON)

    def _advance(self, ctx: Context, incident_id: str) -> None:
        """Do every step that is due and set the timer for the one that is not."""
        escalation = store.load_escalation(ctx.db, incident_id)
        if escalation is None or escalation.state != store.RUNNING:
            return
        policy, opened_at = escalation.policy, escalation.opened_at
        round_, step = escalation.round, escalation.step
        due = escalation.next_at if escalation.next_at is not None else ctx.now
        # After a long standstill several rounds may be due: each step is done once, for the latest of them.
        owed: dict[int, int] = {}
        while due <= ctx.now:
            if step < len(policy.steps):
                verdict = judge(ctx, incident_id, policy.steps[step].condition)
                if verdict.do:
                    owed[step] = round_
                elif verdict.instead == WAIT:
                    # Everything after it comes so much later, too.
                    opened_at += verdict.until - policy.due(opened_at, round_ - escalation.first_round, step)
                    due = verdict.until
                    self._left_out(ctx, incident_id, step, policy.steps[step], verdict)
                    break
                else:
                    self._left_out(ctx, incident_id, step, policy.steps[step], verdict)
                    if verdict.instead == STOP:
                        self._do(ctx, escalation, owed)
                        _stop(ctx, incident_id, store.STOPPED)
                        return
                step += 1
            elif round_ - escalation.first_round < policy.repeat:
                round_, step = round_ + 1, 0
            elif owed and due < ctx.now:
                # Who was paged late has the last wait, too, before the escalation counts as exhausted.
                due = ctx.now + policy.last_wait
                break
            else:
                self._do(ctx, escalation, owed)
                _stop(ctx, incident_id, store.EXHAUSTED)
                ctx.publish(EscalationExhausted(incident_id))
                return
            due = policy.due(opened_at, round_ - escalation.first_round, step)
        self._do(ctx, escalation, owed)
        _save(ctx, incident_id, round=round_, step=step, next_at=due, opened_at=opened_at)

    def _left_out(self, ctx: Context, incident_id: str, index: int, step: Step, verdict: Verdict) -> None:
        """Write down that a step is not done now, and why."""
        then = {STOP: "the escalation ends here", WAIT: f"it waits until {to_datetime(verdict.until):%a %H:%M} UTC"}
        what = then.get(verdict.instead, "left out")
        text = f"step {step.number or index + 1} ({step.what}) only {step.condition}: {verdict.why}; {what}"
        ctx.publish(IncidentTold(incident_id, f"step_{verdict.instead}", text, data=(("step", str(index)),)))

    def _do(self, ctx: Context, escalation: Escalation, owed: dict[int, int]) -> None:
        query = select(escalations.c.incident).where(escalations.c.incident_id == escalation.incident_id)
        subject = pages.Subject.load(ctx.db.execute(query).scalar_one())
        policy = escalation.policy
        for index, round_ in sorted(owed.items(), key=lambda item: (item[1], item[0])):
            step = policy.steps[index]
            if step.action is not None:
                self._actions.act(ctx, subject, policy.name, step, f"{subject.id}:{round_}:{index}")
                continue
            urgency = step.urgency or policy.urgency or self.plan.urgency(subject.severity)
            order = later.Order(subject, policy.name, round_, index, urgency)
            for recipient in pages.recipients(self.plan, step.notify, ctx.now):
                self._pager.page(ctx, order, recipient)


def _change(ctx: Context, incident_id: str, **values: Any) -> None:
    ctx.db.execute(update(escalations).where(escalations.c.incident_id == incident_id).values(values))


def _save(ctx: Context, incident_id: str, *, next_at: Ms, **values: Any) -> None:
    _change(ctx, incident_id, next_at=next_at, **values)
    ctx.set_timer(f"{_KIND}:{incident_id}", next_at, _KIND)


def _stop(ctx: Context, incident_id: str, state: str) -> None:
    """End an escalation; one that nobody has answered may still be acknowledged or resolved."""
    before: tuple[str, ...] = (*store.UNDER_WAY, store.EXHAUSTED, store.STOPPED)
    if state == store.RESOLVED:
        before = (*before, store.ACKNOWLEDGED)
    running = escalations.c.incident_id == incident_id, escalations.c.state.in_(before)
    values = {"state": state, "next_at": None, "ended_at": ctx.now}
    ctx.db.execute(update(escalations).where(*running).values({**_GOES_ON, **values}))
    ctx.cancel_timer(f"{_KIND}:{incident_id}")


def _withdrawn(ctx: Context, escalation: Escalation) -> tuple[int, ...]:
    """The steps of the pages that were withdrawn when the pause began: somebody does not know yet."""
    c = outbox.c
    since = c.state == CANCELLED, c.done_at >= (escalation.paused_at or 0)
    query = select(c.id).where(*since, c.cancel_key == pages.cancel_key(escalation.incident_id))
    kept = later.withdrawn_steps(ctx, escalation.incident_id, escalation.paused_at or 0)
    return (*(pages.step_of(row.id) for row in ctx.db.execute(query)), *kept)


def _pause(ctx: Context, incident_id: str, why: str) -> bool:
    """Whether it ran before."""
    running = escalations.c.incident_id == incident_id, escalations.c.state == store.RUNNING
    values = {"state": store.PAUSED, "next_at": None, "paused_at": ctx.now, "paused_why": why}
    paused = bool(ctx.db.execute(update(escalations).where(*running).values(values)).rowcount)
    if paused:
        ctx.cancel_timer(f"{_KIND}:{incident_id}")
    return paused
