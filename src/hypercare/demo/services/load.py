"""The load generator: customers, as an open-loop stream of HTTP requests with a realistic mix."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client import Counter, Gauge, Histogram

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.text import DOCUMENTS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_OUTSTANDING = 60
"""Customers that wait at most; further ones turn away, as people do, and are counted."""

_TENANTS = ("acme", "globex", "initech", "umbrella", "hooli")
_WORKFLOWS = ("invoice-extraction", "ticket-triage", "meeting-summary", "contract-review")
_WAVE = 90.0
"""Seconds from one peak of the traffic to the next."""


class LoadGenerator:
    """Sends requests at Poisson-distributed instants around a rate that swings by a quarter."""

    def __init__(self, service: base.Service, target: str, rate: float) -> None:
        self._service = service
        self._target = target
        self._rate = rate
        self._http = service.client(timeout=15.0)
        self._chance = random.Random()
        self._pending: set[asyncio.Task[None]] = set()
        self._last_workflow = 0
        registry = service.registry
        self._requests = Counter("load_requests", "Requests sent, by outcome.", ("kind", "outcome"), registry=registry)
        self._seconds = Histogram(
            "load_request_duration_seconds", "Time until the customer had the answer.", ("kind",),
            buckets=base.LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self._rate_gauge = Gauge("load_target_rate", "Requests a second aimed at.", registry=registry)
        self._kinds: dict[str, tuple[float, Callable[[], Awaitable[int]]]] = {
            "search": (0.42, self._search),
            "document": (0.24, self._document),
            "chat": (0.16, self._chat),
            "workflow-status": (0.11, self._status),
            "workflow": (0.07, self._enqueue),
        }
        service.background(self._run)

    async def _run(self) -> None:
        kinds = list(self._kinds)
        weights = [weight for weight, _ in self._kinds.values()]
        while True:
            rate = self._rate * (1 + 0.25 * math.sin(time.monotonic() * 2 * math.pi / _WAVE))
            self._rate_gauge.set(rate)
            await asyncio.sleep(self._chance.expovariate(rate))
            kind = self._chance.choices(kinds, weights)[0]
            if len(self._pending) >= MAX_OUTSTANDING:
                self._requests.labels(kind, "turned_away").inc()
                continue
            task = asyncio.create_task(self._send(kind))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _send(self, kind: str) -> None:
        started = time.perf_counter()
        try:
            outcome = str(await self._kinds[kind][1]())
        except TimeoutError:
            outcome = "timeout"
        except aiohttp.ClientError:
            outcome = "refused"
        self._requests.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(time.perf_counter() - started)

    async def _get(self, path: str, params: dict[str, str] | None = None) -> int:
        async with self._http().get(self._target + path, params=params) as response:
            await response.read()
            return response.status

    def _question(self) -> str:
        return f"how does the {self._chance.choice(TOPICS)} affect the {self._chance.choice(TOPICS)}"

    async def _search(self) -> int:
        return await self._get("/v1/search", {"q": self._question()})

    async def _document(self) -> int:
        # One in fifty asks for a document that is not there, as broken links do.
        return await self._get(f"/v1/documents/{self._chance.randint(1, DOCUMENTS + DOCUMENTS // 50)}")

    async def _status(self) -> int:
        return await self._get(f"/v1/workflows/{self._last_workflow}") if self._last_workflow else await self._search()

    async def _chat(self) -> int:
        body = {"tenant": self._chance.choice(_TENANTS), "message": self._question()}
        async with self._http().post(self._target + "/v1/chat", json=body) as response:
            await response.read()
            return response.status

    async def _enqueue(self) -> int:
        body = {"kind": self._chance.choice(_WORKFLOWS), "input": self._question()}
        async with self._http().post(self._target + "/v1/workflows", json=body) as response:
            if response.status == 202:
                self._last_workflow = int((await response.json())["id"])
            return response.status


def main() -> None:
    """Serve."""
    parser = base.parser("load generator of the demo platform")
    parser.add_argument("--target", required=True, help="address of the API gateway")
    parser.add_argument("--rate", type=float, default=12.0, help="requests a second")
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(layout.LOAD, token=base.token())
    LoadGenerator(service, options.target, options.rate)
    service.serve(options.port)


if __name__ == "__main__":
    main()
