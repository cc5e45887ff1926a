"""Watches in the loop: begun, looked at, concluded, acted upon, ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert

from hypercare.config.problems import did_you_mean
from hypercare.deploys import baseline, concluding, rows, schedule, store, tables
from hypercare.deploys.book import Book
from hypercare.deploys.checks import rows_of
from hypercare.deploys.commands import StartWatch
from hypercare.deploys.desk import Desk
from hypercare.deploys.ending import Ending, changed, found
from hypercare.deploys.meter import Meter, Wanted
from hypercare.deploys.objectives import with_objectives
from hypercare.deploys.observation import Observation
from hypercare.deploys.patterns import pasts
from hypercare.deploys.purging import Purging
from hypercare.deploys.telling import Teller
from hypercare.deploys.versions import Versions
from hypercare.deploys.words import lasting
from hypercare.judge.findings import Finding, Level
from hypercare.judge.verdict import Verdict
from hypercare.kernel import CommandError
from hypercare.model.events import Deployed, WatchFound
from hypercare.model.time import HOUR, SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypercare.channels.message import Message
    from hypercare.config import Config
    from hypercare.config.deployments import DeploymentsConfig
    from hypercare.config.services import Service
    from hypercare.deploys.checks import CheckRow
    from hypercare.deploys.meter import Measured
    from hypercare.deploys.store import Watch
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.model.workloads import Workload
    from hypercare.oncall.plan import Plan
    from hypercare.promql import Engine
    from hypercare.tsdb import Tsdb

_log = logging.getLogger(__name__)
_RESUMED: Final = 6 * HOUR
"""How far back limits are looked at again after a restart."""


class DeploysService:
    """Watches deployments.

    Args:
        engine: evaluates.
        tsdb: what is evaluated.
        plan: of on-call, as it applies now.
        render: a message as the named channel sends it.
        workloads: containers and pods that are known to run.

    """

    def __init__(
        self,
        engine: Engine,
        tsdb: Tsdb,
        plan: Callable[[], Plan],
        render: Callable[[str, Message], Mapping[str, Any]],
        workloads: Callable[[], tuple[Workload, ...]] = tuple,
    ) -> None:
        self.meter = Meter(engine, tsdb)
        self.observed: dict[str, Observation] = {}
        self._teller = Teller(plan, render)
        self._ending = Ending(self.observed, self._teller)
        self._desk = Desk(self._ending)
        self._purging = Purging()
        self._versions = Versions(self.meter, workloads, self._on_version)
        self._config: DeploymentsConfig | None = None
        self._services: tuple[Service, ...] = ()

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self.meter.register(kernel)
        self._ending.actor.register(kernel)
        self._desk.register(kernel)
        self._versions.register(kernel)
        self._purging.register(kernel)
        kernel.on_timer(schedule.TICK, self._on_tick)
        kernel.on_timer(schedule.LOOK, self._on_look)
        kernel.on_timer(schedule.REMIND, self._on_remind)
        kernel.on_timer(schedule.SIGN, self._on_unsigned)
        kernel.on_message(StartWatch, self._start)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration, at start and at every reload; watches under way keep the plan they began with."""
        first = self._config is None
        self._config, self._services = config.hypercare.deployments, config.hypercare.services
        self._purging.configure(ctx, config.hypercare.storage.history)
        self._versions.configure(ctx, config)
        if first:
            for watch in store.load_watches(ctx.db, store.RUNNING, limit=1000):
                self._resume(ctx, watch)

    # -- beginning ---------------------------------------------------------------------------------------------

    def _on_version(self, ctx: Context, service: str, version: str, beside: str) -> None:
        if self._config is not None and self._config.plan("", service) is not None:
            try:
                self._start(ctx, StartWatch(service, version, rows.MACHINE, previous=beside, replace=True))
            except CommandError as error:
                _log.warning("no watch of %s %s: %s", service, version, error)

    def _start(self, ctx: Context, command: StartWatch) -> Watch:
        if not command.service.strip() or not command.version.strip():
            raise CommandError("a deployment needs a service and a version", 400)
        if self._config is None:
            raise CommandError("not ready yet", 503)
        plan = self._config.plan(command.plan, command.service)
        if plan is None:
            names = [each.name for each in self._config.plans]
            if not names:
                raise CommandError("there is no plan: write deployments: {plans: […]} in hypercare.yml", 400)
            raise CommandError(f"there is no plan {command.plan!r}; {did_you_mean(command.plan, names)}", 404)
        plan = with_objectives(plan, command.service, self._services)
        for running in store.load_watches(ctx.db, store.RUNNING, command.service):
            if not command.replace:
                text = f"{running.title} is being watched (#{running.number}); cancel it, or say replace"
                raise CommandError(text, 409)
            self._ending.end(ctx, running, store.CANCELLED, f"replaced by {command.version}", command.by)
        at = ctx.now if command.at is None else command.at
        if not ctx.now - plan.end < at <= ctx.now:
            raise CommandError("a watch begins at a time between the length of its plan ago and now", 400)
        previous = command.previous or _previous(ctx, command.service)
        values = {
            "id": ctx.new_id(), "service": command.service, "version": command.version, "previous": previous,
            "color": command.color, "other_color": command.other_color, "url": command.url, "by": command.by,
            "plan_name": plan.name, "plan": plan.model_dump_json(by_alias=True), "status": store.RUNNING, "verdict": "",
            "started_at": at, "ends_at": at + plan.end, "extensions": 0,
        }  # fmt: skip
        ctx.db.execute(insert(tables.watches).values(values))
        watch = found(ctx, str(values["id"]))
        dues = schedule.checkpoints(plan, at)
        rows.put_checkpoints(ctx, watch, dues, 1)
        count = len(rows_of(watch))
        text = f"{watch.title} went out, plan {plan.name}: {count} checks, {len(dues)} checkpoints"
        rows.tell(ctx, watch.id, "started", text, command.by)
        ctx.publish(Deployed(watch.service, watch.version, command.by, command.url))
        changed(ctx, watch, "started", command.by)
        about = f"Watching {watch.title} for {format_duration(plan.end)}"
        self._teller.tell(ctx, watch, "started", about, text)
        observed = self._observe(ctx, watch, at)
        wanted = [*baseline.wanted(watch, rows_of(watch)), *pasts(observed.patterns)]
        self.meter.measure(ctx, wanted, lambda then, measured: self._keep_baseline(then, watch.id, measured))
        self._next(ctx, watch)
        return watch

    def _keep_baseline(self, ctx: Context, watch_id: str, measured: Measured) -> None:
        watch = found(ctx, watch_id)
        baseline.keep(ctx, watch, rows_of(watch), measured)
        kept = store.load_baselines(ctx.db, watch_id)
        missing = [name for name, (samples, _) in kept.items() if samples is None]
        if missing:
            rows.tell(ctx, watch_id, "baseline", f"no baseline for {len(missing)} checks: {', '.join(missing[:10])}")
        if watch_id in self.observed:
            self.observed[watch_id].take_baselines(kept)
            self.observed[watch_id].take_pasts(ctx.db, measured)

    def _observe(self, ctx: Context, watch: Watch, taken_up: Ms) -> Observation:
        stored = store.load_findings(ctx.db, watch.id)
        book = Book(watch.id, stored, lambda then, row, found: self._on_finding(then, watch.id, row, found))
        looks = tuple(point.due_at - watch.started_at for point in store.load_checkpoints(ctx.db, watch.id))
        self.observed[watch.id] = Observation(watch, book, looks, taken_up)
        self._set_tick(ctx, watch)
        return self.observed[watch.id]

    def _resume(self, ctx: Context, watch: Watch) -> None:
        """After a restart: measure again what was in memory, and go on."""
        observed = self._observe(ctx, watch, ctx.now)
        kept = store.load_baselines(ctx.db, watch.id)
        observed.take_baselines(kept)
        past, wanted = pasts(observed.patterns), baseline.wanted(watch, rows_of(watch))
        if kept or not wanted:
            self.meter.measure(ctx, past, lambda then, measured: observed.take_pasts(then.db, measured))
        else:
            wanted += past
            self.meter.measure(ctx, wanted, lambda then, measured: self._keep_baseline(then, watch.id, measured))
        resumed = observed.resume_from(max(watch.started_at, ctx.now - _RESUMED))
        observed.busy = True
        self.meter.measure(ctx, resumed, observed.retake)
        self._next(ctx, watch)

    # -- looking -----------------------------------------------------------------------------------------------

    def _set_tick(self, ctx: Context, watch: Watch) -> None:
        every = watch.plan.evaluate_every
        ctx.set_timer(f"{schedule.TICK}:{watch.id}", (ctx.now // every + 1) * every, schedule.TICK, durable=False)

    def _on_tick(self, ctx: Context, key: str) -> None:
        observed = self.observed.get(key.removeprefix(f"{schedule.TICK}:"))
        if observed is None:
            return
        self._set_tick(ctx, observed.watch)
        if not observed.busy:
            self._measure(ctx, observed, [], lambda *_: None)

    def _measure(
        self,
        ctx: Context,
        observed: Observation,
        more: Sequence[Wanted],
        then: Callable[[Context, Measured], None],
    ) -> None:
        now = ctx.now

        def take(later: Context, measured: Measured) -> None:
            observed.busy = False
            if observed.watch.id in self.observed:
                observed.take(later, now, measured)
                then(later, measured)

        observed.busy = True
        self.meter.measure(ctx, [*observed.wanted(now), *more], take, observed.together)

    def _on_look(self, ctx: Context, key: str) -> None:
        watch_id = key.removeprefix(f"{schedule.LOOK}:")
        observed = self.observed.get(watch_id)
        if observed is None or observed.busy:
            watch = store.load_watch(ctx.db, watch_id)
            if watch is not None and watch.status == store.RUNNING:
                # Not taken up yet after a start, or another server has not answered yet.
                ctx.set_timer(key, ctx.now + SECOND, schedule.LOOK)
            return
        due = ctx.now
        criteria = concluding.wanted(observed.watch, due)
        self._measure(ctx, observed, criteria, lambda then, measured: self._checkpoint(then, observed, due, measured))

    def _checkpoint(self, ctx: Context, observed: Observation, due: Ms, measured: Measured) -> None:
        watch = found(ctx, observed.watch.id)
        if watch.status != store.RUNNING:
            return
        observed.look(ctx)
        readings = rows.json_of({name: observed.reading(seen) for name, seen in observed.seen.items()})
        final = False
        for point in store.load_checkpoints(ctx.db, watch.id):
            if point.taken_at is not None or point.due_at > due:
                continue
            late = ctx.now - point.due_at
            notes = f"taken {format_duration(late // SECOND * SECOND)} late" if late > watch.plan.evaluate_every else ""
            rows.change_checkpoint(ctx, watch.id, point.number, taken_at=ctx.now, readings=readings, notes=notes)
            if watch.plan.sign_off:
                key = f"{schedule.SIGN}:{watch.id}:{point.number}"
                ctx.set_timer(key, ctx.now + watch.plan.sign_off, schedule.SIGN)
            final = final or point.final
            text = f"checkpoint {point.number} ({point.phase}) taken: {lasting(observed)}"
            rows.tell(ctx, watch.id, "checkpoint", text)
        changed(ctx, watch, "checkpoint")
        if final:
            self._ending.conclude(ctx, observed, watch, measured)
        if observed.watch.id in self.observed:
            self._next(ctx, found(ctx, watch.id))

    def _next(self, ctx: Context, watch: Watch) -> None:
        """Set the timers of the next checkpoint."""
        left = [p for p in store.load_checkpoints(ctx.db, watch.id) if p.taken_at is None]
        if not left:
            return
        ctx.set_timer(f"{schedule.LOOK}:{watch.id}", left[0].due_at, schedule.LOOK)
        remind = left[0].due_at - watch.plan.remind
        if watch.plan.remind and remind > ctx.now:
            ctx.set_timer(f"{schedule.REMIND}:{watch.id}", remind, schedule.REMIND)

    def _on_remind(self, ctx: Context, key: str) -> None:
        watch = store.load_watch(ctx.db, key.removeprefix(f"{schedule.REMIND}:"))
        if watch is None or watch.status != store.RUNNING:
            return
        left = [p for p in store.load_checkpoints(ctx.db, watch.id) if p.taken_at is None]
        if left:
            point = left[0]
            ahead = format_duration((point.due_at - ctx.now) // SECOND * SECOND)
            title = f"Checkpoint {point.number} of {watch.title} in {ahead}"
            told = self._teller.tell(ctx, watch, f"remind:{point.number}", title, f"phase {point.phase}")
            rows.tell(ctx, watch.id, "reminded", f"checkpoint {point.number} in {ahead}: {told} told")

    def _on_unsigned(self, ctx: Context, key: str) -> None:
        _, watch_id, number = key.rsplit(":", 2)
        watch = store.load_watch(ctx.db, watch_id)
        point = next((p for p in store.load_checkpoints(ctx.db, watch_id) if p.number == int(number)), None)
        if watch is None or watch.status != store.RUNNING or point is None or point.signed_at is not None:
            return
        rows.change_checkpoint(ctx, watch_id, point.number, missed_at=ctx.now)
        text = f"nobody has signed checkpoint {number} within {format_duration(watch.plan.sign_off)}"
        rows.tell(ctx, watch_id, "unsigned", text)
        self._teller.tell(ctx, watch, f"unsigned:{number}", f"{watch.title}: {text}", "")
        changed(ctx, watch, "unsigned")

    def _on_finding(self, ctx: Context, watch_id: str, row: CheckRow, finding: Finding) -> None:
        watch = found(ctx, watch_id)
        text = f"{row.id}: {finding.level} by {finding.method}: {finding.reason}"
        rows.tell(ctx, watch_id, "finding", text)
        level, method = str(finding.level), str(finding.method)
        event = WatchFound(watch_id, watch.number, watch.service, watch.version, row.id, level, method, finding.reason)
        ctx.publish(event)
        if finding.level is Level.NOTE or finding.until is not None:
            return
        critical = finding.level is Level.CRITICAL
        title = f"{watch.title}: {row.id} {finding.level}"
        advice = f"\n{row.check.advice}" if row.check.advice else ""
        if not self._known(watch_id, row.id, finding):
            about = f"finding:{row.id}:{method}"
            self._teller.tell(ctx, watch, about, title, f"{finding.reason}{advice}", urgent=critical)
        if critical:
            self._ending.actor.on_critical(ctx, watch, row.id, row.check.actions, f"{row.id}: {finding.reason}")

    def _known(self, watch_id: str, check: str, finding: Finding) -> bool:
        """Whether people have heard that a check is as bad as this, from another method whose finding lasts."""
        observed = self.observed.get(watch_id)
        lasting = observed.book.open(check) if observed is not None else ()
        as_bad = {Level.CRITICAL} if finding.level is Level.CRITICAL else {Level.CRITICAL, Level.WARNING}
        return any(kept.method is not finding.method and kept.level in as_bad for kept in lasting)


def _previous(ctx: Context, service: str) -> str:
    """The version of the last watch that ended well."""
    for watch in store.load_watches(ctx.db, store.DONE, service):
        if watch.verdict == Verdict.SUCCESS:
            return watch.version
    return ""
