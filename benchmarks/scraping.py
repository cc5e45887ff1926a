"""1,000 targets of 100 series every 15 s: ``python benchmarks/scraping.py [TARGETS] [SECONDS]``.

A second process answers for all targets (each has a loopback address of its own); the kernel, the HTTP client and the
store are the real ones. Prints CPU time and memory of the scraping process, and how many scrapes were missed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import psutil

from hypercare.adapters.host import SystemHost
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.mailer import SmtpMailer
from hypercare.adapters.network import SystemNetwork
from hypercare.adapters.processes import SystemProcesses
from hypercare.adapters.realtime import RealtimeDriver
from hypercare.adapters.system import StreamConsole, SystemClock, SystemFiles, SystemIds
from hypercare.collectors import CollectorsService, OwnMetrics
from hypercare.collectors.discovery import StaticDiscovery
from hypercare.collectors.scrape.http_source import HttpSources
from hypercare.collectors.scrape.job import Job
from hypercare.collectors.setups import JobSetup
from hypercare.kernel import Kernel, Outbox
from hypercare.ports import Ports
from hypercare.state import State
from hypercare.tsdb import Tsdb


def serve(ready: multiprocessing.Queue) -> None:
    """Answers every request with 100 samples whose values move."""
    count = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                count += 1
                lines = [
                    f'http_requests_{i // 10}_total{{method="GET",code="200",handler="/api/v1/items/{i}"}} {count * i}'
                    for i in range(100)
                ]
                body = ("\n".join(lines) + "\n").encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "0.0.0.0", 0, backlog=4096)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@dataclasses.dataclass(frozen=True)
class Apply:
    setup: JobSetup


class NoDeliveries:
    def deliver(self, effect, done) -> None:
        raise AssertionError(effect, done)


def main(targets: int = 1000, seconds: int = 60) -> None:
    ready: multiprocessing.Queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ready,), daemon=True)
    server.start()
    port = ready.get(timeout=10)
    io, clock = IoLoop(), SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        tsdb = Tsdb.open(Path(folder))
        ports = Ports(
            clock,
            SystemIds(),
            HttpClient(io),
            SmtpMailer(),
            SystemNetwork(io),
            SystemHost(),
            SystemFiles(),
            StreamConsole(),
            SystemProcesses(),
        )
        kernel = Kernel(State.open(None), ports, Outbox(NoDeliveries()))
        own = OwnMetrics()
        service = CollectorsService(ports, tsdb, own)
        service.register(kernel)
        kernel.on_message(Apply, lambda ctx, m: service.apply(ctx, (m.setup,)))
        kernel.on_timer(
            "flush", lambda ctx, _: (tsdb.flush(ctx.now), ctx.set_timer("f", ctx.now + 1000, "flush", durable=False))
        )
        driver = RealtimeDriver(kernel)
        kernel.start()
        addresses = [f"127.0.{1 + i // 250}.{1 + i % 250}:{port}" for i in range(targets)]
        job = Job("bench", 15_000, 10_000, HttpSources(ports.http), accept="text/plain", compression=False)
        static = StaticDiscovery(tuple((("__address__", a),) for a in addresses))
        kernel.post(Apply(JobSetup(job, (static,))))
        driver.start()
        time.sleep(20)  # every target was new once
        me = psutil.Process()
        before, began = me.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, took = me.cpu_times(), time.monotonic() - began
        cpu = (after.user + after.system - before.user - before.system) / took
        shown = own.render(clock.now()).decode()
        active = service.snapshot().active
        slow = sorted(t.last_scrape_duration for t in active)
        print(
            f"{targets} targets x 100 series every 15 s: {cpu * 100:.1f} % of one core, {me.memory_info().rss >> 20} MB"
        )
        print(
            f"up {sum(t.health == 'up' for t in active)}, median scrape {slow[len(slow) // 2] * 1000:.1f} ms, slowest {slow[-1] * 1000:.1f} ms"
        )
        print(
            "\n".join(
                line for line in shown.splitlines() if line.startswith("hypercare_scrape") and "duration" not in line
            )
        )
        driver.stop()
        io.close()
        tsdb.close()
    server.terminate()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
