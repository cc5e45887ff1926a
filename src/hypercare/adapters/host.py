"""The machine we run on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hypercare.adapters.ioloop import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.ports import Reading


def hostname() -> str:
    """The machine's name."""
    return socket.gethostname()


def _read() -> tuple[Reading, ...]:
    from hypercare.adapters.host_readings import read_host  # noqa: PLC0415 - psutil is for those who watch their host

    return read_host()


class SystemHost:
    """The machine we run on. Implements ``ports.Host``."""

    def __init__(self) -> None:
        self._workers = Workers("host", 1)

    def submit(self, reply: Callable[[tuple[Reading, ...]], None]) -> None:
        """Read in a worker thread: a hanging network file system must not hold the loop up."""
        self._workers.submit(_read, reply, lambda _why: ())

    def close(self) -> None:
        """Stop; whoever waits gets a reply."""
        self._workers.close()
