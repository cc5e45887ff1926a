"""Objects of the API, cut down to what discovery looks at: a cluster has thousands, and most of each is of no use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = "dict[str, Any]"
"""An object of the API."""


def part(document: Any, *path: str) -> Json:
    """The object at a path; an empty one where there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def text(document: Any, *path: str) -> str:
    """The text at a path; numbers as texts, empty where there is neither."""
    value = part(document, *path[:-1]).get(path[-1])
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def listed(document: Any, *path: str) -> list[Json]:
    """The objects of the list at a path."""
    values = part(document, *path[:-1]).get(path[-1])
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def texts(document: Any, *path: str) -> dict[str, str]:
    """Texts by name at a path, in the order of their names."""
    return {name: value for name, value in sorted(part(document, *path).items()) if isinstance(value, str)}


def key_of(document: Any) -> str:
    """``namespace/name``, or the name of an object of the whole cluster."""
    namespace, name = text(document, "metadata", "namespace"), text(document, "metadata", "name")
    return f"{namespace}/{name}" if namespace else name


def _kept(document: Any, *names: str) -> Json:
    return {name: document[name] for name in names if name in document}


def _meta(document: Json) -> Json:
    names = ("name", "namespace", "uid", "labels", "annotations", "deletionTimestamp")
    meta = _kept(part(document, "metadata"), *names)
    owners = [o for o in listed(document, "metadata", "ownerReferences") if o.get("controller") is True]
    if owners:
        meta["owner"] = _kept(owners[0], "kind", "name")
    return meta


def _container(container: Json) -> Json:
    return _kept(container, "name", "image", "ports", "restartPolicy")


def _status(status: Json) -> Json:
    return {**_kept(status, "name", "containerID", "imageID"), "runs": "running" in part(status, "state")}


def pod(document: Json) -> Json:
    """A pod."""
    status = part(document, "status")
    spec = part(document, "spec")
    return {
        "metadata": _meta(document),
        "spec": {
            "nodeName": text(spec, "nodeName"),
            "containers": [_container(c) for c in listed(spec, "containers")],
            "initContainers": [_container(c) for c in listed(spec, "initContainers")],
        },
        "status": {
            **_kept(status, "podIP", "hostIP", "phase"),
            "ready": next((text(c, "status") for c in listed(status, "conditions") if c.get("type") == "Ready"), ""),
            "containerStatuses": [_status(s) for s in listed(status, "containerStatuses")],
            "initContainerStatuses": [_status(s) for s in listed(status, "initContainerStatuses")],
        },
    }


def _service(document: Json) -> Json:
    names = ("type", "clusterIP", "externalName", "loadBalancerIP", "ports")
    return {"metadata": _meta(document), "spec": _kept(part(document, "spec"), *names)}


def _node(document: Json) -> Json:
    return {
        "metadata": _meta(document),
        "spec": _kept(part(document, "spec"), "providerID"),
        "status": _kept(part(document, "status"), "addresses", "daemonEndpoints"),
    }


def _endpoints(document: Json) -> Json:
    return {"metadata": _meta(document), "subsets": listed(document, "subsets")}


def _slice(document: Json) -> Json:
    return {"metadata": _meta(document), **_kept(document, "addressType", "endpoints", "ports")}


def _ingress(document: Json) -> Json:
    spec = _kept(part(document, "spec"), "ingressClassName", "rules", "tls")
    return {"metadata": _meta(document), "spec": spec}


def _namespace(document: Json) -> Json:
    return {"metadata": _meta(document)}


CUT: Final[dict[str, Callable[[Json], Json]]] = {
    "pods": pod,
    "services": _service,
    "nodes": _node,
    "namespaces": _namespace,
    "endpoints": _endpoints,
    "endpointslices": _slice,
    "ingresses": _ingress,
}
"""What is kept of each kind of object."""

GROUPS: Final = {
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
}
"""Where a kind is not among the core ones."""
