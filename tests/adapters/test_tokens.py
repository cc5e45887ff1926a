"""OAuth 2.0 client credentials against a server that checks them."""

from __future__ import annotations

import asyncio
import base64
import threading
import time

import pytest
from aiohttp import web

from hypercare.adapters.http import HttpClient
from hypercare.ports import HttpRequest, OAuth2, PortError


class Tokens:
    """A token server and a target that wants its tokens."""

    def __init__(self, servers, *, in_body=False, ends=3600, kind="bearer", pause=0.0):
        self.forms = []
        self.valid = set()
        self.in_body, self.ends, self.kind, self.pause = in_body, ends, kind, pause
        self.url = f"http://{servers.web(self.give)}/token"
        self.target = f"http://{servers.web(self.serve)}/metrics"

    async def give(self, request):
        form = dict(await request.post())
        await asyncio.sleep(self.pause)
        basic = request.headers.get("Authorization", "") == "Basic " + base64.b64encode(b"me:s%2Fh").decode()
        secret = form.get("client_secret") == "s/h" and form.get("client_id") == "me"
        if (secret if self.in_body else basic) is not True:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.forms.append(form)
        token = f"t{len(self.forms)}"
        self.valid.add(token)
        return web.json_response({"access_token": token, "token_type": self.kind, "expires_in": self.ends})

    async def serve(self, request):
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.valid:
            return web.Response(status=401)
        return web.Response(text=token)

    def request(self, **more):
        credentials = OAuth2(self.url, "me", "s/h", **more)
        return HttpRequest("GET", self.target, oauth2=credentials)


@pytest.mark.parametrize("in_body", [False, True])
def test_one_token_serves_many_requests(servers, fetch, in_body):
    world = Tokens(servers, in_body=in_body)
    request = world.request(scopes=("a", "b"), parameters=(("audience", "x"),))
    assert [fetch(request).body for _ in range(3)] == [b"t1"] * 3
    (form,) = world.forms
    assert (form["grant_type"], form["scope"], form["audience"]) == ("client_credentials", "a b", "x")


def test_a_token_that_was_refused_is_not_used_again(servers, fetch):
    world = Tokens(servers)
    assert fetch(world.request()).body == b"t1"
    world.valid.clear()
    assert fetch(world.request()).status == 401
    assert fetch(world.request()).body == b"t2"


def test_a_token_near_its_end_is_replaced(servers, fetch):
    world = Tokens(servers, ends=11)
    assert fetch(world.request()).body == b"t1"
    time.sleep(1.1)  # ten seconds before its end
    assert fetch(world.request()).body == b"t2"


def test_requests_that_come_together_fetch_one_token(servers, io):
    world, client = Tokens(servers, pause=0.2), HttpClient(io)
    found, done = [], threading.Semaphore(0)
    for _ in range(5):
        client.submit(world.request(), lambda answer: (found.append(answer), done.release()))
    for _ in range(5):
        assert done.acquire(timeout=60)
    assert [answer.body for answer in found] == [b"t1"] * 5
    assert len(world.forms) == 1


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [(401, b"{}", "answered 401"), (200, b"junk", "answered 200: junk"), (200, b"[]", "answered 200"),
     (200, b'{"access_token": 5}', "answered 200"), (500, b"oops", "answered 500: oops"),
     (200, b'{"access_token": "x", "expires_in": "soon"}', "answered 200")],
)  # fmt: skip
def test_a_server_that_gives_no_token(servers, fetch, status, body, text):
    async def refuse(_request):
        return web.Response(status=status, body=body)

    credentials = OAuth2(f"http://{servers.web(refuse)}/token", "me", "secret")
    answer = fetch(HttpRequest("GET", "http://127.0.0.1:1/", oauth2=credentials))
    assert isinstance(answer, PortError)
    assert text in answer.message
    assert "secret" not in answer.message


def test_no_token_server(fetch):
    credentials = OAuth2("http://127.0.0.1:1/token", "me", "secret")
    answer = fetch(HttpRequest("GET", "http://127.0.0.1:1/", oauth2=credentials))
    assert (answer.kind, answer.message.startswith("no OAuth 2.0 token from http://127.0.0.1:1/token")) == (
        "refused",
        True,
    )


def test_a_secret_is_not_shown():
    assert "s/h" not in repr(OAuth2("http://t/", "me", "s/h"))
