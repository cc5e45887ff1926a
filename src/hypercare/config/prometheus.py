"""prometheus.yml as a whole."""

import dataclasses
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from hypercare.config.base import PathText, StrictModel, join_base, refuse
from hypercare.config.discovery import check_glob_in_name
from hypercare.config.remote import Alerting, Otlp, PrometheusStorage, RemoteRead, RemoteWrite, Tracing
from hypercare.config.scrape import DEFAULT_PROTOCOLS, PrometheusGlobal, Runtime, ScrapeConfig, ScrapeProtocol
from hypercare.model.time import Ms, format_duration

_LIMITS: Final = (
    "body_size_limit", "sample_limit", "target_limit", "label_limit",
    "label_name_length_limit", "label_value_length_limit", "keep_dropped_targets",
)  # fmt: skip
_ESCAPING: Final = {"legacy": "underscores", "utf8": "allow-utf-8", "": "allow-utf-8"}


def _scrape_file(path: str, info: ValidationInfo) -> str:
    check_glob_in_name(path)
    return join_base(path, info)


@dataclasses.dataclass(frozen=True, slots=True)
class ScrapeJob:
    """A scrape config with what ``global`` gives it.

    Attributes:
        interval: ms.
        timeout: ms.
        limits: the limits by key, 0 for none.

    """

    config: ScrapeConfig
    interval: Ms
    timeout: Ms
    protocols: tuple[ScrapeProtocol, ...]
    body_size_limit: int
    sample_limit: int
    target_limit: int
    label_limit: int
    label_name_length_limit: int
    label_value_length_limit: int
    keep_dropped_targets: int
    metric_name_validation_scheme: str
    metric_name_escaping_scheme: str
    native_histograms: bool = False
    classic_histograms_too: bool = False
    convert_classic_histograms: bool = False
    extra_scrape_metrics: bool = False

    @property
    def name(self) -> str:
        """The job's name."""
        return self.config.job_name


class ScrapeConfigFile(StrictModel):
    """A file that ``scrape_config_files`` names."""

    scrape_configs: tuple[ScrapeConfig, ...] = ()


class PrometheusConfig(StrictModel):
    """prometheus.yml; the scrape configs of ``scrape_config_files`` are part of ``scrape_configs`` after loading."""

    key_hints: ClassVar[dict[str, str]] = {
        "receivers": "this belongs into alertmanager.yml",
        "route": "this belongs into alertmanager.yml",
        "groups": "this looks like a rule file; name it in rule_files",
        "services": "this belongs into hypercare.yml",
    }

    global_: PrometheusGlobal = Field(default=PrometheusGlobal(), alias="global")
    runtime: Runtime = Runtime()
    # Made without its validator, which takes 50 ms and is not needed for what stands here.
    alerting: Alerting = Alerting.model_construct()
    rule_files: tuple[PathText, ...] = ()
    scrape_config_files: tuple[Annotated[str, AfterValidator(_scrape_file)], ...] = ()
    scrape_configs: tuple[ScrapeConfig, ...] = ()
    storage: PrometheusStorage = PrometheusStorage()
    tracing: Tracing | None = None
    remote_write: tuple[RemoteWrite, ...] = ()
    remote_read: tuple[RemoteRead, ...] = ()
    otlp: Otlp | None = None

    @model_validator(mode="after")
    def _jobs(self) -> Self:
        check_jobs(self.scrape_configs, self.global_, "scrape_configs")
        return self

    @model_validator(mode="after")
    def _remotes(self) -> Self:
        for key in ("remote_write", "remote_read"):
            seen: set[str] = set()
            for index, remote in enumerate(getattr(self, key)):
                if remote.name and remote.name in seen:
                    msg = f"two {key} entries have the name {remote.name!r}"
                    raise refuse(msg, key, index, "name")
                seen.add(remote.name)
        return self

    @model_validator(mode="after")
    def _otlp(self) -> Self:
        strategy = self.otlp.translation_strategy if self.otlp else ""
        if strategy == "NoUTF8EscapingWithSuffixes" and self.global_.metric_name_validation_scheme == "legacy":
            msg = f"{strategy} needs metric_name_validation_scheme: utf8"
            raise refuse(msg, "otlp", "translation_strategy")
        return self

    @property
    def jobs(self) -> tuple[ScrapeJob, ...]:
        """All scrape configs with the defaults of ``global`` filled in."""
        return tuple(job_of(config, self.global_) for config in self.scrape_configs)


def job_of(config: ScrapeConfig, defaults: PrometheusGlobal) -> ScrapeJob:
    """A scrape config with the defaults of ``global``."""
    interval = config.scrape_interval or defaults.interval
    limits = {name: getattr(config, name) or getattr(defaults, name) for name in _LIMITS}
    scheme = config.metric_name_validation_scheme or defaults.metric_name_validation_scheme or "utf8"
    escaping = config.metric_name_escaping_scheme or defaults.metric_name_escaping_scheme
    native = _either(config.scrape_native_histograms, defaults.scrape_native_histograms)
    classic = config.always_scrape_classic_histograms
    classic = config.scrape_classic_histograms if classic is None else classic
    protocols = config.scrape_protocols or defaults.scrape_protocols
    return ScrapeJob(
        config=config,
        interval=interval,
        timeout=config.scrape_timeout or min(defaults.timeout, interval),
        # Native histograms travel in the protobuf format alone.
        protocols=protocols or (("PrometheusProto", *DEFAULT_PROTOCOLS) if native else DEFAULT_PROTOCOLS),
        metric_name_validation_scheme=scheme,
        metric_name_escaping_scheme=escaping or _ESCAPING[scheme],
        native_histograms=native,
        classic_histograms_too=_either(classic, defaults.always_scrape_classic_histograms),
        convert_classic_histograms=_either(
            config.convert_classic_histograms_to_nhcb, defaults.convert_classic_histograms_to_nhcb
        ),
        extra_scrape_metrics=_either(config.extra_scrape_metrics, defaults.extra_scrape_metrics),
        **limits,
    )


def _either(own: bool | None, default: bool) -> bool:  # noqa: FBT001 - two settings of one kind
    return default if own is None else own


def check_jobs(configs: tuple[ScrapeConfig, ...], defaults: PrometheusGlobal, *at: str) -> None:
    """What concerns a job together with ``global`` and the other jobs.

    Raises:
        PydanticCustomError: a name twice, a timeout beyond its interval, a name scheme that does not fit.
    """
    seen: set[str] = set()
    for index, config in enumerate(configs):
        if config.job_name in seen:
            msg = f"two scrape configs have the job_name {config.job_name!r}"
            raise refuse(msg, *at, index, "job_name")
        seen.add(config.job_name)
        job = job_of(config, defaults)
        if job.timeout > job.interval:
            msg = (
                f"the scrape_timeout {format_duration(job.timeout)} of the job {job.name!r} is longer than its "
                f"scrape_interval {format_duration(job.interval)}"
            )
            raise refuse(
                msg,
                *at, index, "scrape_timeout",
            )  # fmt: skip
        scheme = job.metric_name_validation_scheme
        if scheme == "legacy" and job.metric_name_escaping_scheme == "allow-utf-8":
            message = "allow-utf-8 needs metric_name_validation_scheme: utf8"
            raise refuse(message, *at, index, "metric_name_escaping_scheme")
        for key in ("relabel_configs", "metric_relabel_configs"):
            for number, rule in enumerate(getattr(config, key)):
                try:
                    rule.check(scheme)
                except ValueError as err:
                    raise refuse(str(err), *at, index, key, number) from None
