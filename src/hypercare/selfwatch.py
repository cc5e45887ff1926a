"""What hypercare tells about its own parts at ``/metrics``: rules, loop, outbox, store, configuration.

Rooms that count by themselves (collectors) are not here. All numbers are read as they stand: no scan of labels, no
query, so that a scrape of ourselves costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercare.access.service import AccessService
    from hypercare.actions.service import ActionsService
    from hypercare.auditor.service import AuditorService
    from hypercare.backend import Backend
    from hypercare.incidents.service import IncidentService
    from hypercare.ingest import IngestService
    from hypercare.ingest.push.service import PushService
    from hypercare.kernel import Kernel
    from hypercare.model.time import Ms
    from hypercare.remote import RemoteWriteService
    from hypercare.rules import RulesService
    from hypercare.tsdb import Tsdb


class Watched(Protocol):
    """The parts that are read; an App has them."""

    @property
    def kernel(self) -> Kernel:
        """The loop."""

    @property
    def access(self) -> AccessService:
        """Who comes in."""

    @property
    def backend(self) -> Backend:
        """The other server that may answer queries."""

    @property
    def rules(self) -> RulesService:
        """The rule groups."""

    @property
    def incidents(self) -> IncidentService:
        """The incidents."""

    @property
    def ingest(self) -> IngestService:
        """What takes in the samples of others."""

    @property
    def pushes(self) -> PushService:
        """What jobs pushed."""

    @property
    def remote(self) -> RemoteWriteService:
        """What sends samples to other servers."""

    @property
    def auditor(self) -> AuditorService:
        """What looks for things overdue."""

    @property
    def actions(self) -> ActionsService:
        """What acts on the platform."""

    @property
    def tsdb(self) -> Tsdb:
        """The store."""

    @property
    def last_reload_ok(self) -> bool:
        """Whether the configuration that was read last is the running one."""

    @property
    def last_reload_at(self) -> Ms:
        """When the running configuration was taken."""


def readings(app: Watched) -> Iterator[Reading]:
    """The metrics of an App's parts; may be called from any thread."""
    yield from _rules(app.rules)
    yield from _kernel(app.kernel)
    yield from _tsdb(app.tsdb)
    yield from app.incidents.exported.readings()
    yield from app.ingest.readings()
    yield from app.pushes.readings()
    yield from app.remote.readings()
    yield from app.access.readings()
    yield from app.auditor.readings()
    yield from app.actions.readings()
    if app.backend.settings is not None:
        yield from _backend(app.backend)
    yield _one(
        "hypercare_config_last_reload_successful",
        "gauge",
        "Whether the configuration that was read last is the running one.",
        app.last_reload_ok,
    )
    yield _one(
        "hypercare_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the running configuration was taken.",
        app.last_reload_at / 1000,
    )


def _rules(rules: RulesService) -> Iterator[Reading]:
    kind = "counter"
    yield _one("hypercare_rule_evaluations_total", kind, "Evaluations of rules.", rules.evaluations)
    yield _one("hypercare_rule_evaluation_failures_total", kind, "Evaluations of rules that failed.", rules.failures)
    text = "Evaluations of rule groups left out because the loop was late."
    yield _one("hypercare_rule_group_iterations_missed_total", kind, text, rules.missed)
    text = "Samples of rules that the store did not take: two rules yield one series, or time went back."
    yield _one("hypercare_rule_samples_refused_total", kind, text, rules.refused)


def _backend(backend: Backend) -> Iterator[Reading]:
    text = "Queries of rules that the other server was asked."
    yield _one("hypercare_backend_queries_total", "counter", text, backend.queries)
    text = "Queries of rules to which the other server gave no answer."
    yield _one("hypercare_backend_query_failures_total", "counter", text, backend.failures)
    text = "Whether the other server answered the last query of a rule."
    yield _one("hypercare_backend_up", "gauge", text, not backend.away)


def _kernel(kernel: Kernel) -> Iterator[Reading]:
    yield _one("hypercare_kernel_steps_total", "counter", "Steps of the loop.", kernel.steps)
    text = "Steps of the loop that failed and were rolled back."
    yield _one("hypercare_kernel_step_failures_total", "counter", text, kernel.failures)
    yield _one("hypercare_leader", "gauge", "Whether this replica leads; alone it does.", kernel.leads)
    yield _one("hypercare_leader_changes_total", "counter", "Times this began or ended.", kernel.leads_changed)
    yield _one("hypercare_state_up", "gauge", "Whether the state database answers.", not kernel.state.away)
    text = "Notifications and pages that wait or are under way."
    yield _one("hypercare_outbox_pending", "gauge", text, kernel.outbox.pending())


def _tsdb(tsdb: Tsdb) -> Iterator[Reading]:
    # No snapshot: the next rows would be kept apart from those that it shows.
    size = tsdb.size
    yield _one("hypercare_tsdb_head_series", "gauge", "Series of the rows in memory.", size.head_series)
    text = "Samples stored since the start."
    yield _one("hypercare_tsdb_samples_appended_total", "counter", text, size.samples_appended)
    text = "Samples refused since the start: older than the newest of their group, or another value for its time."
    yield _one("hypercare_tsdb_out_of_order_samples_total", "counter", text, size.out_of_order)
    text = "Damage found and failed writes since the store was opened; see the log."
    yield _one("hypercare_tsdb_wal_problems", "gauge", text, len(tsdb.problems))


def _one(name: str, kind: str, text: str, value: float) -> Reading:
    return Reading(name, kind, text, (((), float(value)),))
