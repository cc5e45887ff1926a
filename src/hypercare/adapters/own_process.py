"""This process, under the names that Prometheus' client libraries use."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

_AFTER_NAME: Final = 3
"""Number, in proc(5), of the first field of ``stat`` behind the name, which may itself hold spaces and brackets."""
_START_TIME, _VIRTUAL, _RESIDENT = 22 - _AFTER_NAME, 23 - _AFTER_NAME, 24 - _AFTER_NAME


class SystemProcess:
    """This process. Implements ``ports.OwnProcess``; where there is no procfs, only what the system tells without.

    Args:
        proc: where procfs is mounted.

    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._own = proc / "self"
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._booted = _booted(proc / "stat")

    def readings(self) -> tuple[Reading, ...]:
        """Time of processor, memory, file descriptors, start; takes some 50 µs, in any thread."""
        return tuple(self._all())

    def _all(self) -> Iterator[Reading]:
        used = time.process_time()
        yield _one("process_cpu_seconds_total", "counter", "Processor time used, user and system, in seconds.", used)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = float("inf") if limit == resource.RLIM_INFINITY else float(limit)
        yield _one("process_max_fds", "gauge", "Most file descriptors that may be open.", most)
        try:
            fields = (self._own / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            # One of them is the directory's own while it is read.
            descriptors = sum(1 for _ in (self._own / "fd").iterdir()) - 1
        except OSError:
            return
        yield _one("process_open_fds", "gauge", "Open file descriptors.", descriptors)
        resident = int(fields[_RESIDENT]) * self._page
        yield _one("process_resident_memory_bytes", "gauge", "Resident memory.", resident)
        yield _one("process_virtual_memory_bytes", "gauge", "Virtual memory.", int(fields[_VIRTUAL]))
        if self._booted:
            start = self._booted + int(fields[_START_TIME]) / self._ticks
            yield _one("process_start_time_seconds", "gauge", "Start of the process, seconds since the epoch.", start)


def _one(name: str, kind: str, text: str, value: float) -> Reading:
    return Reading(name, kind, text, (((), value),))


def _booted(stat: Path) -> int:
    """When the machine started, seconds since the epoch; 0: unknown."""
    try:
        lines = stat.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("btime ")), 0)
