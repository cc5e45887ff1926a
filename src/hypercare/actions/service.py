"""Actions in the loop: asked for, approved, run, written down; never run twice unless that does no harm."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from hypercare.actions import guards, store
from hypercare.actions.calls import Surroundings, calls_of, preview
from hypercare.actions.commands import ApproveRun, RefuseRun, RunAction
from hypercare.actions.counting import Counts
from hypercare.actions.deciding import links_for
from hypercare.actions.ending import Said, said_of
from hypercare.actions.filling import FillError, checked
from hypercare.actions.store import (
    DONE,
    FAILED,
    INTERRUPTED,
    OPEN,
    REFUSED,
    RUNNING,
    WAITING,
    WANTED,
    Run,
    load_run,
)
from hypercare.actions.tables import outputs, runs
from hypercare.actions.telling import approval_key, tell, write
from hypercare.kernel import CommandError
from hypercare.model.events import ActionChanged, ActionEnded, ActionWanted, ProcedureWanted
from hypercare.model.time import HOUR, SECOND, format_duration
from hypercare.oncall.acting import TakeRequest, take
from hypercare.ports import ProcessRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.actions.calls import Call
    from hypercare.channels.links import Link
    from hypercare.config import Config
    from hypercare.config.actions import Action
    from hypercare.config.people import Person
    from hypercare.kernel import Context, Kernel
    from hypercare.oncall.plan import Plan
    from hypercare.ports import HttpResponse, PortError, Ports, ProcessResult, Reading

_DECIDE, _AGAIN = "actions.decide", "actions.again"
_PURGE: Final = "actions.purge"
_PURGE_AT_ONCE: Final = 500
_MOST_REPEATS: Final = 3
"""So often a run is begun anew after interruptions; more of them have a cause that is not chance."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Ended:
    """Message: a program or request of a run has ended."""

    number: int
    seq: int
    answer: ProcessResult | HttpResponse | PortError


@dataclasses.dataclass(slots=True)
class _UnderWay:
    """What memory has of a run: the calls, and which of them is made; a run of the rows without it was interrupted."""

    calls: tuple[Call, ...]
    index: int = 0
    seq: int = 0


class ActionsService:
    """Runs actions of the configuration, for watches, escalations and people.

    Attributes:
        counts: for metrics.

    """

    def __init__(self, plan: Callable[[], Plan], ports: Ports, url_of: Callable[[str, Link], str]) -> None:
        """Create.

        Args:
            plan: of on-call, as it applies now: who is asked and told.
            ports: processes, HTTP and files.
            url_of: the address of a signed link below a path; empty where nobody could reach us.

        """
        self._plan = plan
        self._ports = ports
        self._url_of = url_of
        self._kernel: Kernel | None = None
        self._config: Config | None = None
        self._under_way: dict[int, _UnderWay] = {}
        self.counts = Counts()

    @property
    def actions(self) -> tuple[Action, ...]:
        """Those of the running configuration."""
        return () if self._config is None else self._config.hypercare.actions

    @property
    def all_dry(self) -> bool:
        """Whether no action does anything."""
        return self._config is not None and self._config.hypercare.actions_dry_run

    @property
    def _people(self) -> tuple[Person, ...]:
        return () if self._config is None else self._config.hypercare.people

    def action(self, name: str) -> Action | None:
        """One by its name."""
        return next((action for action in self.actions if action.name == name), None)

    def readings(self) -> Iterator[Reading]:
        """Metrics; may be called from any thread."""
        return self.counts.readings()

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        kernel.subscribe(ActionWanted, self._on_wanted)
        kernel.subscribe(ProcedureWanted, self._on_procedure)
        kernel.on_message(RunAction, self._on_run)
        kernel.on_message(ApproveRun, self._on_approve)
        kernel.on_message(RefuseRun, self._on_refuse)
        kernel.on_message(_Ended, self._on_ended)
        kernel.on_timer(_DECIDE, self._on_undecided)
        kernel.on_timer(_AGAIN, self._on_again)
        kernel.on_timer(_PURGE, self._on_purge)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload; what was cut short by a stop is found at start."""
        self._config = config
        ctx.set_timer(_PURGE, ctx.now + HOUR, _PURGE, durable=False)
        if not ctx.leads:
            return
        for run in store.load_runs(ctx.db, states=(RUNNING,), limit=10_000)[::-1]:
            if run.number not in self._under_way:
                self._interrupted(ctx, run)

    # -- asked for ---------------------------------------------------------------------------------------------

    def _on_wanted(self, ctx: Context, event: ActionWanted) -> None:
        known = store.by_request(ctx.db, event.request_id)
        if known is None:
            self._want(ctx, event.request_id, event.action, event.context, event.reason, event.by)
        elif known.state not in OPEN:
            # Whoever asks again has missed the answer.
            ctx.publish(ActionEnded(known.request_id, known.action, known.state, known.text))

    def _on_procedure(self, ctx: Context, event: ProcedureWanted) -> None:
        if self.action(event.procedure) is None:
            return
        take(ctx, TakeRequest(event.request_id, "hypercare"))
        context = (("service", event.service),) if event.service else ()
        reason = f"a step of the escalation {event.by} asks for it"
        by, incident = f"policy {event.by}", event.incident_id
        self._want(ctx, f"step:{event.request_id}", event.procedure, context, reason, by, incident)

    def _on_run(self, ctx: Context, command: RunAction) -> int:
        if self.action(command.action) is None:
            raise CommandError(f"there is no action {command.action!r} in the configuration", 404)
        run = self._want(
            ctx, f"run:{ctx.new_id()}", command.action, command.context, command.reason, command.by,
            command.incident_id, dry=command.dry_run,
        )  # fmt: skip
        return run.number

    def _want(
        self, ctx: Context, request_id: str, name: str, context: tuple[tuple[str, str], ...], reason: str, by: str,
        incident_id: str = "", *, dry: bool = False,
    ) -> Run:  # fmt: skip
        action = self.action(name)
        service = dict(context).get("service", "")
        dry = dry or self.all_dry or (action is not None and bool(action.dry_run))
        refused = self._refusal(ctx, action, name, context, service, dry=dry)
        waits = not refused and action is not None and action.approval and not dry
        decide_by = ctx.now + action.approve_within if waits and action is not None else None
        row = {
            "request_id": request_id, "action": name, "service": service, "context": json.dumps(dict(context)),
            "reason": reason, "by": by, "incident_id": incident_id, "state": WAITING if waits else WANTED,
            "decided_by": "", "wanted_at": ctx.now, "decide_by": decide_by, "started_at": None, "ended_at": None,
            "step": 0, "steps": len(action.all_steps()) if action else 0, "attempt": 1, "repeats": 0,
            "exit_code": None, "text": "", "dry_run": dry,
        }  # fmt: skip
        key = ctx.db.execute(insert(runs).values(row)).inserted_primary_key
        run = self._load(ctx, int(key[0]) if key else 0)
        if refused:
            return self._end(ctx, run, REFUSED, refused)
        assert action is not None  # noqa: S101 - no action is a refusal
        if waits:
            self._ask(ctx, action, run)
            return run
        return self._begin(ctx, action, run)

    def _refusal(
        self, ctx: Context, action: Action | None, name: str, context: tuple[tuple[str, str], ...], service: str,
        *, dry: bool,
    ) -> str:  # fmt: skip
        if action is None:
            return f"there is no action {name!r} in the configuration"
        try:
            # All is made once before anybody is asked: what cannot run should not wait for an approval.
            calls_of(action, checked(context), self._around("check"))
        except (FillError, OSError) as error:
            return _words(error)
        return "" if dry else guards.why_not(ctx.db, action, service, ctx.now)

    def _around(self, key: str) -> Surroundings:
        assert self._config is not None  # noqa: S101 - nothing is asked for before the configuration
        return Surroundings(self._ports.files, self._config.alertmanager.global_, key)

    # -- approved, or not --------------------------------------------------------------------------------------

    def _ask(self, ctx: Context, action: Action, run: Run) -> None:
        assert run.decide_by is not None  # noqa: S101 - set where it waits
        ctx.set_timer(f"{_DECIDE}:{run.number}", run.decide_by, _DECIDE)
        within = format_duration(action.approve_within)
        title = f"Approve #{run.number} {_title(run)}? Within {within}"
        how = f"hypercare actions approve {run.number}, or refuse {run.number}"
        plan = self._plan()
        offered = links_for(run, [person.name for person in self._people], self._url_of)
        tell(ctx, plan, run, map(str, action.tell), "approve", title, f"{run.by}: {run.reason}; {how}", offered)
        write(ctx, run, f"action {_title(run)} waits for an approval, within {within} (#{run.number})")
        self._changed(ctx, run)

    def _on_approve(self, ctx: Context, command: ApproveRun) -> int:
        run = self._waiting(ctx, command.number)
        action = self.action(run.action)
        ctx.cancel_timer(f"{_DECIDE}:{run.number}")
        ctx.cancel(approval_key(run.number), f"{command.by} has approved it")
        run = self._set(ctx, run, decided_by=command.by, state=WANTED)
        if action is None:
            self._end(ctx, run, REFUSED, f"there is no action {run.action!r} in the configuration any more")
        elif soon := guards.too_soon(ctx.db, action, run.service, ctx.now):
            self._end(ctx, run, REFUSED, soon)
        else:
            write(ctx, run, f"{command.by} has approved action {_title(run)} (#{run.number})")
            self._begin(ctx, action, run)
        return run.number

    def _on_refuse(self, ctx: Context, command: RefuseRun) -> int:
        run = self._waiting(ctx, command.number)
        ctx.cancel_timer(f"{_DECIDE}:{run.number}")
        note = f": {command.note}" if command.note else ""
        self._end(ctx, self._set(ctx, run, decided_by=command.by), REFUSED, f"{command.by} has refused it{note}")
        return run.number

    def _on_undecided(self, ctx: Context, key: str) -> None:
        run = load_run(ctx.db, int(key.rpartition(":")[2]))
        if run is not None and run.state == WAITING and run.decide_by is not None:
            within = format_duration(run.decide_by - run.wanted_at)
            ended = self._end(ctx, run, REFUSED, f"nobody has approved it within {within}")
            self._tell_of(ctx, ended)

    def _waiting(self, ctx: Context, number: int) -> Run:
        run = load_run(ctx.db, number)
        if run is None:
            raise CommandError(f"there is no run #{number}", 404)
        if run.state != WAITING:
            raise CommandError(f"#{number} does not wait for an approval: it is {run.state}", 409)
        return run

    # -- running -----------------------------------------------------------------------------------------------

    def _begin(self, ctx: Context, action: Action, run: Run) -> Run:
        """Mark it as running; the first call is made after the commit."""
        try:
            around = self._around(f"action-{run.request_id}-{run.repeats}")
            values = checked(run.context.items())
            calls = calls_of(action, values, around)
            shown = preview(action, values, around) if run.dry_run else None
        except (FillError, OSError) as error:
            return self._end(ctx, run, FAILED, _words(error))
        if run.dry_run and shown is None:
            plan = "\n".join(call.what for call in calls)
            run = self._set(ctx, run, started_at=ctx.now)
            self._write_output(ctx, run, 1, calls[0], state=DONE, ended_at=ctx.now, output=plan, what="dry run")
            return self._end(ctx, run, DONE, f"dry run: nothing was done; it would run: {plan}")
        calls = calls if shown is None else (shown,)
        run = self._set(
            ctx, run, state=RUNNING, started_at=run.started_at or ctx.now, step=0, attempt=1, exit_code=None
        )
        seq = self._next_seq(ctx, run)
        write(ctx, run, f"action {_title(run)} begins: {run.reason} (#{run.number}, by {run.by})")
        self._make(ctx, run, _UnderWay(calls, 0, seq))
        self._changed(ctx, run)
        return run

    def _make(self, ctx: Context, run: Run, under_way: _UnderWay) -> None:
        """Make the call that is its turn, once the row that says so is committed."""
        call = under_way.calls[under_way.index]
        self._write_output(ctx, run, under_way.seq, call, state=RUNNING)
        ctx.after_commit(lambda: self._submit(run.number, under_way, call))

    def _submit(self, number: int, under_way: _UnderWay, call: Call) -> None:
        kernel = self._kernel
        assert kernel is not None  # noqa: S101 - register comes first
        self._under_way[number] = under_way
        seq = under_way.seq

        def reply(answer: ProcessResult | HttpResponse | PortError) -> None:
            kernel.post(_Ended(number, seq, answer))

        if isinstance(call.request, ProcessRequest):
            self._ports.processes.submit(call.request, reply)
        else:
            self._ports.http.submit(call.request, reply)

    def _on_ended(self, ctx: Context, message: _Ended) -> None:
        run, under_way = load_run(ctx.db, message.number), self._under_way.get(message.number)
        if run is None or under_way is None or under_way.seq != message.seq or run.state != RUNNING:
            # Another replica has found it cut short meanwhile, and has said so.
            return
        call = under_way.calls[under_way.index]
        said = said_of(message.answer, call)
        here = outputs.c.run == run.number, outputs.c.seq == message.seq
        values = {
            "ended_at": ctx.now, "state": DONE if said.ok else FAILED, "exit_code": said.code, "text": said.text,
            "output": said.output,
        }  # fmt: skip
        ctx.db.execute(update(outputs).where(*here).values(values))
        run = self._set(ctx, run, exit_code=said.code)
        action = self.action(run.action)
        if not said.ok:
            self._failed(ctx, run, action, call, said)
        elif under_way.index + 1 < len(under_way.calls):
            following = _UnderWay(under_way.calls, under_way.index + 1, under_way.seq + 1)
            step = following.calls[following.index].step
            run = self._set(ctx, run, step=step, attempt=1 if step != run.step else run.attempt)
            self._make(ctx, run, following)
            self._changed(ctx, run)
        else:
            dry = "dry run: " if run.dry_run else ""
            self._end(ctx, run, DONE, f"{dry}{said.text}")

    def _failed(self, ctx: Context, run: Run, action: Action | None, call: Call, said: Said) -> None:
        where = f"step {call.step + 1} of {run.steps}, {call.what}: " if run.steps > 1 else ""
        if action is not None and run.attempt <= action.retries and not said.stopped and not run.dry_run:
            # Not "running" meanwhile: nothing is, and a stop in the pause cuts nothing short.
            pause = format_duration(action.retry_pause)
            again = f"{where}{said.text}; it is tried again in {pause} ({run.attempt} of {action.retries})"
            self._set(ctx, run, state=WANTED, attempt=run.attempt + 1, text=again)
            ctx.set_timer(f"{_AGAIN}:{run.number}", ctx.now + action.retry_pause, _AGAIN)
            self._changed(ctx, run)
            return
        state = INTERRUPTED if said.stopped else FAILED
        self._tell_of(ctx, self._end(ctx, run, state, f"{where}{said.text}"))

    def _on_again(self, ctx: Context, key: str) -> None:
        run = load_run(ctx.db, int(key.rpartition(":")[2]))
        action = None if run is None else self.action(run.action)
        if run is None or run.state != WANTED:
            return
        if action is None:
            text = f"{run.text}; then the action was taken out of the configuration"
            self._tell_of(ctx, self._end(ctx, run, FAILED, text))
            return
        before = self._under_way.get(run.number)
        if before is None:
            # Hypercare was started anew in the pause: what the steps before did is known, so it goes on from there.
            try:
                around = self._around(f"action-{run.request_id}-{run.repeats}")
                calls = calls_of(action, checked(run.context.items()), around)
            except (FillError, OSError) as error:
                self._tell_of(ctx, self._end(ctx, run, FAILED, _words(error)))
                return
            index = next((n for n, call in enumerate(calls) if call.step == run.step), 0)
            before = _UnderWay(calls, index)
        # A step of several calls (kubectl and its wait) is made anew from its first.
        step = before.calls[before.index].step
        index = next(n for n, call in enumerate(before.calls) if call.step == step)
        run = self._set(ctx, run, state=RUNNING)
        self._make(ctx, run, _UnderWay(before.calls, index, self._next_seq(ctx, run)))
        self._changed(ctx, run)

    # -- ended -------------------------------------------------------------------------------------------------

    def _interrupted(self, ctx: Context, run: Run) -> None:
        here = outputs.c.run == run.number, outputs.c.state == RUNNING
        text = "hypercare was stopped while it ran; how far it got is not known"
        ctx.db.execute(update(outputs).where(*here).values(state=INTERRUPTED, ended_at=ctx.now, text=text))
        action = self.action(run.action)
        if action is not None and action.repeatable and run.repeats < _MOST_REPEATS:
            write(ctx, run, f"action {_title(run)} was cut short by a stop of hypercare, and is begun anew")
            self._begin(ctx, action, self._set(ctx, run, repeats=run.repeats + 1))
            return
        where = f" (step {run.step + 1} of {run.steps})" if run.steps > 1 else ""
        self._tell_of(ctx, self._end(ctx, run, INTERRUPTED, f"{text}{where}"))

    def _end(self, ctx: Context, run: Run, state: str, text: str) -> Run:
        run = self._set(ctx, run, state=state, ended_at=ctx.now, text=text)
        ctx.publish(ActionEnded(run.request_id, run.action, state, text))
        self._changed(ctx, run)
        write(ctx, run, f"action {_title(run)} is {state}: {text} (#{run.number})")
        ctx.cancel(approval_key(run.number), f"the run is {state}")
        took = ctx.now - run.started_at if run.started_at is not None else None

        def after() -> None:
            self._under_way.pop(run.number, None)
            self.counts.ended(run.action, state, took)

        ctx.after_commit(after)
        return run

    def _tell_of(self, ctx: Context, run: Run) -> None:
        action = self.action(run.action)
        whom = map(str, action.tell) if action is not None else ()
        title = f"Action {_title(run)} {run.state} (#{run.number})"
        tell(ctx, self._plan(), run, whom, run.state, title, f"{run.text}; asked for by {run.by}: {run.reason}")

    def _on_purge(self, ctx: Context, key: str) -> None:
        assert self._config is not None  # noqa: S101 - the timer is set with the configuration
        gone = store.purge(ctx.db, ctx.now - self._config.hypercare.storage.history, _PURGE_AT_ONCE)
        ctx.set_timer(key, ctx.now + (SECOND if gone == _PURGE_AT_ONCE else HOUR), _PURGE, durable=False)

    # -- rows --------------------------------------------------------------------------------------------------

    def _load(self, ctx: Context, number: int) -> Run:
        run = load_run(ctx.db, number)
        assert run is not None  # noqa: S101 - written in this step
        return run

    def _set(self, ctx: Context, run: Run, **values: Any) -> Run:
        ctx.db.execute(update(runs).where(runs.c.number == run.number).values(values))
        return dataclasses.replace(run, **values)

    def _next_seq(self, ctx: Context, run: Run) -> int:
        known = store.load_outputs(ctx.db, (run.number,))[run.number]
        return known[-1].seq + 1 if known else 1

    def _write_output(self, ctx: Context, run: Run, seq: int, call: Call, **values: Any) -> None:
        row = {
            "run": run.number, "seq": seq, "step": call.step, "attempt": run.attempt, "what": call.what,
            "started_at": ctx.now, "ended_at": None, "state": RUNNING, "exit_code": None, "text": "", "output": "",
        }  # fmt: skip
        ctx.db.execute(insert(outputs).values(row | values))

    def _changed(self, ctx: Context, run: Run) -> None:
        ctx.publish(ActionChanged(run.number, run.action, run.service, run.state, run.by))


def _title(run: Run) -> str:
    return f"{run.action} of {run.service}" if run.service else run.action


def _words(error: FillError | OSError) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)
