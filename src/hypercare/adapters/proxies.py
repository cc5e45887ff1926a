"""Which requests go around a proxy: ``no_proxy`` as Go reads it (golang.org/x/net/http/httpproxy)."""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from hypercare.ports import HttpRequest

_PORTS = {"http": 80, "https": 443}


def proxy_of(request: HttpRequest) -> str:
    """The proxy that a request goes through, or an empty text."""
    if not request.proxy_url or not request.no_proxy:
        return request.proxy_url
    return "" if goes_around(request.url, request.no_proxy) else request.proxy_url


@functools.lru_cache(maxsize=4096)
def goes_around(url: str, no_proxy: str) -> bool:
    """Whether a URL is one of those that need no proxy.

    Args:
        url: of the request.
        no_proxy: names, addresses and networks, separated by commas. ``example.org`` is it and all below it,
            ``.example.org`` what is below it, ``*`` everything; a port restricts an entry to itself. Loopback needs no
            proxy in any case.

    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip(".").lower(), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return False
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_fits(entry.strip().lower(), host, address, port) for entry in no_proxy.split(","))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _fits(entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, given = entry.rpartition(":")
    if colon and given.isdigit() and (":" not in name or name.endswith("]")):
        if int(given) != port:
            return False
        entry = name
    if not entry:
        return False
    if address is not None:
        return _address(entry) == address
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith("." + entry)
