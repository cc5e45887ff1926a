from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
import threading
import time
import zlib

import cramjam
import pytest
from aiohttp import web

from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.ports import BasicAuth, HttpRequest, HttpResponse, PortError, Tls

TEXT = b"x 1\n" * 1000


async def plain(_request):
    return web.Response(body=TEXT, content_type="text/plain")


def test_a_body_comes_back_with_what_is_known_about_it(servers, fetch):
    address = servers.web(plain)
    answer = fetch(HttpRequest("GET", f"http://{address}/metrics"))
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body, answer.redirects, answer.http_version) == (200, TEXT, 0, "1.1")
    assert answer.headers["content-type"] == "text/plain"
    assert 0 < answer.duration < 10
    assert abs(answer.started_at - time.time() * 1000) < 60_000


def test_connections_are_kept(servers, fetch):
    seen = set()

    async def handler(request):
        seen.add(request.transport.get_extra_info("peername"))
        return web.Response(text="x 1\n")

    address = servers.web(handler)
    for _ in range(5):
        assert fetch(HttpRequest("GET", f"http://{address}/")).status == 200
    assert len(seen) == 1


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "br": lambda body: bytes(cramjam.brotli.compress(body)),
    "identity": lambda body: body,
    "deflate, gzip": lambda body: gzip.compress(zlib.compress(body)),
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_compressed_bodies_are_opened(servers, fetch, encoding):
    async def handler(_request):
        return web.Response(body=ENCODERS[encoding](TEXT), headers={"Content-Encoding": encoding})

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", max_bytes=len(TEXT)))
    assert answer.body == TEXT


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_limit_holds_for_what_comes_out(servers, fetch, encoding):
    async def handler(_request):
        return web.Response(body=ENCODERS[encoding](TEXT), headers={"Content-Encoding": encoding})

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", max_bytes=len(TEXT) - 1))
    assert isinstance(answer, PortError)
    assert answer.kind == "too_large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br", "lzma"])
def test_junk_in_an_encoding_is_an_error(servers, fetch, encoding):
    async def handler(_request):
        return web.Response(body=b"junkjunkjunk", headers={"Content-Encoding": encoding})

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", max_bytes=1000))
    assert isinstance(answer, PortError)
    assert answer.kind == "protocol"


def test_a_bomb_is_refused_without_being_blown_up(servers, fetch):
    bomb = gzip.compress(bytes(200 << 20), 9)

    async def handler(_request):
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", max_bytes=1 << 20))
    assert answer.kind == "too_large"


@pytest.mark.parametrize("announced", [True, False])
def test_fifty_megabytes(servers, fetch, announced):
    sent = 0

    async def handler(request):
        nonlocal sent
        response = web.StreamResponse()
        if announced:
            response.content_length = 50 << 20
        await response.prepare(request)
        try:
            for _ in range(50):
                await response.write(bytes(1 << 20))
                sent += 1 << 20
        except ConnectionError:
            pass
        return response

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", max_bytes=1 << 20))
    assert answer.kind == "too_large"
    assert sent < 50 << 20


def test_one_byte_a_second_ends_with_the_timeout(servers, fetch):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(b"x")
                await asyncio.sleep(0.1)
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    answer = fetch(HttpRequest("GET", f"http://{servers.web(handler)}/", timeout=500))
    assert answer.kind == "timeout"
    assert "0.5 s" in answer.message
    assert 0.4 < answer.duration < 8


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", "protocol"),
        (b"\x00\xffjunk\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx 1", "protocol"),
    ],
    ids=["nothing", "junk", "cut off"],
)
def test_servers_that_speak_something_else(servers, fetch, sent, kind):
    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    answer = fetch(HttpRequest("GET", f"http://{servers.raw(handler)}/", max_bytes=1000))
    assert isinstance(answer, PortError)
    assert answer.kind == kind


def test_silence_is_a_timeout(servers, fetch):
    async def handler(reader, writer):
        await reader.read()
        writer.close()

    assert fetch(HttpRequest("GET", f"http://{servers.raw(handler)}/", timeout=300)).kind == "timeout"


def test_no_server(fetch):
    answer = fetch(HttpRequest("GET", "http://127.0.0.1:1/"))
    assert (answer.kind, answer.message) == ("refused", "connection refused by 127.0.0.1:1")


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/", "not a url", "http://127.0.0.1:99999/"])
def test_bad_urls_get_an_answer_too(fetch, url):
    assert fetch(HttpRequest("GET", url)).kind in {"protocol", "other", "dns"}


def test_a_name_that_does_not_exist(fetch):
    assert fetch(HttpRequest("GET", "http://no-such-host.invalid/")).kind == "dns"


async def echo(request):
    return web.json_response(
        {"headers": dict(request.headers), "method": request.method, "body": (await request.read()).decode()}
    )


def test_authentication_headers_and_body(servers, fetch):
    import json

    address = servers.web(echo)
    answer = fetch(
        HttpRequest("POST", f"http://{address}/", (("X-Me", "1"),), b"hello", basic_auth=BasicAuth("ünï", "pä:ss"))
    )
    seen = json.loads(answer.body)
    kind, _, token = seen["headers"]["Authorization"].partition(" ")
    assert (kind, base64.b64decode(token).decode()) == ("Basic", "ünï:pä:ss")
    assert (seen["method"], seen["body"], seen["headers"]["X-Me"]) == ("POST", "hello", "1")
    answer = fetch(HttpRequest("GET", f"http://{address}/", (("Authorization", "Bearer t"),)))
    assert json.loads(answer.body)["headers"]["Authorization"] == "Bearer t"


def test_who_stands_in_the_url_comes_first(servers, fetch):
    import json

    address = servers.web(echo)
    for more in ({"basic_auth": BasicAuth("me", "x")}, {"headers": (("authorization", "Bearer t"),)}, {}):
        answer = fetch(HttpRequest("POST", f"http://you:pass@{address}/a@b", body=b"x", **more))
        assert json.loads(answer.body)["headers"]["Authorization"] == "Basic " + base64.b64encode(b"you:pass").decode()
    # An @ behind the host names nobody.
    answer = fetch(HttpRequest("POST", f"http://{address}?to=a@b", body=b"x", headers=(("authorization", "Bearer t"),)))
    assert json.loads(answer.body)["headers"]["Authorization"] == "Bearer t"


def test_redirects_are_followed_where_asked(servers, fetch):
    async def handler(request):
        if request.path == "/":
            raise web.HTTPFound("/there")
        if request.path == "/loop":
            raise web.HTTPFound("/loop")
        return web.Response(text=request.path)

    address = servers.web(handler)
    answer = fetch(HttpRequest("GET", f"http://{address}/"))
    assert (answer.status, answer.body, answer.redirects) == (200, b"/there", 1)
    assert answer.final_url.endswith("/there")
    assert fetch(HttpRequest("GET", f"http://{address}/", follow_redirects=False)).status == 302
    assert "redirects" in fetch(HttpRequest("GET", f"http://{address}/loop")).message


def test_tls_is_verified(servers, fetch, server_context, ca_pem):
    address = servers.web(plain, server_context)
    url = f"https://{address}/"
    assert fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem))).body == TEXT
    assert fetch(HttpRequest("GET", url)).kind == "tls"
    assert fetch(HttpRequest("GET", url, tls=Tls(insecure_skip_verify=True))).status == 200
    assert fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem, server_name="elsewhere"))).kind == "tls"
    assert fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem, server_name="localhost"))).status == 200


def test_mutual_tls(servers, fetch, server_context, ca, ca_pem):
    server_context.verify_mode = ssl.CERT_REQUIRED
    url = f"https://{servers.web(plain, server_context)}/"
    client = ca.issue_cert("me@example.org")
    cert = "".join(b.bytes().decode() for b in client.cert_chain_pems)
    key = client.private_key_pem.bytes().decode()
    assert fetch(HttpRequest("GET", url, tls=Tls(ca_pem, cert, key))).status == 200
    assert isinstance(fetch(HttpRequest("GET", url, tls=Tls(ca_pem))), PortError)


@pytest.mark.parametrize("tls", [Tls(ca_pem="junk"), Tls(cert_pem="junk", key_pem="junk")])
def test_broken_certificates_are_an_error_of_the_request(fetch, tls):
    answer = fetch(HttpRequest("GET", "https://127.0.0.1:1/", tls=tls))
    assert isinstance(answer, PortError)
    assert answer.kind in {"tls", "other"}


def test_a_trace_tells_phases_and_certificate(servers, fetch, server_context, ca_pem):
    address = servers.web(plain, server_context)
    url = f"https://localhost:{address.rpartition(':')[2]}/"
    answer = fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem), trace=True))
    phases = dict(answer.phases)
    assert list(phases) == ["resolve", "connect", "tls", "processing", "transfer"]
    assert phases["tls"] > 0
    assert phases["connect"] > 0
    assert sum(phases.values()) <= answer.duration * 1.01
    assert answer.tls_version.startswith("TLS 1.")
    assert all(end > time.time() for end in answer.tls_not_after)
    assert answer.peer == "127.0.0.1"
    again = fetch(HttpRequest("GET", url, tls=Tls(ca_pem=ca_pem), trace=True))
    assert dict(again.phases)["tls"] > 0, "a traced request has a connection of its own"


def test_a_trace_of_plain_http(servers, fetch):
    answer = fetch(HttpRequest("GET", f"http://{servers.web(plain)}/", trace=True))
    assert dict(answer.phases)["tls"] == 0
    assert (answer.tls_version, answer.tls_not_after) == ("", ())


def test_a_proxy_is_used(servers, fetch):
    asked = []

    async def proxy(request):
        asked.append(str(request.url))
        return web.Response(text="from the proxy")

    address = servers.web(proxy)
    answer = fetch(HttpRequest("GET", "http://target.invalid/metrics", proxy_url=f"http://{address}"))
    assert answer.body == b"from the proxy"
    assert asked == ["http://target.invalid/metrics"]


def test_everybody_gets_one_reply_at_shutdown(servers):
    async def handler(reader, writer):
        await reader.read()
        writer.close()

    address = servers.raw(handler)
    io = IoLoop()
    client = HttpClient(io)
    replies = []
    done = threading.Semaphore(0)

    def reply(answer):
        replies.append(answer)
        done.release()

    for _ in range(20):
        client.submit(HttpRequest("GET", f"http://{address}/"), reply)
    io.close()
    client.submit(HttpRequest("GET", f"http://{address}/"), reply)
    for _ in range(21):
        assert done.acquire(timeout=60)
    assert len(replies) == 21
    assert {r.message for r in replies} == {"shutting down"}
