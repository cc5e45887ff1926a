"""Real servers on loopback, each in the background loop of its own."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from typing import Any

import pytest
import trustme
from aiohttp import web

from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop


class Servers:
    """Starts servers in one thread and stops them at the end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.stops: list[Any] = []

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def web(self, handler: Any, context: ssl.SSLContext | None = None) -> str:
        """An HTTP server that answers everything with one handler; gives host:port."""

        async def start() -> str:
            runner = web.ServerRunner(web.Server(handler))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            self.stops.append(runner.cleanup)
            return f"127.0.0.1:{runner.addresses[0][1]}"

        return self.do(start())

    def raw(self, handler: Any) -> str:
        """A TCP server; the handler gets (reader, writer)."""

        async def start() -> str:
            server = await asyncio.start_server(handler, "127.0.0.1", 0)

            async def stop() -> None:
                server.close()

            self.stops.append(stop)
            return "127.0.0.1:" + str(server.sockets[0].getsockname()[1])

        return self.do(start())

    def close(self) -> None:
        for stop in self.stops:
            self.do(asyncio.wait_for(stop(), 60))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)


@pytest.fixture
def servers():
    made = Servers()
    yield made
    made.close()


@pytest.fixture
def io():
    loop = IoLoop()
    yield loop
    loop.close()


@pytest.fixture
def fetch(io):
    """Sends a request and waits for its one reply."""
    client = HttpClient(io)

    def send(request: Any) -> Any:
        return wait(lambda reply: client.submit(request, reply))

    return send


def wait(submit: Any, timeout: float = 60.0) -> Any:
    replies: queue.Queue[Any] = queue.Queue()
    submit(replies.put)
    answer = replies.get(timeout=timeout)
    assert replies.empty()
    return answer


@pytest.fixture(scope="session")
def ca():
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_pem(ca):
    return ca.cert_pem.bytes().decode()


@pytest.fixture
def server_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    ca.configure_trust(context)
    return context
