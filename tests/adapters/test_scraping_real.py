"""The collectors over real connections: a target that behaves badly harms only its own ``up``."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest
from aiohttp import web

from hypercare.adapters.host import SystemHost
from hypercare.adapters.http import HttpClient
from hypercare.adapters.mailer import SmtpMailer
from hypercare.adapters.network import SystemNetwork
from hypercare.adapters.processes import SystemProcesses
from hypercare.adapters.realtime import RealtimeDriver
from hypercare.adapters.system import StreamConsole, SystemClock, SystemFiles, SystemIds
from hypercare.collectors import CollectorsService, OwnMetrics
from hypercare.collectors.discovery import StaticDiscovery
from hypercare.collectors.scrape.http_source import HttpSources
from hypercare.collectors.scrape.job import Job, Limits
from hypercare.collectors.setups import JobSetup
from hypercare.kernel import Kernel, Outbox
from hypercare.ports import Ports
from hypercare.state import State
from hypercare.tsdb import Tsdb


@dataclasses.dataclass(frozen=True)
class Apply:
    setup: JobSetup


@pytest.fixture
def collect(io):
    ports = Ports(
        SystemClock(), SystemIds(), HttpClient(io), SmtpMailer(), SystemNetwork(io), SystemHost(), SystemFiles(),
        StreamConsole(), SystemProcesses(),
    )  # fmt: skip
    kernel = Kernel(State.open(None), ports, Outbox(None))
    service = CollectorsService(ports, Tsdb.open(None), OwnMetrics())
    service.register(kernel)
    kernel.on_message(Apply, lambda ctx, message: service.apply(ctx, (message.setup,)))
    driver = RealtimeDriver(kernel)
    kernel.start()
    driver.start()

    def run(*addresses: str, **settings: Any) -> CollectorsService:
        job = Job("j", 1_000, 400, HttpSources(ports.http), **settings)
        kernel.call(Apply(JobSetup(job, (StaticDiscovery(tuple((("__address__", a),) for a in addresses)),)))).result(
            60
        )
        return service

    yield run
    driver.stop()


async def drip(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(50):
        await response.write(b"x")
        await asyncio.sleep(1)
    return response


async def flood(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for i in range(50):
        await response.write(b"x_%d 1\n" % i * (1 << 17))
    return response


async def junk(_request):
    return web.Response(body=bytes(range(256)) * 100)


async def nothing(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def silence(reader, writer):
    await reader.read()
    writer.close()


async def good(_request):
    return web.Response(text="x 1\n")


def test_bad_neighbours(servers, collect):
    address = servers.web(good)
    bad = {
        servers.web(drip): "no whole answer within 0.4 s",
        servers.web(flood): "larger than the limit",
        servers.web(junk): "line 1",
        servers.raw(nothing): "without an answer",
        servers.raw(silence): "no whole answer within 0.4 s",
        "127.0.0.1:1": "refused",
    }
    service = collect(address, *bad, limits=Limits(body_size=1 << 20))
    until = time.monotonic() + 60
    told: dict[str, set[str]] = {a: set() for a in bad}
    found: dict[str, Any] = {}
    # At one look all are what they should be; on a busy machine any scrape may take longer than its time.
    while True:
        assert time.monotonic() < until, (found, told)
        time.sleep(0.1)
        found = {t.labels.get("instance"): t for t in service.snapshot().active}
        assert [a for a in bad if a in found and found[a].health == "up"] == []
        for a in bad.keys() & found.keys():
            told[a].add(found[a].last_error)
        healthy = {a: (t.health, t.last_error) for a, t in found.items()}.get(address)
        down = [a for a in bad if a in found and found[a].health == "down"]
        said = [a for a, text in bad.items() if any(text in each for each in told[a])]
        if healthy == ("up", "") and len(down) == len(said) == len(bad):
            break
