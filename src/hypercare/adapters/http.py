"""The one HTTP client: a lean way for plain GETs, as scrapes are, and aiohttp for everything else."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from hypercare.adapters.ioloop import CLOSING
from hypercare.adapters.lean import LeanClient, Prepared, prepare
from hypercare.ports import PortError

if TYPE_CHECKING:
    from hypercare.adapters.general import General
    from hypercare.adapters.ioloop import IoLoop
    from hypercare.ports import HttpReply, HttpRequest, HttpResponse

_ROOM: Final = 1024
"""Prepared requests that are kept before unused ones are looked for."""


class HttpClient:
    """Sends requests over kept connections; traced ones over a connection of their own.

    Implements ``ports.Http``.
    """

    def __init__(self, io: IoLoop) -> None:
        self._io = io
        self._loaded: General | None = None
        self._lean = LeanClient(self._general)
        self._prepared: dict[int, Prepared] = {}
        self._room = _ROOM
        self._waiting: deque[tuple[Prepared, HttpReply, int]] = deque()
        self._woken = False
        io.at_close(self._close)

    def submit(self, request: HttpRequest, reply: HttpReply) -> None:
        """Start an exchange; ``reply`` is called once, in the loop's thread."""
        started = time.time_ns() // 1_000_000
        known = self._prepared.get(id(request))
        # The request is kept with its bytes, so that its id stays its own.
        prepared = known if known is not None and known.request is request else self._prepare(request)
        if prepared is None:
            self._general(request, reply, started)
            return
        prepared.used = True
        self._waiting.append((prepared, reply, started))
        # The loop is woken once for all requests that wait; the flag falls before they are taken.
        if not self._woken:
            self._woken = True
            if not self._io.call(self._drain):
                self._woken = False
                self._refuse()

    def _prepare(self, request: HttpRequest) -> Prepared | None:
        made = prepare(request)
        if made is not None:
            if len(self._prepared) >= self._room:
                self._forget_unused()
            self._prepared[id(request)] = made
        return made

    def _forget_unused(self) -> None:
        """Requests of targets that are gone; those in use are asked for again before the next time."""
        for key, prepared in list(self._prepared.items()):
            if not prepared.used:
                self._prepared.pop(key, None)
            prepared.used = False
        self._room = max(_ROOM, 2 * len(self._prepared))

    def _drain(self) -> None:
        self._woken = False
        while self._waiting:
            self._lean.begin(*self._waiting.popleft())

    def _refuse(self) -> None:
        while self._waiting:
            _, reply, started = self._waiting.popleft()
            reply(PortError("other", CLOSING, 0.0, started))

    def _general(self, request: HttpRequest, reply: HttpReply, started: int) -> None:
        self._io.submit(lambda: self._send(request, started), reply, lambda why: PortError("other", why, 0.0, started))

    async def _send(self, request: HttpRequest, started: int) -> HttpResponse | PortError:
        return await self.general().send(request, started)

    def general(self) -> General:
        """The way over aiohttp; only in the loop's thread."""
        if self._loaded is None:
            from hypercare.adapters.general import General  # noqa: PLC0415 - 10 MB, for those who do more than scrape

            self._loaded = General()
        return self._loaded

    @staticmethod
    def load() -> None:
        """Load what the first page over HTTP needs (0.2 s), so that it does not wait for it; from any thread."""
        from hypercare.adapters.general import General  # noqa: F401, PLC0415 - as above

    async def _close(self) -> None:
        await self._lean.close(CLOSING)
        if self._loaded is not None:
            await self._loaded.close()
