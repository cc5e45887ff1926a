"""Sockets that go to public addresses only: so that a templated address cannot make us knock on our own doors.

The address is checked when the connection is made, after the name was resolved: a name that changes what it means
between a check and the connection (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_MARK: Final = "is not a public address, and not among the allowed networks"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenAddressError(OSError):
    """An address that only this machine or its networks reach."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} {_MARK}")


def is_forbidden(error: BaseException) -> bool:
    """Whether a connection failed for that reason (of several addresses the errors come as one text)."""
    return isinstance(error, ForbiddenAddressError) or _MARK in str(error)


def is_public(address: str, allowed: tuple[str, ...] = ()) -> bool:
    """Whether everybody can reach an address, or it is in one of the allowed networks.

    IPv6 addresses that stand for an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by that one, too.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if any(found in network for network in map(ipaddress.ip_network, allowed) if network.version == found.version):
        return True
    return all(one.is_global and not one.is_multicast for one in (found, *_inner(found)))


def _inner(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[_Address] = [a for a in (address.ipv4_mapped, address.sixtofour) if a is not None]
    found += address.teredo or ()
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def public_sockets(allowed: tuple[str, ...]) -> Callable[[tuple[Any, ...]], socket.socket]:
    """A factory of sockets that refuses other addresses.

    Args:
        allowed: networks that are fine all the same.

    """

    def make(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, peer = address
        if not is_public(str(peer[0]), allowed):
            raise ForbiddenAddressError(str(peer[0]))
        return socket.socket(family, kind, protocol)

    return make
