"""Questions to DNS that the system's resolver does not answer: other records, a named server."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

if TYPE_CHECKING:
    from hypercare.ports import DnsQuery

DnsRecords: TypeAlias = tuple[str, tuple[tuple[str, str, str, int], ...], int, int]
"""The code; name, type, text and port (0: none) of each answer; how many authorities and additional records came."""


async def ask(query: DnsQuery) -> DnsRecords:
    """The answer.

    Raises:
        TimeoutError: there was none in time.
        OSError, ValueError: it cannot be asked, or what came is no answer.

    """
    try:
        return _answer(await _by_message(query))
    except dns.exception.Timeout:
        raise TimeoutError from None
    except dns.exception.DNSException as error:
        raise ValueError(str(error) or type(error).__name__) from None


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


def _answer(message: dns.message.Message) -> DnsRecords:
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
