"""One answer that does not end, read line by line over aiohttp."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from hypercare.adapters.decompress import TooLarge, decompress
from hypercare.adapters.general import context_of, explain, headers_of
from hypercare.adapters.proxies import proxy_of
from hypercare.ports import HttpResponse, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.adapters.http import HttpClient
    from hypercare.ports import HttpRequest

_CONNECT: Final = 10.0
"""Seconds that opening the connection may take."""
_LONGEST_LINE: Final = 64 << 20
ENDED: Final = "ended by us"


class Reading:
    """One exchange under way; used in the loop's thread."""

    def __init__(self, client: HttpClient, request: HttpRequest, line: Callable[[bytes], None]) -> None:
        self._client = client
        self._request = request
        self._line = line
        self._rest = bytearray()
        self._task: asyncio.Task[None] | None = None
        self.ended = False
        self.started = time.time_ns() // 1_000_000

    def end(self) -> None:
        """Cut the line."""
        self.ended = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> HttpResponse | PortError:
        """The whole exchange."""
        self._task = asyncio.current_task()
        began = time.perf_counter()
        if self.ended:
            return PortError("other", ENDED, 0.0, self.started)
        try:
            request = await self._client.general().log_in(self._request)
            if isinstance(request, PortError):
                return request
            return await self._read(request, began)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            kind, text = explain(error, self._request)
            if isinstance(error, TimeoutError):
                text = f"nothing came for {self._request.timeout / 1000:g} s"
            return PortError(kind, text, time.perf_counter() - began, self.started)

    async def _read(self, request: HttpRequest, began: float) -> HttpResponse:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=request.timeout / 1000)
        async with (
            self._client.general()
            .session_for(request)
            .request(
                request.method,
                request.url,
                headers=headers_of(request),
                data=request.body or None,
                allow_redirects=request.follow_redirects,
                timeout=limits,
                ssl=context_of(request),
                server_hostname=(request.tls.server_name or None) if request.tls else None,
                proxy=proxy_of(request) or None,
            ) as response
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = b""
            if response.status == 200:
                await self._take_lines(response)
            else:
                body = await response.content.read(request.max_bytes or _LONGEST_LINE)
                body = decompress(body, headers.get("content-encoding", ""), request.max_bytes)
            return HttpResponse(response.status, headers, body, time.perf_counter() - began, self.started)

    async def _take_lines(self, response: aiohttp.ClientResponse) -> None:
        longest = self._request.max_bytes or _LONGEST_LINE
        self._line(b"")
        async for chunk in response.content.iter_any():
            self._rest += chunk
            *whole, rest = self._rest.split(b"\n")
            if len(rest) > longest:
                raise TooLarge
            self._rest = bytearray(rest)
            for each in whole:
                if each:
                    self._line(bytes(each))
        if self._rest:
            self._line(bytes(self._rest))
