"""A ``kubernetes_sd_configs`` entry at work."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, ClassVar, Final

from hypercare.collectors.discovery.base import Following, Found
from hypercare.collectors.discovery.kubernetes.objects import GROUPS, listed, part, text, texts
from hypercare.collectors.discovery.kubernetes.reflector import Reflector
from hypercare.collectors.discovery.kubernetes.targets import TARGETS, Cluster
from hypercare.model.workloads import RunningContainer, Workload
from hypercare.ports import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.discovery.kubernetes.access import Access
    from hypercare.collectors.discovery.kubernetes.objects import Json
    from hypercare.model.time import Ms
    from hypercare.ports import Http, Streams

_MAX_BYTES: Final = 512 << 20
_LIST_TIMEOUT: Final[Ms] = 30_000
_KINDS: Final = {
    "node": ("nodes",),
    "pod": ("pods",),
    "service": ("services",),
    "endpoints": ("endpoints", "services", "pods"),
    "endpointslice": ("endpointslices", "services", "pods"),
    "ingress": ("ingresses",),
}
_ROLE_OF: Final = {
    "nodes": "node",
    "pods": "pod",
    "services": "service",
    "endpoints": "endpoints",
    "endpointslices": "endpointslice",
    "ingresses": "ingress",
}
_OF_CLUSTER: Final = frozenset({"nodes", "namespaces"})
_WITH_NODES: Final = frozenset({"pod", "endpoints", "endpointslice"})


@dataclasses.dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """What is looked at.

    Attributes:
        namespaces: none: all of them.
        selectors: (role, label selector, field selector).
        nodes: attach metadata of nodes.
        with_namespaces: attach metadata of namespaces.

    """

    role: str
    namespaces: tuple[str, ...] = ()
    selectors: tuple[tuple[str, str, str], ...] = ()
    nodes: bool = False
    with_namespaces: bool = False


class KubernetesDiscovery(Following):
    """Objects of a cluster as its API tells of them; while it does not, the last targets stay."""

    kind: ClassVar[str] = "kubernetes"

    def __init__(self, http: Http, streams: Streams | None, access: Access, settings: KubernetesSettings) -> None:
        self._access = access
        self._settings = settings
        self._lock = threading.Lock()
        self._poked = False
        self._poke: Callable[[], None] = _nobody
        self._reflectors = (
            []
            if streams is None or access.error
            else [Reflector(*each, (http, streams), self._request, self._changed) for each in self._collections()]
        )

    # -- what is asked for -------------------------------------------------------------------------------------------

    def _collections(self) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
        """Kind, URL and selectors of each list."""
        wanted = self._settings
        kinds = list(_KINDS[wanted.role])
        if wanted.nodes and wanted.role in _WITH_NODES:
            kinds.append("nodes")
        if wanted.with_namespaces and wanted.role != "node":
            kinds.append("namespaces")
        found: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
        for kind in kinds:
            base = f"{self._access.server.rstrip('/')}{GROUPS.get(kind, '/api/v1')}"
            chosen = next((s for s in wanted.selectors if s[0] == _ROLE_OF.get(kind)), ("", "", ""))
            selectors = [("labelSelector", chosen[1])] if chosen[1] else []
            selectors += [("fieldSelector", chosen[2])] if chosen[2] else []
            if kind == "namespaces" and wanted.namespaces:
                # Whoever may look at some namespaces may hardly list all of them.
                found += [
                    (kind, f"{base}/{kind}", (("fieldSelector", f"metadata.name={name}"),))
                    for name in wanted.namespaces
                ]
            elif kind in _OF_CLUSTER or not wanted.namespaces:
                found.append((kind, f"{base}/{kind}", tuple(selectors)))
            else:
                found += [(kind, f"{base}/namespaces/{name}/{kind}", tuple(selectors)) for name in wanted.namespaces]
        return found

    def _request(self, url: str, silence: Ms) -> HttpRequest:
        headers = (("Accept", "application/json"),)
        request = HttpRequest("GET", url, headers=headers, timeout=silence or _LIST_TIMEOUT, max_bytes=_MAX_BYTES)
        return self._access.http.over(request)

    # -- following ---------------------------------------------------------------------------------------------------

    def follow(self, now: Ms, poke: Callable[[], None]) -> None:
        """List and watch what is not being watched, as far as its time has come."""
        self._poke = poke
        for reflector in self._reflectors:
            reflector.go_on(now)

    def current(self, now: Ms) -> Found:
        """The targets of what is known; none before everything was listed once."""
        with self._lock:
            self._poked = False
        if not self._reflectors:
            return Found(None, self._access.error or "there is no way to follow an API here")
        errors = list(dict.fromkeys(r.error for r in self._reflectors if r.error))
        again = min((wait for r in self._reflectors if (wait := r.retry_in(now))), default=0)
        targets = None
        if all(reflector.synced for reflector in self._reflectors):
            targets = tuple(TARGETS[self._settings.role](self._cluster()))
        return Found(targets, "; ".join(errors), again)

    def _cluster(self) -> Cluster:
        objects: dict[str, dict[str, Json]] = {}
        for reflector in self._reflectors:
            objects.setdefault(reflector.kind, {}).update(reflector.objects())
        return Cluster(objects, self._settings.nodes, self._settings.with_namespaces)

    def workloads(self) -> tuple[Workload, ...]:
        """The pods that run and are not being deleted."""
        pods = [r.objects() for r in self._reflectors if r.kind == "pods" and r.synced]
        found = {key: pod for each in pods for key, pod in each.items() if _runs(pod)}
        return tuple(_workload(pod) for _, pod in sorted(found.items()))

    def close(self) -> None:
        """End the watches."""
        for reflector in self._reflectors:
            reflector.close()

    def _changed(self) -> None:
        """Tell once until somebody looks: a roll-out is hundreds of events."""
        with self._lock:
            told, self._poked = self._poked, True
        if not told:
            self._poke()

    @property
    def identity(self) -> object:
        """The server, the log-in and what is looked at."""
        return (self._access, self._settings)


def _runs(pod: Json) -> bool:
    return text(pod, "status", "phase") == "Running" and not text(pod, "metadata", "deletionTimestamp")


def _workload(pod: Json) -> Workload:
    meta = part(pod, "metadata")
    statuses = {text(s, "name"): s for s in listed(pod, "status", "containerStatuses")}
    running = tuple(
        RunningContainer(text(c, "name"), text(c, "image"), text(statuses.get(text(c, "name"), {}), "imageID"))
        for c in listed(pod, "spec", "containers")
    )
    name, namespace = text(meta, "name"), text(meta, "namespace")
    return Workload("kubernetes", namespace, name, texts(meta, "labels"), texts(meta, "annotations"), running)


def _nobody() -> None:
    """Nobody follows yet."""
