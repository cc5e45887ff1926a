"""A small PostgreSQL exporter with postgres_exporter's metric names; it asks the database at every scrape."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import psycopg
from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.services.pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from prometheus_client import Metric

_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "fastpath function call")
_ACTIVITY = """
SELECT datname, state, count(*) FROM pg_stat_activity
WHERE datname IS NOT NULL AND state IS NOT NULL AND pid <> pg_backend_pid() GROUP BY 1, 2
"""
_DATABASES = """
SELECT datname, pg_database_size(datid), xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_fetched,
       tup_inserted, tup_updated, tup_deleted, deadlocks, numbackends
FROM pg_stat_database WHERE datname = current_database()
"""
_COUNTERS = (
    "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched",
    "tup_inserted", "tup_updated", "tup_deleted", "deadlocks",
)  # fmt: skip
_SERVER = """
SELECT extract(epoch FROM pg_postmaster_start_time())::float8,
       current_setting('max_connections')::int, (SELECT count(*) FROM pg_locks)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What the database said at one scrape."""

    activity: list[tuple[Any, ...]]
    databases: list[tuple[Any, ...]]
    server: tuple[Any, ...]


class PostgresCollector(Collector):
    """Turns the last reading into families; without one only ``pg_up 0`` is left, so no stale value is served."""

    def __init__(self) -> None:
        self.reading: Reading | None = None

    def collect(self) -> Iterator[Metric]:
        """The families."""
        up = GaugeMetricFamily("pg_up", "Whether the database answered at this scrape.")
        up.add_metric([], 0.0 if self.reading is None else 1.0)
        yield up
        if self.reading is not None:
            yield self._activity(self.reading.activity)
            yield from self._databases(self.reading.databases)
            yield from self._server(self.reading.server)

    @staticmethod
    def _activity(rows: list[tuple[Any, ...]]) -> Metric:
        family = GaugeMetricFamily("pg_stat_activity_count", "Connections by state.", labels=("datname", "state"))
        counts = {(str(name), str(state)): count for name, state, count in rows}
        for name in dict.fromkeys(name for name, _ in counts):
            for state in _STATES:
                family.add_metric([name, state], counts.get((name, state), 0))
        return family

    @staticmethod
    def _databases(rows: list[tuple[Any, ...]]) -> Iterator[Metric]:
        size = GaugeMetricFamily("pg_database_size_bytes", "Size on disk.", labels=("datname",))
        backends = GaugeMetricFamily("pg_stat_database_numbackends", "Connections.", labels=("datname",))
        for row in rows:
            size.add_metric([row[0]], row[1])
            backends.add_metric([row[0]], row[-1])
        yield size
        yield backends
        for place, column in enumerate(_COUNTERS, start=2):
            family = CounterMetricFamily(
                f"pg_stat_database_{column}", f"{column} since the start.", labels=("datname",)
            )
            for row in rows:
                family.add_metric([row[0]], row[place])
            yield family

    @staticmethod
    def _server(row: tuple[Any, ...]) -> Iterator[Metric]:
        yield GaugeMetricFamily("pg_postmaster_start_time_seconds", "Start of the server.", row[0])
        yield GaugeMetricFamily("pg_settings_max_connections", "Greatest number of connections.", row[1])
        yield GaugeMetricFamily("pg_locks_count", "Locks held or awaited.", row[2])


class Exporter:
    """Reads the database before each scrape is answered."""

    def __init__(self, service: base.Service, pool: Pool) -> None:
        self._service = service
        self._pool = pool
        self._collector = PostgresCollector()
        service.registry.register(self._collector)
        service.app.middlewares.append(self._refresh)
        service.app.cleanup_ctx.append(self._closing)

    async def _closing(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await self._pool.close()

    @web.middleware
    async def _refresh(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path == "/metrics":
            try:
                async with asyncio.timeout(1.5):
                    self._collector.reading = await self._read()
            except (psycopg.Error, TimeoutError) as error:
                self._collector.reading = None
                self._service.log.warning("no answer: %s", str(error).splitlines()[0] if str(error) else "timeout")
        return await handler(request)

    async def _read(self) -> Reading:
        activity = await self._pool.fetch(_ACTIVITY)
        databases = await self._pool.fetch(_DATABASES)
        return Reading(activity, databases, (await self._pool.fetch(_SERVER))[0])


def main() -> None:
    """Serve."""
    options = base.parser("PostgreSQL exporter of the demo platform").parse_args()
    base.start_logging()
    service = base.Service(layout.EXPORTER, token=base.token())
    Exporter(service, Pool(base.database_url(), size=1))
    service.serve(options.port)


if __name__ == "__main__":
    main()
