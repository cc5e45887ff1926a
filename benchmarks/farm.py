"""Many targets in one small process: ``python -m benchmarks.farm TARGETS SERIES [gzip]`` prints its ports as JSON and serves.

Of the series of a target half are counters that grow, a quarter gauges with two decimals, a quarter constants: about what
exporters show. Values depend on the time alone, so that every scraper sees the same. With ``gzip`` answers are compressed
for whoever asks for that, as most exporters do.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import resource
import sys
import time

_BEGAN = time.time()


class Target(asyncio.Protocol):
    """One connection to one target: every request, whatever it asks for, is answered with the metrics."""

    def __init__(self, template: str, counters: list[float], gauges: list[float], *, compress: bool) -> None:
        self._compress = compress
        self._template = template
        self._counters = counters
        self._gauges = gauges
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, self._pending = self._pending.split(b"\r\n\r\n", 1)
            self._transport.write(self._answer(compress=self._compress and b"gzip" in head))

    def _answer(self, *, compress: bool) -> bytes:
        passed = time.time() - _BEGAN
        values = [*(int(rate * passed) for rate in self._counters),
                  *(50 + 10 * math.sin(passed / 60 + phase) for phase in self._gauges)]  # fmt: skip
        body = (self._template % tuple(values)).encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
        if compress:
            body = gzip.compress(body, 6)
            head += "Content-Encoding: gzip\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def template(series: int) -> tuple[str, int, int]:
    """The exposition with places for values, and how many counters and gauges it has."""
    counters, gauges = series // 2, series // 4
    lines = []
    for n in range(series):
        if n % 10 == 0:
            kind, name = ("counter", f"app_work_{n // 10}_total") if n < counters else ("gauge", f"app_level_{n // 10}")
            lines += [f"# HELP {name} What the application did or holds.", f"# TYPE {name} {kind}"]
        name = f"app_work_{n // 10}_total" if n < counters else f"app_level_{n // 10}"
        value = "%d" if n < counters else "%.2f" if n < counters + gauges else str(1000 + n)
        lines.append(f'{name}{{method="GET",code="200",handler="/api/v1/things/{n % 10}"}} {value}')
    return "\n".join(lines) + "\n", counters, gauges


async def serve(targets: int, series: int, *, compress: bool) -> None:
    """Listen on as many ports as there are targets, until killed."""
    text, counters, gauges = template(series)
    loop = asyncio.get_running_loop()
    ports = []
    for n in range(targets):
        rates = [1 + (n + k) % 40 for k in range(counters)]
        phases = [n + k / 7 for k in range(gauges)]
        server = await loop.create_server(
            lambda rates=rates, phases=phases: Target(text, rates, phases, compress=compress),  # type: ignore[misc]
            "127.0.0.1", 0,
        )  # fmt: skip
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), compress="gzip" in sys.argv[3:]))
