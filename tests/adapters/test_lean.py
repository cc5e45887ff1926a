"""Kept connections to servers that behave, misbehave, close, and come back."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import itertools
import json
import socket
import threading
import time

import pytest
from aiohttp import web

from hypercare.adapters import http as adapter
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.lean import prepare
from hypercare.ports import BasicAuth, HttpRequest, HttpResponse, PortError, Tls

OK = b"HTTP/1.1 200 OK\r\n"


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def answers(*sent: bytes, closing: bool = True, pause: float = 0.0):
    """A server whose n-th answer on a connection is the n-th text, in pieces where a pause is given."""

    async def handler(reader, writer):
        try:
            for data in sent:
                await reader.readuntil(b"\r\n\r\n")
                pieces = [data[i : i + 1] for i in range(len(data))] if pause else [data]
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    if pause:
                        await asyncio.sleep(pause)
            if closing:
                writer.close()
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    return handler


GOOD = {
    "length": (OK + b"Content-Length: 4\r\n\r\nx 1\n", b"x 1\n"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nx \r\n2\r\n1\n\r\n0\r\n\r\n", b"x 1\n"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nx 1\n\r\n0\r\nA: b\r\n\r\n", b"x 1\n"),
    "until the end": (OK + b"\r\nx 1\n", b"x 1\n"),
    "nothing until the end": (OK + b"\r\n", b""),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nx 1\n", b"x 1\n"),
    "two interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + OK + b"Content-Length: 4\r\n\r\nx 1\n", b"x 1\n"),
    "old": (b"HTTP/1.0 200 OK\r\n\r\nx 1\n", b"x 1\n"),
    "bare line ends": (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nx 1\n", b"x 1\n"),
    "surplus": (OK + b"Content-Length: 4\r\n\r\nx 1\nSURPLUS", b"x 1\n"),
    "gzip": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x 1\n"), b"x 1\n"),
}


@pytest.mark.parametrize("pause", [0.0, 0.0005])
@pytest.mark.parametrize("name", GOOD)
def test_answers_in_every_framing(servers, fetch, name, pause):
    sent, body = GOOD[name]
    answer = fetch(HttpRequest("GET", f"http://{servers.raw(answers(sent, pause=pause))}/", max_bytes=100))
    assert (answer.status, answer.body) == (200, body)


BAD = {
    "cut off": (OK + b"Content-Length: 10\r\n\r\nx 1", "ended before"),
    "cut off chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nx 1", "ended before"),
    "garbage chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx 1", "size of a chunk"),
    "long chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nx 1\r\n0\r\n\r\n", "longer than it says"),
    "length": (OK + b"Content-Length: ten\r\n\r\n", "content length"),
    "lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "differ"),
    "head": (OK + b"Content-Type: text", "within the headers"),
    "endless headers": (OK + b"X: y\r\n" * 50_000, "65536 bytes of headers"),
    "one endless header": (OK + b"X: " + b"y" * 200_000, "65536 bytes of headers"),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "another protocol"),
    "no protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP/1.1 answer"),
    "nothing": (b"", "without an answer"),
    "cut off gzip": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x 1\n" * 100)[:20], "cut off"),
}


@pytest.mark.parametrize("name", BAD)
def test_answers_that_are_none(servers, fetch, name):
    sent, text = BAD[name]
    answer = fetch(HttpRequest("GET", f"http://{servers.raw(answers(sent))}/", max_bytes=100_000))
    assert isinstance(answer, PortError)
    assert answer.kind == "protocol"
    assert text in answer.message


@pytest.mark.parametrize(
    "sent", [b"Content-Length: 2000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n", b"\r\n"]
)
def test_limits_hold_in_every_framing(servers, fetch, sent):
    answer = fetch(HttpRequest("GET", f"http://{servers.raw(answers(OK + sent + b'x' * 2000))}/", max_bytes=1000))
    assert (answer.kind, "1000 bytes" in answer.message) == ("too_large", True)


def test_large_bodies_come_whole(servers, fetch):
    body = b"".join(b'x{n="%d"} 1\n' % i for i in range(200_000))
    asked = itertools.count()

    async def handler(_request):
        # A large one and a small one on the same connection, in turn.
        return web.Response(body=body if next(asked) % 2 == 0 else b"x 1\n")

    address = servers.web(handler)
    for i in range(4):
        answer = fetch(HttpRequest("GET", f"http://{address}/"))
        assert isinstance(answer, HttpResponse), answer
        assert answer.body == (body if i % 2 == 0 else b"x 1\n")


def test_a_connection_that_was_closed_meanwhile_is_opened_again(servers, fetch):
    address = servers.raw(answers(OK + b"Content-Length: 4\r\n\r\nx 1\n", b""))
    for _ in range(4):
        assert fetch(HttpRequest("GET", f"http://{address}/")).body == b"x 1\n"


def test_a_server_that_always_closes_gets_two_requests_at_most(servers, fetch):
    seen = []

    async def handler(reader, writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        if len(seen) == 1:
            writer.write(OK + b"Content-Length: 4\r\n\r\nx 1\n")
            seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    request = HttpRequest("GET", f"http://{servers.raw(handler)}/")
    assert fetch(request).status == 200
    assert "without an answer" in fetch(request).message
    assert len(seen) == 3


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(servers, fetch):
    stray = OK + b"Content-Length: 4\r\n\r\nbad\n"
    taken, hung_up = threading.Event(), threading.Semaphore(0)

    async def handler(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"Content-Length: 4\r\n\r\nx 1\n")
            await asyncio.to_thread(taken.wait, 60)
            writer.write(stray)
            await reader.read()
        hung_up.release()

    request = HttpRequest("GET", f"http://{servers.raw(handler)}/")
    for _ in range(3):
        taken.clear()
        assert fetch(request).body == b"x 1\n"
        taken.set()
        assert hung_up.acquire(timeout=60), "whoever says what nobody asked for is hung up on"


def test_a_late_answer_is_not_taken_for_the_next(servers, fetch):
    asked = itertools.count(1)

    async def handler(request):
        n = next(asked)
        await asyncio.sleep(0.6 if n == 1 else 0)
        return web.Response(text=f"x {n}\n")

    request = HttpRequest("GET", f"http://{servers.web(handler)}/", timeout=300)
    assert fetch(request).kind == "timeout"
    time.sleep(0.5)
    assert fetch(dataclasses.replace(request, timeout=60_000)).body == b"x 2\n"


def test_requests_in_parallel_have_connections_of_their_own(servers, io):
    peers, all_there = set(), asyncio.Event()

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        if len(peers) == 8:
            all_there.set()
        # Nobody is answered before all have come.
        await asyncio.wait_for(all_there.wait(), 30)
        return web.Response(text=request.path)

    address, client = servers.web(handler), HttpClient(io)
    found, done = {}, threading.Semaphore(0)
    for i in range(8):
        client.submit(
            HttpRequest("GET", f"http://{address}/{i}"), lambda a, i=i: (found.update({i: a}), done.release())
        )
    for _ in range(8):
        assert done.acquire(timeout=60)
    assert {i: a.body for i, a in found.items()} == {i: f"/{i}".encode() for i in range(8)}
    assert len(peers) == 8


def test_what_is_sent(servers, fetch):
    async def echo(request):
        return web.json_response([request.method, request.path_qs, dict(request.headers)])

    address = servers.web(echo)
    request = HttpRequest(
        "GET", f"http://{address}/m%41?a[]=b&a[]=%20c", (("Accept", "text/plain"), ("X-Name", "größe")),
        basic_auth=BasicAuth("ü", "p:w"),
    )  # fmt: skip
    method, path, headers = json.loads(fetch(request).body)
    assert (method, path) == ("GET", "/m%41?a[]=b&a[]=%20c")
    assert headers["Host"] == address
    assert headers["Authorization"] == "Basic w7w6cDp3"
    assert sorted(headers) == ["Accept", "Authorization", "Host", "X-Name"]


OTHERS = [
    HttpRequest("POST", "http://h/"),
    HttpRequest("GET", "http://h/", body=b"x"),
    HttpRequest("GET", "http://h/", trace=True),
    HttpRequest("GET", "http://h/", proxy_url="http://p/"),
    HttpRequest("GET", "http://user:pw@h/"),
    HttpRequest("GET", "ftp://h/"),
    HttpRequest("GET", "http://h/a b"),
    HttpRequest("GET", "http://h:99999/"),
    HttpRequest("GET", "http://bücher.example/"),
    HttpRequest("GET", "http://h/", (("Host", "other"),)),
    HttpRequest("GET", "http://h/", (("X", "a\r\nEvil: b"),)),
    HttpRequest("GET", "http://h/", (("X Y", "a"),)),
    HttpRequest("GET", "http:///path"),
]


@pytest.mark.parametrize("request_", OTHERS, ids=str)
def test_what_is_left_to_the_general_client(request_):
    assert prepare(request_) is None


def test_a_redirect_is_remembered(servers, fetch, io):
    paths = []

    async def handler(request):
        paths.append(request.path)
        if request.path == "/":
            raise web.HTTPFound("/there")
        return web.Response(text="x 1\n")

    request = HttpRequest("GET", f"http://{servers.web(handler)}/")
    for _ in range(2):
        answer = fetch(request)
        assert (answer.body, answer.redirects) == (b"x 1\n", 1)
    assert paths == ["/", "/", "/there", "/", "/there"]


def test_a_name_with_several_addresses(servers, fetch, monkeypatch):
    address = servers.raw(answers(OK + b"Content-Length: 4\r\n\r\nx 1\n"))
    port = int(address.rpartition(":")[2])
    real = socket.getaddrinfo

    def several(host, *args, **kwargs):
        if host == "several.test":
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
                for ip in ("127.0.0.9", "127.0.0.8", "127.0.0.1")
            ]
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", several)
    assert fetch(HttpRequest("GET", f"http://several.test:{port}/")).body == b"x 1\n"


def test_tls_connections_are_kept_too(servers, fetch, server_context, ca_pem):
    peers = set()

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=b"x 1\n" * 50_000)

    url = f"https://{servers.web(handler, server_context)}/"
    for _ in range(3):
        assert fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem))).body == b"x 1\n" * 50_000
    assert len(peers) == 1


def test_requests_of_targets_that_are_gone_are_forgotten(servers, io, monkeypatch):
    monkeypatch.setattr(adapter, "_ROOM", 10)
    client = HttpClient(io)
    client._room = 10
    address = servers.raw(answers(OK + b"Content-Length: 4\r\n\r\nx 1\n"))
    for i in range(100):
        done = threading.Event()
        client.submit(HttpRequest("GET", f"http://{address}/{i}"), lambda _, done=done: done.set())
        assert done.wait(60)
    assert len(client._prepared) <= 25


def test_threads_that_submit_while_the_loop_closes_all_get_an_answer(servers):
    address = servers.web(lambda _request: asyncio.sleep(0.01, web.Response(text="x 1\n")))
    io = IoLoop()
    client = HttpClient(io)
    replies: list[object] = []
    sent = itertools.count()
    stop = threading.Event()

    def submit():
        request = HttpRequest("GET", f"http://{address}/")
        while not stop.is_set():
            next(sent)
            client.submit(request, replies.append)
            time.sleep(0.001)

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: any(isinstance(each, HttpResponse) for each in tuple(replies)))
    io.close()
    until(lambda: any(isinstance(each, PortError) for each in tuple(replies)))
    stop.set()
    for thread in threads:
        thread.join()
    assert len(replies) == next(sent)
    assert {type(r) for r in replies} == {HttpResponse, PortError}
