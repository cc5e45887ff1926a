"""A replica that stands by: what changes something is passed on to the replica that leads.

Reading is answered here, from the shared state and from this replica's own metrics. Queries, samples that are sent to
us and what concerns this process (``/-/``) stay here whatever their method.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hypercare.adapters.realtime import pause
from hypercare.ports import HttpRequest, HttpResponse, PortError
from hypercare.state import StateAwayError, is_away

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hypercare.app import App

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = ("/api/v1/", "/-/")
_NOT_PASSED: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive", "x-forwarded-for"}
)
_PATIENCE: Final = 10.0
"""Seconds to wait for somebody to lead: longer than a lease lasts."""
_PAUSE: Final = 0.25
_ALERTS: Final = "/api/v2/alerts"
_VIA: Final = "x-hypercare-passed-on"


class PassOn:
    """ASGI middleware in front of everything else: the leader judges who may do what."""

    def __init__(self, app: ASGIApp, home: App) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here, or fetch the answer of the leader."""
        if self._home.kernel.leads or not self._home.state.shared or not _is_for_leader(scope):
            await self._here(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        for _ in range(round(_PATIENCE / _PAUSE)):
            if self._home.kernel.leads:
                await self._here(scope, _again(body, receive), send)
                return
            answer = await self._ask(request, body)
            if answer is not None:
                await answer(scope, receive, send)
                return
            await run_in_threadpool(pause, _PAUSE)
        why = self._home.state.away or "no replica leads"
        await JSONResponse({"error": f"{why}; try again"}, 503, {"Retry-After": "5"})(scope, receive, send)

    async def _here(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what this replica has; that the database is away is no fault of ours."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except (StateAwayError, DBAPIError) as error:
            if begun or not is_away(error):
                raise
            text = self._home.state.away or "the state database is away"
            await JSONResponse({"error": text}, 503, {"Retry-After": "5"})(scope, receive, send)

    async def _ask(self, request: Request, body: bytes) -> Response | None:
        """The leader's answer; none where there is nobody to ask."""
        leader = self._home.leader()
        if not leader or _VIA in request.headers:
            return None
        query = f"?{request.url.query}" if request.url.query else ""
        peer = request.client.host if request.client else ""
        known = request.headers.get("x-forwarded-for", "")
        headers = [(name, value) for name, value in request.headers.items() if name not in _NOT_PASSED]
        # On a connection of its own: a kept one may have ended with the last leader.
        headers += [("connection", "close"), ("x-forwarded-for", f"{known}, {peer}".lstrip(", ")), (_VIA, "1")]
        passed = HttpRequest(
            request.method,
            f"{leader}{request.url.path}{query}",
            headers=tuple(headers),
            body=body,
            timeout=30_000,
            follow_redirects=False,
        )
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[HttpResponse | PortError] = loop.create_future()
        self._home.ports.http.submit(passed, partial(_post, loop, waiting))
        answer = await waiting
        if isinstance(answer, PortError):
            if answer.kind == "refused" or request.url.path == _ALERTS:
                # Nobody has heard it, or it may be said twice: it is said again, to whoever leads next.
                return None
            return JSONResponse({"error": f"the replica that leads did not answer: {answer.message}"}, 502)
        kept = {name: value for name, value in answer.headers.items() if name not in _NOT_PASSED}
        return Response(answer.body, answer.status, kept)


def replica_router(app: App) -> APIRouter:
    """What is known of the replicas."""
    router = APIRouter(prefix="/api/hypercare/v1", tags=["hypercare"])

    @router.get("/replicas", operation_id="replicas")
    def replicas() -> Any:
        """Who leads, by which term, which replicas there are, and whether the state database answers."""
        standing = app.standing()
        return {
            "shared": app.state.shared,
            "leads": app.kernel.leads,
            "name": app.replica,
            "term": standing.term,
            "leader": standing.holder,
            "state": app.state.away or "ok",
            "replicas": [
                {"name": each.name, "address": each.address, "version": each.version, "seconds_ago": each.ago / 1000}
                for each in standing.replicas
            ],
        }

    return router


def _is_for_leader(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] not in _READING and not scope["path"].startswith(_OWN)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    told = False

    async def replay() -> Any:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _post(loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[Any], answer: HttpResponse | PortError) -> None:
    def give() -> None:
        if not waiting.done():
            waiting.set_result(answer)

    loop.call_soon_threadsafe(give)
