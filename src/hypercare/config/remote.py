"""The parts of prometheus.yml about other servers: remote write and read, tracing, OTLP, alertmanagers; and storage."""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hypercare.config.base import Announced, AnyUrl, Duration, FilePath, Secret, Size, StrictModel, TextMap, refuse
from hypercare.config.http_client import HttpClientConfig, TlsConfig
from hypercare.config.relabel import RelabelConfigs
from hypercare.config.scrape import DiscoveryConfigs
from hypercare.model.time import MINUTE, SECOND

_RESERVED = frozenset({
    "authorization", "content-encoding", "content-type", "host", "user-agent", "connection", "keep-alive",
    "proxy-authenticate", "proxy-authorization", "www-authenticate", "accept-encoding",
    "x-prometheus-remote-write-version", "x-prometheus-remote-read-version", "transfer-encoding", "content-length",
})  # fmt: skip


def _check_plain_headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _RESERVED:
            msg = f"the header {name!r} is set by the client and cannot be changed"
            raise refuse(msg, name)
    return headers


PlainHeaders = Annotated[TextMap, AfterValidator(_check_plain_headers)]


class QueueConfig(StrictModel):
    """How samples for a remote server are queued."""

    capacity: int = 10_000
    max_shards: int = 50
    min_shards: int = 1
    max_samples_per_send: int = 2_000
    batch_send_deadline: Duration = 5 * SECOND
    min_backoff: Duration = 30
    max_backoff: Duration = 5 * SECOND
    retry_on_http_429: bool = False
    sample_age_limit: Duration = 0

    @model_validator(mode="after")
    def _order(self) -> Self:
        for name in ("capacity", "max_shards", "max_samples_per_send"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be greater than zero"
                raise refuse(msg, name)
        if self.min_shards < 0:
            raise refuse("min_shards must not be negative", "min_shards")
        if self.min_shards > self.max_shards:
            msg = f"min_shards {self.min_shards} is greater than max_shards {self.max_shards}"
            raise refuse(msg, "min_shards")
        if self.max_backoff < self.min_backoff:
            raise refuse("max_backoff is shorter than min_backoff", "max_backoff")
        return self


class MetadataConfig(StrictModel):
    """How metadata of metrics is sent."""

    send: bool = True
    send_interval: Duration = MINUTE
    max_samples_per_send: int = 2_000


class SigV4(StrictModel):
    """AWS request signatures."""

    region: str = ""
    access_key: str = ""
    secret_key: Secret = Secret("")
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    use_fips_sts_endpoint: bool = False
    service_name: str = ""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if bool(self.access_key) != bool(self.secret_key):
            raise refuse("access_key and secret_key must be set together")
        return self


_UNSIGNED: Final = Announced("requests go out without this log-in")


class RemoteWrite(HttpClientConfig):
    """A server that gets all samples."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        *HttpClientConfig.exclusive,
        ("basic_auth", "authorization", "oauth2", "sigv4", "azuread", "google_iam"),
    )

    url: AnyUrl = Field(min_length=1)
    protobuf_message: Literal["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] = "prometheus.WriteRequest"
    remote_timeout: Duration = 30 * SECOND
    headers: PlainHeaders = Field(default_factory=dict)
    write_relabel_configs: RelabelConfigs = ()
    name: str = ""
    send_exemplars: Annotated[bool, Announced("exemplars are not stored, so none are sent")] = False
    send_native_histograms: bool = False
    round_robin_dns: Annotated[bool, Announced("connections are kept to the address that was resolved first")] = False
    queue_config: QueueConfig = QueueConfig()
    metadata_config: MetadataConfig = MetadataConfig()
    sigv4: Annotated[SigV4 | None, _UNSIGNED] = None
    azuread: Annotated[dict[str, object] | None, _UNSIGNED] = None
    google_iam: Annotated[dict[str, object] | None, _UNSIGNED] = None


class RemoteRead(HttpClientConfig):
    """A server that would be asked for old samples."""

    announced: ClassVar[str] = "other servers are not asked for samples yet"

    url: AnyUrl = Field(min_length=1)
    remote_timeout: Duration = MINUTE
    headers: PlainHeaders = Field(default_factory=dict)
    read_recent: bool = False
    name: str = ""
    required_matchers: TextMap = Field(default_factory=dict)
    filter_external_labels: bool = True
    chunked_read_limit: Size = 52_428_800


class Tracing(StrictModel):
    """Where Prometheus would send its own traces."""

    announced: ClassVar[str] = "hypercare sends no traces"

    client_type: Literal["grpc", "http"] = "grpc"
    endpoint: str = Field(min_length=1)
    sampling_fraction: float = 0.0
    insecure: bool = False
    tls_config: TlsConfig = TlsConfig()
    headers: PlainHeaders = Field(default_factory=dict)
    compression: Literal["", "gzip"] = ""
    timeout: Duration = 10 * SECOND


class Otlp(StrictModel):
    """How metrics that come by OTLP are translated."""

    promote_all_resource_attributes: bool = False
    promote_resource_attributes: tuple[str, ...] = ()
    ignore_resource_attributes: tuple[str, ...] = ()
    promote_scope_metadata: bool = False
    translation_strategy: Literal[
        "UnderscoreEscapingWithSuffixes", "UnderscoreEscapingWithoutSuffixes",
        "NoUTF8EscapingWithSuffixes", "NoTranslation",
    ] = "UnderscoreEscapingWithSuffixes"  # fmt: skip
    keep_identifying_resource_attributes: bool = False
    convert_histograms_to_nhcb: bool = False
    label_name_underscore_sanitization: bool = True
    label_name_preserve_multiple_underscores: bool = True

    @model_validator(mode="after")
    def _attributes(self) -> Self:
        for name in ("promote_resource_attributes", "ignore_resource_attributes"):
            seen: set[str] = set()
            for index, attribute in enumerate(text.strip() for text in getattr(self, name)):
                if not attribute:
                    raise refuse("a resource attribute must not be empty", name, index)
                if attribute in seen:
                    msg = f"the resource attribute {attribute!r} stands twice"
                    raise refuse(msg, name, index)
                seen.add(attribute)
        if self.promote_all_resource_attributes and self.promote_resource_attributes:
            raise refuse("promote_all_resource_attributes is on already", "promote_resource_attributes")
        if self.ignore_resource_attributes and not self.promote_all_resource_attributes:
            raise refuse("needs promote_all_resource_attributes: true", "ignore_resource_attributes")
        return self

    @property
    def promoted(self) -> tuple[str, ...]:
        """The promoted attributes without spaces around them."""
        return tuple(text.strip() for text in self.promote_resource_attributes)


class Retention(StrictModel):
    """How long samples are kept: whichever limit is reached first; 0: no such limit."""

    time: Duration = 0
    size: Size = 0
    percentage: float = Field(default=0.0, ge=0.0, le=100.0)


class ChunkEncoding(StrictModel):
    """How Prometheus would pack samples."""

    announced: ClassVar[str] = "the store has its own encoding"

    floats: Literal["xor", "xor2"] | None = None


_OUR_STORE: Final = Announced("our own store has no such setting")


class TsdbConfig(StrictModel):
    """The embedded store."""

    out_of_order_time_window: Annotated[Duration, Field(ge=0)] = 0
    stale_series_compaction_threshold: Annotated[float, _OUR_STORE] = Field(default=0.0, ge=0.0, le=1.0)
    retention: Annotated[Retention | None, Announced("set storage.retention in hypercare.yml")] = None
    chunk_encoding: Annotated[ChunkEncoding | None, _OUR_STORE] = None


class ExemplarsConfig(StrictModel):
    """How many exemplars would be kept."""

    announced: ClassVar[str] = "exemplars are not stored yet"

    max_exemplars: int = 100_000


class PrometheusStorage(StrictModel):
    """``storage`` of prometheus.yml."""

    tsdb: TsdbConfig | None = None
    exemplars: ExemplarsConfig | None = None


class AlertmanagerTarget(HttpClientConfig, DiscoveryConfigs):
    """Another Alertmanager that would get our alerts."""

    announced: ClassVar[str] = "alerts are routed by hypercare itself and not sent to this Alertmanager"
    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (
        *HttpClientConfig.exclusive,
        ("basic_auth", "authorization", "oauth2", "sigv4"),
    )

    scheme: Literal["http", "https"] = "http"
    path_prefix: str = "/"
    timeout: Duration = 10 * SECOND
    api_version: Literal["v2"] = "v2"
    relabel_configs: RelabelConfigs = ()
    alert_relabel_configs: RelabelConfigs = ()
    sigv4: SigV4 | None = None

    @model_validator(mode="after")
    def _targets(self) -> Self:
        self.check_static(self.relabel_configs)
        return self


class Alerting(StrictModel):
    """``alerting`` of prometheus.yml."""

    alert_relabel_configs: RelabelConfigs = ()
    alertmanagers: tuple[AlertmanagerTarget, ...] = ()


__all__ = ["Alerting", "FilePath", "Otlp", "PrometheusStorage", "RemoteRead", "RemoteWrite", "SigV4", "Tracing"]
