"""The API gateway: customers' requests, routed to search, the LLM gateway, the queue and the database."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg
from aiohttp import web
from prometheus_client import Counter

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.services.pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class ApiGateway:
    """Routes and what they need."""

    def __init__(self, service: base.Service, pool: Pool, llm: str, vector: str) -> None:
        self._service = service
        self._pool = pool
        self._llm = llm
        self._vector = vector
        self._http = service.client(timeout=12.0)
        self._failures = Counter(
            "dependency_errors", "Calls to another service that failed.", ("service", "dependency"),
            registry=service.registry,
        )  # fmt: skip
        service.health(self._check)
        service.app.middlewares.append(self._maybe_fail)
        service.app.cleanup_ctx.append(self._closing)
        service.app.router.add_post("/v1/chat", self._chat)
        service.app.router.add_get("/v1/search", self._search)
        service.app.router.add_get("/v1/documents/{id:[0-9]+}", self._document)
        service.app.router.add_post("/v1/workflows", self._enqueue)
        service.app.router.add_get("/v1/workflows/{id:[0-9]+}", self._workflow)

    @web.middleware
    async def _maybe_fail(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith("/v1/") and random.random() < self._service.fault("errors"):
            self._service.log.error(
                "%s %s failed: configuration of the tenant is invalid", request.method, request.path
            )
            raise web.HTTPInternalServerError(text='{"error": "internal error"}', content_type="application/json")
        return await handler(request)

    async def _closing(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await self._pool.close()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._pool.fetch("SELECT 1")
        except (psycopg.Error, TimeoutError) as error:
            raise base.UnhealthyError("the database does not answer") from error

    async def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            async with asyncio.timeout(4.0):
                return await self._pool.fetch(query, values)
        except (psycopg.Error, TimeoutError) as error:
            raise self._failed(layout.POSTGRES, error, 503) from error

    async def _post(self, dependency: str, url: str, body: dict[str, object]) -> dict[str, Any]:
        try:
            async with self._http().post(url, json=body) as response:
                response.raise_for_status()
                answer: dict[str, Any] = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._failed(dependency, error, 504 if isinstance(error, TimeoutError) else 502) from error

    def _failed(self, dependency: str, error: Exception, status: int) -> web.HTTPException:
        self._failures.labels(layout.API, dependency).inc()
        self._service.log.error("%s failed: %s", dependency, str(error).splitlines()[0] if str(error) else repr(error))
        kinds = {502: web.HTTPBadGateway, 503: web.HTTPServiceUnavailable, 504: web.HTTPGatewayTimeout}
        return kinds[status](text=f'{{"error": "{dependency} is unavailable"}}', content_type="application/json")

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        message, tenant = str(body["message"]), str(body.get("tenant", "unknown"))
        await self._rows(
            "INSERT INTO usage (tenant, requests) VALUES (%s, 1)"
            " ON CONFLICT (tenant) DO UPDATE SET requests = usage.requests + 1",
            tenant,
        )
        try:
            found = await self._post(layout.VECTOR, self._vector + "/search", {"text": message, "k": 3})
            context = " ".join(hit["title"] for hit in found["hits"])
        except web.HTTPException:
            context = ""  # an answer without sources is better than none
        answer = await self._post(
            layout.LLM, self._llm + "/v1/completions", {"prompt": f"{context} {message}", "max_tokens": 30}
        )
        return web.json_response({"answer": answer["text"], "provider": answer["provider"], "grounded": bool(context)})

    async def _search(self, request: web.Request) -> web.Response:
        question = request.query.get("q", "")
        if not question:
            raise web.HTTPBadRequest(text='{"error": "q is missing"}', content_type="application/json")
        return web.json_response(await self._post(layout.VECTOR, self._vector + "/search", {"text": question, "k": 10}))

    async def _document(self, request: web.Request) -> web.Response:
        rows = await self._rows("SELECT id, title, body FROM documents WHERE id = %s", int(request.match_info["id"]))
        if not rows:
            raise web.HTTPNotFound(text='{"error": "no such document"}', content_type="application/json")
        return web.json_response(dict(zip(("id", "title", "body"), rows[0], strict=True)))

    async def _enqueue(self, request: web.Request) -> web.Response:
        body = await request.json()
        rows = await self._rows(
            "INSERT INTO workflows (kind, input) VALUES (%s, %s) RETURNING id", str(body["kind"]), str(body["input"])
        )
        return web.json_response({"id": rows[0][0], "status": "queued"}, status=202)

    async def _workflow(self, request: web.Request) -> web.Response:
        rows = await self._rows(
            "SELECT id, kind, status, attempts, result FROM workflows WHERE id = %s", int(request.match_info["id"])
        )
        if not rows:
            raise web.HTTPNotFound(text='{"error": "no such workflow"}', content_type="application/json")
        return web.json_response(dict(zip(("id", "kind", "status", "attempts", "result"), rows[0], strict=True)))


def main() -> None:
    """Serve."""
    parser = base.parser("API gateway of the demo platform")
    parser.add_argument("--llm", required=True, help="address of the LLM gateway")
    parser.add_argument("--vector", required=True, help="address of vector search")
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(layout.API, token=base.token(), faults={"errors": 1.0})
    ApiGateway(service, Pool(base.database_url()), options.llm, options.vector)
    service.serve(options.port)


if __name__ == "__main__":
    main()
