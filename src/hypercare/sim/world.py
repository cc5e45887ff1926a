"""What is outside of hypercare in a simulation: hosts that answer requests, and things that happen at their time."""

from __future__ import annotations

import functools
import heapq
import random
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from hypercare.ports import HttpRequest, HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms
    from hypercare.sim.clock import VirtualClock

Answer: TypeAlias = "tuple[HttpResponse | PortError, Ms]"
"""What a host answers, and after how long."""
Handler: TypeAlias = "Callable[[HttpRequest, Ms], Answer]"


class World:
    """Hosts by ``host:port``, and a queue of happenings in (time, sequence) order.

    All chance comes from ``self.random``, seeded: one seed, one world.

    Attributes:
        elsewhere: answers for hosts that are not listed; none: they do not exist.
        closed: addresses whose port does not take connections now, asked for by ``is_closed``.

    """

    def __init__(self, clock: VirtualClock, seed: int = 0) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self._hosts: dict[str, Handler] = {}
        self._queue: list[tuple[Ms, int, Callable[[], None]]] = []
        self._seq = 0
        self.elsewhere: Handler | None = None
        self.closed: list[Callable[[str], bool]] = []

    def is_closed(self, address: str) -> bool:
        """Whether one of the services says that its port is closed."""
        return any(asked(address) for asked in self.closed)

    def host(self, address: str, handler: Handler) -> None:
        """Let ``host:port`` (or a host alone, for the scheme's port) answer requests."""
        self._hosts[address] = handler

    def at(self, when: Ms, happening: Callable[[], None]) -> None:
        """Let something happen at an instant (one that has passed: next)."""
        self._seq += 1
        heapq.heappush(self._queue, (when, self._seq, happening))

    def after(self, delay: Ms, happening: Callable[[], None]) -> None:
        """Let something happen after a while."""
        self.at(self.clock.now() + delay, happening)

    def next_due(self) -> Ms | None:
        """When something happens next."""
        return self._queue[0][0] if self._queue else None

    def happen(self) -> None:
        """Let the earliest happening happen."""
        _, _, happening = heapq.heappop(self._queue)
        happening()

    def exchange(self, request: HttpRequest, reply: Callable[[HttpResponse | PortError], None]) -> None:
        """Answer a request as the addressed host does, no later than its timeout."""
        now = self.clock.now()
        handler = self._hosts.get(_address(request.url), self.elsewhere)
        if handler is None:
            answer: HttpResponse | PortError = PortError(
                "dns", f"no such host in this world: {request.url}", 0.001, now
            )
            delay = 1
        else:
            answer, delay = handler(request, now)
        if delay > request.timeout:
            answer, delay = PortError("timeout", "timed out", request.timeout / 1000, now), request.timeout
        self.at(now + delay, lambda: reply(answer))


@functools.lru_cache(maxsize=4096)
def _address(url: str) -> str:
    """``host:port`` of a URL; the same few are asked again and again."""
    return urlsplit(url).netloc


def ok(body: bytes, now: Ms, duration: float = 0.005, content_type: str = "text/plain; version=0.0.4") -> HttpResponse:
    """A 200 with a body."""
    return HttpResponse(200, {"content-type": content_type}, body, duration, now)
