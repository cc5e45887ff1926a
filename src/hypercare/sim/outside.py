"""The rest of the virtual world: receivers that take whatever they are sent, hosts nobody described, mail, ports."""

from __future__ import annotations

import dataclasses
import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hypercare.ports import HttpResponse, MailResult, PortError, TcpResult
from hypercare.sim.ports import VirtualMailer, VirtualNetwork, virtual_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hypercare.model.time import Ms
    from hypercare.ports import DnsAnswer, DnsQuery, HttpRequest, Mail, Ports, TcpProbe
    from hypercare.sim.clock import VirtualClock
    from hypercare.sim.world import Answer, World

_TAKES: Final = 80
_IDLE: Final = b"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e9\n"


class Outside:
    """Hosts that nobody described: whoever is written to accepts, whoever is read is there and idle.

    Attributes:
        away: patterns of hosts that do not answer now, with the time until which.

    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0
        self.away: list[tuple[str, Ms | None]] = []
        world.elsewhere = self.answer

    def is_away(self, host: str) -> bool:
        """Whether a host does not answer now."""
        now = self._world.clock.now()
        return any(fnmatchcase(host, pattern) and (until is None or now < until) for pattern, until in self.away)

    def answer(self, request: HttpRequest, now: Ms) -> Answer:
        """What a host answers that the scenario does not describe."""
        parts = urlsplit(request.url)
        host = parts.hostname or ""
        if self.is_away(host):
            return PortError("refused", "connection refused", 0.001, now), 1
        if request.method == "GET":
            return HttpResponse(200, {"content-type": "text/plain; version=0.0.4"}, _IDLE, 0.005, now), 5
        if host == "hooks.slack.com" or parts.path.startswith("/services/"):
            return HttpResponse(200, {"content-type": "text/plain"}, b"ok", _TAKES / 1000, now), _TAKES
        self._count += 1
        # One answer that every service people are reached through takes for a yes.
        said = {
            "ok": True, "status": "success", "channel": "C1", "ts": f"{now // 1000}.{self._count:06d}",
            "dedup_key": f"key-{self._count}", "id": str(self._count), "requestId": f"request-{self._count}",
            "result": {"message_id": self._count, "chat": {"id": 1}},
        }  # fmt: skip
        body = json.dumps(said).encode()
        return HttpResponse(200, {"content-type": "application/json"}, body, _TAKES / 1000, now), _TAKES


class OutsideMailer(VirtualMailer):
    """Mail servers, which may be away too."""

    def __init__(self, world: World, outside: Outside) -> None:
        super().__init__(world)
        self._outside = outside

    def submit(self, mail: Mail, reply: Callable[[MailResult], None]) -> None:
        """Deliver, if the server is there."""
        away = self._outside.is_away(mail.host)
        self.failing = MailResult(ok=False, code=0, message="connection refused") if away else None
        super().submit(mail, reply)


class OutsideNetwork(VirtualNetwork):
    """Every name and port is there, but those of hosts that are away."""

    def __init__(self, world: World, outside: Outside) -> None:
        super().__init__(world)
        self._outside = outside
        self._around = world

    def resolve(self, query: DnsQuery, reply: Callable[[DnsAnswer | PortError], None]) -> None:
        """Every name has an address."""
        self.records.setdefault((query.name, query.record_type), ((query.name, query.record_type, "10.0.0.1", 0),))
        super().resolve(query, reply)

    def connect(self, probe: TcpProbe, reply: Callable[[TcpResult], None]) -> None:
        """Open, unless the host is away or its service is down."""
        closed = self._outside.is_away(probe.host) or self._around.is_closed(f"{probe.host}:{probe.port}")
        self.open_ports[probe.host, probe.port] = (
            TcpResult(ok=False, duration=0.001, error="connection refused")
            if closed
            else TcpResult(ok=True, duration=0.002, address=f"10.0.0.1:{probe.port}")
        )
        super().connect(probe, reply)


def outside_ports(
    clock: VirtualClock, world: World, seed: int, files: Mapping[Path, bytes] | None = None
) -> tuple[Ports, Outside]:
    """All ports into a world in which whatever is not described is there."""
    outside = Outside(world)
    ports = virtual_ports(clock, world, seed, files)
    mailer, network = OutsideMailer(world, outside), OutsideNetwork(world, outside)
    return dataclasses.replace(ports, mailer=mailer, network=network), outside
