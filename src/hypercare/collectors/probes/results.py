"""From answers to probe metrics; names and meanings are those of blackbox_exporter."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import re2

from hypercare.ports import DnsAnswer, HttpResponse, PortError, Reading, TcpResult, Tls

if TYPE_CHECKING:
    from hypercare.config.services import HealthCheck
    from hypercare.model.time import Ms

NO_TLS: Final = Tls()
_DURATION: Final = "probe_duration_seconds"


def _gauge(name: str, text: str, value: float, *pairs: tuple[str, str]) -> Reading:
    return Reading(name, "gauge", text, ((pairs, value),))


def _outcome(*, success: bool, seconds: float, health: HealthCheck) -> list[Reading]:
    slow = bool(health.max_latency) and seconds * 1000 > health.max_latency
    found = [
        _gauge("probe_success", "Whether the probe found what was expected.", float(success and not slow)),
        _gauge(_DURATION, "How long the probe took, in seconds.", seconds),
    ]
    if health.max_latency:
        text = "Whether the probe failed because it took longer than max_latency."
        found.append(_gauge("probe_failed_due_to_latency", text, float(slow)))
    return found


def duration_of(families: tuple[Reading, ...]) -> float:
    """The duration among a probe's metrics."""
    return next((f.samples[0][1] for f in families if f.name == _DURATION), 0.0)


@functools.lru_cache(maxsize=512)
def _pattern(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(text, options)


def of_http(health: HealthCheck, answer: HttpResponse | PortError) -> tuple[Reading, ...]:
    """Metrics of an HTTP probe."""
    if isinstance(answer, PortError):
        failed = _outcome(success=False, seconds=answer.duration, health=health)
        failed.append(_gauge("probe_http_status_code", "Status of the answer; 0: none.", 0))
        return tuple(failed)
    right_body = True
    if health.expect.body:
        right_body = _pattern(health.expect.body).search(answer.body.decode("utf-8", "replace")) is not None
    success = health.expect.accepts_status(answer.status) and right_body
    found = _outcome(success=success, seconds=answer.duration, health=health)
    length = answer.headers.get("content-length", "")
    phases = tuple(((("phase", name),), seconds) for name, seconds in answer.phases)
    found += [
        _gauge("probe_http_status_code", "Status of the answer; 0: none.", answer.status),
        _gauge(
            "probe_http_content_length",
            "Length of the content; -1: not announced.",
            int(length) if length.isdigit() else -1,
        ),
        _gauge("probe_http_uncompressed_body_length", "Length of the body after decompression.", len(answer.body)),
        _gauge("probe_http_redirects", "Redirects that were followed.", answer.redirects),
        _gauge("probe_http_ssl", "Whether the last answer came over TLS.", float(bool(answer.tls_version))),
        _gauge("probe_http_version", "HTTP version of the answer.", float(answer.http_version or 0)),
        _gauge("probe_failed_due_to_regex", "Whether the body was not as expected.", float(not right_body)),
    ]
    if phases:
        text = "Duration of the request by phase, over all redirects."
        found.append(Reading("probe_http_duration_seconds", "gauge", text, phases))
        text = "How long the look-up of the name took."
        found.append(_gauge("probe_dns_lookup_time_seconds", text, dict(answer.phases).get("resolve", 0.0)))
    return (*found, *_peer(answer.peer), *_tls(answer.tls_not_after, answer.tls_version))


def of_tcp(health: HealthCheck, answer: TcpResult, now: Ms) -> tuple[Reading, ...]:
    """Metrics of a TCP or TLS probe; a certificate that ends within ``min_validity`` is a failure."""
    success = answer.ok
    if health.kind == "tls":
        ends = min(answer.tls_not_after, default=0.0)
        success = answer.ok and ends * 1000 >= now + health.min_validity
    found = _outcome(success=success, seconds=answer.duration, health=health)
    return (*found, *_peer(answer.address), *_tls(answer.tls_not_after, answer.tls_version))


def of_dns(health: HealthCheck, answer: DnsAnswer | PortError) -> tuple[Reading, ...]:
    """Metrics of a DNS probe: a name that resolves has at least one record."""
    if isinstance(answer, PortError):
        failed = _outcome(success=False, seconds=answer.duration, health=health)
        failed.append(_gauge("probe_dns_query_succeeded", "Whether the server answered.", 0))
        return tuple(failed)
    success = answer.rcode == "NOERROR" and bool(answer.answers)
    found = _outcome(success=success, seconds=answer.duration, health=health)
    found += [
        _gauge("probe_dns_query_succeeded", "Whether the server answered.", 1),
        _gauge("probe_dns_lookup_time_seconds", "How long the look-up took.", answer.duration),
        _gauge("probe_dns_answer_rrs", "Records in the answer section.", len(answer.answers)),
        _gauge("probe_dns_authority_rrs", "Records in the authority section.", answer.authorities),
        _gauge("probe_dns_additional_rrs", "Records in the additional section.", answer.additionals),
    ]
    return tuple(found)


def _peer(address: str) -> tuple[Reading, ...]:
    if not address:
        return ()
    version = 6 if ":" in address else 4
    return (_gauge("probe_ip_protocol", "IP version that was used, 4 or 6.", version),)


def _tls(not_after: tuple[float, ...], version: str) -> tuple[Reading, ...]:
    if not version:
        return ()
    found = [_gauge("probe_tls_version_info", "The TLS version that was used.", 1, ("version", version))]
    if not_after:
        text = "End of the certificate that ends first, unix seconds."
        found.append(_gauge("probe_ssl_earliest_cert_expiry", text, min(not_after)))
        text = "End of the last chain to become invalid, unix seconds."
        found.append(_gauge("probe_ssl_last_chain_expiry_timestamp_seconds", text, min(not_after)))
    return tuple(found)
