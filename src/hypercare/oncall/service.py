"""Escalations in the loop: page a step, wait, page the next, until somebody acknowledges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from hypercare.kernel import Effect
from hypercare.model.events import (
    EscalationExhausted,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentResolved,
    PageSent,
)
from hypercare.model.labels import Labels
from hypercare.oncall import pages, store
from hypercare.oncall.plan import Plan
from hypercare.oncall.reading import plan_of
from hypercare.oncall.tables import escalations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.channels.notification import Page
    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.oncall.plan import Receiver
    from hypercare.oncall.store import Escalation

_KIND: Final = "oncall.escalate"


class OnCallService:
    """Keeps the escalations.

    Attributes:
        plan: what applies now; immutable and replaced as a whole, may be read from any thread.

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
        self._configured = False
        self._render = render
        self._receivers = receivers

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.subscribe(IncidentOpened, self._on_opened)
        kernel.subscribe(IncidentAcknowledged, self._on_acknowledged)
        kernel.subscribe(IncidentResolved, self._on_resolved)
        kernel.on_timer(_KIND, self._on_due)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload."""
        self.apply(ctx, plan_of(config.hypercare, self._receivers(config)))

    def apply(self, ctx: Context, plan: Plan) -> None:
        """Work by this plan from now on.

        An escalation under way goes on at its step with the new policy of its name; where there is none any more, with
        the steps as they were when it began.
        """
        # Only with the commit: a reload that another room refuses leaves everything as it was.
        ctx.after_commit(lambda: self._replace(plan))
        for escalation in store.load_escalations(ctx.db, store.RUNNING, limit=100_000):
            policy = plan.policy(escalation.policy.name)
            if policy is None or policy.dump() == escalation.policy.dump():
                if escalation.next_at is not None:
                    ctx.set_timer(f"{_KIND}:{escalation.incident_id}", escalation.next_at, _KIND)
                continue
            step = min(escalation.step, len(policy.steps))
            next_at = policy.due(escalation.opened_at, escalation.round - escalation.first_round, step)
            _save(ctx, escalation.incident_id, snapshot=policy.dump(), step=step, next_at=next_at)

    def _replace(self, plan: Plan) -> None:
        self.plan = plan
        self._configured = True

    def _on_opened(self, ctx: Context, event: IncidentOpened) -> None:
        policy = self.plan.choose(event.policy, Labels(event.labels))
        earlier = store.load_escalation(ctx.db, event.incident_id)
        round_ = earlier.round + 1 if earlier else 0
        values: dict[str, Any] = {
            "state": store.RUNNING,
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
            ctx.db.execute(insert(escalations).values(incident_id=event.incident_id, **values))
        else:
            ctx.db.execute(update(escalations).where(escalations.c.incident_id == event.incident_id).values(values))
        _save(ctx, event.incident_id, next_at=policy.due(ctx.now, 0, 0))
        self._advance(ctx, event.incident_id)

    def _on_due(self, ctx: Context, key: str) -> None:
        if not self._configured:
            # Overdue right after a start: who is on call is not known yet. The first ``apply`` sets the timer anew.
            return
        self._advance(ctx, key.removeprefix(f"{_KIND}:"))

    def _on_acknowledged(self, ctx: Context, event: IncidentAcknowledged) -> None:
        _stop(ctx, event.incident_id, store.ACKNOWLEDGED)

    def _on_resolved(self, ctx: Context, event: IncidentResolved) -> None:
        _stop(ctx, event.incident_id, store.RESOLVED)

    def _advance(self, ctx: Context, incident_id: str) -> None:
        """Page every step that is due and set the timer for the one that is not."""
        escalation = store.load_escalation(ctx.db, incident_id)
        if escalation is None or escalation.state != store.RUNNING:
            return
        policy = escalation.policy
        round_, step = escalation.round, escalation.step
        due = escalation.next_at if escalation.next_at is not None else ctx.now
        # After a long standstill several rounds may be due: each step is paged once, for the latest of them.
        owed: dict[int, int] = {}
        while due <= ctx.now:
            if step < len(policy.steps):
                owed[step] = round_
                step += 1
            elif round_ - escalation.first_round < policy.repeat:
                round_, step = round_ + 1, 0
            elif owed and due < ctx.now:
                # Who was paged late has the last wait, too, before the escalation counts as exhausted.
                due = ctx.now + policy.last_wait
                break
            else:
                self._page(ctx, escalation, owed)
                _stop(ctx, incident_id, store.EXHAUSTED)
                ctx.publish(EscalationExhausted(incident_id))
                return
            due = policy.due(escalation.opened_at, round_ - escalation.first_round, step)
        self._page(ctx, escalation, owed)
        _save(ctx, incident_id, round=round_, step=step, next_at=due)

    def _page(self, ctx: Context, escalation: Escalation, owed: dict[int, int]) -> None:
        query = select(escalations.c.incident).where(escalations.c.incident_id == escalation.incident_id)
        subject = pages.Subject.load(ctx.db.execute(query).scalar_one())
        policy = escalation.policy
        for step, round_ in sorted(owed.items(), key=lambda item: (item[1], item[0])):
            for recipient in pages.recipients(self.plan, policy.steps[step].notify, ctx.now):
                page = pages.page(subject, policy.name, recipient.name, step, ctx.now, self.plan.external_url)
                for way, (channel, target) in enumerate(recipient.ways):
                    effect = Effect(
                        key=pages.key(subject.id, round_, step, recipient.name, way),
                        channel=channel,
                        target=target,
                        subject=f"incident:{subject.id}",
                        payload=self._render(channel, page),
                    )
                    ctx.emit(effect)
                    ctx.publish(PageSent(subject.id, recipient.name, channel, step))


def _save(ctx: Context, incident_id: str, *, next_at: Ms, **values: Any) -> None:
    where = escalations.c.incident_id == incident_id
    ctx.db.execute(update(escalations).where(where).values(next_at=next_at, **values))
    ctx.set_timer(f"{_KIND}:{incident_id}", next_at, _KIND)


def _stop(ctx: Context, incident_id: str, state: str) -> None:
    """End an escalation; one that has ended before keeps its end."""
    running = escalations.c.incident_id == incident_id, escalations.c.state == store.RUNNING
    ctx.db.execute(update(escalations).where(*running).values(state=state, next_at=None, ended_at=ctx.now))
    ctx.cancel_timer(f"{_KIND}:{incident_id}")
