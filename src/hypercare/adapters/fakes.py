"""Pretended receivers behind real sockets: any ``channels.fake.FakeService`` over HTTP, and a mail server."""

from __future__ import annotations

import http.server
import socketserver
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from hypercare.ports import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.channels.fake import FakeService

_MAX_BODY: Final = 8 * 1024 * 1024


class _Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up early is no news."""


class FakeServer:
    """A fake on a port of this machine, served by threads until ``close``; usable with ``with``.

    Args:
        fake: judges the requests, one at a time.
        host: address to listen on.
        port: 0 takes a free one.
        seen: told of each request and the status of its answer (0: the line was cut).

    """

    def __init__(
        self,
        fake: FakeService,
        host: str = "127.0.0.1",
        port: int = 0,
        seen: Callable[[HttpRequest, int], None] = lambda _request, _status: None,
    ) -> None:
        self.fake = fake
        self._lock = threading.Lock()
        self._seen = seen
        self._server = _Threads((host, port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self) -> None:
                outer._meet(self)

            do_PUT = do_PATCH = do_DELETE = do_GET = do_POST  # noqa: N815 - as http.server names them

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def _meet(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        size = min(int(handler.headers.get("Content-Length") or 0), _MAX_BODY)
        headers = tuple(handler.headers.items())
        request = HttpRequest(handler.command, f"{self.url}{handler.path}", headers, handler.rfile.read(size))
        with self._lock:
            reply, delay = self.fake.meet(request, time.time_ns() // 1_000_000)
        if delay:
            time.sleep(delay / 1000)
        self._seen(request, reply.status if reply is not None else 0)
        if reply is None:
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)

    def wait(self) -> None:
        """Until somebody interrupts."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeMailServer:
    """A mail server that keeps what it gets; usable with ``with``.

    Attributes:
        mails: contents, in order.
        envelopes: for each content the commands that named sender and recipients.
        verdicts: answers to the next contents, instead of ``250``; ``b""`` hangs up after taking the mail.
        delay: before each answer to a content, seconds.

    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.mails: list[bytes] = []
        self.envelopes: list[list[bytes]] = []
        self.verdicts: deque[bytes] = deque()
        self.delay = 0.0
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def handle(self) -> None:
                outer._converse(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever hangs up early is no news."""

        self._server = Server((host, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.address = f"{host}:{self._server.server_address[1]}"

    def _converse(self, handler: socketserver.StreamRequestHandler) -> None:
        def say(line: bytes) -> None:
            handler.wfile.write(line + b"\r\n")

        named: list[bytes] = []
        say(b"220 pretended")
        while line := handler.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                say(b"354 go on")
                self.envelopes.append(named)
                named = []
                self.mails.append(b"".join(iter(handler.rfile.readline, b".\r\n")))
                verdict = self.verdicts.popleft() if self.verdicts else b"250 queued"
                time.sleep(self.delay)
                if not verdict:
                    return
                say(verdict)
            elif verb == b"QUIT":
                say(b"221 bye")
                return
            else:
                if verb in {b"MAIL", b"RCPT"}:
                    named.append(line.strip())
                say(b"250 fine")

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def show(fake: FakeService, host: str, port: int) -> None:
    """Run a fake in the foreground and print what arrives, until Ctrl-C."""

    def seen(request: HttpRequest, status: int) -> None:
        body = request.body.decode("utf-8", "replace")
        sys.stdout.write(f"{request.method} {request.url} -> {status}\n{body}\n")
        sys.stdout.flush()

    with FakeServer(fake, host, port, seen) as server:
        sys.stdout.write(f"{type(fake).__name__} listens on {server.url}\n")
        sys.stdout.flush()
        try:
            server.wait()
        except KeyboardInterrupt:
            return
