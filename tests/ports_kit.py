"""Ports for servers that are told where to listen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST, _FEW = 20_000, 1_000
_HELD: list[int] = []
"""Files of the ports this process has given out: locked until it ends."""


def _places() -> range:
    """Ports the system itself gives to nobody: neither to who connects nor to who asks for any port."""
    low, high = 32_768, 60_999
    with contextlib.suppress(OSError, ValueError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    below, above = range(_FIRST, low), range(high + 1, 65_536)
    return max(below, above, key=len)


def free_port() -> int:
    """A port where nobody listens and nobody will: no other worker gets it, and no connection goes out from it.

    A port that was found by binding to port 0 is given away again once that socket is closed, before a server that
    takes a second to start has come to listen there.
    """
    places = _places()
    if len(places) < _FEW:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]
    folder = Path(tempfile.gettempdir()) / f"hypercare-tests-ports-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    # Beginning anywhere, as a port that was just closed may be kept by the system for a minute.
    start = random.SystemRandom().randrange(len(places))
    for number in (*places[start:], *places[:start]):
        held = os.open(folder / str(number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("", number))
        except OSError:
            os.close(held)
        else:
            _HELD.append(held)
            return number
    msg = "all ports are taken"
    raise OSError(msg)
