"""Targets from a Docker daemon, or from anything that speaks its API (Podman does)."""

from __future__ import annotations

import dataclasses
import json
import threading
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from hypercare.collectors.discovery.base import Discovery, Found, host_port, label_name
from hypercare.model.workloads import RunningContainer, Workload
from hypercare.ports import HttpRequest, PortError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.collectors.scrape.job import HttpSettings
    from hypercare.model.time import Ms
    from hypercare.ports import Http, HttpResponse

_MAX_BYTES: Final = 64 << 20
_META: Final = "__meta_docker_"
_LONGEST_WAIT: Final = 30_000


@dataclasses.dataclass(frozen=True, slots=True)
class DockerSettings:
    """What of containers becomes targets.

    Attributes:
        host: ``unix:///path``, ``tcp://host:port`` or a URL.
        port: of containers that expose none.
        filters: name and values, as Docker's API takes them.
        host_networking_host: address of containers on the host's network.
        first_network: of a container with several networks only the first by name.

    """

    host: str
    port: int = 80
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    host_networking_host: str = "localhost"
    first_network: bool = True


class DockerDiscovery(Discovery):
    """Containers as they are listed; an answer that is none keeps the last targets."""

    kind: ClassVar[str] = "docker"

    def __init__(self, http: Http, wanted: DockerSettings, refresh: Ms, settings: HttpSettings) -> None:
        self.every = refresh
        self._http = http
        self._wanted = wanted
        self._settings = settings
        listing = "/containers/json"
        if wanted.filters:
            text = json.dumps({name: list(values) for name, values in wanted.filters}, separators=(",", ":"))
            listing += f"?filters={quote(text)}"
        self._requests = tuple(self._request(path) for path in (listing, "/networks"))
        self._running: tuple[Workload, ...] = ()

    def _request(self, path: str) -> HttpRequest:
        parts = urlsplit(self._wanted.host)
        waiting = min(self.every, _LONGEST_WAIT)
        if parts.scheme == "unix":
            # HTTP client settings are for HTTP: a socket has neither certificates nor a proxy.
            url, socket = f"http://docker{path}", parts.path
            return HttpRequest("GET", url, timeout=waiting, max_bytes=_MAX_BYTES, socket=socket)
        encrypted = parts.scheme == "https" or (parts.scheme == "tcp" and self._settings.tls is not None)
        base = f"{'https' if encrypted else 'http'}://{parts.netloc}{parts.path.rstrip('/')}"
        return self._settings.over(HttpRequest("GET", base + path, timeout=waiting, max_bytes=_MAX_BYTES))

    def ask(self, reply: Callable[[Found], None]) -> None:
        """Ask for containers and networks; the reply comes with the last of the two answers."""
        if self._settings.error:
            reply(Found(None, self._settings.error))
            return
        lock = threading.Lock()
        answers: dict[int, HttpResponse | PortError] = {}

        def take(which: int, answer: HttpResponse | PortError) -> None:
            with lock:
                answers[which] = answer
                whole = len(answers) == len(self._requests)
            if whole:
                reply(self._found(answers[0], answers[1]))

        for which, request in enumerate(self._requests):
            self._http.submit(request, partial(take, which))

    def workloads(self) -> tuple[Workload, ...]:
        """The running containers of the last good answer."""
        return self._running

    def _found(self, listed: HttpResponse | PortError, known: HttpResponse | PortError) -> Found:
        try:
            containers, networks = _listed(listed, "containers"), _listed(known, "networks")
        except ValueError as error:
            return Found(None, f"{self._wanted.host}: {error}")
        self._running = tuple(_workload(c) for c in containers if _names(c) and c.get("State") == "running")
        by_id = {_text(n, "Id"): dict(_network_labels(n)) for n in networks}
        by_container = {_text(c, "Id"): c for c in containers}
        found = [t for c in containers if _names(c) for t in _targets(self._wanted, c, by_container, by_id)]
        # Docker lists the newest first: the order of targets must not hang on it.
        return Found(tuple(sorted(found)))

    @property
    def identity(self) -> object:
        """What is asked, and what becomes of the answer."""
        return (self._wanted, self.every, dataclasses.astuple(self._settings))


def _listed(answer: HttpResponse | PortError, what: str) -> list[dict[str, Any]]:
    if isinstance(answer, PortError):
        msg = f"cannot list {what}: {answer.message}"
        raise ValueError(msg)  # noqa: TRY004 - input, not a programming error
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if answer.status != HTTPStatus.OK:
        said = document.get("message", "") if isinstance(document, dict) else ""
        msg = f"cannot list {what}: HTTP status {answer.status}{f': {said}' if said else ''}"
        raise ValueError(msg)
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        msg = f"cannot list {what}: the answer is no list of objects"
        raise ValueError(msg)
    return document


def _text(document: Mapping[str, Any], *path: str) -> str:
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _names(container: Mapping[str, Any]) -> list[str]:
    names = container.get("Names")
    return names if isinstance(names, list) else []


def _labels(document: Mapping[str, Any]) -> dict[str, str]:
    labels = document.get("Labels")
    return {str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {}


def _workload(container: Mapping[str, Any]) -> Workload:
    name = str(_names(container)[0]).lstrip("/")
    running = RunningContainer(name, _text(container, "Image"), _text(container, "ImageID"))
    return Workload("docker", "", name, _labels(container), {}, (running,))


def _network_labels(network: Mapping[str, Any]) -> LabelPairs:
    return (
        (f"{_META}network_id", _text(network, "Id")),
        (f"{_META}network_name", _text(network, "Name")),
        (f"{_META}network_scope", _text(network, "Scope")),
        (f"{_META}network_internal", "true" if network.get("Internal") else "false"),
        (f"{_META}network_ingress", "true" if network.get("Ingress") else "false"),
        *((f"{_META}network_label_{label_name(n)}", v) for n, v in sorted(_labels(network).items())),
    )


def _mode(container: Mapping[str, Any]) -> str:
    return _text(container, "HostConfig", "NetworkMode")


def _networks(container: Mapping[str, Any], containers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The networks that a container is in, or that the container is in whose network it shares."""
    asked: set[str] = set()
    at = container
    while True:
        settings = at.get("NetworkSettings")
        networks = settings.get("Networks") if isinstance(settings, dict) else None
        if isinstance(networks, dict) and networks:
            return {name: network for name, network in networks.items() if isinstance(network, dict)}
        shared = _mode(at).partition("container:")[2]
        if not shared or shared in asked or shared not in containers:
            return {}
        asked.add(shared)
        at = containers[shared]


def _targets(
    wanted: DockerSettings,
    container: Mapping[str, Any],
    containers: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, dict[str, str]],
) -> list[LabelPairs]:
    shared = {
        f"{_META}container_id": _text(container, "Id"),
        f"{_META}container_name": str(_names(container)[0]),
        f"{_META}container_network_mode": _mode(container),
        **{f"{_META}container_label_{label_name(n)}": v for n, v in sorted(_labels(container).items())},
    }
    networks = sorted(_networks(container, containers).items())
    ports = [p for p in container.get("Ports") or [] if isinstance(p, dict) and p.get("Type") == "tcp"]
    found: list[LabelPairs] = []
    for _, network in networks[:1] if wanted.first_network else networks:
        address = _text(network, "IPAddress")
        here = {f"{_META}network_ip": address, **shared, **known.get(_text(network, "NetworkID"), {})}
        found += [tuple((here | _port(port, address)).items()) for port in ports]
        if not ports:
            # Containers on the host's network expose no ports of their own.
            at = wanted.host_networking_host if _mode(container) == "host" else host_port(address, wanted.port)
            found.append(tuple((here | {"__address__": at}).items()))
    return found


def _port(port: Mapping[str, Any], address: str) -> dict[str, str]:
    labels = {f"{_META}port_private": str(port.get("PrivatePort", ""))}
    if port.get("PublicPort"):
        labels |= {f"{_META}port_public": str(port["PublicPort"]), f"{_META}port_public_ip": _text(port, "IP")}
    return labels | {"__address__": host_port(address, port.get("PrivatePort", ""))}
