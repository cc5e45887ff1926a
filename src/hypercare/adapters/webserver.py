"""uvicorn, at rest when nobody asks."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY: Final = 0.5


def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets with every address of a host, not listening yet: to know early that it can be had.

    Raises:
        OSError: an address is taken, or is none of this machine.

    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            made.append(one)
            # A port of connections that have just ended can be had again.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


class QuietServer(uvicorn.Server):
    """Looks twice a second whether it is to end.

    uvicorn's own loop looks ten times: on an idle machine that costs as much as scraping ten thousand samples a second.
    """

    def __init__(self, config: uvicorn.Config, settled: Callable[[], None] | None = None) -> None:
        """Make a server.

        Args:
            config: what to serve, and where.
            settled: called once, a moment after the server is ready.

        """
        super().__init__(config)
        self._settled = settled

    async def main_loop(self) -> None:
        """Wait for the end."""
        # Every tenth tick renews the Date header; ours all do.
        while not await self.on_tick(0):
            await asyncio.sleep(_LOOK_EVERY)
            if self._settled is not None:
                settled, self._settled = self._settled, None
                settled()
