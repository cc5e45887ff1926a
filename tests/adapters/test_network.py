from __future__ import annotations

import asyncio
import contextlib
import queue
import time

import dns.message
import dns.rcode
import dns.rrset
import pytest

from hypercare.adapters.network import SystemNetwork
from hypercare.ports import DnsAnswer, DnsQuery, PortError, TcpProbe, Tls

ZONE = {
    ("web.test.", "A"): ["10.0.0.1", "10.0.0.2"],
    ("web.test.", "AAAA"): ["::1"],
    ("_http._tcp.test.", "SRV"): ["1 2 8080 a.test.", "1 2 8081 b.test."],
    ("test.", "MX"): ["10 mail.test."],
    ("test.", "NS"): ["ns.test."],
    ("test.", "TXT"): ['"one" "two"'],
    ("big.test.", "TXT"): ['"' + "x" * 200 + str(i) + '"' for i in range(20)],
}


def respond(wire: bytes, *, tcp: bool) -> bytes:
    query = dns.message.from_wire(wire)
    question = query.question[0]
    kind = question.rdtype.name
    answer = dns.message.make_response(query)
    records = ZONE.get((question.name.to_text(), kind))
    if records:
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        answer.additional.append(dns.rrset.from_text("extra.test.", 60, "IN", "A", "10.0.0.9"))
    elif question.name.to_text() == "broken.test.":
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif not any(name == question.name.to_text() for name, _ in ZONE):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    if not tcp and len(answer.to_wire()) > 512:
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC
        return short.to_wire()
    return answer.to_wire()


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        if b"silent" not in data:
            self.transport.sendto(respond(data, tcp=False), peer)


@pytest.fixture
def server(servers):
    async def tcp(reader, writer):
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = respond(await reader.readexactly(size), tcp=True)
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        writer.close()

    async def udp(address):
        port = int(address.rpartition(":")[2])
        return await servers.loop.create_datagram_endpoint(Udp, local_addr=("127.0.0.1", port))

    transport = None
    while transport is None:
        address = servers.raw(tcp)
        # The port that is free for one of the two may be somebody's of the other.
        with contextlib.suppress(OSError):
            transport, _ = servers.do(udp(address))
    yield address
    servers.loop.call_soon_threadsafe(transport.close)


@pytest.fixture
def network(io):
    return SystemNetwork(io)


def ask(call, argument):
    replies = queue.Queue()
    call(argument, replies.put)
    answer = replies.get(timeout=60)
    assert replies.empty()
    return answer


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.test", "A", {("web.test", "A", "10.0.0.1", 0), ("web.test", "A", "10.0.0.2", 0)}),
        ("web.test", "AAAA", {("web.test", "AAAA", "::1", 0)}),
        ("_http._tcp.test", "SRV",
         {("_http._tcp.test", "SRV", "a.test.", 8080), ("_http._tcp.test", "SRV", "b.test.", 8081)}),
        ("test", "MX", {("test", "MX", "10 mail.test.", 0)}),
        ("test", "NS", {("test", "NS", "ns.test.", 0)}),
        ("test", "TXT", {("test", "TXT", "onetwo", 0)}),
        ("web.test", "MX", set()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_records_of_a_named_server(network, server, name, kind, expected, transport):
    answer = ask(network.resolve, DnsQuery(name, kind, server, transport=transport))
    assert isinstance(answer, DnsAnswer)
    assert (answer.rcode, set(answer.answers)) == ("NOERROR", expected)
    assert answer.additionals == (1 if expected else 0)
    assert answer.duration > 0


def test_an_answer_too_large_for_udp_is_asked_for_by_tcp(network, server):
    assert len(ask(network.resolve, DnsQuery("big.test", "TXT", server)).answers) == 20


@pytest.mark.parametrize(("name", "rcode"), [("nowhere.test", "NXDOMAIN"), ("broken.test", "SERVFAIL")])
def test_bad_news_is_an_answer(network, server, name, rcode):
    answer = ask(network.resolve, DnsQuery(name, "A", server))
    assert (answer.rcode, answer.answers) == (rcode, ())


def test_silence_is_a_timeout(network, server):
    answer = ask(network.resolve, DnsQuery("silent.test", "A", server, timeout=200))
    assert isinstance(answer, PortError)
    assert answer.kind == "timeout"


@pytest.mark.parametrize("query", [DnsQuery("a" * 300, "A", "127.0.0.1:1"), DnsQuery("x", "NOSUCH", "127.0.0.1:1")])
def test_questions_that_cannot_be_asked(network, query):
    assert ask(network.resolve, query).kind == "dns"


def test_the_systems_resolver_knows_localhost(network):
    answer = ask(network.resolve, DnsQuery("localhost", "A"))
    assert answer.answers == (("localhost", "A", "127.0.0.1", 0),)
    assert ask(network.resolve, DnsQuery("no-such-host.invalid", "A")).rcode == "NXDOMAIN"


async def hold(reader, writer):
    await reader.read()
    writer.close()


def test_tcp(network, servers):
    host, _, port = servers.raw(hold).partition(":")
    result = ask(network.connect, TcpProbe(host, int(port)))
    assert (result.ok, result.address, result.error, result.tls_version) == (True, "127.0.0.1", "", "")
    refused = ask(network.connect, TcpProbe("127.0.0.1", 1))
    assert not refused.ok
    assert refused.error


def test_tls(network, servers, server_context, ca_pem):
    async def start():
        made = await asyncio.start_server(hold, "127.0.0.1", 0, ssl=server_context)
        return made.sockets[0].getsockname()[1]

    port = servers.do(start())
    result = ask(network.connect, TcpProbe("127.0.0.1", port, Tls(ca_pem=ca_pem)))
    assert result.ok
    assert result.tls_version.startswith("TLS 1.")
    assert all(end > time.time() for end in result.tls_not_after)
    assert not ask(network.connect, TcpProbe("127.0.0.1", port, Tls())).ok
    assert ask(network.connect, TcpProbe("127.0.0.1", port, Tls(insecure_skip_verify=True))).tls_not_after


def test_tls_with_a_server_that_says_nothing(network, servers):
    host, _, port = servers.raw(hold).partition(":")
    result = ask(network.connect, TcpProbe(host, int(port), Tls(), timeout=300))
    assert not result.ok
    assert "0.3 s" in result.error
