"""Domain events for everybody who watches: server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms

_BACKLOG = 200
_KEEPALIVE_SECONDS = 15.0
# Events whose text holds nothing a watcher could not see on a page anyway.
_FIELDS = (
    "incident_id",
    "title",
    "severity",
    "service",
    "by",
    "person",
    "channel",
    "receiver",
    "reason",
    "error",
    "step",
)


class Live:
    """Hands events from the kernel's thread to the listeners of the web server's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}
        self._closed = False

    def publish(self, at: Ms, event: DomainEvent) -> None:
        """Tell all listeners; called in the kernel's thread after the commit."""
        body = {"at": format_rfc3339(at), "event": event.kind}
        body |= {name: str(value) for name in _FIELDS if (value := getattr(event, name, "")) != ""}
        line = json.dumps(body, ensure_ascii=False)
        self._tell(line)

    def _tell(self, line: str) -> None:
        with self._lock:
            for queue, loop in self._listeners.items():
                # The web server may end while the kernel still works.
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_offer, queue, line)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        self._tell("")

    async def stream(self) -> AsyncIterator[str]:
        """One listener's events in SSE form, with a comment now and then so that proxies keep the line open."""
        queue: asyncio.Queue[str] = asyncio.Queue(_BACKLOG)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        try:
            yield ": welcome\n\n"
            while not self._closed:
                try:
                    line = await asyncio.wait_for(queue.get(), _KEEPALIVE_SECONDS)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if line:
                    yield f"data: {line}\n\n"
        finally:
            with self._lock:
                del self._listeners[queue]


def _offer(queue: asyncio.Queue[str], line: str) -> None:
    # A listener that does not read loses the oldest events; each one only says "look again".
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(line)
