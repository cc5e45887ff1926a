"""Docker and Kubernetes discovery beside other programs that do it: Podman's API and a real Prometheus, and vmagent."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from waiting_kit import wait_for

from hypercare.adapters.fake_cluster import FakeClusterServer
from hypercare.adapters.http import HttpClient
from hypercare.adapters.ioloop import IoLoop
from hypercare.adapters.streams import HttpStreams
from hypercare.collectors.discovery.docker_sd import DockerDiscovery, DockerSettings
from hypercare.collectors.discovery.kubernetes import Access, KubernetesDiscovery, KubernetesSettings
from hypercare.collectors.discovery.kubernetes.fake import FakeCluster
from hypercare.collectors.scrape.job import HttpSettings
from ports_kit import free_port

_spec = importlib.util.spec_from_file_location(
    "cluster_kit", Path(__file__).parents[1] / "collectors" / "cluster_kit.py"
)
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)

ROLES = ("node", "pod", "service", "endpoints", "endpointslice", "ingress")
DROP = "relabel_configs: [{source_labels: [__address__], regex: .*, action: drop}]"
NEWER = (
    "pod_container_image", "pod_container_id", "service_port_number", "endpointslice_endpoint_conditions_serving",
    "endpointslice_endpoint_conditions_terminating", "endpointslice_endpoint_node_name", "endpointslice_endpoint_zone",
    "service_type", "service_cluster_ip", "pod_container_init",
)  # fmt: skip
"""Labels that vmagent 1.79 did not know yet or gives in other roles, too; they are tested against the documentation."""


@pytest.fixture
def io():
    loop = IoLoop()
    yield loop
    loop.close()


def discovered(url, kind):
    """Label sets by job, as a server like Prometheus tells them; scraped and dropped."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/targets", timeout=30) as answer:
            data = json.load(answer)["data"]
    except (urllib.error.URLError, ConnectionError):
        return {}
    found = {}
    for target in (data.get("activeTargets") or []) + (data.get("droppedTargets") or []):
        labels = target["discoveredLabels"]
        found.setdefault(labels["job"], set()).add(cut(labels.items(), kind))
    return found


def cut(pairs, kind):
    """What discovery alone gives."""
    newer = {f"__meta_kubernetes_{name}" for name in NEWER} if kind == "kubernetes" else set()
    return frozenset((n, v) for n, v in pairs if v and n not in newer and n.startswith(("__meta_", "__address__")))


class Cluster:
    """A discovery of a role over real sockets."""

    def __init__(self, io, url, role):
        client = HttpClient(io)
        self.discovery = KubernetesDiscovery(client, HttpStreams(io, client), Access(url), KubernetesSettings(role))
        self.poked = threading.Event()
        self.now = 0

    def look(self):
        self.now += 100
        found = self.discovery.current(self.now)
        self.discovery.follow(self.now, self.poked.set)
        return found

    def targets(self):
        found = self.look()
        return None if found.targets is None else {cut(each, "kubernetes") for each in found.targets}


@pytest.mark.skipif(not Path("/usr/bin/vmagent").exists(), reason="needs Debian's victoria-metrics (vmagent)")
def test_all_roles_beside_vmagent(io, tmp_path):
    cluster = kit.fill(FakeCluster())
    with FakeClusterServer(cluster) as server:
        jobs = "".join(
            f"- job_name: {r}\n  kubernetes_sd_configs: [{{role: {r}, api_server: '{server.url}'}}]\n  {DROP}\n"
            for r in ROLES
        )
        (tmp_path / "p.yml").write_text(f"scrape_configs:\n{jobs}")
        port = free_port()
        command = [
            "/usr/bin/vmagent", f"-promscrape.config={tmp_path / 'p.yml'}", "-remoteWrite.url=http://127.0.0.1:1/",
            f"-httpListenAddr=127.0.0.1:{port}", f"-remoteWrite.tmpDataPath={tmp_path / 'queue'}",
            "-promscrape.kubernetesSDCheckInterval=1s",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as agent:
            try:
                mine = {role: Cluster(io, server.url, role) for role in ROLES}

                def same():
                    theirs = discovered(f"http://127.0.0.1:{port}", "kubernetes")
                    return all(mine[role].targets() == theirs.get(role, set()) for role in ROLES) and theirs

                assert len(wait_for(same, 90, "the same targets of all roles")) == len(ROLES)
                with server.lock:
                    cluster.put("pods", kit.pod("gw-2", ip="10.1.0.8"))
                    cluster.delete("services", "gw", "shop")

                def changed():
                    # Targets that vmagent dropped once are shown for a while after they are gone.
                    theirs = discovered(f"http://127.0.0.1:{port}", "kubernetes")
                    known = [mine[role].targets() <= theirs.get(role, set()) for role in ROLES]
                    return all(known) and len(mine["pod"].targets()) == 6 and not mine["service"].targets()

                wait_for(changed, 90, "the same after changes")
            finally:
                agent.terminate()


def test_watches_survive_cuts_and_compaction(io):
    cluster = kit.fill(FakeCluster())
    with FakeClusterServer(cluster) as server:
        mine = Cluster(io, server.url, "service")
        wait_for(mine.targets, 90, "the first list")
        for number in range(3):
            server.hang_up()
            with server.lock:
                cluster.put("services", {**kit.SERVICE, "metadata": {"name": f"s{number}", "namespace": "shop"}})
                if number == 1:
                    cluster.forget()
            wait_for(lambda: len(mine.targets()) == number + 2, 90, "the targets after a cut")  # noqa: B023
        wait_for(lambda: not mine.look().error, 90, "no error once the watch is open again")
        mine.discovery.close()


# -- docker ------------------------------------------------------------------------------------------------------------

BUSYBOX = Path("/bin/busybox")  # needs nothing else in an image, as Debian's busybox-static


@pytest.fixture
def podman(tmp_path):
    """A running Podman with one container on a bridge and one without a network, and its socket."""
    if os.geteuid():
        pytest.skip("needs root")
    assert all(shutil.which(name) for name in ("podman", "runc", "busybox")), "make peers"
    # Podman takes no long paths for what runs.
    short = Path(tempfile.mkdtemp(prefix="hp-"))
    tools = ["--storage-driver=vfs", f"--root={tmp_path / 'root'}", f"--runroot={short / 'run'}"]
    tools += [f"--tmpdir={short / 't'}", "--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=file"]
    base = ["podman", *tools]

    def run(*args, **more):
        done = subprocess.run([*base, *args], capture_output=True, timeout=120, check=False, **more)
        if done.returncode:
            pytest.skip(f"podman cannot do that here: {done.stderr.decode()[-200:]}")
        return done.stdout.decode().strip()

    image = tmp_path / "image"
    image.mkdir()
    shutil.copy(BUSYBOX, image / "busybox")
    tar = subprocess.run(["tar", "-C", image, "-c", "."], capture_output=True, check=True, timeout=60).stdout
    for version in ("1.0.0", "1.1.0"):
        run("import", "-", f"registry.local/gw:{version}", input=tar)
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    def start(name, *args, version="1.0.0"):
        run("run", "-d", "--name", name, *limits, *args, f"registry.local/gw:{version}", "/busybox", "sleep", "36000")

    socket = short / "podman.sock"
    start("gw", "--label", "com.docker.compose.service=gw", "-p", f"127.0.0.1:{free_port()}:8080")
    start("quiet", "--network", "none")
    service = subprocess.Popen([*base, "system", "service", "--time=0", f"unix://{socket}"], stderr=subprocess.DEVNULL)
    try:
        wait_for(socket.exists, 90, "podman's socket")
        yield f"unix://{socket}", start, run
    finally:
        subprocess.run([*base, "rm", "-f", "-a", "-t", "0"], capture_output=True, timeout=120, check=False)
        service.terminate()
        service.wait(60)
        shutil.rmtree(short, ignore_errors=True)


def asked(discovery):
    answers, come = [], threading.Event()
    discovery.ask(lambda found: (answers.append(found), come.set()))
    assert come.wait(60)
    return answers[0]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Debian's prometheus")
def test_containers_of_podman_beside_prometheus(io, podman, tmp_path):
    host, start, run = podman
    port = free_port()
    (tmp_path / "p.yml").write_text(
        f"scrape_configs:\n- job_name: d\n  docker_sd_configs: [{{host: '{host}', refresh_interval: 1s}}]\n  {DROP}\n"
    )
    command = [
        "prometheus", f"--config.file={tmp_path / 'p.yml'}", f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
    ]  # fmt: skip
    docker = DockerDiscovery(HttpClient(io), DockerSettings(host), 5_000, HttpSettings())
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:

            def same():
                found = asked(docker)
                assert not found.error
                mine = {cut(each, "docker") for each in found.targets}
                return mine == discovered(f"http://127.0.0.1:{port}", "docker").get("d", set()) and mine

            assert len(wait_for(same, 90, "the same targets")) == 1
            assert [(w.name, w.containers[0].image) for w in docker.workloads()][::-1] in (
                [("gw", "registry.local/gw:1.0.0"), ("quiet", "registry.local/gw:1.0.0")],
                [("quiet", "registry.local/gw:1.0.0"), ("gw", "registry.local/gw:1.0.0")],
            )
            start("gw-next", "--label", "com.docker.compose.service=gw", version="1.1.0")
            assert len(wait_for(lambda: len(same() or ()) == 2 and same(), 90, "both beside each other")) == 2
            run("rm", "-f", "-t", "0", "gw")
            assert len(wait_for(lambda: len(same() or ()) == 1 and same(), 90, "the new one alone")) == 1
            assert "registry.local/gw:1.1.0" in {w.containers[0].image for w in docker.workloads()}
        finally:
            server.terminate()
