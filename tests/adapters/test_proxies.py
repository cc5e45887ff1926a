from __future__ import annotations

import pytest
from aiohttp import web

from hypercare.adapters.proxies import goes_around
from hypercare.ports import HttpRequest

CASES = [
    ("http://example.org/", "example.org", True),
    ("http://a.example.org/", "example.org", True),
    ("http://badexample.org/", "example.org", False),
    ("http://example.org/", ".example.org", False),
    ("http://a.example.org/", ".example.org", True),
    ("http://a.example.org/", "*.example.org", True),
    ("http://EXAMPLE.org./", "example.ORG", True),
    ("http://example.org:8080/", "example.org:8080", True),
    ("http://example.org/", "example.org:8080", False),
    ("https://example.org/", "example.org:443", True),
    ("http://10.1.2.3/", "10.0.0.0/8", True),
    ("http://10.1.2.3/", "192.168.0.0/16, 10.1.2.3", True),
    ("http://10.1.2.3:99/", "10.1.2.3:98", False),
    ("http://10.1.2.3/", "1.2.3", False),
    ("http://[fd00::1]:80/", "fd00::/8", True),
    ("http://[fd00::1]:80/", "[fd00::1]:80", True),
    ("http://[fd00::1]/", "fd00::1", True),
    ("http://anything/", "*", True),
    ("http://localhost:9090/", "x", True),
    ("http://127.0.0.2/", "x", True),
    ("http://example.org/", ", ,bad/net", False),
]


@pytest.mark.parametrize(("url", "no_proxy", "expected"), CASES)
def test_who_needs_no_proxy(url, no_proxy, expected):
    assert goes_around(url, no_proxy) is expected


def test_requests_go_around_the_proxy(servers, fetch):
    async def direct(_request):
        return web.Response(text="direct")

    async def proxy(_request):
        return web.Response(text="from the proxy")

    through = f"http://{servers.web(proxy)}"
    url = f"http://{servers.web(direct)}/"
    assert fetch(HttpRequest("GET", url, proxy_url=through)).body == b"from the proxy"
    assert fetch(HttpRequest("GET", url, proxy_url=through, no_proxy="example.org")).body == b"direct"
    far = HttpRequest("GET", "http://far.invalid/", proxy_url=through, no_proxy="example.org")
    assert fetch(far).body == b"from the proxy"
