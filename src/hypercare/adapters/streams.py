"""Answers that do not end, read line by line as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.adapters.http import HttpClient
    from hypercare.adapters.ioloop import IoLoop
    from hypercare.ports import HttpReply, HttpRequest, HttpResponse


class HttpStreams:
    """Reads lines over connections of the general client.

    Implements ``ports.Streams``.
    """

    def __init__(self, io: IoLoop, client: HttpClient) -> None:
        self._io = io
        self._client = client

    def open(self, request: HttpRequest, line: Callable[[bytes], None], reply: HttpReply) -> Callable[[], None]:
        """Start an exchange; the function that is returned ends it early."""
        from hypercare.adapters.lines import ENDED, Reading  # noqa: PLC0415 - loads aiohttp

        reading = Reading(self._client, request, line)

        def lost(why: str) -> HttpResponse | PortError:
            return PortError("other", ENDED if reading.ended else why, 0.0, reading.started)

        self._io.submit(reading.run, reply, lost)

        def end() -> None:
            self._io.call(reading.end)

        return end
