"""What every process of the platform has: metrics, health, faults, logging, and an orderly end."""

from __future__ import annotations

import argparse
import asyncio
import hmac
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import aiohttp
import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from hypercare.demo.layout import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0)
"""Seconds; wide enough for a search of 1 ms and an answer of 10 s."""

TOKEN_HEADER = "X-Demo-Token"  # noqa: S105  # the header's name, not a token
TOKEN_VARIABLE = "DEMO_TOKEN"  # noqa: S105  # the variable's name
DATABASE_VARIABLE = "DEMO_DATABASE_URL"

_UNCOUNTED = {"/metrics", "/healthz", "/admin/fault"}


class UnhealthyError(Exception):
    """Raised by a health check; the text is the reason."""


class Service:
    """One process of the platform.

    Attributes:
        log: its logger; lines go to standard output.
        registry: its metrics, served at /metrics.
        app: its web application; a service adds its own routes.

    """

    def __init__(self, name: str, *, token: str, faults: dict[str, float] | None = None) -> None:
        """Make the service; ``faults`` maps each fault it can show to the greatest value allowed."""
        self.name = name
        self.log = logging.getLogger(name)
        self._token = token
        self._limits = faults or {}
        self._faults: dict[str, float] = {}
        self._health: Callable[[], Awaitable[None]] | None = None
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "http_requests", "HTTP requests served.", ("service", "method", "path", "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time to serve an HTTP request.",
            ("service", "method", "path"),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "http_requests_in_flight", "HTTP requests being served.", ("service",), registry=self.registry
        ).labels(name)
        self._fault_gauge = Gauge(
            "demo_fault_active", "Value of a fault that was set on purpose.", ("fault",), registry=self.registry
        )
        self.app = web.Application(middlewares=[self._measure])
        self.app.router.add_get("/metrics", self._metrics)
        self.app.router.add_get("/healthz", self._healthz)
        self.app.router.add_get("/admin/fault", self._show_faults)
        self.app.router.add_post("/admin/fault", self._set_fault)
        self.app.router.add_delete("/admin/fault", self._clear_faults)

    def fault(self, name: str) -> float:
        """The value of a fault, 0 while it is off."""
        return self._faults.get(name, 0.0)

    def health(self, check: Callable[[], Awaitable[None]]) -> None:
        """Use this check for /healthz; it raises ``UnhealthyError`` with the reason."""
        self._health = check

    def background(self, *jobs: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run these as long as the process serves."""

        async def keep(_app: web.Application) -> AsyncIterator[None]:
            tasks = [asyncio.create_task(job(), name=job.__name__) for job in jobs]
            for task in tasks:
                task.add_done_callback(_end_process_on_failure)
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.app.cleanup_ctx.append(keep)

    def client(self, timeout: float = 10.0) -> Callable[[], aiohttp.ClientSession]:
        """An HTTP client for the process' life; call what is returned once the process serves."""
        held: list[aiohttp.ClientSession] = []

        async def keep(_app: web.Application) -> AsyncIterator[None]:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session:
                held.append(session)
                yield

        self.app.cleanup_ctx.append(keep)
        return lambda: held[0]

    def serve(self, port: int) -> None:
        """Serve on loopback until SIGTERM or SIGINT."""
        web.run_app(self.app, host=HOST, port=port, print=None, access_log=None, shutdown_timeout=1.0)

    @web.middleware
    async def _measure(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in _UNCOUNTED:
            return await handler(request)
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else "other"
        started, code = time.perf_counter(), 500
        self._in_flight.inc()
        try:
            response = await handler(request)
            code = response.status
        except web.HTTPException as error:
            code = error.status
            raise
        finally:
            self._in_flight.dec()
            self._requests.labels(self.name, request.method, path, str(code)).inc()
            self._seconds.labels(self.name, request.method, path).observe(time.perf_counter() - started)
        return response

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self.registry), headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        if self._health is not None:
            try:
                await self._health()
            except UnhealthyError as error:
                return web.json_response({"status": "failing", "service": self.name, "reason": str(error)}, status=503)
        return web.json_response({"status": "ok", "service": self.name})

    def _demand_token(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, ""), self._token):
            raise web.HTTPForbidden(text=f"{TOKEN_HEADER} is wrong or missing\n")

    async def _show_faults(self, request: web.Request) -> web.Response:
        self._demand_token(request)
        return web.json_response({"service": self.name, "possible": self._limits, "active": self._faults})

    async def _set_fault(self, request: web.Request) -> web.Response:
        self._demand_token(request)
        try:
            body = await request.json()
            name, value = str(body["fault"]), float(body["value"])
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text='expected {"fault": NAME, "value": NUMBER}\n') from error
        limit = self._limits.get(name)
        if limit is None or not 0 < value <= limit:
            raise web.HTTPBadRequest(text=f"possible faults and greatest values: {self._limits}\n")
        self._faults[name] = value
        self._fault_gauge.labels(name).set(value)
        self.log.warning("fault %s set to %s", name, value)
        return web.json_response({"active": self._faults})

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._demand_token(request)
        if self._faults:
            self.log.warning("faults cleared: %s", ", ".join(self._faults))
        self._faults.clear()
        self._fault_gauge.clear()
        return web.json_response({"active": {}})


def _end_process_on_failure(task: asyncio.Task[None]) -> None:
    """A process whose background job died is of no use: let the supervisor see it and start another."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logging.getLogger(task.get_name()).error("background job failed", exc_info=error)
        os._exit(1)


def parser(description: str) -> argparse.ArgumentParser:
    """Command-line arguments every service has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--port", type=int, required=True)
    return made


def token() -> str:
    """The admin token from the environment.

    Raises:
        SystemExit: it is not set; without one anybody on this machine could break the platform.
    """
    return _demanded(TOKEN_VARIABLE)


def database_url() -> str:
    """The database's address from the environment.

    Raises:
        SystemExit: it is not set.
    """
    return _demanded(DATABASE_VARIABLE)


def _demanded(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        sys.exit(f"the environment variable {variable} is not set")
    return value


def start_logging() -> None:
    """Lines of time, level, service and message on standard output."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format='ts=%(asctime)s.%(msecs)03dZ level=%(levelname)s service=%(name)s msg="%(message)s"',
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.Formatter.converter = time.gmtime
