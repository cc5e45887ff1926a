"""What is asked of a service, and what the answer says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.collectors.exposition.render import render
from hypercare.collectors.probes import results
from hypercare.ports import DnsQuery, HttpRequest, HttpResponse, TcpProbe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.collectors.scrape.job import HttpSettings, Job
    from hypercare.collectors.scrape.target import Target
    from hypercare.config.services import HealthCheck
    from hypercare.ports import Clock, Http, HttpReply, Network, Reading

MAX_BODY = 16 << 20
"""Most bytes of a body that are looked at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One health check of one service.

    Attributes:
        instance: what is asked, as the ``instance`` label.
        settings: of the HTTP client.

    """

    instance: str
    health: HealthCheck
    settings: HttpSettings


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeSources:
    """Makes the sources of checks; the label ``__hypercare_check__`` of a target is the check's number."""

    checks: tuple[Check, ...]
    http: Http
    network: Network
    clock: Clock

    def __call__(self, _job: Job, target: Target) -> ProbeSource:
        """The source of one check."""
        check = self.checks[int(target.discovered.get("__hypercare_check__", "0"))]
        return ProbeSource(check, target, self)


class ProbeSource:
    """One check, asked anew at each fetch; its answer is text, so that it takes the way of every scrape."""

    def __init__(self, check: Check, target: Target, ports: ProbeSources) -> None:
        self.url = target.url
        self._check = check
        self._timeout = target.timeout
        self._ports = ports
        self._request = _request(check, target.timeout)

    def fetch(self, reply: HttpReply) -> None:
        """Ask."""
        health, began = self._check.health, self._ports.clock.now()

        def done(families: tuple[Reading, ...]) -> None:
            seconds = results.duration_of(families)
            reply(HttpResponse(200, {"content-type": "text/plain"}, render(families), seconds, began))

        match health.kind:
            case "http":
                self._ports.http.submit(self._request, lambda a: done(results.of_http(health, a)))
            case "dns":
                query = DnsQuery(health.dns, health.record_type, health.server, self._timeout)
                self._ports.network.resolve(query, lambda a: done(results.of_dns(health, a)))
            case kind:
                host, _, port = health.target.rpartition(":")
                tls = (self._check.settings.tls or results.NO_TLS) if kind == "tls" else None
                probe = TcpProbe(host.strip("[]"), int(port), tls, self._timeout)
                now = began
                self._ports.network.connect(probe, lambda a: done(results.of_tcp(health, a, now)))


def _request(check: Check, timeout: int) -> HttpRequest:
    health = check.health
    headers: Mapping[str, str] = health.headers
    request = HttpRequest(
        health.method, health.http or "", tuple(headers.items()), timeout=timeout, max_bytes=MAX_BODY, trace=True
    )
    return check.settings.over(request)
