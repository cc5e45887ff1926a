"""Prometheus' API as a plain ASGI application: one look into a dict, one hop into a worker, one answer.

It stands before the rest of the web side, for which most of the time of a small query would be spent.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from hypercare.model.time import SECOND
from hypercare.promql import PromqlError
from hypercare.web.api.answers import STATUS_OF, ApiError, failure
from hypercare.web.api.compress import choose, compressed
from hypercare.web.api.elsewhere import answered_elsewhere, ask_elsewhere
from hypercare.web.api.endpoint import FORM, Asked, Endpoint, Page
from hypercare.web.api.parameters import Parameters, promql_error
from hypercare.web.cors import cors_headers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from starlette.types import ASGIApp, Receive, Scope, Send

    from hypercare.app import App
    from hypercare.model.time import Ms

_LOOKS: Final = 4
"""Answers made at once that evaluate nothing."""
_PATIENCE: Final = 0.2
"""Seconds after which it is worth while to see whether the client is still there."""
_NOT_ALLOWED: Final = Page(b"Method Not Allowed\n", "text/plain; charset=utf-8", 405)
_TIMED_OUT: Final = "query timed out in "


class _GoneError(Exception):
    """The client went away."""


class Dispatcher:
    """ASGI middleware that answers the paths of a table and passes on all others."""

    def __init__(self, inner: ASGIApp, app: App, endpoints: tuple[Endpoint, ...]) -> None:
        self._inner = inner
        self._app = app
        self._fixed = {e.path: e for e in endpoints if "{" not in e.path}
        self._varying = [(e.path.split("{name}"), e) for e in endpoints if "{name}" in e.path]
        # Pools of their own: a hostile query waits for none but other queries, and starves no page.
        self._queries = ThreadPoolExecutor(app.config.hypercare.metrics.query_concurrency, "query")
        self._looks = ThreadPoolExecutor(_LOOKS, "look")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        found = self._find(path)
        if method == "OPTIONS" and (found is not None or path.startswith("/api/v1/")):
            await self._send(scope, send, Page(b"", "", 204))
        elif found is None:
            await self._inner(scope, receive, send)
        elif method in found[0].methods:
            await self._respond(found[0], found[1], scope, receive, send)
        else:
            allowed = (b"allow", ", ".join((*found[0].methods, "OPTIONS")).encode())
            await self._send(scope, send, _NOT_ALLOWED, (allowed,))

    def _find(self, path: str) -> tuple[Endpoint, str] | None:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, ""
        for (begin, end), endpoint in self._varying:
            if path.startswith(begin) and path.endswith(end) and len(path) > len(begin) + len(end):
                return endpoint, path[len(begin) : -len(end)]
        return None

    async def _respond(self, endpoint: Endpoint, part: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by one endpoint."""
        headers = dict(scope["headers"])
        encoding = choose(headers.get(b"accept-encoding", b"").decode("latin-1"))
        try:
            if answered_elsewhere(self._app, scope["path"]):
                response = await ask_elsewhere(self._app, Request(scope, receive))
                await response(scope, receive, send)
                return
            form = await _form(scope, headers, receive)
            parameters = Parameters.of(scope["query_string"], form, self._app.ports.clock.now())
            asked = Asked(self._app, parameters, part, threading.Event(), headers)
            page, packed = await self._made(endpoint, asked, encoding, receive)
        except HTTPException as error:
            page, packed = Page(failure(ApiError("bad_data", error.detail)), status=error.status_code), None
        except ApiError as error:
            page, packed = _refused(error), None
        except _GoneError:
            return
        if packed is None:
            await self._send(scope, send, page)
        else:
            packed_page = Page(packed, page.type, page.status)
            await self._send(scope, send, packed_page, ((b"content-encoding", encoding.encode()),))

    async def _made(
        self, endpoint: Endpoint, asked: Asked, encoding: str, receive: Receive
    ) -> tuple[Page, bytes | None]:
        """An answer made in a worker; a query's within its time."""
        if not endpoint.is_query:
            # With the request's context: who gives a command is written down.
            work = contextvars.copy_context().run
            return await asyncio.wrap_future(self._looks.submit(work, _answer, endpoint, asked, encoding))
        limit = self._time_limit(asked.parameters)
        made = self._queries.submit(_answer, endpoint, asked, encoding)
        try:
            return await _within(made, limit, receive)
        except TimeoutError:
            where = "query queue" if made.cancel() else "expression evaluation"
            raise ApiError("timeout", _TIMED_OUT + where) from None
        finally:
            # Whatever ended the waiting, nobody needs the result any more.
            asked.stop.set()

    def _time_limit(self, p: Parameters) -> Ms:
        most = self._app.config.hypercare.metrics.query_timeout
        limit = min(most, p.duration("timeout")) if p.text("timeout") else most
        if limit <= 0:
            raise ApiError("timeout", f"{_TIMED_OUT}query execution")
        return limit

    async def _send(self, scope: Scope, send: Send, page: Page, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        headers = [(b"content-length", b"%d" % len(page.body))] if page.status != 204 else []
        headers += [(b"content-type", page.type.encode())] if page.type else []
        headers += [(b"vary", b"Accept-Encoding"), *more]
        pattern = self._app.config.hypercare.web.cors_origin
        if pattern:
            headers += cors_headers(scope, pattern)
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": page.body})


async def _within(made: Future[tuple[Page, bytes | None]], limit: Ms, receive: Receive) -> tuple[Page, bytes | None]:
    """The result, waited for no longer than the client waits.

    Raises:
        TimeoutError: there is none within the limit.
        _GoneError: the client hung up.

    """
    answer = asyncio.wrap_future(made)
    seconds = limit / SECOND
    done, _ = await asyncio.wait({answer}, timeout=min(seconds, _PATIENCE))
    if done or seconds <= _PATIENCE:
        return _result(answer)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        watched: set[asyncio.Future[Any]] = {answer, leaving}
        await asyncio.wait(watched, timeout=seconds - _PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and leaving.done():
            raise _GoneError
        return _result(answer)
    finally:
        leaving.cancel()


async def _gone(receive: Receive) -> None:
    """Ends when the client hangs up; what is left of the request's body comes first."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _result(answer: asyncio.Future[tuple[Page, bytes | None]]) -> tuple[Page, bytes | None]:
    if answer.done():
        return answer.result()
    raise TimeoutError


def _answer(endpoint: Endpoint, asked: Asked, encoding: str) -> tuple[Page, bytes | None]:
    """The answer, and the same packed (which takes time, too, and so belongs here)."""
    page = _page(endpoint, asked)
    return page, compressed(page.body, encoding)


def _page(endpoint: Endpoint, asked: Asked) -> Page:
    try:
        found = endpoint.answer(asked)
    except PromqlError as error:
        return _refused(promql_error(error))
    except ApiError as error:
        return _refused(error)
    return Page(found) if isinstance(found, bytes) else found


def _refused(error: ApiError) -> Page:
    return Page(failure(error), status=STATUS_OF[error.kind])


async def _form(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The body of a form; a body of another kind is not looked at."""
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if scope["method"] not in {"POST", "PUT"} or kind != FORM:
        return b""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
