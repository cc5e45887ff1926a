"""Whose container it is, and of which version."""

from __future__ import annotations

import pytest

from hypercare.config.deployments import DeploymentsConfig, VersionSource
from hypercare.deploys.running import image_version, versions_of
from hypercare.model.workloads import RunningContainer, Workload

USUAL = DeploymentsConfig().version_from
NAMED = {"app.kubernetes.io/name": "gw"}


def pod(labels=None, annotations=None, namespace="shop", name="gw-1", **images):
    running = tuple(RunningContainer(n.replace("_", "-"), image) for n, image in (images or {"gw": "r/gw:1.0"}).items())
    return Workload("kubernetes", namespace, name, NAMED if labels is None else labels, annotations or {}, running)


@pytest.mark.parametrize(
    ("image", "image_id", "expected"),
    [
        ("gw:1.4.0", "", "1.4.0"),
        ("registry.local:5000/team/gw:v2", "", "v2"),
        ("gw:v2@sha256:" + "ab" * 32, "", "v2"),
        ("gw@sha256:" + "ab" * 32, "", "latest@" + "ab" * 6),
        ("gw:latest", "docker.io/gw@sha256:" + "cd" * 32, "latest@" + "cd" * 6),
        ("gw", "sha256:" + "ef" * 32, "latest@" + "ef" * 6),
        ("registry.local:5000/gw", "", ""),
        ("", "", ""),
    ],
)
def test_versions_of_images(image, image_id, expected):
    assert image_version(RunningContainer("x", image, image_id)) == expected


@pytest.mark.parametrize(
    ("workloads", "sources", "expected"),
    [
        ([pod()], [], {"gw": ("1.0",)}),
        ([pod(), pod(gw="r/gw:1.1", name="gw-2")], [], {"gw": ("1.0", "1.1")}),
        ([pod({**NAMED, "app.kubernetes.io/version": "7"})], [], {"gw": ("7",)}),
        ([pod({"app": "other"})], [], {}),
        ([pod({})], [], {}),
        ([pod(proxy="p:3", gw="r/gw:2")], [], {"gw": ("2",)}),
        ([pod(proxy="p:3")], [], {"gw": ("3",)}),
        ([pod({"app": "x"})], [{"service": "gw", "labels": {"app": "x"}}], {"gw": ("1.0",)}),
        ([pod({"app": "x"})], [{"service": "gw", "labels": {"app": "x", "tier": "y"}}], {}),
        ([pod(namespace="test")], [{"service": "gw", "namespace": "shop"}], {}),
        ([pod(a="a:1", b="b:2")], [{"service": "gw", "container": "b"}], {"gw": ("2",)}),
        ([pod(annotations={"v": " 9 "})], [{"service": "gw", "version": "annotation:v"}], {"gw": ("9",)}),
        ([pod({}, name="gw")], [{"service": "gw"}], {"gw": ("1.0",)}),
    ],
)
def test_services_and_versions(workloads, sources, expected):
    given = [VersionSource(**source) for source in sources]
    assert versions_of(workloads, given, {"gw", "db"}, USUAL) == expected
