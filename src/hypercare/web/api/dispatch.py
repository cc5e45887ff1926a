"""Prometheus' API as a plain ASGI application: one look into a dict, one hop into a worker, one answer.

It stands before the rest of the web side, for which most of the time of a small query would be spent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request

from hypercare.promql import PromqlError
from hypercare.web.api.answers import STATUS_OF, ApiError, failure
from hypercare.web.api.compress import choose, compressed
from hypercare.web.api.elsewhere import answered_elsewhere, ask_elsewhere
from hypercare.web.api.parameters import Parameters, promql_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hypercare.app import App

    Answer: TypeAlias = Callable[["Asked"], "bytes | Page"]

_QUERIES: Final = 4
"""Queries evaluated at once: two for each of two cores, as one of them may wait for the disk."""
_LOOKS: Final = 4
_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final = "application/json"


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON with status 200."""

    body: bytes
    type: str = _JSON
    status: int = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is made from.

    Attributes:
        path: the part of the path that varies.
        stop: set once nobody waits for the answer any more.

    """

    app: App
    parameters: Parameters
    path: str
    stop: threading.Event


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One path.

    Attributes:
        path: as in the API's description; one part may vary: ``{name}``.
        parameters: their names, for the description.
        is_query: evaluates an expression: bounded in time, and in how many run at once.

    """

    path: str
    answer: Answer
    parameters: str = ""
    methods: tuple[str, ...] = ("GET",)
    is_query: bool = False


class Dispatcher:
    """ASGI middleware that answers the paths of a table and passes on all others."""

    def __init__(self, inner: ASGIApp, app: App, endpoints: tuple[Endpoint, ...]) -> None:
        self._inner = inner
        self._app = app
        self._fixed = {e.path: e for e in endpoints if "{" not in e.path}
        self._varying = [(e.path.split("{name}"), e) for e in endpoints if "{name}" in e.path]
        self._queries = ThreadPoolExecutor(_QUERIES, "query")
        self._looks = ThreadPoolExecutor(_LOOKS, "look")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        found = self._find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._inner(scope, receive, send)
        elif scope["method"] in found[0].methods:
            await self._respond(found[0], found[1], scope, receive, send)
        else:
            allowed = (b"allow", ", ".join((*found[0].methods, "OPTIONS")).encode())
            await _send(send, Page(b"Method Not Allowed\n", "text/plain; charset=utf-8", 405), (allowed,))

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
        try:
            if answered_elsewhere(self._app, scope["path"]):
                response = await ask_elsewhere(self._app, Request(scope, receive))
                await response(scope, receive, send)
                return
            form = await _form(scope, headers, receive)
        except HTTPException as error:
            page = Page(failure(ApiError("bad_data", error.detail)), status=error.status_code)
            await _send(send, page)
            return
        encoding = choose(headers.get(b"accept-encoding", b"").decode("latin-1"))
        parameters = Parameters.of(scope["query_string"], form, self._app.ports.clock.now())
        asked = Asked(self._app, parameters, part, threading.Event())
        pool = self._queries if endpoint.is_query else self._looks
        page, packed = await asyncio.get_running_loop().run_in_executor(pool, _answer, endpoint, asked, encoding)
        if packed is not None:
            page = dataclasses.replace(page, body=packed)
        await _send(send, page, () if packed is None else ((b"content-encoding", encoding.encode()),))


def _answer(endpoint: Endpoint, asked: Asked, encoding: str) -> tuple[Page, bytes | None]:
    """The answer, and the same packed (which takes time, too, and so belongs here)."""
    page = _page(endpoint, asked)
    return page, compressed(page.body, encoding)


def _page(endpoint: Endpoint, asked: Asked) -> Page:
    try:
        found = endpoint.answer(asked)
    except PromqlError as error:
        refused = promql_error(error)
    except ApiError as error:
        refused = error
    else:
        return Page(found) if isinstance(found, bytes) else found
    return Page(failure(refused), status=STATUS_OF[refused.kind])


async def _form(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The body of a form; a body of another kind is not looked at."""
    if scope["method"] != "POST" or headers.get(b"content-type", b"").split(b";")[0].strip().lower() != _FORM:
        return b""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(send: Send, page: Page, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    headers = [
        (b"content-type", page.type.encode()),
        (b"content-length", b"%d" % len(page.body)),
        (b"vary", b"Accept-Encoding"),
        *more,
    ]
    await send({"type": "http.response.start", "status": page.status, "headers": headers})
    await send({"type": "http.response.body", "body": page.body})


def describe(web: FastAPI, endpoints: tuple[Endpoint, ...]) -> None:
    """Have the endpoints stand in the API's description."""
    usual = web.openapi

    def openapi() -> dict[str, Any]:
        schema = usual()
        if endpoints[0].path not in schema["paths"]:
            paths = {e.path: {m.lower(): _operation(e, m) for m in e.methods} for e in endpoints}
            schema["paths"] = paths | schema["paths"]
        return schema

    web.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its description


def _operation(endpoint: Endpoint, method: str) -> dict[str, Any]:
    """One operation; its parameters are read by hand, as only Prometheus' rules say how."""
    text = {"schema": {"type": "string"}}
    listed = {"schema": {"type": "array", "items": {"type": "string"}}}
    names = endpoint.parameters.split()
    operation = {
        "tags": ["prometheus"],
        "summary": (endpoint.answer.__doc__ or "").strip(),
        "operationId": f"prometheus_{endpoint.answer.__name__.strip('_')}_{method.lower()}",
        "responses": {"200": {"description": "Prometheus' envelope", "content": {_JSON: {"schema": {}}}}},
    }
    if method == "POST":
        fields = {n: (listed if n.endswith("[]") else text)["schema"] for n in names}
        form = {"schema": {"type": "object", "properties": fields}}
        return {**operation, "requestBody": {"content": {_FORM.decode(): form}}}
    found = [{"name": n, "in": "path", "required": True, **text} for n in ("name",) if f"{{{n}}}" in endpoint.path]
    found += [{"name": n, "in": "query", **(listed if n.endswith("[]") else text)} for n in names]
    return {**operation, "parameters": found}
