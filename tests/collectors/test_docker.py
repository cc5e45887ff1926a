"""Containers of a Docker daemon as targets."""

from __future__ import annotations

import json

import pytest

from hypercare.collectors.discovery.docker_sd import DockerDiscovery, DockerSettings
from hypercare.collectors.scrape.job import HttpSettings
from hypercare.collectors.setups import JobSetup
from hypercare.model.relabel import RelabelAction, RelabelRule
from hypercare.ports import HttpResponse, Tls
from hypercare.sim.world import ok

KEEP_META = (RelabelRule(RelabelAction.LABELMAP, regex="__meta_docker_(.*)", replacement="$1"),)
NETWORKS = [
    {"Id": "n1", "Name": "front", "Scope": "local", "Internal": False, "Ingress": False, "Labels": {"team.name": "a"}},
    {"Id": "n2", "Name": "back", "Scope": "local", "Internal": True, "Ingress": False, "Labels": None},
    {"Id": "nh", "Name": "host", "Scope": "local", "Internal": False, "Ingress": False},
]


def container(name, networks, ports=(), mode="bridge", **more):
    return {
        "Id": f"id-{name}",
        "Names": [f"/{name}"],
        "Image": "registry/app:1.2",
        "ImageID": "sha256:abc",
        "Labels": {"com.docker.compose.service": name},
        "State": "running",
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks},
        "Ports": list(ports),
        **more,
    }


def net(ident, address):
    return {"NetworkID": ident, "IPAddress": address}


TCP = {"PrivatePort": 9100, "Type": "tcp"}
PUBLIC = {"PrivatePort": 8080, "PublicPort": 18080, "IP": "0.0.0.0", "Type": "tcp"}
UDP = {"PrivatePort": 53, "Type": "udp"}


class Daemon:
    def __init__(self, lab, address="docker:2375"):
        self.lab, self.containers, self.status, self.asked = lab, [], 200, []
        lab.world.host(address, self.answer)

    def answer(self, request, now):
        self.asked.append(request)
        body = self.containers if "/containers/json" in request.url else NETWORKS
        if self.status != 200:
            body = {"message": "no permission"}
        answer = ok(json.dumps(body).encode(), now, 0.005, "application/json")
        return HttpResponse(self.status, answer.headers, answer.body, 0.005, now), 5


def found(lab, *containers, **settings):
    daemon = Daemon(lab)
    daemon.containers = list(containers)
    docker = DockerDiscovery(lab.ports.http, DockerSettings("tcp://docker:2375", **settings), 60_000, HttpSettings())
    lab.apply(JobSetup(lab.job(relabel=KEEP_META), (docker,)))
    lab.run(1)
    return daemon, [t.labels.as_dict() for t in lab.service.snapshot().active], docker


def addresses(labels):
    return sorted(each["instance"] for each in labels)


def test_a_container_with_its_labels_as_prometheus_documents_them(lab):
    _, labels, _ = found(lab, container("api", {"front": net("n1", "10.0.0.2")}, [PUBLIC, UDP]))
    assert labels == [
        {
            "job": "j", "instance": "10.0.0.2:8080", "container_id": "id-api", "container_name": "/api",
            "container_network_mode": "bridge", "container_label_com_docker_compose_service": "api",
            "network_ip": "10.0.0.2", "network_id": "n1", "network_name": "front", "network_scope": "local",
            "network_internal": "false", "network_ingress": "false", "network_label_team_name": "a",
            "port_private": "8080", "port_public": "18080", "port_public_ip": "0.0.0.0",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("containers", "settings", "expected"),
    [
        ([container("a", {"front": net("n1", "10.0.0.2")})], {}, ["10.0.0.2:80"]),
        ([container("a", {"front": net("n1", "10.0.0.2")}, [UDP])], {"port": 9100}, ["10.0.0.2:9100"]),
        ([container("a", {"host": net("nh", "")}, mode="host")], {"host_networking_host": "box"}, ["box"]),
        ([container("a", {"front": net("n1", "fd00::2")}, [TCP])], {}, ["[fd00::2]:9100"]),
        # Of several networks the first by name, or all of them.
        ([container("a", {"front": net("n1", "1.1.1.1"), "back": net("n2", "2.2.2.2")})], {}, ["2.2.2.2:80"]),
        (
            [container("a", {"front": net("n1", "1.1.1.1"), "back": net("n2", "2.2.2.2")})],
            {"first_network": False},
            ["1.1.1.1:80", "2.2.2.2:80"],
        ),
        # A container in the network of another one; a circle of them; none at all.
        (
            [container("a", {"front": net("n1", "1.1.1.1")}), container("b", {}, [TCP], mode="container:id-a")],
            {},
            ["1.1.1.1:80", "1.1.1.1:9100"],
        ),
        ([container("a", {}, mode="container:id-b"), container("b", {}, mode="container:id-a")], {}, []),
        ([container("a", None, mode="none")], {}, []),
        ([container("a", {"front": net("n1", "1.1.1.1")}, Names=[])], {}, []),
    ],
)
def test_addresses(lab, containers, settings, expected):
    assert addresses(found(lab, *containers, **settings)[1]) == expected


def test_containers_come_and_go_and_an_error_keeps_them(lab):
    daemon, labels, docker = found(lab, container("a", {"front": net("n1", "10.0.0.2")}))
    assert addresses(labels) == ["10.0.0.2:80"]
    assert [w.containers[0].image for w in docker.workloads()] == ["registry/app:1.2"]
    daemon.status = 403
    lab.run(60)
    assert [d.error for d in lab.service.snapshot().discoveries] == [
        "tcp://docker:2375: cannot list containers: HTTP status 403: no permission"
    ]
    assert len(lab.service.snapshot().active) == 1
    daemon.status, daemon.containers = 200, []
    lab.run(60)
    assert not lab.service.snapshot().active
    assert not docker.workloads()


@pytest.mark.parametrize(
    ("host", "tls", "url", "socket"),
    [
        ("unix:///run/docker.sock", None, "http://docker/networks", "/run/docker.sock"),
        ("tcp://d:2375", None, "http://d:2375/networks", ""),
        ("tcp://d:2376", Tls(insecure_skip_verify=True), "https://d:2376/networks", ""),
        ("https://d/prefix/", None, "https://d/prefix/networks", ""),
    ],
)
def test_where_it_asks(host, tls, url, socket):
    asked = []

    class Http:
        def submit(self, request, _reply):
            asked.append(request)

    DockerDiscovery(Http(), DockerSettings(host), 60_000, HttpSettings(tls=tls)).ask(lambda _: None)
    assert [(r.url, r.socket) for r in asked[1:]] == [(url, socket)]


def test_filters_are_sent_as_dockers_api_takes_them(lab):
    daemon, _, _ = found(lab, filters=(("label", ("a=b", "c")), ("status", ("running",))))
    query = daemon.asked[0].url.partition("?filters=")[2]
    assert query == "%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%2C%22status%22%3A%5B%22running%22%5D%7D"
