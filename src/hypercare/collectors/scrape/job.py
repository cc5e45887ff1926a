"""A job: how a set of targets is found and read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Protocol

from hypercare.collectors.exposition import ProtobufOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.scrape.target import Target
    from hypercare.model.relabel import RelabelRule
    from hypercare.model.time import Ms
    from hypercare.ports import BasicAuth, HttpReply, HttpRequest, OAuth2, Tls

CLASSIC_ONLY: Final = ProtobufOptions()
DEFAULT_BODY_LIMIT = 32 << 20
"""Largest body where the job sets no body_size_limit: about 350,000 samples."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a job; 0: none.

    Attributes:
        dropped: how many of the dropped targets are shown.

    """

    body_size: int = 0
    samples: int = 0
    targets: int = 0
    labels: int = 0
    label_name_length: int = 0
    label_value_length: int = 0
    dropped: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class HttpSettings:
    """How requests log in, encrypt and travel; secrets are already read from their files.

    Attributes:
        headers: additional ones, Authorization among them.
        error: why the settings could not be read; requests then fail with it.

    """

    headers: tuple[tuple[str, str], ...] = ()
    basic_auth: BasicAuth | None = None
    oauth2: OAuth2 | None = None
    tls: Tls | None = None
    proxy_url: str = ""
    no_proxy: str = ""
    follow_redirects: bool = True
    error: str = ""

    def over(self, request: HttpRequest) -> HttpRequest:
        """A request that logs in, encrypts and travels as these settings say."""
        return dataclasses.replace(
            request,
            headers=(*request.headers, *self.headers),
            follow_redirects=self.follow_redirects,
            basic_auth=self.basic_auth,
            oauth2=self.oauth2,
            tls=self.tls,
            proxy_url=self.proxy_url,
            no_proxy=self.no_proxy,
        )


class Source(Protocol):
    """Where the text of one target comes from: an HTTP server, the machine, a probe, ourselves."""

    @property
    def url(self) -> str:
        """What is read, for people."""
        ...

    def fetch(self, reply: HttpReply) -> None:
        """Ask for the text; ``reply`` is called once, from any thread."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One scrape config, ready for use.

    Attributes:
        params: URL parameters; the first value of each becomes the label ``__param_<name>``.
        interval: ms; a target's ``__scrape_interval__`` may say otherwise.
        fallback: ``fallback_scrape_protocol``.
        extra_metrics: also write scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes.
        native: what becomes of histograms.
        legacy_names: ``metric_name_validation_scheme: legacy``: other names than letters, digits, _ and : are refused.
        make_source: what to read a target through; equal where it gives equal sources.

    """

    name: str
    interval: Ms
    timeout: Ms
    make_source: Callable[[Job, Target], Source]
    scheme: str = "http"
    path: str = "/metrics"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    relabel: tuple[RelabelRule, ...] = ()
    metric_relabel: tuple[RelabelRule, ...] = ()
    limits: Limits = Limits()
    compression: bool = True
    fallback: str = ""
    accept: str = ""
    extra_metrics: bool = False
    http: HttpSettings = HttpSettings()
    native: ProtobufOptions = CLASSIC_ONLY
    legacy_names: bool = False
