"""Objects of a cluster as its API gives them."""

from __future__ import annotations


def pod(name, ip="10.1.0.5", namespace="shop", image="registry/gw:1.4.0", **more):
    labels = more.pop("labels", {"app.kubernetes.io/name": "gw"})
    phase, ready = more.pop("phase", "Running"), more.pop("ready", "True")
    return {
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels, "annotations": more.pop("annotations", {}),
            "ownerReferences": [{"kind": "ReplicaSet", "name": "gw-7d", "controller": True, "uid": "u"}],
            "managedFields": [{"manager": "kubectl", "fieldsV1": {}}],
        },
        "spec": {
            "nodeName": "n1",
            "containers": [
                {"name": "gw", "image": image, "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}]},
                {"name": "sidecar", "image": "proxy:2"},
            ],
            "initContainers": [{"name": "init", "image": "busybox:1", "restartPolicy": "Never"}],
        },
        "status": {
            "phase": phase, "podIP": ip, "hostIP": "192.168.0.1",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "gw", "containerID": "containerd://c1", "imageID": f"{image}@sha256:1f"}],
        },
        **more,
    }  # fmt: skip


NODE = {
    "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}, "annotations": {"a/b": "c"}},
    "spec": {"providerID": "aws:///i-1"},
    "status": {
        "addresses": [
            {"type": "Hostname", "address": "n1.local"}, {"type": "InternalIP", "address": "192.168.0.1"},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    },
}  # fmt: skip
SERVICE = {
    "metadata": {"name": "gw", "namespace": "shop", "labels": {"tier": "front"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {
        "type": "ClusterIP", "clusterIP": "10.96.0.7",
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
    },
}  # fmt: skip
ENDPOINTS = {
    "metadata": {"name": "gw", "namespace": "shop", "labels": {"tier": "front"}},
    "subsets": [
        {
            "addresses": [
                {"ip": "10.1.0.5", "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "gw-1", "namespace": "shop"}},
            ],
            "notReadyAddresses": [{"ip": "10.1.0.9", "hostname": "late"}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
    ],
}  # fmt: skip
SLICE = {
    "metadata": {"name": "gw-abc", "namespace": "shop", "labels": {"kubernetes.io/service-name": "gw"}},
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.1.0.5"], "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n1", "zone": "eu-1a", "hostname": "gw-1",
            "targetRef": {"kind": "Pod", "name": "gw-1", "namespace": "shop"},
        },
        {"addresses": ["10.1.0.9"], "conditions": {"ready": False}},
    ],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
}  # fmt: skip
INGRESS = {
    "metadata": {"name": "web", "namespace": "shop", "labels": {}, "annotations": {"x": "y"}},
    "spec": {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["*.example.org"], "secretName": "s"}],
        "rules": [
            {"host": "a.example.org", "http": {"paths": [{"path": "/a", "pathType": "Prefix"}, {"pathType": "Prefix"}]}},
            {"host": "a.b.example.org"},
        ],
    },
}  # fmt: skip


def fill(cluster):
    for resource, document in (
        ("nodes", NODE), ("pods", pod("gw-1")), ("services", SERVICE), ("endpoints", ENDPOINTS),
        ("endpointslices", SLICE), ("ingresses", INGRESS),
        ("namespaces", {"metadata": {"name": "shop", "labels": {"team": "a"}}}),
    ):  # fmt: skip
        cluster.put(resource, document)
    return cluster
