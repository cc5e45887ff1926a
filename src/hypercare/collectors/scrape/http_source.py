"""Targets that are HTTP servers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare import __version__
from hypercare.collectors.scrape.job import DEFAULT_BODY_LIMIT
from hypercare.ports import HttpRequest, PortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.collectors.scrape.job import HttpSettings, Job
    from hypercare.collectors.scrape.target import Target
    from hypercare.ports import Http, HttpReply

_PROTOBUF: Final = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
_MEDIA: Final = {
    "PrometheusProto": _PROTOBUF,
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "PrometheusText1.0.0": "text/plain;version=1.0.0",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
}
_WITH_ESCAPING: Final = frozenset({"OpenMetricsText1.0.0", "PrometheusText1.0.0"})


def accept_header(protocols: Sequence[str], escaping: str = "allow-utf-8") -> str:
    """An Accept header that asks for the formats in this order.

    Args:
        protocols: ``scrape_protocols``.
        escaping: how the target is to write names that are not of the old kind (``metric_name_escaping_scheme``).

    """
    media = [_MEDIA[name] + (f";escaping={escaping}" if name in _WITH_ESCAPING else "") for name in protocols]
    ranked = [f"{text};q=0.{len(media) + 1 - i}" for i, text in enumerate(media)]
    return ",".join([*ranked, "*/*;q=0.1"])


@dataclasses.dataclass(frozen=True, slots=True)
class HttpSources:
    """Makes the sources of a job's targets."""

    http: Http

    def __call__(self, job: Job, target: Target) -> HttpSource:
        """The source of one target; its request is built once."""
        return HttpSource(self.http, scrape_request(job, target), job.http)


def scrape_request(job: Job, target: Target) -> HttpRequest:
    """The request of every scrape of a target."""
    request = HttpRequest(
        "GET",
        target.url,
        headers=(
            ("Accept", job.accept),
            ("Accept-Encoding", "gzip, deflate, zstd" if job.compression else "identity"),
            ("User-Agent", f"Hypercare/{__version__}"),
            ("X-Prometheus-Scrape-Timeout-Seconds", f"{target.timeout / 1000:g}"),
        ),
        timeout=target.timeout,
        max_bytes=job.limits.body_size or DEFAULT_BODY_LIMIT,
    )
    return job.http.over(request)


class HttpSource:
    """One target's request."""

    def __init__(self, http: Http, request: HttpRequest, settings: HttpSettings) -> None:
        self.url = request.url
        self._http = http
        self._request = request
        self._error = settings.error

    def fetch(self, reply: HttpReply) -> None:
        """Send the request."""
        if self._error:
            reply(PortError("other", self._error))
        else:
            self._http.submit(self._request, reply)
