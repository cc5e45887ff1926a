"""Ports into the virtual world."""

from __future__ import annotations

import random
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from hypercare.ports import (
    DnsAnswer,
    DnsQuery,
    HttpReply,
    HttpRequest,
    Mail,
    MailResult,
    PortError,
    Ports,
    Reading,
    TcpProbe,
    TcpResult,
)
from hypercare.sim.clusters import VirtualStreams
from hypercare.sim.processes import VirtualProcesses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.sim.clock import VirtualClock
    from hypercare.sim.world import World

_MAIL_TAKES = 200
_LOOKUP_TAKES = 2


class VirtualIds:
    """Identifiers and chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"ids-{seed}")

    def new(self) -> str:
        """32 hex digits."""
        return f"{self._random.getrandbits(128):032x}"

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


class VirtualHttp:
    """Requests go to the world's hosts."""

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, request: HttpRequest, reply: HttpReply) -> None:
        """Start an exchange in virtual time."""
        self._world.exchange(request, reply)


class VirtualMailer:
    """Keeps every mail in ``sent``; ``failing`` gives the answer of a server that refuses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent: list[Mail] = []
        self.failing: MailResult | None = None

    def submit(self, mail: Mail, reply: Callable[[MailResult], None]) -> None:
        """Deliver in virtual time."""
        result = self.failing or MailResult(ok=True, code=250, message="OK")
        if result.ok:
            self.sent.append(mail)
        self._world.after(_MAIL_TAKES, lambda: reply(result))


class VirtualNetwork:
    """Names and ports of the virtual world; whatever is not listed does not exist."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.records: dict[tuple[str, str], tuple[tuple[str, str, str, int], ...]] = {}
        self.open_ports: dict[tuple[str, int], TcpResult] = {}

    def resolve(self, query: DnsQuery, reply: Callable[[DnsAnswer | PortError], None]) -> None:
        """Look up in ``records`` by (name, type)."""
        answers = self.records.get((query.name, query.record_type))
        rcode = "NXDOMAIN" if answers is None else "NOERROR"
        answer = DnsAnswer(rcode, answers or (), duration=_LOOKUP_TAKES / 1000)
        self._world.after(_LOOKUP_TAKES, lambda: reply(answer))

    def connect(self, probe: TcpProbe, reply: Callable[[TcpResult], None]) -> None:
        """Look up in ``open_ports`` by (host, port)."""
        known = self.open_ports.get((probe.host, probe.port))
        result = known or TcpResult(ok=False, duration=0.001, error="connection refused")
        self._world.after(_LOOKUP_TAKES, lambda: reply(result))


class VirtualHost:
    """A machine whose readings are set by the scenario."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.readings: tuple[Reading, ...] = ()

    def submit(self, reply: Callable[[tuple[Reading, ...]], None]) -> None:
        """Read."""
        readings = self.readings
        self._world.after(1, lambda: reply(readings))


class VirtualFiles:
    """Files in memory; what is not there is read from the disk, read only."""

    def __init__(self, files: Mapping[Path, bytes] | None = None) -> None:
        self.files: dict[Path, bytes] = dict(files or {})
        self._changes: dict[Path, int] = {}

    def write(self, path: Path, content: bytes) -> None:
        """Put a file; its stamp changes."""
        self.files[path] = content
        self._changes[path] = self._changes.get(path, 0) + 1

    def read(self, path: Path) -> bytes:
        """The content."""
        known = self.files.get(path)
        return path.read_bytes() if known is None else known

    def glob(self, pattern: str) -> list[Path]:
        """Paths that fit, sorted."""
        return sorted({p for p in self.files if fnmatch(str(p), pattern)} | set(_disk_glob(pattern)))

    def stamp(self, path: Path) -> tuple[int, int]:
        """(count of changes, size) of a file in memory, or of one on the disk (never changing)."""
        known = self.files.get(path)
        if known is not None:
            return (self._changes.get(path, 0) + 1, len(known))
        return (1, path.stat().st_size) if path.exists() else (0, 0)


def _disk_glob(pattern: str) -> list[Path]:
    path = Path(pattern)
    return sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []


class RecordingConsole:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def virtual_ports(clock: VirtualClock, world: World, seed: int = 0, files: Mapping[Path, bytes] | None = None) -> Ports:
    """All ports, leading into one virtual world."""
    return Ports(
        clock=clock,
        ids=VirtualIds(seed),
        http=VirtualHttp(world),
        mailer=VirtualMailer(world),
        network=VirtualNetwork(world),
        host=VirtualHost(world),
        files=VirtualFiles(files),
        console=RecordingConsole(),
        processes=VirtualProcesses(world),
        streams=VirtualStreams(world),
    )
