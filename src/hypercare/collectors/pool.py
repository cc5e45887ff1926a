"""The targets of one job."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hypercare.collectors.scrape.status import DiscoveryStatus, DroppedTarget, TargetStatus
from hypercare.collectors.scrape.target import Dropped, Target, make_target
from hypercare.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.collectors.discovery import Discovery, Found
    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.collectors.scrape.job import Source
    from hypercare.collectors.scrape.run import TargetRun
    from hypercare.collectors.setups import JobSetup
    from hypercare.model.time import Ms
    from hypercare.ports import HttpReply

_log = logging.getLogger(__name__)


class Watch:
    """One discovery and what it found last."""

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.targets: tuple[LabelPairs, ...] = ()
        self.error = ""
        self.asking = False
        self.changed = False
        self.looked_at: Ms | None = None

    def take(self, found: Found) -> None:
        """Note an answer; one without targets leaves the last ones."""
        if found.error and found.error != self.error:
            _log.warning("%s discovery: %s", self.discovery.kind, found.error)
        self.error = found.error
        if found.targets is not None and found.targets != self.targets:
            self.targets = found.targets
            self.changed = True


class _RefusedSource:
    """Stands for a target that must not be scraped, so that its ``up`` says so."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        self._why = why

    def fetch(self, reply: HttpReply) -> None:
        """Refuse."""
        reply(PortError("other", self._why))


class Pool:
    """One job with its discoveries and running targets.

    Attributes:
        refused: why none of the targets is scraped, or empty.

    """

    def __init__(self, setup: JobSetup, before: Pool | None) -> None:
        self.job = setup.job
        self.runs: dict[str, TargetRun] = before.runs if before else {}
        self.refused = ""
        self.dropped: tuple[Dropped, ...] = ()
        self.errors: tuple[str, ...] = ()
        self.watches = [_watch(i, discovery, before) for i, discovery in enumerate(setup.discoveries)]
        self._order: tuple[TargetRun, ...] = tuple(self.runs.values())
        if before is not None:
            before.end_all_but(self.watches)

    def end_all_but(self, kept: Sequence[Watch]) -> None:
        """Nobody asks the other discoveries any more."""
        for watch in self.watches:
            if watch not in kept:
                watch.discovery.close()

    def closed(self) -> Pool:
        """The pool without any target."""
        self.end_all_but(())
        self.watches = []
        return self

    def resolve(self) -> dict[str, Target]:
        """The targets that are to be scraped, by key; notes those that are not."""
        targets: dict[str, Target] = {}
        dropped: list[Dropped] = []
        errors: list[str] = []
        for watch in self.watches:
            watch.changed = False
            for pairs in watch.targets:
                try:
                    made = make_target(self.job, dict(pairs))
                except ValueError as error:
                    errors.append(str(error))
                    continue
                if isinstance(made, Dropped):
                    dropped.append(made)
                else:
                    targets.setdefault(made.key, made)
        for text in errors:
            if text not in self.errors:
                _log.warning("job %s: a target cannot be used: %s", self.job.name, text)
        self.dropped, self.errors = tuple(dropped), tuple(errors)
        limit = self.job.limits.targets
        over = limit and len(targets) > limit
        self.refused = f"target_limit exceeded (number of targets: {len(targets)}, limit: {limit})" if over else ""
        return targets

    def source_of(self, target: Target) -> Source:
        """What the target is read through."""
        if self.refused:
            return _RefusedSource(target.url, self.refused)
        return self.job.make_source(self.job, target)

    def changed(self) -> None:
        """Show readers the running targets as they are now."""
        self._order = tuple(self.runs.values())

    def status(self) -> tuple[tuple[TargetStatus, ...], tuple[DroppedTarget, ...], tuple[DiscoveryStatus, ...]]:
        """Targets, dropped targets and discoveries; from any thread."""
        active = tuple(_status(self.job.name, run) for run in self._order)
        dropped = tuple(
            DroppedTarget(self.job.name, d.discovered) for d in self.dropped[: self.job.limits.dropped or None]
        )
        watches = [DiscoveryStatus(self.job.name, w.discovery.kind, len(w.targets), w.error) for w in self.watches]
        watches.extend(DiscoveryStatus(self.job.name, "relabelling", 0, error) for error in self.errors)
        return active, dropped, tuple(watches)


def _watch(index: int, discovery: Discovery, before: Pool | None) -> Watch:
    """The running watch where the configuration left it alone; else a new one, with the last targets for now."""
    old = before.watches[index] if before and index < len(before.watches) else None
    if old is not None and old.discovery.kind == discovery.kind and old.discovery.identity == discovery.identity:
        return old
    watch = Watch(discovery)
    if old is not None and old.discovery.kind == discovery.kind:
        watch.targets = old.targets
    return watch


def _status(pool: str, run: TargetRun) -> TargetStatus:
    last, target = run.last, run.target
    health = "unknown" if last is None else "down" if last.error else "up"
    return TargetStatus(
        scrape_pool=pool,
        scrape_url=target.url,
        global_url=target.url,
        labels=target.labels,
        discovered_labels=target.discovered,
        health=health,
        last_error=last.error if last else "",
        last_scrape=last.at if last else 0,
        last_scrape_duration=last.duration if last else 0.0,
        samples=last.samples if last else 0,
        interval=target.interval,
        timeout=target.timeout,
        skipped=run.skipped,
        metadata=run.cache.metadata,
    )
