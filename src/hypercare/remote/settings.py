"""Where samples go: ``remote_write`` of prometheus.yml, ready for use."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from hypercare import __version__
from hypercare.collectors.settings import http_settings
from hypercare.config.relabel import rules_of
from hypercare.ports import HttpRequest

if TYPE_CHECKING:
    from hypercare.collectors.scrape.job import HttpSettings
    from hypercare.collectors.settings import SecretFiles
    from hypercare.config import Config
    from hypercare.config.remote import RemoteWrite
    from hypercare.model.relabel import RelabelRule
    from hypercare.model.time import Ms

V1: Final = "prometheus.WriteRequest"
V2: Final = "io.prometheus.write.v2.Request"
_MAX_ANSWER: Final = 64 << 10
_VERSIONS: Final = {V1: "0.1.0", V2: "2.0.0"}


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How fast samples are sent; the keys of ``queue_config``, durations in ms.

    Attributes:
        retry_429: also repeat what was refused with 429 (too many requests).
        age_limit: samples older than this are not sent any more; 0: no limit.

    """

    capacity: int = 10_000
    max_shards: int = 50
    min_shards: int = 1
    max_samples: int = 2_000
    deadline: Ms = 5_000
    min_backoff: Ms = 30
    max_backoff: Ms = 5_000
    retry_429: bool = True
    age_limit: Ms = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Destination:
    """One server that gets samples.

    Attributes:
        key: names its position in the state; the configured name, or made from the URL.
        message: the full name of the message sent.
        http: how to log in and to encrypt.
        external: labels added to series that lack them.
        groups: beginnings of the names of groups (``rules/``, ``scrape/``) of which samples are sent; empty: of all.
        metadata_every: ms; 0: metadata is not sent by itself.

    """

    key: str
    url: str
    http: HttpSettings
    message: str = V1
    timeout: Ms = 30_000
    headers: tuple[tuple[str, str], ...] = ()
    relabel: tuple[RelabelRule, ...] = ()
    external: tuple[tuple[str, str], ...] = ()
    histograms: bool = False
    groups: tuple[str, ...] = ()
    pace: Pace = Pace()
    metadata_every: Ms = 0
    metadata_size: int = 2_000

    @property
    def shown(self) -> str:
        """The URL without what may be secret in it: for logs and labels."""
        scheme, mark, rest = self.url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"

    def request(self, body: bytes) -> HttpRequest:
        """The request that carries a compressed message."""
        kind = "application/x-protobuf" + (f";proto={V2}" if self.message == V2 else "")
        headers = (
            ("Content-Type", kind),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", _VERSIONS[self.message]),
            ("User-Agent", f"Hypercare/{__version__}"),
            *self.headers,
        )
        request = HttpRequest("POST", self.url, headers, body, timeout=self.timeout, max_bytes=_MAX_ANSWER)
        return self.http.over(request)


def key_of(name: str, url: str) -> str:
    """The name of a destination where none was given: six digits of a hash, as in Prometheus."""
    return name or hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()


def destinations_of(config: Config, secrets: SecretFiles) -> tuple[Destination, ...]:
    """All servers of a configuration; of two with one key, the first."""
    external = tuple(config.prometheus.global_.external_labels.items())
    found: dict[str, Destination] = {}
    for given in config.prometheus.remote_write:
        made = destination_of(given, external, secrets)
        found.setdefault(made.key, made)
    return tuple(found.values())


def destination_of(given: RemoteWrite, external: tuple[tuple[str, str], ...], secrets: SecretFiles) -> Destination:
    """One entry of ``remote_write``."""
    queue = given.queue_config
    # The log waits for whoever is behind: giving samples up for a busy server has to be asked for.
    retry_429 = queue.retry_on_http_429 or "retry_on_http_429" not in queue.model_fields_set
    metadata = given.metadata_config
    return Destination(
        key_of(given.name, given.url),
        given.url,
        http_settings(given, secrets),
        message=given.protobuf_message,
        timeout=given.remote_timeout,
        headers=tuple(given.headers.items()),
        relabel=rules_of(given.write_relabel_configs),
        external=external,
        histograms=given.send_native_histograms,
        pace=Pace(
            capacity=queue.capacity,
            max_shards=queue.max_shards,
            min_shards=max(queue.min_shards, 1),
            max_samples=queue.max_samples_per_send,
            deadline=queue.batch_send_deadline,
            min_backoff=queue.min_backoff,
            max_backoff=queue.max_backoff,
            retry_429=retry_429,
            age_limit=queue.sample_age_limit,
        ),
        metadata_every=metadata.send_interval if metadata.send and given.protobuf_message == V1 else 0,
        metadata_size=metadata.max_samples_per_send,
    )
