"""Objects of a Kubernetes cluster as targets, followed by list and watch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from hypercare.collectors.discovery.kubernetes import Access, KubernetesDiscovery, KubernetesSettings, access_of
from hypercare.collectors.discovery.kubernetes.fake import FakeCluster
from hypercare.collectors.scrape.job import HttpSettings
from hypercare.collectors.settings import SecretFiles
from hypercare.collectors.setups import JobSetup
from hypercare.config.discovery_containers import KubernetesSdConfig
from hypercare.model.relabel import RelabelAction, RelabelRule

_spec = importlib.util.spec_from_file_location("cluster_kit", Path(__file__).with_name("cluster_kit.py"))
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)

KEEP_META = (RelabelRule(RelabelAction.LABELMAP, regex="__meta_kubernetes_(.*)", replacement="$1"),)


class Lab:
    """A lab with a cluster behind ``http://api``."""

    def __init__(self, lab, cluster=None):
        self.lab = lab
        self.cluster = FakeCluster() if cluster is None else cluster
        lab.ports.streams.cluster("api", self.cluster)
        self.discovery = None

    def follow(self, role, http=None, **settings):
        access = Access("http://api", http or HttpSettings())
        wanted = KubernetesSettings(role, **settings)
        self.discovery = KubernetesDiscovery(self.lab.ports.http, self.lab.ports.streams, access, wanted)
        self.lab.apply(JobSetup(self.lab.job(relabel=KEEP_META), (self.discovery,)))
        self.lab.run(1)
        return self.labels()

    def labels(self):
        found = [t.labels.as_dict() for t in self.lab.service.snapshot().active]
        return {each["instance"]: {k: v for k, v in each.items() if k not in {"job", "instance"}} for each in found}

    def addresses(self, seconds=0.0):
        self.lab.run(seconds)
        return sorted(self.labels())

    @property
    def errors(self):
        return [d.error for d in self.lab.service.snapshot().discoveries if d.error]

    def asked(self, text):
        return [each for each in self.cluster.requests if text in each]


@pytest.fixture
def k8s(lab):
    return Lab(lab)


POD = {
    "pod_name": "gw-1", "pod_ip": "10.1.0.5", "pod_ready": "true", "pod_phase": "Running", "pod_node_name": "n1",
    "pod_host_ip": "192.168.0.1", "pod_uid": "uid-pods-shop/gw-1", "pod_controller_kind": "ReplicaSet",
    "pod_controller_name": "gw-7d", "pod_label_app_kubernetes_io_name": "gw",
    "pod_labelpresent_app_kubernetes_io_name": "true",
}  # fmt: skip
CONTAINER = {
    "pod_container_name": "gw", "pod_container_image": "registry/gw:1.4.0", "pod_container_init": "false",
    "pod_container_port_name": "http", "pod_container_port_number": "8080", "pod_container_port_protocol": "TCP",
}  # fmt: skip
NODE = {
    "node_name": "n1", "node_label_kubernetes_io_hostname": "n1", "node_labelpresent_kubernetes_io_hostname": "true",
    "node_annotation_a_b": "c", "node_annotationpresent_a_b": "true",
}  # fmt: skip
SERVICE = {
    "service_name": "gw", "service_label_tier": "front", "service_labelpresent_tier": "true",
    "service_annotation_prometheus_io_scrape": "true", "service_annotationpresent_prometheus_io_scrape": "true",
}  # fmt: skip
SHOP = {"namespace": "shop"}


def test_pods_have_a_target_for_each_port_and_one_for_a_container_without(k8s):
    kit.fill(k8s.cluster)
    k8s.cluster.put("pods", kit.pod("pending", ip="", phase="Pending"))
    found = k8s.follow("pod", nodes=True, with_namespaces=True)
    around = {**SHOP, "namespace_label_team": "a", "namespace_labelpresent_team": "true"}
    assert found["10.1.0.5:8080"] == {
        **POD, **CONTAINER, **NODE, **around, "pod_container_id": "containerd://c1",
    }  # fmt: skip
    # Two containers without ports have one address: the user gives them a port by relabelling.
    assert set(found) == {"10.1.0.5:8080", "10.1.0.5"}
    names = {t.labels.as_dict()["pod_container_name"] for t in k8s.lab.service.snapshot().active}
    assert names == {"gw", "sidecar", "init"}


def test_the_other_roles(k8s):
    kit.fill(k8s.cluster)
    assert k8s.follow("node") == {
        "n1": {**NODE, "node_provider_id": "aws:///i-1", "node_address_InternalIP": "192.168.0.1",
               "node_address_Hostname": "n1.local"},
    }  # fmt: skip
    assert k8s.lab.service.snapshot().active[0].scrape_url == "http://192.168.0.1:10250/metrics"
    assert k8s.follow("service") == {
        "gw.shop.svc:80": {
            **SHOP, **SERVICE, "service_type": "ClusterIP", "service_cluster_ip": "10.96.0.7",
            "service_port_name": "http", "service_port_number": "80", "service_port_protocol": "TCP",
        },
    }  # fmt: skip
    ingress = {
        **SHOP, "ingress_name": "web", "ingress_class_name": "nginx", "ingress_annotation_x": "y",
        "ingress_annotationpresent_x": "true",
    }  # fmt: skip
    found = k8s.follow("ingress")
    assert found["a.b.example.org"] == {
        **ingress, "ingress_scheme": "http", "ingress_host": "a.b.example.org", "ingress_path": "/",
    }  # fmt: skip
    paths = {(t.labels.as_dict()["ingress_scheme"], t.labels.as_dict()["ingress_path"])
             for t in k8s.lab.service.snapshot().active if "a.example" in t.scrape_url}  # fmt: skip
    assert paths == {("https", "/a"), ("https", "/")}


def test_endpoints_and_slices_tell_of_the_pods_behind_them(k8s):
    kit.fill(k8s.cluster)
    more = kit.pod("gw-1")
    more["spec"]["containers"][1]["ports"] = [{"containerPort": 9901, "name": "admin", "protocol": "TCP"}]
    k8s.cluster.put("pods", more)
    found = k8s.follow("endpoints", nodes=True)
    shared = {**SHOP, **SERVICE, "endpoints_name": "gw", "endpoints_label_tier": "front",
              "endpoints_labelpresent_tier": "true"}  # fmt: skip
    assert found["10.1.0.5:8080"] == {
        **shared, **POD, **CONTAINER, **NODE, "endpoint_port_name": "http", "endpoint_port_protocol": "TCP",
        "endpoint_ready": "true", "endpoint_node_name": "n1", "endpoint_address_target_kind": "Pod",
        "endpoint_address_target_name": "gw-1",
    }  # fmt: skip
    assert found["10.1.0.9:8080"] == {
        **shared, "endpoint_port_name": "http", "endpoint_port_protocol": "TCP", "endpoint_ready": "false",
        "endpoint_hostname": "late",
    }  # fmt: skip
    assert found["10.1.0.5:9901"] == {
        **shared, **POD, "pod_container_name": "sidecar", "pod_container_image": "proxy:2",
        "pod_container_init": "false", "pod_container_port_name": "admin", "pod_container_port_number": "9901",
        "pod_container_port_protocol": "TCP",
    }  # fmt: skip
    found = k8s.follow("endpointslice")
    assert set(found) == {"10.1.0.5:8080", "10.1.0.9:8080", "10.1.0.5:9901"}
    shared = {
        **SHOP, **SERVICE, "endpointslice_name": "gw-abc", "endpointslice_address_type": "IPv4",
        "endpointslice_label_kubernetes_io_service_name": "gw",
        "endpointslice_labelpresent_kubernetes_io_service_name": "true",
    }  # fmt: skip
    port = {
        "endpointslice_port": "8080", "endpointslice_port_name": "http", "endpointslice_port_protocol": "TCP",
        "endpointslice_port_app_protocol": "http",
    }  # fmt: skip
    assert found["10.1.0.5:8080"] == {
        **shared, **port, **POD, **CONTAINER, "endpointslice_endpoint_conditions_ready": "true",
        "endpointslice_endpoint_conditions_serving": "true", "endpointslice_endpoint_conditions_terminating": "false",
        "endpointslice_endpoint_hostname": "gw-1", "endpointslice_endpoint_node_name": "n1",
        "endpointslice_endpoint_zone": "eu-1a", "endpointslice_address_target_kind": "Pod",
        "endpointslice_address_target_name": "gw-1",
    }  # fmt: skip
    assert found["10.1.0.9:8080"] == {**shared, **port, "endpointslice_endpoint_conditions_ready": "false"}


def test_a_watch_tells_what_comes_changes_and_goes(k8s):
    k8s.cluster.put("services", kit.SERVICE)
    assert list(k8s.follow("service")) == ["gw.shop.svc:80"]
    k8s.cluster.put("services", {**kit.SERVICE, "metadata": {"name": "db", "namespace": "shop"}})
    assert k8s.addresses(1.2) == ["db.shop.svc:80", "gw.shop.svc:80"]
    k8s.cluster.delete("services", "gw", "shop")
    assert k8s.addresses(1.2) == ["db.shop.svc:80"]
    # Watches end after five minutes and are gone on with from the last bookmark; nothing is listed again.
    for _ in range(50):
        k8s.cluster.put("pods", kit.pod("other"))
    k8s.lab.run(700)
    assert len(k8s.asked("services?limit")) == 1
    versions = [int(each.partition("resourceVersion=")[2].partition("&")[0]) for each in k8s.asked("watch=1")]
    assert len(versions) == 3
    assert versions[-1] >= 150


def test_hundreds_of_changes_at_once_are_looked_at_together(k8s):
    k8s.follow("pod")
    k8s.cluster.put("pods", kit.pod("first", ip="10.1.1.1"))
    k8s.lab.run(1.2)
    looks = []
    current = k8s.discovery.current
    k8s.discovery.current = lambda now: looks.append(now) or current(now)
    for number in range(300):
        k8s.cluster.put("pods", kit.pod(f"p{number}", ip=f"10.2.{number // 250}.{number % 250}"))
        k8s.lab.run(0.005)
    assert len(k8s.addresses(1.2)) == 602
    assert len(looks) <= 4


def test_long_lists_come_in_pages_also_when_the_token_expires(k8s):
    for number in range(1201):
        k8s.cluster.put("nodes", {**kit.NODE, "metadata": {"name": f"n{number}"}})
    assert len(k8s.follow("node")) == 1201
    assert len(k8s.asked("continue=")) == 2
    answer, seen = k8s.cluster.answer, []

    def expire(request):
        if "continue=" in request.url and not seen:
            seen.append(request.url)
            k8s.cluster.forget()
        return answer(request)

    k8s.cluster.answer = expire
    k8s.discovery.close()
    assert len(k8s.follow("node", namespaces=("x",))) == 1201
    assert seen


def test_gone_is_listed_anew_at_once(k8s):
    k8s.cluster.put("services", kit.SERVICE)
    k8s.follow("service")
    k8s.cluster.failing = 500
    k8s.lab.run(310)  # the watch has ended and cannot be opened again
    assert "HTTP status 500: trouble is pretended" in k8s.errors[0]
    k8s.cluster.delete("services", "gw", "shop")
    k8s.cluster.put("services", {**kit.SERVICE, "metadata": {"name": "db", "namespace": "shop"}})
    k8s.cluster.forget()
    k8s.cluster.failing = 0
    assert k8s.addresses(70) == ["db.shop.svc:80"], "what was deleted while nobody listened is gone, too"
    assert not k8s.errors
    assert len(k8s.asked("services?limit")) == 2


def test_errors_wait_longer_each_time_and_keep_the_targets(k8s):
    k8s.cluster.put("services", kit.SERVICE)
    k8s.follow("service")
    k8s.cluster.failing = 503
    before = len(k8s.cluster.requests)
    k8s.lab.run(310 + 600)
    # 1, 2, 4, … 32 and then every 60 s, from when the watch ended.
    assert 12 <= len(k8s.cluster.requests) - before <= 20
    assert k8s.addresses() == ["gw.shop.svc:80"]


def test_selectors_namespaces_and_tokens(k8s):
    kit.fill(k8s.cluster)
    k8s.cluster.token = "t1"
    k8s.cluster.put("pods", kit.pod("other", ip="10.1.0.6", labels={"app": "x"}))
    k8s.cluster.put("pods", kit.pod("far", ip="10.1.0.7", namespace="far"))
    bearer = HttpSettings(headers=(("Authorization", "Bearer t1"),))
    selectors = (("pod", "app.kubernetes.io/name=gw", "metadata.name!=x"),)
    found = k8s.follow("pod", bearer, namespaces=("shop",), selectors=selectors)
    assert set(found) == {"10.1.0.5:8080", "10.1.0.5"}
    assert k8s.asked("/api/v1/namespaces/shop/pods?labelSelector=app.kubernetes.io%2Fname%3Dgw&fieldSelector=")
    k8s.discovery.close()
    k8s.follow("pod", namespaces=("shop",))
    assert k8s.errors == ["cannot list pods: HTTP status 401: Unauthorized"]


def test_running_pods_are_workloads(k8s):
    k8s.cluster.put("pods", kit.pod("a"))
    k8s.cluster.put("pods", kit.pod("b", phase="Succeeded"))
    leaving = kit.pod("c")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    k8s.cluster.put("pods", leaving)
    k8s.follow("endpoints")
    assert [(w.namespace, w.name, w.containers[0].image) for w in k8s.lab.service.workloads()] == [
        ("shop", "a", "registry/gw:1.4.0")
    ]


def test_a_reload_ends_the_watches_of_what_it_takes_away(k8s):
    k8s.follow("service")
    assert k8s.cluster.on_change
    k8s.lab.apply()
    k8s.lab.run(1)
    k8s.cluster.put("services", kit.SERVICE)
    k8s.lab.run(400)
    assert not k8s.cluster.on_change
    assert len(k8s.asked("watch=1")) == 1


KUBECONFIG = b"""
current-context: here
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}]
clusters: [{name: c, cluster: {server: "https://api:6443", certificate-authority-data: Q0E=}}]
users: [{name: u, user: {tokenFile: token}}]
"""


def test_ways_into_a_cluster(lab):
    files = lab.ports.files
    files.write(Path("/k/config"), KUBECONFIG)
    files.write(Path("/k/token"), b"t2\n")
    access = access_of(KubernetesSdConfig(role="pod", kubeconfig_file="/k/config"), SecretFiles(files))
    assert (access.server, access.namespace, access.http.headers) == (
        "https://api:6443", "shop", (("Authorization", "Bearer t2"),),
    )  # fmt: skip
    assert access.http.tls.ca_pem == "CA"
    inside = KubernetesSdConfig(role="pod", namespaces={"own_namespace": True})
    assert "no access to a cluster" in access_of(inside, SecretFiles(files)).error
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    for name in ("token", "ca.crt", "namespace"):
        files.write(account / name, name.encode())
    access = access_of(inside, SecretFiles(files))
    assert (access.server, access.namespace, access.error) == ("https://kubernetes.default.svc", "namespace", "")
    files.write(Path("/k/config"), KUBECONFIG.replace(b"tokenFile: token", b"exec: {command: x}"))
    access = access_of(KubernetesSdConfig(role="pod", kubeconfig_file="/k/config"), SecretFiles(files))
    assert "log in with exec are not supported" in access.error
