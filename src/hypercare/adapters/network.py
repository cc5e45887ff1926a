"""DNS look-ups and bare connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from hypercare.adapters.tls import not_after, tls_context, tls_version
from hypercare.ports import DnsAnswer, DnsQuery, PortError, TcpProbe, TcpResult

if TYPE_CHECKING:
    from collections.abc import Callable

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
                answer = _answer(await _by_message(query))
    except (TimeoutError, dns.exception.Timeout):
        text = f"no answer for {query.name} within {query.timeout / 1000:g} s"
        return PortError("timeout", text, time.perf_counter() - began)
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return PortError("dns", f"{query.name}: {error or type(error).__name__}", time.perf_counter() - began)
    rcode, answers, authorities, additionals = answer
    return DnsAnswer(rcode, answers, authorities, additionals, time.perf_counter() - began)


_Answer = tuple[str, tuple[tuple[str, str, str, int], ...], int, int]


async def _by_system(query: DnsQuery) -> _Answer:
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


async def _by_message(query: DnsQuery) -> dns.message.Message:
    seconds = query.timeout / 1000
    if not query.server:
        resolver = dns.asyncresolver.Resolver()
        try:
            found = await resolver.resolve(
                query.name,
                query.record_type,
                lifetime=seconds,
                raise_on_no_answer=False,
                search=True,
                tcp=query.transport == "tcp",
            )
        except dns.resolver.NXDOMAIN as error:
            responses: dict[Any, dns.message.Message] = error.kwargs.get("responses", {})
            if not responses:
                raise
            return next(iter(responses.values()))
        answer: dns.message.Message = found.response
        return answer
    host, port = await _server(query.server)
    message = dns.message.make_query(query.name, query.record_type)
    if query.transport == "tcp":
        return await dns.asyncquery.tcp(message, host, seconds, port)
    response, _ = await dns.asyncquery.udp_with_fallback(message, host, seconds, port)
    return response


async def _server(text: str) -> tuple[str, int]:
    """Address and port of a DNS server given as host:port, host, or a bracketed IPv6 address."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, "53"
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
        return str(found[0][4][0]), int(port)


def _answer(message: dns.message.Message) -> _Answer:
    found: list[tuple[str, str, str, int]] = []
    for records in message.answer:
        name, kind = records.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(records.rdtype)
        for record in records:
            item: Any = record
            if kind == "SRV":
                found.append((name, kind, item.target.to_text(), item.port))
            elif kind == "TXT":
                found.append((name, kind, b"".join(item.strings).decode("utf-8", "replace"), 0))
            else:
                found.append((name, kind, record.to_text(), 0))
    authorities = sum(len(r) for r in message.authority)
    additionals = sum(len(r) for r in message.additional)
    return dns.rcode.to_text(message.rcode()), tuple(found), authorities, additionals


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
