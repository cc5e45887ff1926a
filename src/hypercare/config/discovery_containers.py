"""Service discovery that looks at containers: Docker and Kubernetes."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from hypercare.config.base import AnyUrl, Duration, FilePath, StrictModel, refuse
from hypercare.config.http_client import HttpClientConfig
from hypercare.model.time import MINUTE

_SCHEMES: Final = ("unix", "tcp", "http", "https")


def _docker_host(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _SCHEMES:
        msg = f"cannot ask {value!r}"
        raise refuse(msg, hint="write unix:///var/run/docker.sock, tcp://HOST:2375, or a URL")
    if parts.scheme == "unix" and (parts.netloc or not parts.path.startswith("/")):
        msg = f"{value!r} names no socket"
        raise refuse(msg, hint="with three slashes: unix:///var/run/docker.sock")
    if parts.scheme != "unix" and not parts.hostname:
        msg = f"{value!r} names no host"
        raise refuse(msg)
    return value


class DockerFilter(StrictModel):
    """A filter of Docker's API."""

    name: str
    values: tuple[str, ...] = Field(min_length=1)


class DockerSdConfig(HttpClientConfig):
    """Targets from the containers of a Docker daemon, or of Podman."""

    host: Annotated[AnyUrl, AfterValidator(_docker_host)]
    refresh_interval: Duration = MINUTE
    port: int = Field(default=80, ge=0, le=65535)
    filters: tuple[DockerFilter, ...] = ()
    host_networking_host: str = "localhost"
    match_first_network: bool = True


class KubernetesNamespaces(StrictModel):
    """Which namespaces are looked at."""

    own_namespace: bool = False
    names: tuple[str, ...] = ()


class KubernetesSelector(StrictModel):
    """A label or field selector for one role."""

    role: Literal["node", "pod", "service", "endpoints", "endpointslice", "ingress"]
    label: str = ""
    field: str = ""

    @model_validator(mode="after")
    def _selector(self) -> Self:
        for term in filter(None, (t.strip() for t in self.field.split(","))):
            if not re.search(r"[^=!]+(==|=|!=)", term):
                msg = f"not a valid field selector: {term!r}; expected key=value"
                raise refuse(msg, "field")
        return self


class AttachMetadata(StrictModel):
    """Which metadata of Kubernetes objects is added."""

    node: bool = False
    namespace: bool = False


_K8S_ROLES = {
    "pod": ("pod", "node"),
    "service": ("service",),
    "endpoints": ("endpoints", "pod", "service", "node"),
    "endpointslice": ("endpointslice", "pod", "service", "node"),
    "node": ("node",),
    "ingress": ("ingress",),
}


class KubernetesSdConfig(HttpClientConfig):
    """Targets from the API of a Kubernetes cluster."""

    api_server: AnyUrl = ""
    role: Literal["node", "pod", "service", "endpoints", "endpointslice", "ingress"]
    kubeconfig_file: FilePath = ""
    namespaces: KubernetesNamespaces = KubernetesNamespaces()
    selectors: tuple[KubernetesSelector, ...] = ()
    attach_metadata: AttachMetadata = AttachMetadata()

    @model_validator(mode="after")
    def _access(self) -> Self:
        if self.kubeconfig_file:
            if self.api_server:
                raise refuse("kubeconfig_file and api_server exclude each other", "kubeconfig_file")
            if not self.is_default_client:
                raise refuse("kubeconfig_file and HTTP client settings exclude each other", "kubeconfig_file")
            if self.namespaces.own_namespace:
                raise refuse("kubeconfig_file and namespaces.own_namespace exclude each other", "kubeconfig_file")
        elif not self.api_server and not self.is_default_client:
            raise refuse("HTTP client settings need an explicit api_server", "api_server")
        return self

    @model_validator(mode="after")
    def _selectors(self) -> Self:
        seen: set[str] = set()
        for index, selector in enumerate(self.selectors):
            if selector.role in seen:
                msg = f"two selectors for the role {selector.role}"
                raise refuse(msg, "selectors", index, "role")
            seen.add(selector.role)
            allowed = _K8S_ROLES[self.role]
            if selector.role not in allowed:
                message = f"the role {self.role} takes selectors for {', '.join(allowed)} only"
                raise refuse(message, "selectors", index, "role")
        return self
