"""From objects of the API to targets, under the labels that Prometheus documents for ``kubernetes_sd_configs``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.collectors.discovery.base import host_port, label_name
from hypercare.collectors.discovery.kubernetes.objects import key_of, listed, part, text, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.collectors.discovery.kubernetes.objects import Json

_META: Final = "__meta_kubernetes_"
_SERVICE_NAME: Final = "kubernetes.io/service-name"
_ADDRESS_TYPES: Final = ("InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname")
"""Of a node, the preferred first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """Objects by kind (``pods``, …) and key.

    Attributes:
        nodes: whether metadata of the nodes is attached.
        namespaces: whether metadata of the namespaces is.

    """

    objects: Mapping[str, Mapping[str, Json]]
    nodes: bool = False
    namespaces: bool = False

    def of(self, kind: str) -> list[Json]:
        """All of a kind, in the order of their keys."""
        return [document for _, document in sorted(self.objects.get(kind, {}).items())]

    def find(self, kind: str, namespace: str, name: str) -> Json:
        """One of them, or an empty object."""
        return self.objects.get(kind, {}).get(f"{namespace}/{name}" if namespace else name, {})

    def surroundings(self, document: Json) -> dict[str, str]:
        """The namespace of an object, with its metadata where that is asked for."""
        namespace = text(document, "metadata", "namespace")
        labels = {f"{_META}namespace": namespace}
        if self.namespaces:
            labels |= _metadata(self.find("namespaces", "", namespace), "namespace")
        return labels

    def node(self, name: str) -> dict[str, str]:
        """Metadata of a node, where that is asked for and it is known."""
        found = self.find("nodes", "", name) if self.nodes and name else {}
        return {f"{_META}node_name": name, **_metadata(found, "node")} if found else {}


def _marked(pairs: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in pairs.items():
        yield f"{_META}{prefix}_{label_name(name)}", value
        yield f"{_META}{prefix}present_{label_name(name)}", "true"


def _metadata(document: Json, kind: str) -> dict[str, str]:
    meta = part(document, "metadata")
    return {
        **dict(_marked(texts(meta, "labels"), f"{kind}_label")),
        **dict(_marked(texts(meta, "annotations"), f"{kind}_annotation")),
    }


def _pairs(labels: dict[str, str]) -> LabelPairs:
    return tuple((name, value) for name, value in labels.items() if value)


# -- node --------------------------------------------------------------------------------------------------------------


def _nodes(cluster: Cluster) -> Iterator[LabelPairs]:
    for node in cluster.of("nodes"):
        addresses: dict[str, str] = {}
        for each in listed(node, "status", "addresses"):
            addresses.setdefault(text(each, "type"), text(each, "address"))
        best = next((addresses[kind] for kind in _ADDRESS_TYPES if kind in addresses), "")
        if not best:
            continue
        name = text(node, "metadata", "name")
        port = text(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port") or "0"
        yield _pairs(
            {
                "__address__": host_port(best, port),
                "instance": name,
                f"{_META}node_name": name,
                f"{_META}node_provider_id": text(node, "spec", "providerID"),
                **_metadata(node, "node"),
                **{f"{_META}node_address_{label_name(kind)}": value for kind, value in sorted(addresses.items())},
            }
        )


# -- pod ---------------------------------------------------------------------------------------------------------------


def _pod_labels(pod: Json) -> dict[str, str]:
    meta, status = part(pod, "metadata"), part(pod, "status")
    return {
        f"{_META}pod_name": text(meta, "name"),
        f"{_META}pod_ip": text(status, "podIP"),
        f"{_META}pod_ready": (text(status, "ready") or "unknown").lower(),
        f"{_META}pod_phase": text(status, "phase"),
        f"{_META}pod_node_name": text(pod, "spec", "nodeName"),
        f"{_META}pod_host_ip": text(status, "hostIP"),
        f"{_META}pod_uid": text(meta, "uid"),
        f"{_META}pod_controller_kind": text(meta, "owner", "kind"),
        f"{_META}pod_controller_name": text(meta, "owner", "name"),
        **_metadata(pod, "pod"),
    }


def _containers(pod: Json) -> list[tuple[Json, bool]]:
    """Its containers, each with whether it is one that initialises the pod."""
    return [(c, False) for c in listed(pod, "spec", "containers")] + [
        (c, True) for c in listed(pod, "spec", "initContainers")
    ]


def _container_labels(container: Json, *, initial: bool) -> dict[str, str]:
    return {
        f"{_META}pod_container_name": text(container, "name"),
        f"{_META}pod_container_image": text(container, "image"),
        f"{_META}pod_container_init": "true" if initial else "false",
    }


def _port_labels(port: Json) -> dict[str, str]:
    return {
        f"{_META}pod_container_port_number": text(port, "containerPort"),
        f"{_META}pod_container_port_name": text(port, "name"),
        f"{_META}pod_container_port_protocol": text(port, "protocol"),
    }


def _container_id(pod: Json, name: str, *, initial: bool) -> str:
    statuses = listed(pod, "status", "initContainerStatuses" if initial else "containerStatuses")
    return next((text(status, "containerID") for status in statuses if status.get("name") == name), "")


def _pods(cluster: Cluster) -> Iterator[LabelPairs]:
    for pod in cluster.of("pods"):
        address = text(pod, "status", "podIP")
        if not address:
            # It is being started, or was evicted.
            continue
        shared = {
            **cluster.surroundings(pod),
            **_pod_labels(pod),
            **cluster.node(text(pod, "spec", "nodeName")),
        }
        for container, initial in _containers(pod):
            here = {
                **shared,
                **_container_labels(container, initial=initial),
                f"{_META}pod_container_id": _container_id(pod, text(container, "name"), initial=initial),
            }
            ports = listed(container, "ports")
            for port in ports:
                at = host_port(address, text(port, "containerPort"))
                yield _pairs({"__address__": at, **here, **_port_labels(port)})
            if not ports:
                yield _pairs({"__address__": address, **here})


# -- service -----------------------------------------------------------------------------------------------------------


def _service_labels(service: Json) -> dict[str, str]:
    return {f"{_META}service_name": text(service, "metadata", "name"), **_metadata(service, "service")}


def _services(cluster: Cluster) -> Iterator[LabelPairs]:
    for service in cluster.of("services"):
        meta, spec = part(service, "metadata"), part(service, "spec")
        kind = text(spec, "type")
        shared = {
            **cluster.surroundings(service),
            **_service_labels(service),
            f"{_META}service_type": kind,
            f"{_META}service_cluster_ip": "" if kind == "ExternalName" else text(spec, "clusterIP"),
            f"{_META}service_external_name": text(spec, "externalName") if kind == "ExternalName" else "",
            f"{_META}service_loadbalancer_ip": text(spec, "loadBalancerIP") if kind == "LoadBalancer" else "",
        }
        for port in listed(spec, "ports"):
            name = f"{text(meta, 'name')}.{text(meta, 'namespace')}.svc"
            yield _pairs(
                {
                    "__address__": host_port(name, text(port, "port")),
                    **shared,
                    f"{_META}service_port_name": text(port, "name"),
                    f"{_META}service_port_number": text(port, "port"),
                    f"{_META}service_port_protocol": text(port, "protocol") or "TCP",
                }
            )


# -- endpoints and endpointslice ---------------------------------------------------------------------------------------


class _Behind:
    """The pods behind one object with endpoints: which of their ports have targets already."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pods: dict[str, tuple[Json, set[str]]] = {}

    def labels(self, reference: Json, port: str, protocol: str) -> dict[str, str]:
        """Labels of the pod that an endpoint refers to, and of the container with that port."""
        if text(reference, "kind") != "Pod":
            return {}
        pod = self._cluster.find("pods", text(reference, "namespace"), text(reference, "name"))
        if not pod:
            return {}
        self._pods.setdefault(key_of(pod), (pod, set()))[1].add(port)
        labels = _pod_labels(pod)
        for container, initial in _containers(pod):
            for own in listed(container, "ports"):
                if port and text(own, "containerPort") == port:
                    labels |= {
                        **_container_labels(container, initial=initial),
                        **_port_labels(own),
                        f"{_META}pod_container_port_protocol": protocol or text(own, "protocol"),
                    }
                    break
        return labels

    def uncovered(self) -> Iterator[dict[str, str]]:
        """Ports of the pods' containers that no endpoint has."""
        for pod, covered in self._pods.values():
            address = text(pod, "status", "podIP")
            if not address:
                continue
            for container, initial in _containers(pod):
                if initial and text(container, "restartPolicy") != "Always":
                    # It has ended when the pod serves.
                    continue
                for port in listed(container, "ports"):
                    number = text(port, "containerPort")
                    if number not in covered:
                        yield {
                            "__address__": host_port(address, number),
                            **_pod_labels(pod),
                            **_container_labels(container, initial=initial),
                            **_port_labels(port),
                        }


def _endpoints(cluster: Cluster) -> Iterator[LabelPairs]:
    for endpoints in cluster.of("endpoints"):
        meta = part(endpoints, "metadata")
        service = cluster.find("services", text(meta, "namespace"), text(meta, "name"))
        shared = {
            **cluster.surroundings(endpoints),
            f"{_META}endpoints_name": text(meta, "name"),
            **_metadata(endpoints, "endpoints"),
            **(_service_labels(service) if service else {}),
        }
        behind = _Behind(cluster)
        found: dict[tuple[str, str], dict[str, str]] = {}
        for subset in listed(endpoints, "subsets"):
            for port in listed(subset, "ports"):
                for ready, kind in (("true", "addresses"), ("false", "notReadyAddresses")):
                    for each in listed(subset, kind):
                        labels = _endpoint(cluster, behind, (each, port, ready))
                        found[labels["__address__"], text(port, "name")] = labels
        for labels in (*found.values(), *behind.uncovered()):
            yield _pairs({**labels, **shared})


def _endpoint(cluster: Cluster, behind: _Behind, at: tuple[Json, Json, str]) -> dict[str, str]:
    address, port, ready = at
    number, protocol = text(port, "port"), text(port, "protocol")
    return {
        "__address__": host_port(text(address, "ip"), number),
        f"{_META}endpoint_port_name": text(port, "name"),
        f"{_META}endpoint_port_protocol": protocol,
        f"{_META}endpoint_ready": ready,
        f"{_META}endpoint_address_target_kind": text(address, "targetRef", "kind"),
        f"{_META}endpoint_address_target_name": text(address, "targetRef", "name"),
        f"{_META}endpoint_node_name": text(address, "nodeName"),
        f"{_META}endpoint_hostname": text(address, "hostname"),
        **cluster.node(_node_of(address)),
        **behind.labels(part(address, "targetRef"), number, protocol),
    }


def _node_of(endpoint: Json) -> str:
    if text(endpoint, "targetRef", "kind") == "Node":
        return text(endpoint, "targetRef", "name")
    return text(endpoint, "nodeName")


def _slices(cluster: Cluster) -> Iterator[LabelPairs]:
    for each in cluster.of("endpointslices"):
        meta = part(each, "metadata")
        owner = texts(meta, "labels").get(_SERVICE_NAME, "")
        service = cluster.find("services", text(meta, "namespace"), owner) if owner else {}
        shared = {
            **cluster.surroundings(each),
            f"{_META}endpointslice_name": text(meta, "name"),
            f"{_META}endpointslice_address_type": text(each, "addressType"),
            **_metadata(each, "endpointslice"),
            **(_service_labels(service) if service else {}),
        }
        behind = _Behind(cluster)
        for endpoint in listed(each, "endpoints"):
            addresses = [a for a in endpoint.get("addresses") or [] if isinstance(a, str)]
            for port in listed(each, "ports"):
                for address in addresses:
                    yield _pairs({**_slice_endpoint(cluster, behind, (endpoint, port, address)), **shared})
        for labels in behind.uncovered():
            yield _pairs({**labels, **shared})


def _slice_endpoint(cluster: Cluster, behind: _Behind, at: tuple[Json, Json, str]) -> dict[str, str]:
    endpoint, port, address = at
    prefix = f"{_META}endpointslice_"
    number, protocol = text(port, "port"), text(port, "protocol")
    conditions = part(endpoint, "conditions")
    topology = texts(endpoint, "deprecatedTopology")
    return {
        "__address__": host_port(address, number) if number else address,
        f"{prefix}port": number,
        f"{prefix}port_name": text(port, "name"),
        f"{prefix}port_protocol": protocol,
        f"{prefix}port_app_protocol": text(port, "appProtocol"),
        **{
            f"{prefix}endpoint_conditions_{name}": "true" if conditions[name] else "false"
            for name in ("ready", "serving", "terminating")
            if isinstance(conditions.get(name), bool)
        },
        f"{prefix}endpoint_hostname": text(endpoint, "hostname"),
        f"{prefix}endpoint_node_name": text(endpoint, "nodeName"),
        f"{prefix}endpoint_zone": text(endpoint, "zone"),
        f"{prefix}address_target_kind": text(endpoint, "targetRef", "kind"),
        f"{prefix}address_target_name": text(endpoint, "targetRef", "name"),
        **{f"{prefix}endpoint_topology_{label_name(name)}": value for name, value in topology.items()},
        **{f"{prefix}endpoint_topology_present_{label_name(name)}": "true" for name in topology},
        **cluster.node(_node_of(endpoint)),
        **behind.labels(part(endpoint, "targetRef"), number, protocol),
    }


# -- ingress -----------------------------------------------------------------------------------------------------------


def _ingresses(cluster: Cluster) -> Iterator[LabelPairs]:
    for ingress in cluster.of("ingresses"):
        meta, spec = part(ingress, "metadata"), part(ingress, "spec")
        shared = {
            **cluster.surroundings(ingress),
            f"{_META}ingress_name": text(meta, "name"),
            f"{_META}ingress_class_name": text(spec, "ingressClassName"),
            **_metadata(ingress, "ingress"),
        }
        encrypted = [host for tls in listed(spec, "tls") for host in tls.get("hosts") or [] if isinstance(host, str)]
        for rule in listed(spec, "rules"):
            host = text(rule, "host")
            scheme = "https" if any(_fits(pattern, host) for pattern in encrypted) else "http"
            paths = [text(p, "path") or "/" for p in listed(rule, "http", "paths")] or ["/"]
            for path in paths:
                yield _pairs(
                    {
                        "__address__": host,
                        **shared,
                        f"{_META}ingress_scheme": scheme,
                        f"{_META}ingress_host": host,
                        f"{_META}ingress_path": path,
                    }
                )


def _fits(pattern: str, host: str) -> bool:
    """Whether a host of a certificate is meant: a ``*`` stands for one part, the first."""
    if pattern == host:
        return True
    first, _, rest = pattern.partition(".")
    return first == "*" and host.partition(".")[2] == rest and bool(host.partition(".")[0])


TARGETS: Final[dict[str, Callable[[Cluster], Iterator[LabelPairs]]]] = {
    "node": _nodes,
    "pod": _pods,
    "service": _services,
    "endpoints": _endpoints,
    "endpointslice": _slices,
    "ingress": _ingresses,
}
"""By role: the targets of a cluster."""
