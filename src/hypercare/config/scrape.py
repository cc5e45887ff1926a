"""``global`` and ``scrape_configs`` of prometheus.yml."""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hypercare.config.base import (
    Announced,
    Duration,
    LabelMap,
    PathText,
    Size,
    StrictModel,
    refuse,
)
from hypercare.config.discovery import DnsSdConfig, FileSdConfig, HttpSdConfig, StaticConfig, check_address
from hypercare.config.discovery_announced import ServiceDiscoveries
from hypercare.config.discovery_containers import DockerSdConfig, KubernetesSdConfig
from hypercare.config.http_client import HttpClientConfig
from hypercare.config.relabel import RelabelConfigs, rules_of
from hypercare.model.relabel import RelabelRule, apply
from hypercare.model.time import MINUTE, SECOND, format_duration

ScrapeProtocol = Literal[
    "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusProto", "PrometheusText0.0.4", "PrometheusText1.0.0"
]
EscapingScheme = Literal["", "allow-utf-8", "underscores", "dots", "values"]

DEFAULT_PROTOCOLS: Final[tuple[ScrapeProtocol, ...]] = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)


class ScrapeLimits(StrictModel):
    """Limits that ``global`` sets for all jobs and a job for itself; 0: none."""

    body_size_limit: Size = 0
    sample_limit: int = Field(default=0, ge=0)
    target_limit: int = Field(default=0, ge=0)
    label_limit: int = Field(default=0, ge=0)
    label_name_length_limit: int = Field(default=0, ge=0)
    label_value_length_limit: int = Field(default=0, ge=0)
    keep_dropped_targets: int = Field(default=0, ge=0)


class Runtime(StrictModel):
    """Settings of Prometheus' own process."""

    announced: ClassVar[str] = "it tunes Prometheus' own process and means nothing here"

    gogc: int = 75


def _check_protocols(protocols: tuple[ScrapeProtocol, ...] | None) -> None:
    for index, protocol in enumerate(protocols or ()):
        if protocol in (protocols or ())[:index]:
            msg = f"{protocol} stands twice in scrape_protocols"
            raise refuse(msg, "scrape_protocols", index)


class PrometheusGlobal(ScrapeLimits):
    """Defaults of all jobs and rule groups."""

    scrape_interval: Duration = MINUTE
    scrape_timeout: Duration = 0
    scrape_protocols: tuple[ScrapeProtocol, ...] | None = Field(default=None, min_length=1)
    evaluation_interval: Duration = MINUTE
    rule_query_offset: Duration = 0
    query_log_file: Annotated[PathText, Announced("queries are not logged to a file")] = ""
    scrape_failure_log_file: Annotated[PathText, Announced("failures show in the target's state")] = ""
    external_labels: LabelMap = Field(default_factory=dict)
    runtime: Runtime = Runtime()
    metric_name_validation_scheme: Literal["", "utf8", "legacy"] = ""
    metric_name_escaping_scheme: EscapingScheme = ""
    scrape_native_histograms: bool = False
    convert_classic_histograms_to_nhcb: bool = False
    always_scrape_classic_histograms: bool = False
    extra_scrape_metrics: bool = False

    @model_validator(mode="after")
    def _timing(self) -> Self:
        if self.scrape_timeout > (self.scrape_interval or MINUTE):
            msg = (
                f"the global scrape_timeout {format_duration(self.scrape_timeout)} is longer than the "
                f"scrape_interval {format_duration(self.scrape_interval or MINUTE)}"
            )
            raise refuse(
                msg,
                "scrape_timeout",
            )
        _check_protocols(self.scrape_protocols)
        if self.metric_name_validation_scheme == "legacy" and self.metric_name_escaping_scheme == "allow-utf-8":
            raise refuse("allow-utf-8 needs metric_name_validation_scheme: utf8", "metric_name_escaping_scheme")
        return self

    @model_validator(mode="after")
    def _labels(self) -> Self:
        if "__name__" in self.external_labels:
            raise refuse("an external label cannot be __name__", "external_labels", "__name__")
        return self

    @property
    def interval(self) -> int:
        """The scrape interval, ms."""
        return self.scrape_interval or MINUTE

    @property
    def timeout(self) -> int:
        """The scrape timeout, ms: what is set, or 10 s, but never more than the interval."""
        return self.scrape_timeout or min(10 * SECOND, self.interval)

    @property
    def evaluation(self) -> int:
        """The evaluation interval of rules, ms."""
        return self.evaluation_interval or MINUTE


class DiscoveryConfigs(ServiceDiscoveries):
    """All service discovery keys."""

    static_configs: tuple[StaticConfig, ...] = ()
    file_sd_configs: tuple[FileSdConfig, ...] = ()
    http_sd_configs: tuple[HttpSdConfig, ...] = ()
    dns_sd_configs: tuple[DnsSdConfig, ...] = ()
    docker_sd_configs: tuple[DockerSdConfig, ...] = ()
    kubernetes_sd_configs: tuple[KubernetesSdConfig, ...] = ()

    def check_static(self, relabels: RelabelConfigs) -> None:
        """Targets must be host:port, or be dropped or made so by relabelling.

        Raises:
            PydanticCustomError: a target is something else.
        """
        rules = rules_of(relabels)
        for group, static in enumerate(self.static_configs):
            for index, target in enumerate(static.targets):
                labels = apply(rules, {**static.labels, "__address__": target})
                if labels is None:
                    continue
                try:
                    check_address(labels.get("__address__"))
                except ValueError as err:
                    at = ("static_configs", group, "targets", index)
                    raise refuse(str(err), *at, hint="scheme and path are keys of their own") from None


def _no_values(value: object) -> object:
    return () if value is None else value


class ScrapeConfig(HttpClientConfig, DiscoveryConfigs, ScrapeLimits):
    """One job. What it does not set, ``PrometheusConfig.jobs`` fills in from ``global``."""

    job_name: str = Field(min_length=1)
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: Annotated[bool, Announced("series with own timestamps get no staleness marker")] = False
    params: dict[str, Annotated[tuple[str, ...], BeforeValidator(_no_values)]] = Field(default_factory=dict)
    scrape_interval: Duration = 0
    scrape_timeout: Duration = 0
    scrape_protocols: tuple[ScrapeProtocol, ...] | None = Field(default=None, min_length=1)
    fallback_scrape_protocol: ScrapeProtocol | None = None
    scrape_native_histograms: bool | None = None
    scrape_classic_histograms: bool | None = None
    always_scrape_classic_histograms: bool | None = None
    convert_classic_histograms_to_nhcb: bool | None = None
    native_histogram_bucket_limit: int = Field(default=0, ge=0)
    native_histogram_min_bucket_factor: float = 0.0
    extra_scrape_metrics: bool | None = None
    scrape_failure_log_file: Annotated[PathText, Announced("failures show in the target's state")] = ""
    metrics_path: str = "/metrics"
    scheme: str = "http"
    enable_compression: bool = True
    metric_name_validation_scheme: Literal["", "utf8", "legacy"] = ""
    metric_name_escaping_scheme: EscapingScheme = ""
    relabel_configs: RelabelConfigs = ()
    metric_relabel_configs: RelabelConfigs = ()

    @model_validator(mode="after")
    def _check_job(self) -> Self:
        if self.scheme not in {"http", "https"}:
            msg = f"expected the scheme http or https, found {self.scheme!r}"
            raise refuse(msg, "scheme")
        _check_protocols(self.scrape_protocols)
        self.check_static(self.relabel_configs)
        return self

    @property
    def relabel_rules(self) -> tuple[RelabelRule, ...]:
        """The rules for targets."""
        return rules_of(self.relabel_configs)

    @property
    def metric_relabel_rules(self) -> tuple[RelabelRule, ...]:
        """The rules for scraped series."""
        return rules_of(self.metric_relabel_configs)
