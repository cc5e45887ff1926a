"""A pretended Kubernetes API behind a real socket."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from hypercare.ports import HttpRequest

if TYPE_CHECKING:
    from hypercare.collectors.discovery.kubernetes.fake import FakeCluster, Watching

_BOOKMARKS: Final = 2.0
"""Seconds between bookmarks: a real server sends them about once a minute."""


class _Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up early is no news."""


class FakeClusterServer:
    """Serves a ``FakeCluster`` on a port of this machine until ``close``; usable with ``with``.

    The cluster is to be changed under ``lock`` once the server runs: ``with server.lock: cluster.put(…)``.
    """

    def __init__(self, cluster: FakeCluster, host: str = "127.0.0.1", port: int = 0) -> None:
        self.cluster = cluster
        self.lock = threading.Condition()
        self._hung_up = 0
        self._closed = False
        cluster.on_change.append(self._wake)
        self._server = _Threads((host, port), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def _wake(self) -> None:
        self.lock.notify_all()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self) -> None:
                outer._meet(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def _meet(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        request = HttpRequest("GET", f"{self.url}{handler.path}", tuple(handler.headers.items()))
        with self.lock:
            status, body, watching = self.cluster.answer(request)
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        if watching is None:
            content = json.dumps(body).encode()
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self._stream(handler, watching)

    def _stream(self, handler: http.server.BaseHTTPRequestHandler, watching: Watching) -> None:
        with self.lock:
            hung_up = self._hung_up
        bookmark = False
        while True:
            with self.lock:
                shown = self.cluster.version
                lines = watching.lines(bookmark=bookmark)
            for line in lines:
                handler.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))
            handler.wfile.flush()
            with self.lock:
                if watching.ended or self._closed or hung_up != self._hung_up:
                    break
                bookmark = self.cluster.version == shown and not self.lock.wait(_BOOKMARKS)
                if self._closed or hung_up != self._hung_up:
                    break
        if not self._closed and hung_up == self._hung_up:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    def hang_up(self) -> None:
        """Cut all watches off in the middle."""
        with self.lock:
            self._hung_up += 1
            self.lock.notify_all()

    def close(self) -> None:
        """Stop listening."""
        with self.lock:
            self._closed = True
            self.lock.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
