"""What people say to a watch: they sign, answer, note something, ask for an action, or cancel it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.config.problems import did_you_mean
from hypercare.deploys import rows, schedule, store
from hypercare.deploys.acting import BY_VERDICT
from hypercare.deploys.commands import AddWatchNote, AnswerCriterion, CancelWatch, SignCheckpoint, WantWatchAction
from hypercare.deploys.ending import changed, found
from hypercare.judge.verdict import Outcome, State, Verdict, conclude
from hypercare.kernel import CommandError

if TYPE_CHECKING:
    from hypercare.deploys.ending import Ending
    from hypercare.deploys.store import Watch
    from hypercare.kernel import Context, Kernel

_ANSWERS: Final = ("pass", "concern", "fail")


class Desk:
    """Takes the commands of people about watches that were begun.

    Args:
        ending: ends them and asks for actions.

    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(CancelWatch, self._cancel)
        kernel.on_message(SignCheckpoint, self._sign)
        kernel.on_message(AnswerCriterion, self._answer)
        kernel.on_message(AddWatchNote, self._note)
        kernel.on_message(WantWatchAction, self._want)

    def _cancel(self, ctx: Context, command: CancelWatch) -> Watch:
        watch = _asked(ctx, command.ref)
        if watch.status != store.RUNNING:
            raise CommandError(f"the watch of {watch.title} has ended", 409)
        self._ending.end(ctx, watch, store.CANCELLED, command.note or "cancelled", command.by)
        return found(ctx, watch.id)

    def _sign(self, ctx: Context, command: SignCheckpoint) -> Watch:
        watch = _asked(ctx, command.ref)
        taken = [p for p in store.load_checkpoints(ctx.db, watch.id) if p.taken_at is not None]
        point = next((p for p in reversed(taken) if command.number in {0, p.number}), None)
        if point is None:
            raise CommandError("that checkpoint was not taken yet", 404)
        if point.signed_at is not None:
            raise CommandError(f"{point.signed_by} has signed checkpoint {point.number} already", 409)
        notes = "; ".join(part for part in (point.notes, command.notes.strip()) if part)
        values = {"signed_by": command.by, "signed_at": ctx.now, "notes": notes, "action": command.action.strip()}
        rows.change_checkpoint(ctx, watch.id, point.number, **values)
        ctx.cancel_timer(f"{schedule.SIGN}:{watch.id}:{point.number}")
        said = f": {command.notes.strip()}" if command.notes.strip() else ""
        rows.tell(ctx, watch.id, "signed", f"checkpoint {point.number} signed{said}", command.by)
        changed(ctx, watch, "signed", command.by)
        return watch

    def _answer(self, ctx: Context, command: AnswerCriterion) -> Watch:
        watch = _asked(ctx, command.ref)
        names = [criterion.name for criterion in watch.plan.criteria if criterion.ask]
        if command.criterion not in names:
            hint = did_you_mean(command.criterion, names) or "this plan asks nobody anything"
            raise CommandError(f"nobody is asked {command.criterion!r}; {hint}", 404)
        if command.state not in _ANSWERS:
            raise CommandError(f"unknown answer {command.state!r}; one of {', '.join(_ANSWERS)}", 400)
        rows.put_answer(ctx, watch.id, command.criterion, command.state, command.note, command.by)
        text = f"{command.criterion}: {command.state}" + (f", {command.note}" if command.note else "")
        rows.tell(ctx, watch.id, "answer", text, command.by)
        if watch.status == store.DONE and watch.verdict == Verdict.INCONCLUSIVE:
            self._conclude_again(ctx, watch, command)
        changed(ctx, watch, "answered", command.by)
        return found(ctx, watch.id)

    def _conclude_again(self, ctx: Context, watch: Watch, command: AnswerCriterion) -> None:
        """An answer that came after the end: everything else stays as it was seen then."""
        last = store.load_verdicts(ctx.db, watch.id)[-1]
        outcomes = [Outcome(o["name"], State(o["state"]), o["reason"], o["required"]) for o in last.outcomes]
        said = f"{command.by}: {command.note}" if command.note else f"said by {command.by}"
        answered = [
            dataclasses.replace(o, state=State(command.state), reason=said) if o.name == command.criterion else o
            for o in outcomes
        ]
        conclusion = conclude(answered)
        if conclusion.verdict is not Verdict.INCONCLUSIVE:
            rows.put_verdict(ctx, watch.id, str(conclusion.verdict), answered, final=True)
            rows.change(ctx, watch.id, verdict=str(conclusion.verdict))
            rows.tell(ctx, watch.id, "verdict", f"{conclusion.verdict} with the answer of {command.by}")
            if conclusion.verdict is Verdict.SUCCESS and watch.plan.retire:
                self._ending.actor.want(
                    ctx, watch, watch.plan.retire, BY_VERDICT, "the watch ended in SUCCESS", rows.MACHINE
                )

    def _note(self, ctx: Context, command: AddWatchNote) -> Watch:
        watch = _asked(ctx, command.ref)
        if not command.text.strip():
            raise CommandError("the note is empty", 400)
        rows.tell(ctx, watch.id, "note", command.text.strip(), command.by)
        changed(ctx, watch, "note", command.by)
        return watch

    def _want(self, ctx: Context, command: WantWatchAction) -> Watch:
        watch = _asked(ctx, command.ref)
        if not command.action.strip():
            raise CommandError("which action?", 400)
        reason = command.reason or f"asked for by {command.by}"
        self._ending.actor.want(ctx, watch, command.action, BY_VERDICT, reason, command.by)
        return watch


def _asked(ctx: Context, ref: str) -> Watch:
    watch = store.load_watch(ctx.db, ref)
    if watch is None:
        raise CommandError(f"there is no deployment {ref}", 404)
    return watch
