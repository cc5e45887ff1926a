"""Collecting as a part of the kernel's loop: discovery, timers of targets, and answers that become rows."""

from __future__ import annotations

import dataclasses
import heapq
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from hypercare.collectors.discovery import Following
from hypercare.collectors.pool import Pool, Watch
from hypercare.collectors.pushed import PUSHED_JOB
from hypercare.collectors.registry import setups_of
from hypercare.collectors.scrape.run import TargetRun
from hypercare.collectors.scrape.status import TargetsSnapshot
from hypercare.collectors.scrape.target import first_due
from hypercare.collectors.setups import JobSetup, Surroundings
from hypercare.model.time import SECOND, TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.collectors.discovery import Found
    from hypercare.collectors.own import OwnMetrics
    from hypercare.collectors.pushed import Pushed
    from hypercare.collectors.scrape.target import Target
    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms
    from hypercare.model.workloads import Workload
    from hypercare.ports import HttpResponse, PortError, Ports
    from hypercare.tsdb import Tsdb

_log = logging.getLogger(__name__)
_SCRAPE: Final = "collectors.scrape"
_DISCOVER: Final = "collectors.discover"
_SECRETS: Final = "collectors.secrets"
_SECRETS_EVERY: Final = 30 * SECOND


_MOST_AT_ONCE: Final = 64
"""Answers taken in one step: others wait their turn meanwhile."""


class _Answered:
    """Answers have come."""


_ANSWERED: Final = _Answered()


_LOOK_EVERY: Final = SECOND
"""A discovery that is told of changes is looked at no more often: a roll-out is hundreds of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Poked:
    """A discovery that follows has something new."""

    pool: str
    watch: Watch


@dataclasses.dataclass(frozen=True, slots=True)
class _Discovered:
    """What a discovery that had to ask has learned."""

    pool: str
    watch: Watch
    found: Found


class CollectorsService:
    """Scrapes every target of every job and stores what comes.

    Args:
        ports: the outside.
        tsdb: gets the samples; written to in the kernel's thread only.
        own: hypercare's own metrics.
        hostname: the ``instance`` of the machine we run on.
        pushed: what jobs pushed, which is scraped, too.

    """

    def __init__(
        self, ports: Ports, tsdb: Tsdb, own: OwnMetrics, hostname: str = "localhost", pushed: Pushed | None = None
    ) -> None:
        self._around = Surroundings(ports, own, hostname, pushed)
        self._tsdb = tsdb
        self._own = own
        self._kernel: Kernel | None = None
        self._pools: dict[str, Pool] = {}
        self._runs: dict[str, TargetRun] = {}
        # All targets share one timer, and answers that come together one step: a step costs more than a small scrape.
        self._due: list[tuple[Ms, int, TargetRun]] = []
        self._timer: Ms | None = None
        self._order = 0
        self._answers: deque[tuple[TargetRun, Ms, HttpResponse | PortError]] = deque()
        self._told = False
        self._awaited = 0
        self._config: Config | None = None
        self._view: tuple[Pool, ...] = ()
        own.describe("hypercare_scrapes_total", "counter", "Scrapes that were begun.")
        own.describe("hypercare_scrapes_failed_total", "counter", "Scrapes that failed.")
        own.describe("hypercare_scrapes_skipped_total", "counter", "Scrapes left out because the last one was running.")
        own.describe("hypercare_scrapes_missed_total", "counter", "Scrapes left out because the loop was late.")
        own.describe("hypercare_scrape_samples_total", "counter", "Samples scraped.")
        own.describe("hypercare_targets", "gauge", "Targets that are scraped.")

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        self._kernel = kernel
        kernel.on_timer(_SCRAPE, self._on_due)
        kernel.on_timer(_DISCOVER, self._on_discover)
        kernel.on_timer(_SECRETS, self._on_secrets)
        kernel.on_message(_Answered, self._on_answered)
        kernel.on_message(_Discovered, self._on_discovered)
        kernel.on_message(_Poked, self._on_poked)

    def configure(self, ctx: Context, config: Config) -> None:
        """Take a configuration over; targets that it leaves alone go on as they are."""
        self._config = config
        self.apply(ctx, setups_of(config, self._around))

    def apply(self, ctx: Context, setups: Sequence[JobSetup]) -> None:
        """Run exactly these jobs."""
        names = {setup.job.name for setup in setups}
        for name in [name for name in self._pools if name not in names]:
            self._sync(ctx, self._pools.pop(name).closed())
        pools: dict[str, Pool] = {}
        for setup in setups:
            before = self._pools.get(setup.job.name)
            pool = pools[setup.job.name] = Pool(setup, before)
            self._pools[setup.job.name] = pool
            for index, watch in enumerate(pool.watches):
                self._look(ctx, f"{_DISCOVER}:{index}:{setup.job.name}", pool, watch)
            for index in range(len(pool.watches), len(before.watches) if before else 0):
                ctx.cancel_timer(f"{_DISCOVER}:{index}:{setup.job.name}", durable=False)
            self._sync(ctx, pool)
        self._wake_for_next(ctx)
        self._pools = pools
        self._view = tuple(pools.values())
        if self._around.secrets.names:
            ctx.set_timer(_SECRETS, ctx.now + _SECRETS_EVERY, _SECRETS, durable=False)

    def look_for_pushed(self, ctx: Context) -> None:
        """Look anew whether there is something that was pushed, once this step is committed."""
        ctx.set_timer(f"{_DISCOVER}:0:{PUSHED_JOB}", ctx.now, _DISCOVER, durable=False)

    @property
    def under_way(self) -> bool:
        """Whether targets that are scraped every few seconds have still to answer."""
        return self._awaited > 0

    def snapshot(self) -> TargetsSnapshot:
        """All targets as they are; from any thread."""
        parts = [pool.status() for pool in self._view]
        return TargetsSnapshot(
            tuple(t for active, _, _ in parts for t in active),
            tuple(t for _, dropped, _ in parts for t in dropped),
            tuple(d for _, _, discoveries in parts for d in discoveries),
        )

    def workloads(self) -> tuple[Workload, ...]:
        """What discoveries know to run now, also what is not scraped; in the kernel's thread."""
        found = {
            (each.kind, each.namespace, each.name): each
            for pool in self._pools.values()
            for watch in pool.watches
            for each in watch.discovery.workloads()
        }
        return tuple(found.values())

    # -- discovery ---------------------------------------------------------------------------------------------

    def _look(self, ctx: Context, key: str, pool: Pool, watch: Watch) -> None:
        """Look for targets, and set the time of the next look."""
        if isinstance(watch.discovery, Following):
            self._look_again(ctx, key, pool, watch, watch.discovery)
            return
        found = watch.discovery.read()
        if found is not None:
            watch.take(found)
        elif not watch.asking:
            watch.asking = True
            ctx.after_commit(lambda: watch.discovery.ask(partial(self._tell, pool.job.name, watch)))
        if watch.discovery.every:
            ctx.set_timer(key, ctx.now + watch.discovery.every, _DISCOVER, durable=False)

    def _look_again(self, ctx: Context, key: str, pool: Pool, watch: Watch, discovery: Following) -> None:
        """Take what is known, and go on where something is not being followed."""
        found = discovery.current(ctx.now)
        watch.take(found)
        watch.looked_at = ctx.now
        now, message = ctx.now, _Poked(pool.job.name, watch)
        ctx.after_commit(lambda: discovery.follow(now, lambda: self._post(message)))
        if found.again:
            ctx.set_timer(key, ctx.now + found.again, _DISCOVER, durable=False)

    def _on_poked(self, ctx: Context, message: _Poked) -> None:
        pool, watch = self._pools.get(message.pool), message.watch
        if pool is None or watch not in pool.watches:
            return
        key = f"{_DISCOVER}:{pool.watches.index(watch)}:{message.pool}"
        due = ctx.now if watch.looked_at is None else watch.looked_at + _LOOK_EVERY
        # What is known for the first time is waited for.
        if due <= ctx.now or not watch.targets:
            self._on_discover(ctx, key)
        else:
            ctx.set_timer(key, due, _DISCOVER, durable=False)

    def _tell(self, pool: str, watch: Watch, found: Found) -> None:
        self._post(_Discovered(pool, watch, found))

    def _on_discover(self, ctx: Context, key: str) -> None:
        _, index, name = key.split(":", 2)
        pool = self._pools.get(name)
        if pool is None or int(index) >= len(pool.watches):
            return
        watch = pool.watches[int(index)]
        self._look(ctx, key, pool, watch)
        if watch.changed:
            self._sync(ctx, pool)
            self._wake_for_next(ctx)

    def _on_discovered(self, ctx: Context, message: _Discovered) -> None:
        message.watch.asking = False
        pool = self._pools.get(message.pool)
        if pool is None or message.watch not in pool.watches:
            return
        message.watch.take(message.found)
        if message.watch.changed:
            self._sync(ctx, pool)
            self._wake_for_next(ctx)

    def _on_secrets(self, ctx: Context, _key: str) -> None:
        """Passwords and certificates are replaced while we run: read them again when their files change."""
        if self._config is not None and self._around.secrets.changed():
            self.configure(ctx, self._config)
        else:
            ctx.set_timer(_SECRETS, ctx.now + _SECRETS_EVERY, _SECRETS, durable=False)

    # -- targets -----------------------------------------------------------------------------------------------

    def _sync(self, ctx: Context, pool: Pool) -> None:
        """Begin, go on with, and end scraping as the pool's targets say."""
        targets = pool.resolve()
        gone = [run for key, run in pool.runs.items() if key not in targets]
        # A target with a new address or path under its old labels goes on: its series do not end.
        moved = {run.target.labels: run for run in gone}
        heirs = {key: moved.pop(t.labels) for key, t in targets.items() if key not in pool.runs and t.labels in moved}
        for run in gone:
            del pool.runs[run.target.key], self._runs[run.target.key]
            if run not in heirs.values():
                run.end(ctx.now)
        for key, target in targets.items():
            known = pool.runs.get(key)
            if known is not None:
                self._go_on(ctx, pool, known, target)
                continue
            heir, source = heirs.get(key), pool.source_of(target)
            run = heir or TargetRun(pool.job, target, source, self._tsdb)
            if heir is not None:
                heir.target = target
                heir.use(pool.job, source)
            run.refused = pool.refused
            pool.runs[key] = self._runs[key] = run
            self._schedule(run, first_due(key, target.interval, ctx.now))
        pool.changed()
        self._own.set("hypercare_targets", len(self._runs))

    def _go_on(self, ctx: Context, pool: Pool, run: TargetRun, target: Target) -> None:
        """Keep a target, with whatever about it has changed."""
        moved = run.target.interval != target.interval
        # The timeout is in the request, and no part of the key.
        renewed = run.job != pool.job or run.target.timeout != target.timeout or run.refused != pool.refused
        run.target = target
        run.refused = pool.refused
        if renewed:
            run.use(pool.job, pool.source_of(target))
        if moved:
            self._schedule(run, first_due(target.key, target.interval, ctx.now))

    def _schedule(self, run: TargetRun, due: Ms) -> None:
        run.due = due
        self._order += 1
        heapq.heappush(self._due, (due, self._order, run))

    def _wake_for_next(self, ctx: Context) -> None:
        """Set the one timer to the earliest scrape that is due."""
        heap = self._due
        while heap and not self._is_due(heap[0][2], heap[0][0]):
            heapq.heappop(heap)
        due = heap[0][0] if heap else None
        if due == self._timer:
            return
        self._timer = due
        if due is None:
            ctx.cancel_timer(_SCRAPE, durable=False)
        else:
            ctx.set_timer(_SCRAPE, due, _SCRAPE, durable=False)

    def _is_due(self, run: TargetRun, due: Ms) -> bool:
        """Whether an entry of the heap still stands: a target that is gone or was moved leaves its old one behind."""
        return run.due == due and not run.ended and self._runs.get(run.target.key) is run

    def _on_due(self, ctx: Context, _key: str) -> None:
        begun: list[tuple[TargetRun, Ms]] = []
        self._timer = None
        heap = self._due
        while heap and heap[0][0] <= ctx.now:
            due, _, run = heapq.heappop(heap)
            if self._is_due(run, due):
                self._begin(run, due, ctx.now, begun)
        self._wake_for_next(ctx)
        if begun:
            self._own.add("hypercare_scrapes_total", len(begun))
            ctx.after_commit(lambda: self._fetch(begun))

    def _begin(self, run: TargetRun, due: Ms, now: Ms, begun: list[tuple[TargetRun, Ms]]) -> None:
        interval = run.target.interval
        missed = (now - due) // interval
        if missed > 0:
            self._own.add("hypercare_scrapes_missed_total", missed)
            due += missed * interval
        self._schedule(run, due + interval)
        if run.in_flight:
            run.skipped += 1
            self._own.add("hypercare_scrapes_skipped_total", 1)
            return
        run.in_flight = True
        # Who did not answer last time is not waited for.
        run.awaited = run.target.interval <= TOGETHER and not (run.last is not None and run.last.error)
        self._awaited += run.awaited
        begun.append((run, run.row_time(due, now)))

    def _fetch(self, begun: list[tuple[TargetRun, Ms]]) -> None:
        for run, at in begun:
            run.source.fetch(partial(self._hear, run, at))

    def _hear(self, run: TargetRun, at: Ms, answer: HttpResponse | PortError) -> None:
        """Take an answer from any thread; the loop is told once of all that have come since it looked."""
        self._answers.append((run, at, answer))
        if not self._told:
            self._told = True
            self._post(_ANSWERED)

    def _on_answered(self, _ctx: Context, _message: _Answered) -> None:
        self._told = False
        answers = self._answers
        samples = failed = 0
        try:
            for _ in range(min(len(answers), _MOST_AT_ONCE)):
                run, at, answer = answers.popleft()
                run.in_flight = False
                self._awaited -= run.awaited
                if run.ended:
                    continue
                run.take(at, answer)
                if run.last is not None:
                    samples += run.last.samples
                    failed += bool(run.last.error)
        finally:
            # Also when one of them brought the step down: the others still have their answers.
            if answers and not self._told:
                self._told = True
                self._post(_ANSWERED)
        self._own.add("hypercare_scrape_samples_total", samples)
        if failed:
            self._own.add("hypercare_scrapes_failed_total", failed)

    @property
    def _post(self) -> Callable[[object], None]:
        assert self._kernel is not None  # noqa: S101 - register comes first
        return self._kernel.post
