"""Exchanges over aiohttp: everything that is no plain GET. Loaded when the first one is asked for: 10 MB, 0.2 s."""

from __future__ import annotations

import base64
import dataclasses
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs

from hypercare.adapters.decompress import BadEncoding, TooLarge, decompress
from hypercare.adapters.proxies import proxy_of
from hypercare.adapters.public import is_forbidden, public_sockets
from hypercare.adapters.tls import NOTES, ConnectionNotes, not_after, tls_context, tls_version
from hypercare.adapters.tokens import Tokens
from hypercare.ports import HttpRequest, HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEEP_ALIVE: Final = 150.0
"""Seconds that an unused connection stays open: longer than two scrapes a minute apart."""
_MAX_REDIRECTS: Final = 10
_PHASES: Final = ("resolve", "connect", "tls", "processing", "transfer")


class General:
    """Sends requests over kept connections; traced ones over a connection of their own. Used in the loop's thread."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._traced: aiohttp.ClientSession | None = None
        self._public: dict[tuple[str, ...], aiohttp.ClientSession] = {}
        self._sockets: dict[str, aiohttp.ClientSession] = {}
        self._tokens = Tokens(self._exchange)

    async def close(self) -> None:
        """End all connections."""
        for session in (self._session, self._traced, *self._public.values(), *self._sockets.values()):
            if session is not None:
                await session.close()

    async def send(self, request: HttpRequest, started: int) -> HttpResponse | PortError:
        """A whole exchange, with an access token where the request asks for one."""
        send = self._exchange if request.oauth2 is None else self._log_in_and_exchange
        return await send(request, started)

    def session_for(self, request: HttpRequest) -> aiohttp.ClientSession:
        """The session with the connections that a request may use."""
        if request.socket:
            if request.socket not in self._sockets:
                self._sockets[request.socket] = opened(aiohttp.UnixConnector(path=request.socket, limit=0))
            return self._sockets[request.socket]
        if request.public_only:
            if request.allowed not in self._public:
                sockets = public_sockets(request.allowed)
                self._public[request.allowed] = self._open(traced=False, sockets=sockets)
            return self._public[request.allowed]
        if self._session is None:
            self._session = self._open(traced=False)
        return self._session

    def _open(
        self, *, traced: bool, sockets: Callable[[tuple[Any, ...]], socket.socket] | None = None
    ) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            ttl_dns_cache=10,
            use_dns_cache=not traced,
            keepalive_timeout=None if traced else _KEEP_ALIVE,
            force_close=traced,
            socket_factory=_socket if traced else sockets,
        )
        return opened(connector, traced=traced)

    async def log_in(self, request: HttpRequest) -> HttpRequest | PortError:
        """The request with an access token where it asks for one, or why there is none."""
        if request.oauth2 is None:
            return request
        header = await self._tokens.header(request.oauth2, request.timeout)
        if isinstance(header, PortError):
            return header
        return dataclasses.replace(request, headers=(*request.headers, ("Authorization", header)), oauth2=None)

    async def _log_in_and_exchange(self, request: HttpRequest, started: int) -> HttpResponse | PortError:
        """An exchange with an access token."""
        credentials = request.oauth2
        assert credentials is not None  # noqa: S101 - the caller looked
        began = time.perf_counter()
        header = await self._tokens.header(credentials, request.timeout)
        if isinstance(header, PortError):
            return header
        left = request.timeout - round((time.perf_counter() - began) * 1000)
        headers = (*request.headers, ("Authorization", header))
        answer = await self._exchange(
            dataclasses.replace(request, headers=headers, oauth2=None, timeout=max(left, 1)), started
        )
        if isinstance(answer, HttpResponse) and answer.status == 401:
            self._tokens.forget(credentials)
        return answer

    async def _exchange(self, request: HttpRequest, started: int = 0) -> HttpResponse | PortError:
        began = time.perf_counter()
        try:
            if request.trace:
                if self._traced is None:
                    self._traced = self._open(traced=True)
                return await self._send(self._traced, request, started, began, _Trace())
            return await self._send(self.session_for(request), request, started, began, None)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            kind, text = explain(error, request)
            return PortError(kind, text, time.perf_counter() - began, started)

    async def _send(
        self, session: aiohttp.ClientSession, request: HttpRequest, started: int, began: float, trace: _Trace | None
    ) -> HttpResponse:
        token = NOTES.set(trace.notes) if trace is not None else None
        try:
            async with session.request(
                request.method,
                request.url,
                headers=headers_of(request),
                data=request.body or None,
                allow_redirects=request.follow_redirects,
                max_redirects=_MAX_REDIRECTS,
                timeout=aiohttp.ClientTimeout(total=request.timeout / 1000),
                ssl=context_of(request),
                server_hostname=(request.tls.server_name or None) if request.tls else None,
                proxy=proxy_of(request) or None,
                trace_request_ctx=trace,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = await _read(response, request.max_bytes)
                encoding = headers.get("content-encoding", "")
                if encoding and body:
                    body = decompress(body, encoding, request.max_bytes)
                return HttpResponse(
                    status=response.status,
                    headers=headers,
                    body=body,
                    duration=time.perf_counter() - began,
                    started_at=started,
                    http_version=f"{response.version.major}.{response.version.minor}" if response.version else "",
                    redirects=len(response.history),
                    final_url=str(response.url),
                    **(trace.result() if trace is not None else {}),
                )
        finally:
            if token is not None:
                NOTES.reset(token)


def opened(connector: aiohttp.BaseConnector, *, traced: bool = False) -> aiohttp.ClientSession:
    """A session as all of ours are: no cookies, bodies as they come."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        requote_redirect_url=True,
        trace_configs=[_trace_config()] if traced else None,
        max_line_size=16_384,
        max_field_size=16_384,
    )


def headers_of(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    """The headers, with basic authentication among them; aiohttp takes them off where a redirect leaves the origin.

    Who stands in the URL itself comes before all others, as in Prometheus; aiohttp refuses to choose.
    """
    if "@" in urlsplit(request.url).netloc:
        return tuple(header for header in request.headers if header[0].lower() != "authorization")
    auth = request.basic_auth
    if auth is None:
        return request.headers
    token = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode("ascii")
    return (*request.headers, ("Authorization", f"Basic {token}"))


def context_of(request: HttpRequest) -> ssl.SSLContext | bool:
    """What a request's connection is encrypted with.

    No context is made for plain HTTP that is not redirected: loading the system's certificates takes time.
    """
    if request.tls is None and request.url.startswith("http://") and not request.trace:
        return True
    return tls_context(request.tls)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body as it came; a compressed one is no larger than what comes out of it is allowed to be.

    Raises:
        TooLarge: it is larger.

    """
    if not limit:
        return await response.read()
    announced = response.content_length
    if announced is not None and announced > limit and response.method != hdrs.METH_HEAD:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise TooLarge
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def explain(error: Exception, request: HttpRequest) -> tuple[str, str]:
    """Kind and text of a failure, in words for whoever looks after the target."""
    match error:
        case TooLarge():
            return "too_large", f"the body is larger than the limit of {request.max_bytes} bytes"
        case BadEncoding():
            return "protocol", str(error)
        case TimeoutError():
            return "timeout", f"no whole answer within {request.timeout / 1000:g} s"
        case aiohttp.ClientConnectorDNSError():
            return "dns", f"cannot resolve {error.host}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls", str(error)
        case aiohttp.ClientConnectorError() if is_forbidden(error.os_error):
            return "forbidden", str(error.os_error)
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return "refused", f"connection refused by {error.host}:{error.port}"
        case aiohttp.ServerDisconnectedError():
            return "protocol", "the server closed the connection without an answer"
        case aiohttp.TooManyRedirects():
            return "protocol", f"more than {_MAX_REDIRECTS} redirects"
        case aiohttp.ClientPayloadError():
            return "protocol", f"the answer ended before its announced end: {error}"
        case aiohttp.InvalidURL() | aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "protocol", f"{type(error).__name__}: {error}"
        case aiohttp.ClientOSError() | OSError():
            return "other", str(error)
        case _:
            return "protocol", f"{type(error).__name__}: {error}"


class _Trace:
    """Phases of one exchange, summed over its redirects."""

    __slots__ = ("_connected", "_marks", "_sent", "_since", "notes", "phases")

    def __init__(self) -> None:
        self.notes = ConnectionNotes()
        self.phases = dict.fromkeys(_PHASES, 0.0)
        self._marks: dict[str, float] = {}
        self._since = 0.0
        self._sent = 0.0
        self._connected = 0.0

    def mark(self, name: str) -> None:
        """Note an instant."""
        now = time.perf_counter()
        match name:
            case "resolved":
                self.phases["resolve"] += now - self._marks["resolving"]
                self._marks["connecting"] = now
            case "connected":
                shook = self.notes.tls_began
                self.phases["connect"] += (shook or now) - self._marks["connecting"]
                self.phases["tls"] += now - shook if shook else 0.0
                self.notes.tls_began = 0.0
            case "headers":
                self.phases["processing"] += now - self._marks.get("sent", now)
                self._since = now
            case _:
                self._marks[name] = now

    def result(self) -> dict[str, Any]:
        """The fields of the response."""
        self.phases["transfer"] = time.perf_counter() - self._since if self._since else 0.0
        connection = self.notes.tls_object
        found: dict[str, Any] = {"phases": tuple(self.phases.items()), "peer": self.notes.peer}
        if connection is not None:
            found["tls_not_after"] = not_after(connection)
            found["tls_version"] = tls_version(connection)
        return found


def _trace_config() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    for signal, name in (
        (config.on_dns_resolvehost_start, "resolving"),
        (config.on_dns_resolvehost_end, "resolved"),
        (config.on_connection_create_start, "connecting"),
        (config.on_connection_create_end, "connected"),
        (config.on_request_headers_sent, "sent"),
        (config.on_request_redirect, "headers"),
        (config.on_request_end, "headers"),
    ):
        signal.append(_marker(name))
    return config


def _marker(name: str) -> Any:
    async def note(_session: Any, context: Any, _params: Any) -> None:
        context.trace_request_ctx.mark(name)

    return note


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Opens the socket of a traced request and notes where it goes."""
    family, kind, protocol, _, peer = address
    notes = NOTES.get()
    if notes is not None:
        notes.peer = str(peer[0])
    return socket.socket(family, kind, protocol)
