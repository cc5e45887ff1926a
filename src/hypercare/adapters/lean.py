"""Plain GETs over kept connections, at a fraction of the cost of a general HTTP client.

A scrape is the same request to the same server again and again. Here its bytes are built once, its connection stays
open, and its answer is read with one or two calls of the system. What needs more than that (a proxy, a redirect, a
trace, a body) is left to the general client.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import re
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from hypercare.adapters.decompress import BadEncoding, TooLarge, decompress
from hypercare.adapters.framing import MAX_HEAD, BadMessage, Chunks, Head, end_of_head, read_head
from hypercare.adapters.proxies import proxy_of
from hypercare.adapters.tls import tls_context
from hypercare.ports import HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.ports import HttpReply, HttpRequest, Tls

Origin: TypeAlias = "tuple[str, str, int, Tls | None]"
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:_]+(?:[/?][A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?")
_OWN_HEADERS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "expect", "upgrade"})
_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEP_ALIVE: Final = 150.0
"""Seconds that an unused connection stays open: longer than two scrapes a minute apart."""
_SCRATCH: Final = 1 << 18
_WORTH_WAITING: Final = 1 << 15
"""Bytes of a body from which on the system is asked to wake us once all of them have come."""


@dataclasses.dataclass(slots=True, eq=False)
class Prepared:
    """A request that is sent again and again.

    Attributes:
        origin: scheme, host, port and TLS settings: what connections are kept by.
        used: since the last look for those that are not.
        elsewhere: the server redirects; the general client follows.

    """

    request: HttpRequest
    origin: Origin
    data: bytes
    used: bool = True
    elsewhere: bool = False


def prepare(request: HttpRequest) -> Prepared | None:
    """The request's bytes, or none where the general client has to send it."""
    if request.method != "GET" or request.body or request.trace or request.oauth2 or request.public_only:
        return None
    if request.socket:
        return None
    if proxy_of(request):
        return None
    if _URL.fullmatch(request.url) is None or "@" in request.url.partition("//")[2].partition("/")[0]:
        return None
    try:
        parts = urlsplit(request.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if not parts.hostname:
        return None
    lines = [f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in request.headers)]
    if request.basic_auth is not None:
        auth = request.basic_auth
        token = base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode("ascii")
        lines.append(f"Authorization: Basic {token}")
    names = {name.lower() for name, _ in request.headers}
    if names & _OWN_HEADERS or any(_HEADER.fullmatch(line) is None for line in lines):
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    text = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""])
    return Prepared(request, (parts.scheme, parts.hostname, port, request.tls), text.encode("latin-1"))


class Exchange:
    """One request under way.

    Attributes:
        connection: that waits for the answer; none while one is being opened.
        fresh: the connection was opened for this request: if it is closed on us, there is no second try.

    """

    __slots__ = ("began", "connection", "done", "fresh", "opening", "prepared", "reply", "started", "timer")

    def __init__(self, prepared: Prepared, reply: HttpReply, started: int, began: float) -> None:
        self.prepared = prepared
        self.reply = reply
        self.started = started
        self.began = began
        self.fresh = False
        self.done = False
        self.connection: Connection | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.opening: asyncio.Task[None] | None = None


class Connection(asyncio.BufferedProtocol):
    """One kept connection; used by one exchange at a time."""

    def __init__(self, client: LeanClient, origin: Origin) -> None:
        self.origin = origin
        self.since = 0.0
        self.exchange: Exchange | None = None
        self.transport: asyncio.Transport | None = None
        self._client = client
        self._socket: socket.socket | None = None
        self._mark = 1
        self._reset()

    def _reset(self) -> None:
        self._pending = b""
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._body: bytearray | None = None
        self._view = memoryview(b"")
        self._filled = 0

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self.transport = transport
        if self.origin[0] == "http" and sys.platform == "linux":
            self._socket = transport.get_extra_info("socket")

    def send(self, exchange: Exchange) -> None:
        """Send a request; the connection is idle."""
        self.exchange = exchange
        exchange.connection = self
        assert self.transport is not None  # noqa: S101 - connection_made comes first
        self.transport.write(exchange.prepared.data)

    def get_buffer(self, _hint: int) -> memoryview:
        """Where to put what comes: into the body itself once its length is known."""
        if self._body is not None and self._head is not None and self._head.length is not None:
            return self._view[self._filled :]
        return self._client.scratch

    def buffer_updated(self, count: int) -> None:
        """Take what came."""
        if self.exchange is None:
            # Nobody asked: whatever it is, it must not become the answer to the next request.
            self.close()
            return
        try:
            if self._body is not None and self._head is not None and self._head.length is not None:
                self._filled += count
                if self._filled == self._head.length:
                    self._finish(self._head, bytes(self._body), surplus=False)
                else:
                    self._wait_for(self._head.length - self._filled)
            else:
                self._take(bytes(self._client.scratch[:count]))
        except BadMessage as error:
            self._fail("protocol", str(error))
        except TooLarge:
            limit = self.exchange.prepared.request.max_bytes
            self._fail("too_large", f"the body is larger than the limit of {limit} bytes")

    def eof_received(self) -> None:
        """The server has said all it will say."""

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._client.forget(self)
        exchange, head = self.exchange, self._head
        if exchange is None or exchange.done:
            return
        if isinstance(error, ssl.SSLError):
            self._fail("tls", str(error))
        elif head is not None and head.length is None and self._chunks is None and error is None:
            self._finish(head, bytes(self._body or b""), surplus=True)
        elif head is not None:
            self._fail("protocol", "the answer ended before its announced end")
        elif self._pending or exchange.fresh:
            self._fail("protocol", f"the server closed the connection {_how(self._pending)}")
        else:
            self.exchange = None
            self._client.open(exchange)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        """More of the head, of a chunked body, or of one that ends with the connection."""
        while self._head is None:
            data = self._pending + data if self._pending else data
            begin = end_of_head(data)
            if (begin < 0 and len(data) > MAX_HEAD) or begin > MAX_HEAD:
                msg = f"more than {MAX_HEAD} bytes of headers"
                raise BadMessage(msg)
            if begin < 0:
                self._pending = data
                _look_like_http(data)
                return
            head = read_head(data[:begin])
            data, self._pending = data[begin:], b""
            if head.status == 101:
                msg = "the server switches to another protocol"
                raise BadMessage(msg)
            # Interim answers are followed by the real one.
            if head.status >= 200:
                self._begin_body(head)
        self._take_body(self._head, data)

    def _begin_body(self, head: Head) -> None:
        assert self.exchange is not None  # noqa: S101 - only an exchange gets this far
        limit = self.exchange.prepared.request.max_bytes
        if limit and head.length is not None and head.length > limit:
            raise TooLarge
        self._head = head
        if head.chunked:
            self._chunks = Chunks()

    def _take_body(self, head: Head, data: bytes) -> None:
        assert self.exchange is not None  # noqa: S101 - only an exchange gets this far
        limit = self.exchange.prepared.request.max_bytes
        if self._chunks is not None:
            self._chunks.feed(data)
            if limit and self._chunks.size > limit:
                raise TooLarge
            if self._chunks.done:
                self._finish(head, self._chunks.body(), surplus=self._chunks.surplus)
        elif head.length is None:
            self._body = bytearray() if self._body is None else self._body
            self._body += data
            if limit and len(self._body) > limit:
                raise TooLarge
        elif len(data) >= head.length:
            self._finish(head, data[: head.length], surplus=len(data) > head.length)
        else:
            self._body = bytearray(head.length)
            self._body[: len(data)] = data
            self._view = memoryview(self._body)
            self._filled = len(data)
            self._wait_for(head.length - len(data))

    def _wait_for(self, count: int) -> None:
        """Let the system wake us when much of a large body has come, or all of it, not for every packet."""
        mark = min(count, _SCRATCH) if count >= _WORTH_WAITING else 1
        if self._socket is not None and mark != self._mark:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
            self._mark = mark

    # -- ends ------------------------------------------------------------------------------------------------------

    def _finish(self, head: Head, body: bytes, *, surplus: bool) -> None:
        exchange = self.exchange
        assert exchange is not None  # noqa: S101 - only an exchange gets this far
        self._wait_for(1)
        self.exchange = None
        self._reset()
        if head.keep and not surplus:
            self._client.keep(self)
        else:
            self.close()
        self._client.answer(exchange, head, body)

    def _fail(self, kind: str, message: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            self._client.fail(exchange, kind, message)

    def close(self) -> None:
        """Without a farewell: nothing is under way that the server would have to hear of."""
        if self.transport is not None:
            self.transport.abort()


def _how(pending: bytes) -> str:
    return "within the headers of its answer" if pending else "without an answer"


def _look_like_http(data: bytes) -> None:
    if data[:5] != b"HTTP/"[: len(data)]:
        msg = f"not an HTTP/1.1 answer: {data[:60]!r}"
        raise BadMessage(msg)


class LeanClient:
    """Keeps connections and sends prepared requests over them; all of it in the loop's thread.

    Args:
        general: sends a request that needs more than we can.

    """

    def __init__(self, general: Callable[[HttpRequest, HttpReply, int], None]) -> None:
        self.scratch = memoryview(bytearray(_SCRATCH))
        self._general = general
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._running: set[Exchange] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def begin(self, prepared: Prepared, reply: HttpReply, started: int) -> None:
        """Start an exchange."""
        if prepared.elsewhere:
            self._general(prepared.request, reply, started)
            return
        exchange = Exchange(prepared, reply, started, time.perf_counter())
        self._running.add(exchange)
        loop = asyncio.get_running_loop()
        exchange.timer = loop.call_later(prepared.request.timeout / 1000, self._expire, exchange)
        idle = self._idle.get(prepared.origin)
        if idle:
            idle.pop().send(exchange)
        else:
            self.open(exchange)

    def open(self, exchange: Exchange) -> None:
        """Open a connection for an exchange."""
        exchange.fresh = True
        task = exchange.opening = asyncio.get_running_loop().create_task(self._connect(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, exchange: Exchange) -> None:
        scheme, host, port, tls = origin = exchange.prepared.origin
        try:
            context = tls_context(tls) if scheme == "https" else None
            name = ((tls.server_name if tls else "") or host) if context else None
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self, origin), host, port, ssl=context, server_hostname=name
            )
        except (OSError, ValueError) as error:
            if not exchange.done:
                self.fail(exchange, *_explain(error, host, port))
            return
        self._open.add(connection)
        if exchange.done:
            connection.close()
        else:
            connection.send(exchange)

    def _expire(self, exchange: Exchange) -> None:
        if exchange.opening is not None:
            exchange.opening.cancel()
        if exchange.connection is not None and exchange.connection.exchange is exchange:
            exchange.connection.exchange = None
            exchange.connection.close()
        self.fail(exchange, "timeout", f"no whole answer within {exchange.prepared.request.timeout / 1000:g} s")

    def fail(self, exchange: Exchange, kind: str, message: str) -> None:
        """End an exchange without an answer."""
        if not exchange.done:
            took = time.perf_counter() - exchange.began
            self._end(exchange)
            exchange.reply(PortError(kind, message, took, exchange.started))

    def answer(self, exchange: Exchange, head: Head, body: bytes) -> None:
        """End an exchange with what came."""
        request = exchange.prepared.request
        if head.status in _REDIRECTS and request.follow_redirects and "location" in head.headers:
            exchange.prepared.elsewhere = True
            self._end(exchange)
            self._general(request, exchange.reply, exchange.started)
            return
        encoding = head.headers.get("content-encoding", "")
        if encoding and body:
            try:
                body = decompress(body, encoding, request.max_bytes)
            except TooLarge:
                self.fail(exchange, "too_large", f"the body is larger than the limit of {request.max_bytes} bytes")
                return
            except BadEncoding as error:
                self.fail(exchange, "protocol", str(error))
                return
        took = time.perf_counter() - exchange.began
        self._end(exchange)
        exchange.reply(
            HttpResponse(
                head.status,
                head.headers,
                body,
                took,
                exchange.started,
                http_version=head.version,
                final_url=request.url,
            )
        )

    def _end(self, exchange: Exchange) -> None:
        exchange.done = True
        self._running.discard(exchange)
        if exchange.timer is not None:
            exchange.timer.cancel()

    # -- connections -----------------------------------------------------------------------------------------------

    def keep(self, connection: Connection) -> None:
        """A connection can be used again."""
        loop = asyncio.get_running_loop()
        connection.since = loop.time()
        self._idle.setdefault(connection.origin, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(_KEEP_ALIVE / 4, self._close_unused)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)
            if not idle:
                del self._idle[connection.origin]

    def _close_unused(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        for connection in [c for idle in self._idle.values() for c in idle]:
            if loop.time() - connection.since > _KEEP_ALIVE:
                self.forget(connection)
                connection.close()
        if self._open:
            self._sweep = loop.call_later(_KEEP_ALIVE / 4, self._close_unused)

    async def close(self, why: str) -> None:
        """Answer everybody who waits, and close all connections."""
        if self._sweep is not None:
            self._sweep.cancel()
        for task in list(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for exchange in list(self._running):
            self.fail(exchange, "other", why)
        for connection in list(self._open):
            connection.exchange = None
            connection.close()


def _explain(error: OSError | ValueError, host: str, port: int) -> tuple[str, str]:
    """Kind and text of a connection that could not be opened."""
    match error:
        case socket.gaierror():
            return "dns", f"cannot resolve {host}: {error.strerror or error}"
        case UnicodeError():
            return "dns", f"cannot resolve {host}: not a host name"
        case ssl.SSLError():
            return "tls", str(error)
        case ConnectionRefusedError():
            return "refused", f"connection refused by {host}:{port}"
        case ValueError():
            return "protocol", str(error)
        case _ if "Connect call failed" in str(error) and "Errno 111" in str(error):
            return "refused", f"connection refused by {host}:{port}"
        case _:
            return "other", str(error)
