"""A process that is many targets: ``exporter.py PORT``; ``/t/3`` is the fourth one, ``/served`` what was answered."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from kill_kit.known import exposition

numbers: defaultdict[int, int] = defaultdict(int)
served: list[tuple[float, int, int, float]] = []
"""When, which target, its so-manieth answer, and since when the asking connection stood."""
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.since = time.time()

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if place.path == "/served":
            self._answer(json.dumps(served[int(place.query) :]).encode())
            return
        target = int(place.path.rpartition("/")[2])
        with lock:
            numbers[target] += 1
            number = numbers[target]
        self._answer(exposition(target, number))
        served.append((time.time(), target, number, self.since))

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
