"""New versions of containers begin watches: roll-outs, roll-backs, and services that are not scraped."""

from __future__ import annotations

import json

import pytest

from hypercare.collectors.discovery.kubernetes.fake import FakeCluster
from hypercare.deploys import store
from hypercare.model.time import MINUTE
from hypercare.sim.world import ok

CONFIG = """
platform: shop
prometheus: prometheus.yml
alertmanager: false
services: [{name: gw}]
collect: {host: {enabled: false}}
deployments:
  plans: [{name: p, checks: [{name: up, expr: vector(1), critical: 2}]}]
  MORE
"""
KUBERNETES = """
scrape_configs:
  - job_name: pods
    scrape_interval: 30s
    kubernetes_sd_configs: [{role: pod, api_server: "http://api"}]
    relabel_configs: [{action: drop, source_labels: [__meta_kubernetes_namespace], regex: shop}]
"""


def pod(name, tag, **labels):
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "gw", **labels}},
        "spec": {"containers": [{"name": "gw", "image": f"registry/gw:{tag}"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }


class Story:
    def __init__(self, stage, tmp_path, more="", prometheus="{}"):
        (tmp_path / "hypercare.yml").write_text(CONFIG.replace("MORE", more))
        (tmp_path / "prometheus.yml").write_text(prometheus)
        self.stage = stage(tmp_path / "hypercare.yml")
        self.cluster = FakeCluster()
        self.containers = []
        self.stage.ports.streams.cluster("api", self.cluster)
        self.stage.world.host("docker:2375", self._docker)

    def _docker(self, request, now):
        body = [] if "/networks" in request.url else self.containers
        return ok(json.dumps(body).encode(), now), 5

    def run(self, minutes=2):
        self.stage.sim.run_for(minutes * MINUTE)
        with self.stage.app.state.read() as db:
            return [(w.version, w.previous, w.status) for w in reversed(store.load_watches(db))]

    def roll(self, number, tag):
        self.cluster.put("pods", pod(f"gw-{number}", tag))


def test_a_roll_out_begins_one_watch_and_a_roll_back_none(stage, tmp_path):
    story = Story(stage, tmp_path, prometheus=KUBERNETES)
    for number in range(3):
        story.roll(number, "1.0")
    story.stage.start()
    assert story.run(3) == [], "what runs already was not deployed just now"
    for number in range(3):
        story.roll(number, "1.1")
        assert story.run(1) == [("1.1", "1.0", "running")], "old and new beside each other are one roll-out"
    for number in range(3):
        story.roll(number, "1.0")
        assert story.run(1) == [("1.1", "1.0", "running")], "the version that comes back is not new"
    story.roll(0, "1.1")
    assert len(story.run(1)) == 1
    for number in range(3):
        story.roll(number, "1.2")
    assert [(v, s) for v, _, s in story.run()] == [("1.1", "cancelled"), ("1.2", "running")]
    pools = {target.scrape_pool for target in story.stage.app.collectors.snapshot().active}
    assert "pods" not in pools, "none of them is scraped"


def test_a_changed_label_counts_before_the_image(stage, tmp_path):
    story = Story(stage, tmp_path, prometheus=KUBERNETES)
    version = "app.kubernetes.io/version"
    story.cluster.put("pods", pod("gw-0", "stable", **{version: "7"}))
    story.stage.start()
    assert story.run() == []
    story.cluster.put("pods", pod("gw-0", "stable", **{version: "8"}))
    assert [v for v, _, _ in story.run()] == ["8"]


@pytest.mark.parametrize("more", ["docker_sd_configs: [{host: 'tcp://docker:2375', refresh_interval: 30s}]"])
def test_containers_are_looked_at_without_a_scrape_config(stage, tmp_path, more):
    story = Story(stage, tmp_path, more)

    def runs(*tags):
        story.containers = [
            {"Id": t, "Names": [f"/shop-gw-{t}"], "Image": f"gw:{t}", "ImageID": "sha256:0", "State": "running",
             "Labels": {"com.docker.compose.service": "gw"}, "HostConfig": {"NetworkMode": "none"}}
            for t in tags
        ]  # fmt: skip

    runs("1", "2")
    story.stage.start()
    assert story.run() == [], "in the midst of a roll-out at the start: both are known from then on"
    runs("2")
    story.run()
    runs("2", "3")
    assert story.run() == [("3", "2", "running")]
    runs()
    story.run()
    runs("2")
    assert len(story.run()) == 1


def test_switched_off_and_services_nobody_knows(stage, tmp_path):
    story = Story(stage, tmp_path, "watch_containers: false", KUBERNETES)
    story.roll(0, "1")
    story.stage.start()
    story.run()
    story.roll(0, "2")
    assert story.run() == []


def test_where_targets_carry_the_version_label_it_alone_counts(stage, tmp_path):
    prometheus = KUBERNETES.replace(
        "scrape_configs:",
        "scrape_configs:\n  - {job_name: gw, scrape_interval: 30s, file_sd_configs: [{files: [t.json]}]}",
    )
    listed = tmp_path / "t.json"
    listed.write_text("[]")
    story = Story(stage, tmp_path, "version_label: version", prometheus)

    def scraped(*versions):
        groups = [{"targets": [f"gw{v}:80"], "labels": {"service": "gw", "version": f"v{v}"}} for v in versions]
        story.stage.ports.files.write(listed, json.dumps(groups).encode())

    scraped("1")
    story.roll(0, "1")
    story.stage.start()
    story.run(3)
    story.roll(0, "2")
    scraped()
    assert story.run(7) == [], "its targets are away for a while: the tag does not become another name of a version"
    scraped("2")
    assert [v for v, _, _ in story.run(3)] == ["v2"]
