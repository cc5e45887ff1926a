"""The jobs that a configuration asks for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.collectors.discovery import DnsDiscovery, FileDiscovery, HttpDiscovery, StaticDiscovery
from hypercare.collectors.discovery.docker_sd import DockerDiscovery, DockerSettings
from hypercare.collectors.exposition import NativeLimits, ProtobufOptions
from hypercare.collectors.host import HostSources
from hypercare.collectors.own import OwnSources
from hypercare.collectors.probes import Check, ProbeSources
from hypercare.collectors.pushed import NO_INSTANCE, PUSHED_JOB, PushedDiscovery, PushedSources
from hypercare.collectors.scrape.http_source import HttpSources, accept_header
from hypercare.collectors.scrape.job import HttpSettings, Job, Limits
from hypercare.collectors.settings import SecretFiles, http_settings
from hypercare.model.relabel import RelabelAction, RelabelRule
from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.collectors.discovery import Discovery
    from hypercare.collectors.own import OwnMetrics
    from hypercare.collectors.pushed import Pushed
    from hypercare.config import Config
    from hypercare.config.discovery_containers import DockerSdConfig, KubernetesSdConfig
    from hypercare.config.prometheus import ScrapeJob
    from hypercare.model.time import Ms
    from hypercare.ports import Ports


@dataclasses.dataclass(frozen=True, slots=True)
class JobSetup:
    """A job and where its targets come from."""

    job: Job
    discoveries: tuple[Discovery, ...]


class Surroundings:
    """What collectors are built with."""

    def __init__(self, ports: Ports, own: OwnMetrics, hostname: str, pushed: Pushed | None = None) -> None:
        self.ports = ports
        self.pushed = pushed
        self.own = own
        self.hostname = hostname
        self.secrets = SecretFiles(ports.files)


def scrape_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """The ``scrape_configs`` of prometheus.yml."""
    return tuple(scrape_setup(job, around) for job in config.prometheus.jobs)


def scrape_setup(given: ScrapeJob, around: Surroundings) -> JobSetup:
    """One scrape config."""
    config, ports = given.config, around.ports
    static = tuple(
        (*group.labels.items(), ("__address__", target)) for group in config.static_configs for target in group.targets
    )
    discoveries: list[Discovery] = [StaticDiscovery(static)]
    discoveries += [FileDiscovery(ports.files, sd.files, sd.refresh_interval) for sd in config.file_sd_configs]
    for sd in config.http_sd_configs:
        settings = http_settings(sd, around.secrets)
        discoveries.append(HttpDiscovery(ports.http, sd.url, sd.refresh_interval, settings))
    for dns in config.dns_sd_configs:
        discoveries.append(DnsDiscovery(ports.network, dns.names, dns.type, dns.port, dns.refresh_interval))
    discoveries += container_discoveries(config.docker_sd_configs, config.kubernetes_sd_configs, around)
    job = Job(
        given.name,
        given.interval,
        given.timeout,
        HttpSources(ports.http),
        scheme=config.scheme,
        path=config.metrics_path,
        params=tuple(config.params.items()),
        honor_labels=config.honor_labels,
        honor_timestamps=config.honor_timestamps,
        relabel=config.relabel_rules,
        metric_relabel=config.metric_relabel_rules,
        limits=Limits(
            body_size=given.body_size_limit,
            samples=given.sample_limit,
            targets=given.target_limit,
            labels=given.label_limit,
            label_name_length=given.label_name_length_limit,
            label_value_length=given.label_value_length_limit,
            dropped=given.keep_dropped_targets,
        ),
        compression=config.enable_compression,
        fallback=config.fallback_scrape_protocol or "",
        accept=accept_header(given.protocols, given.metric_name_escaping_scheme),
        extra_metrics=given.extra_scrape_metrics,
        http=http_settings(config, around.secrets),
        native=ProtobufOptions(
            native=given.native_histograms,
            classic_too=given.classic_histograms_too,
            convert=given.convert_classic_histograms,
            limits=NativeLimits(config.native_histogram_bucket_limit, config.native_histogram_min_bucket_factor),
        ),
        legacy_names=given.metric_name_validation_scheme == "legacy",
    )
    return JobSetup(job, tuple(discoveries))


def container_discoveries(
    dockers: Sequence[DockerSdConfig], clusters: Sequence[KubernetesSdConfig], around: Surroundings
) -> list[Discovery]:
    """The discoveries that look at containers."""
    found: list[Discovery] = []
    ports = around.ports
    for docker in dockers:
        wanted = DockerSettings(
            docker.host,
            docker.port,
            tuple((each.name, each.values) for each in docker.filters),
            docker.host_networking_host,
            first_network=docker.match_first_network,
        )
        settings = http_settings(docker, around.secrets)
        found.append(DockerDiscovery(ports.http, wanted, docker.refresh_interval, settings))
    for cluster in clusters:
        # Most platforms have no cluster: they need not hold its code in memory.
        from hypercare.collectors.discovery import kubernetes  # noqa: PLC0415

        access = kubernetes.access_of(cluster, around.secrets)
        names = dict.fromkeys(cluster.namespaces.names)
        if cluster.namespaces.own_namespace and access.namespace:
            names[access.namespace] = None
        looked_at = kubernetes.KubernetesSettings(
            cluster.role,
            tuple(names),
            tuple((each.role, each.label, each.field) for each in cluster.selectors),
            nodes=cluster.attach_metadata.node,
            with_namespaces=cluster.attach_metadata.namespace,
        )
        found.append(kubernetes.KubernetesDiscovery(ports.http, ports.streams, access, looked_at))
    return found


def container_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """The containers that deployments are noticed by; none of them is scraped."""
    deployments = config.hypercare.deployments
    found = container_discoveries(deployments.docker_sd_configs, deployments.kubernetes_sd_configs, around)
    if not found:
        return ()
    interval: Ms = config.prometheus.global_.interval
    nothing = (RelabelRule(RelabelAction.DROP, regex=".*"),)
    job = Job("deployments", interval, interval, HttpSources(around.ports.http), relabel=nothing)
    return (JobSetup(job, tuple(found)),)


def _built_in(labels: Mapping[str, str], url: tuple[str, str, str]) -> tuple[tuple[str, str], ...]:
    scheme, address, path = url
    return (*labels.items(), ("__scheme__", scheme), ("__address__", address), ("__metrics_path__", path))


def host_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """The machine we run on."""
    host = config.hypercare.collect.host
    if not host.enabled:
        return ()
    sources = HostSources(around.ports.host, around.ports.clock)
    job = Job("node", host.interval, min(host.interval, 10 * SECOND), sources)
    labels = {"instance": around.hostname, **host.labels}
    return (JobSetup(job, (StaticDiscovery((_built_in(labels, ("host", around.hostname, "/")),)),)),)


def own_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """Hypercare itself."""
    collect = config.hypercare.collect.self_
    if not collect.enabled:
        return ()
    sources = OwnSources(around.own, around.ports.clock)
    job = Job("hypercare", collect.interval, min(collect.interval, 10 * SECOND), sources)
    labels = {"instance": around.hostname}
    return (JobSetup(job, (StaticDiscovery((_built_in(labels, ("self", around.hostname, "/metrics")),)),)),)


def pushed_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """What jobs pushed."""
    if around.pushed is None:
        return ()
    interval: Ms = config.prometheus.global_.interval
    sources = PushedSources(around.pushed, around.ports.clock)
    # What was pushed without an instance has none: ours, as the target's, must not stand in its place.
    relabel = (RelabelRule(source_labels=("instance",), regex=NO_INSTANCE, target_label="instance", replacement=""),)
    timeout = min(interval, 10 * SECOND)
    job = Job(PUSHED_JOB, interval, timeout, sources, honor_labels=True, metric_relabel=relabel)
    target = _built_in({"instance": around.hostname}, ("pushed", around.hostname, "/metrics"))
    return (JobSetup(job, (PushedDiscovery(around.pushed, target),)),)


def probe_jobs(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """The health checks of all services."""
    defaults = config.hypercare.collect.probes
    checks: list[Check] = []
    targets: list[tuple[tuple[str, str], ...]] = []
    for service in config.hypercare.services:
        for health in service.health:
            client = health.http_config
            settings = http_settings(client, around.secrets) if client is not None else HttpSettings()
            labels = {"instance": health.target, "service": service.name}
            if health.name:
                labels["check"] = health.name
            interval: Ms = health.interval or defaults.interval
            timeout: Ms = min(health.timeout or defaults.timeout, interval)
            labels |= {"__scrape_interval__": f"{interval}ms", "__scrape_timeout__": f"{timeout}ms"}
            labels["__hypercare_check__"] = str(len(checks))
            # The path tells checks of one service apart that ask the same thing in two ways.
            path = f"/{service.name}/{health.kind}/{health.name}".rstrip("/")
            targets.append(
                _built_in(labels, ("probe", health.target.partition("://")[2].partition("/")[0] or health.target, path))
            )
            checks.append(Check(health.target, health, settings))
    if not checks:
        return ()
    ports = around.ports
    job = Job("probe", defaults.interval, min(defaults.timeout, defaults.interval),
              ProbeSources(tuple(checks), ports.http, ports.network, ports.clock))  # fmt: skip
    return (JobSetup(job, (StaticDiscovery(tuple(targets)),)),)
