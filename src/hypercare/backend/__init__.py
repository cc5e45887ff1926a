"""Someone else's engine: a server with Prometheus' HTTP API that answers queries in place of the embedded store."""

from __future__ import annotations

from hypercare.backend.client import Backend
from hypercare.backend.settings import BackendSettings, settings_of
from hypercare.backend.writing import destinations_of

__all__ = ["Backend", "BackendSettings", "destinations_of", "settings_of"]
