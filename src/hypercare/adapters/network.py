"""DNS look-ups and bare connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING

from hypercare.adapters.tls import not_after, tls_context, tls_version
from hypercare.ports import DnsAnswer, DnsQuery, PortError, TcpProbe, TcpResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.adapters.dns_messages import DnsRecords
    from hypercare.adapters.ioloop import IoLoop

_RECORDS = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


class SystemNetwork:
    """Asks the system's resolver (or a named server), and opens connections. Implements ``ports.Network``."""

    def __init__(self, io: IoLoop) -> None:
        self._io = io

    def resolve(self, query: DnsQuery, reply: Callable[[DnsAnswer | PortError], None]) -> None:
        """Ask DNS; ``reply`` is called once."""
        self._io.submit(lambda: _resolve(query), reply, lambda why: PortError("other", why))

    def connect(self, probe: TcpProbe, reply: Callable[[TcpResult], None]) -> None:
        """Try a connection; ``reply`` is called once."""
        self._io.submit(lambda: _connect(probe), reply, lambda why: TcpResult(ok=False, duration=0.0, error=why))


async def _resolve(query: DnsQuery) -> DnsAnswer | PortError:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(query.timeout / 1000):
            if not query.server and query.record_type in _RECORDS:
                answer = await _by_system(query)
            else:
                from hypercare.adapters import dns_messages  # noqa: PLC0415 - 2 MB, for those who ask DNS

                answer = await dns_messages.ask(query)
    except TimeoutError:
        text = f"no answer for {query.name} within {query.timeout / 1000:g} s"
        return PortError("timeout", text, time.perf_counter() - began)
    except (OSError, ValueError) as error:
        return PortError("dns", f"{query.name}: {error or type(error).__name__}", time.perf_counter() - began)
    rcode, answers, authorities, additionals = answer
    return DnsAnswer(rcode, answers, authorities, additionals, time.perf_counter() - began)


async def _by_system(query: DnsQuery) -> DnsRecords:
    """As every program of this machine resolves: hosts file, search domains, all that."""
    loop = asyncio.get_running_loop()
    kind = query.record_type
    try:
        found = await loop.getaddrinfo(query.name, None, family=_RECORDS[kind], type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            return "NXDOMAIN", (), 0, 0
        if error.errno == getattr(socket, "EAI_ADDRFAMILY", None):
            return "NOERROR", (), 0, 0
        raise
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    return "NOERROR", tuple((query.name, kind, address, 0) for address in addresses), 0, 0


async def _connect(probe: TcpProbe) -> TcpResult:
    began = time.perf_counter()
    writer: asyncio.StreamWriter | None = None
    try:
        context = tls_context(probe.tls) if probe.tls is not None else None
        name = (probe.tls.server_name or probe.host) if probe.tls is not None else None
        async with asyncio.timeout(probe.timeout / 1000):
            _, writer = await asyncio.open_connection(probe.host, probe.port, ssl=context, server_hostname=name)
        duration = time.perf_counter() - began
        address = str(writer.get_extra_info("peername", ("",))[0])
        secured = writer.get_extra_info("ssl_object")
        if secured is None:
            return TcpResult(ok=True, duration=duration, address=address)
        return TcpResult(
            ok=True,
            duration=duration,
            address=address,
            tls_not_after=not_after(secured),
            tls_version=tls_version(secured),
        )
    except TimeoutError:
        text = f"no connection within {probe.timeout / 1000:g} s"
        return TcpResult(ok=False, duration=time.perf_counter() - began, error=text)
    except (OSError, ValueError, ssl.SSLError) as error:
        return TcpResult(ok=False, duration=time.perf_counter() - began, error=str(error))
    finally:
        if writer is not None:
            # Without waiting for the peer's farewell: what was to be learned is learned.
            writer.transport.abort()
