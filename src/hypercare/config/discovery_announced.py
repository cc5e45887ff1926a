"""Service discovery kinds that are understood but not acted on: their keys are checked, and their use is announced.

Which keys are needed, and which exclude each other, is as in Prometheus' documentation. Selectors, roles and the like
are checked as far as a wrong one is a mistake that Prometheus would report.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from hypercare.config.base import AnyUrl, Duration, FilePath, Secret, StrictModel, TextMap, Url, refuse
from hypercare.config.discovery_containers import DockerFilter
from hypercare.config.http_client import HttpClientConfig, TlsConfig
from hypercare.model.time import MINUTE, SECOND

Groups = tuple[tuple[str, ...], ...]
_HTTP = HttpClientConfig.exclusive


class Announcing(StrictModel):
    """Base of the kinds that do not speak HTTP with our client settings."""

    announced: ClassVar[str] = "targets of this kind are not discovered yet; use file_sd_configs or http_sd_configs"

    refresh_interval: Duration = MINUTE


class HttpAnnouncing(HttpClientConfig):
    """Base of the kinds that do."""

    announced: ClassVar[str] = Announcing.announced

    refresh_interval: Duration = MINUTE


class AzureSd(HttpAnnouncing):
    """``azure_sd_configs``."""

    environment: str = "AzurePublicCloud"
    port: int = 80
    subscription_id: str
    tenant_id: str = ""
    client_id: str = ""
    client_secret: Secret = Secret("")
    resource_group: str = ""
    authentication_method: Literal["OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity"] = "OAuth"

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.authentication_method == "OAuth":
            for name in ("tenant_id", "client_id", "client_secret"):
                if not getattr(self, name):
                    msg = f"{name} is required for the authentication method OAuth"
                    raise refuse(msg, name)
        return self


class ConsulSd(HttpAnnouncing):
    """``consul_sd_configs``."""

    server: str = "localhost:8500"
    path_prefix: str = ""
    token: Secret = Secret("")
    datacenter: str = ""
    namespace: str = ""
    partition: str = ""
    tag_separator: str = ","
    scheme: str = "http"
    username: str = ""
    password: Secret = Secret("")
    allow_stale: bool = True
    services: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    node_meta: TextMap = Field(default_factory=dict)
    filter: str = ""
    health_filter: str = ""


class DigitalOceanSd(HttpAnnouncing):
    """``digitalocean_sd_configs``."""

    port: int = 80


class DockerSwarmSd(HttpAnnouncing):
    """``dockerswarm_sd_configs``."""

    host: AnyUrl
    role: Literal["services", "tasks", "nodes"]
    port: int = 80
    filters: tuple[DockerFilter, ...] = ()


class Ec2Sd(HttpAnnouncing):
    """``ec2_sd_configs``."""

    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: Secret = Secret("")
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    port: int = 80
    filters: tuple[DockerFilter, ...] = ()


class LightsailSd(HttpAnnouncing):
    """``lightsail_sd_configs``."""

    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: Secret = Secret("")
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    port: int = 80


class AwsSd(Ec2Sd):
    """``aws_sd_configs``: EC2, Lightsail, ECS, MSK and others by role."""

    role: Literal["ec2", "lightsail", "ecs", "msk", "rds", "elasticache"]
    clusters: tuple[str, ...] = ()
    request_concurrency: int = 10


class EurekaSd(HttpAnnouncing):
    """``eureka_sd_configs``."""

    refresh_interval: Duration = 30 * SECOND
    server: Url


class GceSd(Announcing):
    """``gce_sd_configs``."""

    project: str
    zone: str
    filter: str = ""
    port: int = 80
    tag_separator: str = ","


class HetznerSd(HttpAnnouncing):
    """``hetzner_sd_configs``."""

    role: Literal["hcloud", "robot"]
    port: int = 80
    label_selector: str = ""


class IonosSd(HttpAnnouncing):
    """``ionos_sd_configs``."""

    datacenter_id: str = Field(min_length=1)
    port: int = 80


class KumaSd(HttpAnnouncing):
    """``kuma_sd_configs``."""

    refresh_interval: Duration = 30 * SECOND
    server: Url
    client_id: str = ""
    fetch_timeout: Duration = 2 * MINUTE


class LinodeSd(HttpAnnouncing):
    """``linode_sd_configs``."""

    region: str = ""
    port: int = 80
    tag_separator: str = ","


class MarathonSd(HttpAnnouncing):
    """``marathon_sd_configs``."""

    exclusive: ClassVar[Groups] = (
        *_HTTP,
        ("auth_token", "auth_token_file"),
        ("basic_auth", "auth_token", "auth_token_file"),
        ("bearer_token", "bearer_token_file", "auth_token", "auth_token_file"),
        ("authorization", "auth_token", "auth_token_file"),
    )

    refresh_interval: Duration = 30 * SECOND
    servers: tuple[str, ...] = Field(min_length=1)
    auth_token: Secret = Secret("")
    auth_token_file: FilePath = ""


class NerveSd(StrictModel):
    """``nerve_sd_configs``."""

    announced: ClassVar[str] = Announcing.announced

    servers: tuple[str, ...] = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = 10 * SECOND


class ServersetSd(NerveSd):
    """``serverset_sd_configs``."""


class NomadSd(HttpAnnouncing):
    """``nomad_sd_configs``."""

    allow_stale: bool = True
    namespace: str = "default"
    region: str = "global"
    server: str = Field(default="http://localhost:4646", min_length=1)
    tag_separator: str = ","


class OciSd(Announcing):
    """``oci_sd_configs``."""

    auth: Literal["api_key", "instance_principal"] = "api_key"
    region: str
    tenancy: str = ""
    user: str = ""
    fingerprint: str = ""
    key_file: FilePath = ""
    key_passphrase: Secret = Secret("")
    compartments: tuple[str, ...] = ()
    port: int = 80


class OpenstackSd(Announcing):
    """``openstack_sd_configs``."""

    role: Literal["hypervisor", "instance", "loadbalancer"]
    identity_endpoint: str = ""
    username: str = ""
    userid: str = ""
    password: Secret = Secret("")
    project_name: str = ""
    project_id: str = ""
    domain_name: str = ""
    domain_id: str = ""
    application_credential_name: str = ""
    application_credential_id: str = ""
    application_credential_secret: Secret = Secret("")
    region: str
    port: int = 80
    all_tenants: bool = False
    availability: Literal["public", "admin", "internal"] = "public"
    tls_config: TlsConfig = TlsConfig()


class OutscaleSd(HttpAnnouncing):
    """``outscale_sd_configs``."""

    exclusive: ClassVar[Groups] = (*_HTTP, ("secret_key", "secret_key_file"))
    required_one: ClassVar[Groups] = (("secret_key", "secret_key_file"),)

    region: str
    endpoint: str = ""
    port: int = 80
    access_key: str
    secret_key: Secret = Secret("")
    secret_key_file: FilePath = ""


class OvhcloudSd(Announcing):
    """``ovhcloud_sd_configs``."""

    endpoint: str = "ovh-eu"
    service: Literal["vps", "dedicated_server"]
    application_key: str
    application_secret: Secret
    consumer_key: Secret


class PuppetDbSd(HttpAnnouncing):
    """``puppetdb_sd_configs``."""

    url: Url
    query: str = Field(min_length=1)
    include_parameters: bool = False
    port: int = 80


class ScalewaySd(HttpAnnouncing):
    """``scaleway_sd_configs``."""

    exclusive: ClassVar[Groups] = (*_HTTP, ("secret_key", "secret_key_file"))
    required_one: ClassVar[Groups] = (("secret_key", "secret_key_file"),)

    project_id: str
    api_url: str = "https://api.scaleway.com"
    zone: str = "fr-par-1"
    access_key: str
    secret_key: Secret = Secret("")
    secret_key_file: FilePath = ""
    name_filter: str = ""
    tags_filter: tuple[str, ...] = ()
    port: int = 80
    role: Literal["instance", "baremetal"]


class StackitSd(HttpAnnouncing):
    """``stackit_sd_configs``."""

    project: str = ""
    endpoint: AnyUrl = ""
    region: str = "eu01"
    port: int = 80
    service_account_key: Secret = Secret("")
    private_key: Secret = Secret("")
    service_account_key_path: FilePath = ""
    private_key_path: FilePath = ""
    credentials_file_path: FilePath = ""


class TritonSd(Announcing):
    """``triton_sd_configs``."""

    account: str = Field(min_length=1)
    dns_suffix: str = Field(min_length=1)
    endpoint: str = Field(min_length=1)
    groups: tuple[str, ...] = ()
    port: int = 9163
    role: Literal["container", "cn"] = "container"
    version: int = 1
    tls_config: TlsConfig = TlsConfig()


class UyuniSd(HttpAnnouncing):
    """``uyuni_sd_configs``."""

    server: Url
    username: str = Field(min_length=1)
    password: Secret
    entitlement: str = "monitoring_entitled"
    separator: str = ","


class VultrSd(HttpAnnouncing):
    """``vultr_sd_configs``."""

    port: int = 80


class ServiceDiscoveries(StrictModel):
    """The kinds as keys of a scrape config or of an ``alertmanagers`` entry."""

    aws_sd_configs: tuple[AwsSd, ...] = ()
    azure_sd_configs: tuple[AzureSd, ...] = ()
    consul_sd_configs: tuple[ConsulSd, ...] = ()
    digitalocean_sd_configs: tuple[DigitalOceanSd, ...] = ()
    dockerswarm_sd_configs: tuple[DockerSwarmSd, ...] = ()
    ec2_sd_configs: tuple[Ec2Sd, ...] = ()
    eureka_sd_configs: tuple[EurekaSd, ...] = ()
    gce_sd_configs: tuple[GceSd, ...] = ()
    hetzner_sd_configs: tuple[HetznerSd, ...] = ()
    ionos_sd_configs: tuple[IonosSd, ...] = ()
    kuma_sd_configs: tuple[KumaSd, ...] = ()
    lightsail_sd_configs: tuple[LightsailSd, ...] = ()
    linode_sd_configs: tuple[LinodeSd, ...] = ()
    marathon_sd_configs: tuple[MarathonSd, ...] = ()
    nerve_sd_configs: tuple[NerveSd, ...] = ()
    nomad_sd_configs: tuple[NomadSd, ...] = ()
    oci_sd_configs: tuple[OciSd, ...] = ()
    openstack_sd_configs: tuple[OpenstackSd, ...] = ()
    outscale_sd_configs: tuple[OutscaleSd, ...] = ()
    ovhcloud_sd_configs: tuple[OvhcloudSd, ...] = ()
    puppetdb_sd_configs: tuple[PuppetDbSd, ...] = ()
    scaleway_sd_configs: tuple[ScalewaySd, ...] = ()
    serverset_sd_configs: tuple[ServersetSd, ...] = ()
    stackit_sd_configs: tuple[StackitSd, ...] = ()
    triton_sd_configs: tuple[TritonSd, ...] = ()
    uyuni_sd_configs: tuple[UyuniSd, ...] = ()
    vultr_sd_configs: tuple[VultrSd, ...] = ()
