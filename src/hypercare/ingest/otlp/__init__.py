"""OTLP metrics: from OpenTelemetry's data model to Prometheus' series.

``names.py`` and ``attributes.py`` (what a series is called), ``points.py`` and ``histograms.py`` (what it holds),
``encoding.py``, ``requests.py`` and ``messages.py`` (the bodies of requests and answers).
"""

from hypercare.ingest.otlp.encoding import Encoding, OtlpError, encoding_of, refusal
from hypercare.ingest.otlp.points import SeriesCache
from hypercare.ingest.otlp.requests import answer, translate_body

__all__ = ["Encoding", "OtlpError", "SeriesCache", "answer", "encoding_of", "refusal", "translate_body"]
