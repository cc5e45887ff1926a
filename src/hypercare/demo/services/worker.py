"""The workflow worker: claims queued workflows from a PostgreSQL table and runs their steps."""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import TYPE_CHECKING

import aiohttp
import psycopg
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.services.pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUNNERS = 3
MAX_ATTEMPTS = 3
LEAK_STEP = 8 << 20
LEAK_PAUSE = 0.5
"""A leak grows by 8 MiB every half second, as far as its limit."""

_CLAIM = """
UPDATE workflows SET status = 'running', started_at = now(), attempts = attempts + 1
WHERE id = (SELECT id FROM workflows WHERE status = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id, kind, input, attempts
"""
_FINISH = "UPDATE workflows SET status = %s, finished_at = now(), result = %s WHERE id = %s"
_RETRY = "UPDATE workflows SET status = 'queued' WHERE id = %s"
# A worker that was killed leaves its rows 'running': they go back to the queue.
_RECLAIM = (
    "UPDATE workflows SET status = 'queued' WHERE status = 'running' AND started_at < now() - interval '60 seconds'"
)
_PRUNE = "DELETE FROM workflows WHERE finished_at < now() - interval '10 minutes'"
_DEPTH = "SELECT count(*) FROM workflows WHERE status = 'queued'"


class StepError(Exception):
    """A step of a workflow failed."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step


class Worker:
    """Runners, the queue's gauge, and the leak."""

    def __init__(self, service: base.Service, pool: Pool, llm: str, vector: str) -> None:
        self._service = service
        self._pool = pool
        self._llm = llm
        self._vector = vector
        self._http = service.client(timeout=12.0)
        self._leaked: list[bytearray] = []
        registry = service.registry
        self._executions = Counter(
            "workflow_executions", "Workflows that ended.", ("workflow", "status"), registry=registry
        )
        self._seconds = Histogram(
            "workflow_duration_seconds", "Time from claim to end.", ("workflow",), buckets=base.LATENCY_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self._failures = Counter(
            "workflow_step_failures", "Steps that failed.", ("workflow", "step"), registry=registry
        )
        self._depth = Gauge("workflow_queue_depth", "Workflows nobody has claimed yet.", registry=registry)
        self._active = Gauge("workflow_active", "Workflows being run.", registry=registry)
        self._db_errors = Counter(
            "dependency_errors", "Calls to another service that failed.", ("service", "dependency"), registry=registry
        )
        service.health(self._check)
        service.background(*(self._run for _ in range(RUNNERS)), self._watch_queue, self._leak)
        service.app.cleanup_ctx.append(self._closing)

    async def _closing(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await self._pool.close()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._pool.fetch("SELECT 1")
        except (psycopg.Error, TimeoutError) as error:
            raise base.UnhealthyError("the database does not answer") from error

    def _database_failed(self, error: Exception) -> None:
        self._db_errors.labels(layout.WORKER, layout.POSTGRES).inc()
        self._service.log.error("%s failed: %s", layout.POSTGRES, str(error).splitlines()[0] if str(error) else "")

    async def _run(self) -> None:
        while True:
            try:
                claimed = await self._pool.fetch(_CLAIM)
                if claimed:
                    await self._execute(*claimed[0])
                else:
                    await asyncio.sleep(0.5)
            except psycopg.Error as error:
                self._database_failed(error)
                await asyncio.sleep(1.0)

    async def _execute(self, number: int, kind: str, text: str, attempts: int) -> None:
        started = time.perf_counter()
        self._active.inc()
        try:
            result, status = await self._steps(kind, text), "success"
        except StepError as error:
            self._failures.labels(kind, error.step).inc()
            self._service.log.warning("workflow %d (%s) attempt %d: %s", number, kind, attempts, error)
            if attempts < MAX_ATTEMPTS:
                await asyncio.sleep(0.5 * attempts)
                await self._pool.fetch(_RETRY, (number,))
                return
            result, status = str(error), "failed"
        finally:
            self._active.dec()
        await self._pool.fetch(_FINISH, (status, result, number))
        self._executions.labels(kind, status).inc()
        self._seconds.labels(kind).observe(time.perf_counter() - started)

    async def _steps(self, kind: str, text: str) -> str:
        found = await self._call("search", self._vector + "/search", {"text": text, "k": 5})
        hits = found["hits"]
        titles = " ".join(str(hit["title"]) for hit in hits) if isinstance(hits, list) else ""
        prompt = {"prompt": f"{kind} {titles} {text}", "max_tokens": 36}
        return str((await self._call("generate", self._llm + "/v1/completions", prompt))["text"])

    async def _call(self, step: str, url: str, body: dict[str, object]) -> dict[str, object]:
        try:
            async with self._http().post(url, json=body) as response:
                response.raise_for_status()
                answer: dict[str, object] = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StepError(step, str(error) or "timed out") from error

    async def _watch_queue(self) -> None:
        turn = 0
        while True:
            try:
                self._depth.set((await self._pool.fetch(_DEPTH))[0][0])
                if turn % 15 == 0:
                    await self._pool.fetch(_RECLAIM)
                    await self._pool.fetch(_PRUNE)
            except psycopg.Error as error:
                self._database_failed(error)
            turn += 1
            await asyncio.sleep(2.0)

    async def _leak(self) -> None:
        """Grow while the fault is on; its value is the limit in MiB."""
        while True:
            limit = int(self._service.fault("leak")) << 20
            if limit > LEAK_STEP * len(self._leaked):
                # Filled with ones: pages of zeros would not be resident before they are written.
                self._leaked.append(bytearray(b"\x01") * LEAK_STEP)
            elif self._leaked and not limit:
                self._leaked.clear()
                # Give the pages back to the kernel at once, where the C library can.
                if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
                    libc.malloc_trim(0)
            await asyncio.sleep(LEAK_PAUSE)


def main() -> None:
    """Serve."""
    parser = base.parser("workflow worker of the demo platform")
    parser.add_argument("--llm", required=True, help="address of the LLM gateway")
    parser.add_argument("--vector", required=True, help="address of vector search")
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(layout.WORKER, token=base.token(), faults={"leak": 400.0})
    Worker(service, Pool(base.database_url(), size=RUNNERS + 2), options.llm, options.vector)
    service.serve(options.port)


if __name__ == "__main__":
    main()
