"""Samples that others send: remote write, OTLP, pushes of jobs.

Start at ``protocol.py`` (what a request of remote write is), ``remote_v1.py`` and ``remote_v2.py`` (decoding),
``otlp/`` (translation), ``push/`` (what jobs leave behind), ``service.py`` (how it gets into the store).
"""

from hypercare.ingest.decoded import BadRequestError, Decoded
from hypercare.ingest.service import IngestService, Write

__all__ = ["BadRequestError", "Decoded", "IngestService", "Write"]
