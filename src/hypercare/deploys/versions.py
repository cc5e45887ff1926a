"""Noticing new versions: one that was never seen before of a service whose others are known.

Two things tell versions: a label on scraped targets, and containers and pods that discovery knows to run, scraped or
not. Where a service's targets carry the label it alone counts, so that one deployment has one name. A version is new
once: a roll-out in which old and new run beside each other begins one watch, and a version that comes back after a
roll-back begins none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from hypercare.deploys import tables
from hypercare.deploys.meter import Wanted
from hypercare.deploys.running import versions_of
from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.config import Config
    from hypercare.deploys.meter import Measured, Meter
    from hypercare.kernel import Context, Kernel
    from hypercare.model.workloads import Workload

_KIND: Final = "deploys.versions"
_EVERY: Final = 30 * SECOND


class Versions:
    """Looks every half minute.

    Args:
        meter: measures.
        workloads: what runs, as far as discovery knows.
        found: called with a service, a version that is new to it, and the one that runs beside it (or nothing).

    """

    def __init__(
        self,
        meter: Meter,
        workloads: Callable[[], tuple[Workload, ...]],
        found: Callable[[Context, str, str, str], None],
    ) -> None:
        self._meter = meter
        self._workloads = workloads
        self._found = found
        self._config: Config | None = None
        # Services whose targets carry the label, also while none of them is there.
        self._labelled: set[str] = set()

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_KIND, self._on_due)

    def configure(self, ctx: Context, config: Config) -> None:
        """Look as a configuration says from now on, if there is anything to look at."""
        self._config = config
        if config.hypercare.deployments.version_label or _looks_at_containers(config):
            ctx.set_timer(_KIND, ctx.now + _EVERY, _KIND, durable=False)
        else:
            ctx.cancel_timer(_KIND, durable=False)

    def _on_due(self, ctx: Context, key: str) -> None:
        ctx.set_timer(key, ctx.now + _EVERY, _KIND, durable=False)
        assert self._config is not None  # noqa: S101 - the timer is set by a configuration
        label = self._config.hypercare.deployments.version_label
        if not label:
            self._note(ctx, {})
            return
        wanted = Wanted(
            f'group by (service, {label}) (up{{{label}!="",service!=""}})', ctx.now - SECOND, ctx.now, SECOND
        )
        self._meter.measure(ctx, [wanted], lambda then, measured: self._take(then, label, wanted, measured))

    def _take(self, ctx: Context, label: str, wanted: Wanted, measured: Measured) -> None:
        curves = measured[wanted]
        if curves.error:
            return
        seen: dict[str, tuple[str, ...]] = {}
        for labels, _ in curves.series:
            service = labels.get("service") or ""
            seen[service] = (*seen.get(service, ()), labels.get(label) or "")
        self._labelled |= set(seen)
        self._note(ctx, seen)

    def _note(self, ctx: Context, labelled: Mapping[str, tuple[str, ...]]) -> None:
        """Remember what runs, and tell of what was never seen."""
        seen = {s: v for s, v in self._running().items() if s not in self._labelled} | dict(labelled)
        if not seen:
            return
        known: dict[str, set[str]] = {}
        for row in ctx.db.execute(select(tables.versions)):
            known.setdefault(row.service, set()).add(row.version)
        for service, versions in sorted(seen.items()):
            fresh = [version for version in sorted(versions) if version not in known.get(service, ())]
            beside = [version for version in versions if version not in fresh]
            for version in fresh:
                ctx.db.execute(insert(tables.versions).values(service=service, version=version, seen_at=ctx.now))
                # The first version ever seen is what runs already, not what was deployed just now.
                if service in known:
                    self._found(ctx, service, version, beside[0] if len(beside) == 1 else "")

    def _running(self) -> dict[str, tuple[str, ...]]:
        config = self._config
        if config is None or not config.hypercare.deployments.watch_containers:
            return {}
        deployments = config.hypercare.deployments
        services = {service.name for service in config.hypercare.services}
        for plan in deployments.plans:
            services.update(plan.match_services, plan.services)
        return versions_of(self._workloads(), deployments.versions, services, deployments.version_from)


def _looks_at_containers(config: Config) -> bool:
    deployments = config.hypercare.deployments
    jobs = (job.config for job in config.prometheus.jobs)
    return deployments.watch_containers and (
        bool(deployments.docker_sd_configs or deployments.kubernetes_sd_configs)
        or any(job.docker_sd_configs or job.kubernetes_sd_configs for job in jobs)
    )
