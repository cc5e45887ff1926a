"""Requests that may go to public addresses only knock on no private door, whatever the name resolves to."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from hypercare.adapters.fakes import FakeServer
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.public import is_public
from hypercare.channels.fake import Reply, Trouble
from hypercare.channels.webhook.fake import FakeWebhook
from hypercare.ports import HttpRequest, HttpResponse, PortError

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "198.18.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    # Mapped addresses are not routed as such; what they stand for is.
    assert is_public(address) or address.startswith("::ffff:")


def test_allowed_networks():
    assert is_public("10.1.2.3", ("192.0.2.0/24", "10.1.0.0/16", "fd00::/8"))
    assert not is_public("10.2.2.3", ("10.1.0.0/16", "fd00::/8"))
    assert is_public("fd00::7", ("10.1.0.0/16", "fd00::/8"))


@pytest.fixture
def client():
    io = IoLoop("public")
    http = HttpClient(io)

    def ask(request):
        done, found = threading.Event(), []
        http.submit(request, lambda answer: (found.append(answer), done.set()))
        assert done.wait(60)
        return found[0]

    yield ask
    io.close()


def test_nothing_arrives_at_a_private_address(client):
    with FakeServer(FakeWebhook()) as server:
        port = server.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"):
            request = HttpRequest("POST", f"http://{host}:{port}/x", body=b"{}", public_only=True, timeout=20_000)
            answer = client(request)
            assert isinstance(answer, PortError), host
            assert host in {"2130706433", "0x7f.1", "[::ffff:127.0.0.1]"} or answer.kind == "forbidden", (host, answer)
        assert isinstance(client(HttpRequest("GET", f"http://127.0.0.1:{port}/x", public_only=True)), PortError)
        assert server.fake.requests == []
        allowed = dataclasses.replace(request, url=f"http://localhost:{port}/x", allowed=("127.0.0.0/8",))
        assert isinstance(client(allowed), HttpResponse)
        # A connection that is kept open for those who may is none for the others.
        assert isinstance(client(dataclasses.replace(allowed, allowed=())), PortError)


def test_a_redirect_is_an_answer_and_is_not_followed(client):
    with FakeServer(FakeWebhook()) as inner, FakeServer(FakeWebhook()) as outer:
        outer.fake.trouble(Trouble(Reply(307, b"", (("location", inner.url),))))
        request = HttpRequest(
            "POST", f"{outer.url}/x", body=b"{}", public_only=True, allowed=("127.0.0.0/8",), follow_redirects=False
        )
        assert client(request).status == 307
        assert inner.fake.requests == []
