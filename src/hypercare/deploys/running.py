"""Which service a running container or pod belongs to, and which version of it that is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from hypercare.config.deployments import VersionSource
    from hypercare.model.workloads import RunningContainer, Workload

NAMES: Final = (
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "com.docker.compose.service",
    "com.docker.swarm.service.name",
)
"""Labels that name the service, where the configuration does not say which containers are its own."""
_MOVING: Final = frozenset({"", "latest"})
"""Tags that do not tell which version runs."""
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{12})")


def versions_of(
    workloads: Iterable[Workload], sources: Sequence[VersionSource], services: Collection[str], usual: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The versions that run now, by service; old and new stand beside each other during a roll-out.

    Args:
        workloads: what runs.
        sources: the services whose containers the configuration describes.
        services: all that are known by name.
        usual: where the version stands, for services without a source.

    """
    found: dict[str, set[str]] = {}
    described = {source.service for source in sources}
    for workload in workloads:
        own = [s for s in sources if _belongs(workload, s)]
        named = next((workload.labels[n] for n in NAMES if workload.labels.get(n) in services), "")
        given = [(s.service, s.version or usual, s.container) for s in own]
        if not own and named and named not in described:
            given = [(named, usual, "")]
        for service, places, container in given:
            version = _version(workload, places, container or service)
            if version:
                found.setdefault(service, set()).add(version)
    return {service: tuple(sorted(versions)) for service, versions in sorted(found.items())}


def _belongs(workload: Workload, source: VersionSource) -> bool:
    if source.namespace and workload.namespace != source.namespace:
        return False
    wanted = source.labels or {}
    if not wanted:
        return any(workload.labels.get(name) == source.service for name in NAMES) or workload.name == source.service
    return all(workload.labels.get(name) == value for name, value in wanted.items())


def _version(workload: Workload, places: Sequence[str], container: str) -> str:
    for place in places:
        kind, _, name = place.partition(":")
        if kind == "image":
            found = _image_version(workload, container)
        else:
            found = (workload.labels if kind == "label" else workload.annotations).get(name, "")
        if found.strip():
            return found.strip()
    return ""


def _image_version(workload: Workload, container: str) -> str:
    if not workload.containers:
        return ""
    return image_version(next((c for c in workload.containers if c.name == container), workload.containers[0]))


def image_version(container: RunningContainer) -> str:
    """The tag of an image; where that moves (``latest``) or is missing, the beginning of the image's digest."""
    image, _, digest = container.image.partition("@")
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag not in _MOVING:
        return tag
    known = _DIGEST.search(digest) or _DIGEST.search(container.image_id)
    return f"{tag or 'latest'}@{known[1]}" if known else ""
