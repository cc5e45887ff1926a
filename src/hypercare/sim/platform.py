"""What a service's requests, tasks, language models and database do in a moment, under the usual metric names."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from hypercare.sim.exposed import BOUNDS, Flow, Truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.sim.chance import Chance
    from hypercare.sim.scenario import Database, Fault, Provider, Queue, Service
    from hypercare.sim.service import Variant

_FULL: Final = 0.95
_SPREAD: Final = 0.4
_LINES_OF_HISTOGRAM: Final = len(BOUNDS) + 3


@dataclasses.dataclass(slots=True)
class _Draft:
    """A truth that is being written."""

    labels: Mapping[str, str]
    counters: dict[str, float] = dataclasses.field(default_factory=dict)
    flows: dict[str, Flow] = dataclasses.field(default_factory=dict)
    amounts: dict[str, float] = dataclasses.field(default_factory=dict)
    gauges: dict[str, float] = dataclasses.field(default_factory=dict)

    def series(self, name: str, more: Mapping[str, str]) -> str:
        """The whole name."""
        labels = {**self.labels, **more}
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return f"{name}{{{inner}}}"

    def count(self, name: str, rate: float, **more: str) -> None:
        """A counter."""
        self.counters[self.series(name, more)] = rate

    def amount(self, name: str, rate: float, **more: str) -> None:
        """A counter of fractions."""
        self.amounts[self.series(name, more)] = rate

    def flow(self, name: str, rate: float, median: float, spread: float, **more: str) -> None:
        """A histogram."""
        # Three digits: latencies that hardly differ share what was computed for them.
        self.flows[self.series(name, more)] = Flow(rate, float(f"{median:.2e}"), spread)

    def gauge(self, name: str, value: float, **more: str) -> None:
        """A gauge."""
        self.gauges[self.series(name, more)] = value


def truth_of(
    plan: Service,
    faults: Sequence[Fault],
    variant: Variant,
    arriving: float,
    labels: Mapping[str, str],
    chance: Chance,
    seconds: float,
) -> Truth:
    """What holds now.

    The nearer the load ``u`` is to the capacity, the longer everything takes: 1 / (1 - u), as in the M/M/1 queue
    (Kleinrock, Queueing Systems I, 1975), up to twenty times; beyond the capacity what is too much fails.

    Args:
        plan: the service.
        faults: those that hold.
        variant: the release that runs, whose queue goes on.
        arriving: requests a second.
        labels: of every series.
        chance: of what wavers.
        seconds: since the last time.

    """
    own = [fault for fault in faults if not fault.provider]
    draft = _Draft(labels)
    capacity = plan.capacity * math.prod(fault.capacity for fault in own)
    load = arriving / capacity if capacity else 0.0
    slower = math.prod(fault.latency for fault in own) / (1 - min(load, _FULL))
    kept = (1 - plan.errors) * math.prod(1 - fault.errors for fault in own) * (1 / load if load > 1 else 1.0)
    draft.count("http_requests_total", arriving * kept, method="GET", code="200", status="200")
    draft.count("http_requests_total", arriving * (1 - kept), method="GET", code="500", status="500")
    draft.flow("http_request_duration_seconds", arriving, plan.latency.median * slower, plan.latency.spread)
    draft.gauge("http_requests_in_flight", round(arriving * plan.latency.median * slower))
    _process(draft, plan, variant, min(arriving, capacity or arriving), chance)
    if plan.queue is not None:
        work = math.prod(fault.work for fault in own) * plan.queue.work
        _queue(draft, plan.queue, variant, arriving * kept * plan.queue.share, work, seconds)
    if plan.llm:
        _models(draft, plan.llm, faults, arriving * kept)
    if plan.database is not None:
        _database(draft, plan.database, arriving * kept, load, chance)
    if plan.vector is not None:
        draft.flow("vector_search_duration_seconds", arriving * kept, plan.vector.median * slower, plan.vector.spread)
    _fill(draft, plan.series)
    return Truth(draft.counters, draft.amounts, draft.flows, draft.gauges)


def _process(draft: _Draft, plan: Service, variant: Variant, served: float, chance: Chance) -> None:
    resident = (plan.memory.size + variant.leaked) * (1 + 0.01 * chance.normal())
    draft.amount("process_cpu_seconds_total", served * plan.cpu)
    draft.gauge("process_resident_memory_bytes", round(resident))
    draft.gauge("process_start_time_seconds", variant.started / 1000)
    draft.gauge("process_open_fds", round(40 + served * plan.latency.median))
    draft.gauge("process_max_fds", 1024)


def _queue(draft: _Draft, queue: Queue, variant: Variant, coming: float, work: float, seconds: float) -> None:
    able = queue.workers / work
    done = min(able, coming + variant.depth / max(seconds, 1.0))
    variant.depth = max(variant.depth + (coming - done) * seconds, 0.0)
    waits = variant.depth / able
    draft.count("queue_tasks_total", done * (1 - queue.failures), status="success")
    draft.count("queue_tasks_total", done * queue.failures, status="failed")
    draft.flow("queue_processing_seconds", done, work + waits, _SPREAD)
    draft.gauge("queue_depth", round(variant.depth + coming * work / 2))
    draft.gauge("queue_workers", queue.workers)


def _models(draft: _Draft, models: Mapping[str, Provider], faults: Sequence[Fault], asking: float) -> None:
    """Requests of each model: its share, and what another one failed and handed over."""
    first = {name: asking * model.share for name, model in models.items()}
    for model in models.values():
        # A model that only stands in gets nothing of its own.
        if model.fallback:
            first[model.fallback] = 0.0
    taken = dict(first)
    for name, model in models.items():
        mine = [fault for fault in faults if fault.provider == name]
        kept = (1 - model.errors) * math.prod(1 - fault.errors for fault in mine)
        slower = math.prod(fault.latency for fault in mine)
        failing = first[name] * (1 - kept)
        if model.fallback:
            taken[model.fallback] += failing
            draft.count("llm_fallbacks_total", failing, provider=name, to=model.fallback, cause="error")
        of = {"provider": name}
        draft.count("llm_requests_total", taken[name] * kept, status="success", **of)
        draft.count("llm_requests_total", taken[name] * (1 - kept), status="error", **of)
        draft.flow(
            "llm_request_duration_seconds", taken[name], model.latency.median * slower, model.latency.spread, **of
        )
        draft.flow("llm_time_to_first_token_seconds", taken[name] * kept, model.first_token * slower, _SPREAD, **of)
        draft.count("llm_tokens_total", taken[name] * kept * model.tokens * 0.7, kind="prompt", **of)
        draft.count("llm_tokens_total", taken[name] * kept * model.tokens * 0.3, kind="completion", **of)
        draft.amount("llm_cost_dollars_total", taken[name] * kept * model.cost, **of)


def _database(draft: _Draft, database: Database, requests: float, load: float, chance: Chance) -> None:
    queries = requests * database.queries
    used = min(database.connections * (0.3 + min(load, 2.0)) + requests * 0.02 + chance.normal(), database.limit)
    draft.gauge("pg_stat_activity_count", max(round(used), 1), state="active", datname="app")
    draft.gauge("pg_settings_max_connections", database.limit)
    draft.gauge("pg_up", 1)
    draft.count("pg_stat_database_xact_commit", queries * 0.998, datname="app")
    draft.count("pg_stat_database_xact_rollback", queries * 0.002, datname="app")
    draft.count("pg_stat_database_blks_hit", queries * 20 * database.cache_hits, datname="app")
    draft.count("pg_stat_database_blks_read", queries * 20 * (1 - database.cache_hits), datname="app")
    draft.count("pg_stat_database_deadlocks", 0.0, datname="app")


def _fill(draft: _Draft, wanted: int) -> None:
    """Counters of endpoints, until the page has as many series as the scenario wants."""
    there = len(draft.counters) + len(draft.amounts) + len(draft.gauges) + len(draft.flows) * _LINES_OF_HISTOGRAM
    for number in range(wanted - there):
        draft.count("app_operations_total", 0.5 + number % 7, operation=f"operation-{number:03d}")
