"""How a watch comes to its end: what a verdict leads to, what a roll-back does, and what is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.deploys import concluding, rows, schedule, store
from hypercare.deploys.acting import BY_VERDICT, Actor
from hypercare.deploys.words import because_of
from hypercare.judge.verdict import Outcome, State, Verdict
from hypercare.model.events import WatchChanged
from hypercare.model.time import SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.deploys.meter import Measured
    from hypercare.deploys.observation import Observation
    from hypercare.deploys.store import Watch
    from hypercare.deploys.telling import Teller
    from hypercare.kernel import Context


class Ending:
    """Concludes watches and ends them.

    Args:
        observed: the running watches by id; what has ended is taken out.
        teller: tells people.

    Attributes:
        actor: asks for actions and follows them.

    """

    def __init__(self, observed: dict[str, Observation], teller: Teller) -> None:
        self._observed = observed
        self._teller = teller
        self.actor = Actor(observed, teller, self._rolled_back)

    def conclude(self, ctx: Context, observed: Observation, watch: Watch, measured: Measured) -> None:
        """Come to a verdict at the last checkpoint that is due, and do what follows from it."""
        since = watch.started_at if not watch.extensions else watch.ends_at - watch.plan.extend
        answers = store.load_answers(ctx.db, watch.id)
        conclusion, outcomes = concluding.concluded(observed, since, ctx.now, measured, answers)
        self._verdict(ctx, watch, conclusion.verdict, conclusion.because, outcomes)

    def _verdict(
        self,
        ctx: Context,
        watch: Watch,
        verdict: Verdict,
        because: Sequence[Outcome],
        outcomes: Sequence[Outcome],
    ) -> None:
        last = ctx.now >= watch.ends_at
        rows.put_verdict(ctx, watch.id, str(verdict), outcomes, final=last)
        rows.change(ctx, watch.id, verdict=str(verdict))
        why = "all criteria are met" if verdict is Verdict.SUCCESS else because_of(because)
        hours = format_duration((ctx.now - watch.started_at) // SECOND * SECOND)
        rows.tell(ctx, watch.id, "verdict", f"{verdict} after {hours}: {why}")
        watch = found(ctx, watch.id)
        changed(ctx, watch, "concluded")
        urgent = verdict is Verdict.FAILURE
        self._teller.tell(ctx, watch, "verdict", f"{watch.title}: {verdict} after {hours}", why, urgent=urgent)
        if verdict is Verdict.FAILURE:
            self._on_failure(ctx, watch, why, last=last)
        elif last:
            self._at_the_end(ctx, watch, verdict, why)

    def _on_failure(self, ctx: Context, watch: Watch, why: str, *, last: bool) -> None:
        self.actor.page(ctx, watch, f"{watch.title} fails: {why}", "failure")
        rollback = watch.plan.rollback
        if rollback and not self.actor.under_way(ctx, watch, rollback):
            self.actor.want(ctx, watch, rollback, BY_VERDICT, why, rows.MACHINE)
        if not rollback or (last and not self.actor.under_way(ctx, watch, rollback)):
            self.end(ctx, watch, store.DONE, f"{watch.verdict}: {why}", rows.MACHINE)

    def _at_the_end(self, ctx: Context, watch: Watch, verdict: Verdict, why: str) -> None:
        if verdict is Verdict.CONCERNS and watch.extensions < watch.plan.extensions:
            dues = schedule.extended(watch.plan, watch.ends_at)
            taken = store.load_checkpoints(ctx.db, watch.id)
            rows.put_checkpoints(ctx, watch, dues, len(taken) + 1)
            ends = watch.ends_at + watch.plan.extend
            rows.change(ctx, watch.id, ends_at=ends, extensions=watch.extensions + 1)
            rows.tell(ctx, watch.id, "extended", f"watched {format_duration(watch.plan.extend)} longer: {why}")
            observed = self._observed[watch.id]
            observed.watch = found(ctx, watch.id)
            observed.looks += tuple(due - watch.started_at for due, _, _ in dues)
            return
        if verdict is Verdict.SUCCESS and watch.plan.retire:
            self.actor.want(ctx, watch, watch.plan.retire, BY_VERDICT, "the watch ended in SUCCESS", rows.MACHINE)
        self.end(ctx, watch, store.DONE, f"{verdict}: {why}", rows.MACHINE)

    def _rolled_back(self, ctx: Context, watch: Watch, helped: str) -> None:
        """A roll-back has helped, or not; a watch that only waited for it ends in either case."""
        if watch.status != store.RUNNING:
            return
        if not helped:
            if ctx.now >= watch.ends_at and not self.actor.under_way(ctx, watch, watch.plan.rollback):
                self.end(ctx, watch, store.DONE, "the roll-back did not help", rows.MACHINE)
            return
        outcomes = [Outcome("rolled back", State.FAIL, helped)]
        observed = self._observed.get(watch.id)
        if observed is not None:
            outcomes += concluding.checks(observed, watch.started_at, ctx.now)
        rows.put_verdict(ctx, watch.id, str(Verdict.FAILURE), outcomes, final=True)
        rows.change(ctx, watch.id, verdict=str(Verdict.FAILURE))
        watch = found(ctx, watch.id)
        self._teller.tell(ctx, watch, "verdict", f"{watch.title} was rolled back", helped)
        self.end(ctx, watch, store.DONE, f"rolled back: {helped}", rows.MACHINE)

    def end(self, ctx: Context, watch: Watch, status: str, why: str, by: str) -> None:
        """Watch no more."""
        rows.change(ctx, watch.id, status=status, ended_at=ctx.now)
        ctx.cancel_timer(f"{schedule.LOOK}:{watch.id}")
        ctx.cancel_timer(f"{schedule.REMIND}:{watch.id}")
        ctx.cancel_timer(f"{schedule.TICK}:{watch.id}", durable=False)
        self._observed.pop(watch.id, None)
        rows.tell(ctx, watch.id, "ended", why, by)
        changed(ctx, found(ctx, watch.id), "ended", by)


def changed(ctx: Context, watch: Watch, what: str, by: str = rows.MACHINE) -> None:
    """Say that something about a watch is different now."""
    ctx.publish(WatchChanged(watch.id, watch.number, watch.service, watch.version, what, watch.verdict, by))


def found(ctx: Context, watch_id: str) -> Watch:
    """A watch that must be there, as it is stored now."""
    watch = store.load_watch(ctx.db, watch_id)
    if watch is None:
        msg = f"the watch {watch_id} is gone"
        raise RuntimeError(msg)
    return watch
