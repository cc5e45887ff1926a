"""Domain events for everybody who watches: server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

from hypercare.model.time import format_rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hypercare.model.events import DomainEvent
    from hypercare.model.time import Ms

_BACKLOG = 200
_KEEPALIVE_SECONDS = 15.0
_LOOK_SECONDS = 5.0
"""Where another replica ends a session, its listeners on this one are let go after so long."""
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

    def wake(self) -> None:
        """Have all streams look at once whether their listeners may still listen; may be called in any thread."""
        self._tell("")

    async def stream(self, may_listen: Callable[[], bool] | None = None) -> AsyncIterator[str]:
        """One listener's events in SSE form, with a comment now and then so that proxies keep the line open.

        Args:
            may_listen: asked, in another thread, before anything is said and every five seconds; the stream ends with
                the first no. None: for ever.

        """
        queue: asyncio.Queue[str] = asyncio.Queue(_BACKLOG)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        try:
            yield ": welcome\n\n"
            quiet = 0.0
            while not self._closed:
                lines = await _next(queue)
                if may_listen is not None and not await asyncio.to_thread(may_listen):
                    return
                quiet = 0.0 if lines else quiet + _LOOK_SECONDS
                if quiet >= _KEEPALIVE_SECONDS:
                    quiet = 0.0
                    yield ": still here\n\n"
                for line in lines:
                    if line:
                        yield f"data: {line}\n\n"
        finally:
            with self._lock:
                del self._listeners[queue]


async def _next(queue: asyncio.Queue[str]) -> list[str]:
    """All that waits; none where nothing came for a while."""
    try:
        lines = [await asyncio.wait_for(queue.get(), _LOOK_SECONDS)]
    except TimeoutError:
        return []
    while not queue.empty():
        lines.append(queue.get_nowait())
    return lines


def _offer(queue: asyncio.Queue[str], line: str) -> None:
    # A listener that does not read loses the oldest events; each one only says "look again".
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(line)
