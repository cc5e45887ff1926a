"""The door in front of every request: foreign pages, foreign names, log-in, roles, size; and headers for browsers."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

from hypercare.access import Area, Role
from hypercare.kernel import ORIGIN
from hypercare.web.auth import TooManyTriesError
from hypercare.web.cors import may_post
from hypercare.web.roles import READING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hypercare.access import Need
    from hypercare.web.auth import Gate, Identity
    from hypercare.web.roles import Demands

MAX_BODY: Final = 10 * 1024 * 1024
BODY_SECONDS: Final = 60
# Pages need no script or style from elsewhere, and nobody frames them.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        gate: tells who somebody is.
        demands: tells what a request needs.
        external_url: the configured address of this server, or empty; asked at every request.
        cors_origin: which other origins may read Prometheus' API, or empty; asked at every request.

    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        demands: Demands,
        external_url: Callable[[], str],
        cors_origin: Callable[[], str],
    ) -> None:
        self._app = app
        self._gate = gate
        self._demands = demands
        self._external_url = external_url
        self._cors_origin = cors_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request, and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        request = Request(scope)
        refused = self._foreign(request) or _too_large(request)
        need = self._demands.of(request.method, scope["path"])
        if refused is None and need.role is not Role.NOBODY and self._gate.closed:
            # A password takes time to verify, which other requests must not wait for.
            refused = await run_in_threadpool(self._stranger, request, need)
        if refused is not None:
            await refused(scope, receive, send)
            return
        if request.method == "HEAD" and not request.url.path.startswith("/api/"):
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        if request.method in READING or need.area is not Area.HOUSE:
            await self._app(scope, _counted(receive), send)
            return
        # Whatever command follows from this is written into the journal.
        identity = self._gate.identity(request) if need.role is not Role.NOBODY and self._gate.closed else None
        mark = ORIGIN.set(self._gate.origin(request, identity))
        try:
            await self._app(scope, _counted(receive), send)
        finally:
            ORIGIN.reset(mark)

    def _foreign(self, request: Request) -> Response | None:
        """The answer to what another site's page sends through a visitor's browser, or none."""
        if not self._gate.closed and not _is_own_name(request.headers.get("host", ""), self._external_url()):
            # Without log-in the name is all that protects: a site may point its own name at this machine.
            text = "this server does not go by that name; open it under localhost, or set web.external_url"
            return JSONResponse({"error": text}, 403)
        named = may_post(request.url.path, request.headers.get("origin", ""), self._cors_origin())
        if request.method not in READING and not named and _is_cross_site(request, self._external_url()):
            return JSONResponse({"error": "this request comes from another site's page"}, 403)
        return None

    def _stranger(self, request: Request, need: Need) -> Response | None:
        """The answer to who may not pass, or none."""
        try:
            identity = self._gate.identity(request)
        except TooManyTriesError:
            return JSONResponse({"error": "too many tries; wait five minutes"}, 429, {"Retry-After": "300"})
        if identity is None:
            return None if need.area in self._gate.open_areas else _log_in_first(request)
        if identity.by_cookie and request.method not in READING and not _is_own_page(request):
            text = "a change with a session's cookie has to come from a page of this server (Origin or Referer)"
            return JSONResponse({"error": text}, 403)
        if need.met_by(identity.role, identity.scopes):
            return None
        why = _why_not(identity, need)
        if request.method not in READING:
            self._gate.note_refusal(request, identity, why)
        return JSONResponse({"error": why}, 403)


def _log_in_first(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", "") and request.method in {"GET", "HEAD"}:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/login?next={quote(request.url.path + query)}", 303)
    headers = {"WWW-Authenticate": 'Bearer realm="hypercare"'}
    return JSONResponse({"error": "log in, or send Authorization: Bearer <token>"}, 401, headers)


def _why_not(identity: Identity, need: Need) -> str:
    if identity.role >= need.role:
        return f"the token's scopes ({', '.join(sorted(identity.scopes or ()))}) do not reach this"
    if need.role is Role.ADMIN and identity.may_change:
        return f"{identity.name} is not an administrator"
    return f"{identity.name} may look, but not change anything"


def _is_own_page(request: Request) -> bool:
    """Whether a browser says where a change comes from; that it is our own place is checked for every request."""
    headers = request.headers
    if "origin" in headers or "sec-fetch-site" in headers:
        return True
    try:
        return urlsplit(headers.get("referer", "")).netloc == headers.get("host", "")
    except ValueError:
        return False


def _is_cross_site(request: Request, external_url: str) -> bool:
    """Whether a browser sends this on behalf of another site (programs send neither header)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    own = {request.headers.get("host", ""), urlsplit(external_url).netloc}
    return not origin.startswith(("http://", "https://")) or origin.partition("//")[2] not in own


@functools.lru_cache(maxsize=256)
def _is_own_name(host: str, external_url: str) -> bool:
    """Whether a Host header cannot be another site's: an address, localhost, or the configured name."""
    if not host:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name == urlsplit(external_url).hostname:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _too_large(request: Request) -> Response | None:
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and len(length) < 16 and int(length) <= MAX_BODY:
        return None
    return JSONResponse({"error": f"the body is larger than {MAX_BODY} bytes"}, 413, {"Connection": "close"})


def _counted(receive: Receive) -> Receive:
    """Ends a request whose body grows beyond the limit without having said so, or does not come to its end."""
    size, whole = 0, False
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BODY_SECONDS

    async def counted() -> Message:
        nonlocal size, whole
        if whole:
            # What comes now is the end of the connection, whenever that is.
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the body did not come within {BODY_SECONDS} seconds") from None
        whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return headed


def _without_body(send: Send) -> Send:
    async def bare(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return bare
