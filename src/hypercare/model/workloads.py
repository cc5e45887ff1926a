"""What runs where, as Docker and Kubernetes tell it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class RunningContainer:
    """One container that runs.

    Attributes:
        name: within its workload.
        image: as it was asked for: ``registry/name:tag``, with or without ``@sha256:…``.
        image_id: what the runtime calls the image it runs, with its digest; empty where it does not say.

    """

    name: str
    image: str
    image_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Workload:
    """A Docker container, or a Kubernetes pod, that runs now.

    Attributes:
        kind: docker or kubernetes.
        namespace: of the pod; empty with Docker.
        name: of the container or pod, without a leading slash.

    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[RunningContainer, ...]
