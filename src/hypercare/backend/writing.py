"""What goes back to the other server: recordings, ``ALERTS`` and what is collected here, by remote write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.collectors.settings import http_settings
from hypercare.model.time import MINUTE
from hypercare.remote.settings import Destination

if TYPE_CHECKING:
    from hypercare.collectors.settings import SecretFiles
    from hypercare.config import Config

KEY: Final = "metrics.backend"
"""The name of its queue, in metrics and in the state."""


def destinations_of(config: Config, secrets: SecretFiles) -> tuple[Destination, ...]:
    """The other server as one to write to; none where nobody else answers queries, or nothing is to be written."""
    given = config.hypercare.metrics.backend
    if given is None or not given.write:
        return ()
    return (
        Destination(
            KEY,
            given.write_url or f"{given.url.rstrip('/')}/api/v1/write",
            http_settings(given, secrets),
            external=tuple(config.prometheus.global_.external_labels.items()),
            histograms=True,
            metadata_every=MINUTE,
        ),
    )
