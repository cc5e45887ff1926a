"""OTLP metrics: from OpenTelemetry's data model to Prometheus' series.

``names.py`` and ``attributes.py`` (what a series is called), ``points.py`` and ``histograms.py`` (what it holds),
``requests.py`` (the bodies of requests and answers).
"""

from hypercare.ingest.otlp.points import SeriesCache
from hypercare.ingest.otlp.requests import Encoding, OtlpError, answer, encoding_of, refusal, translate_body

__all__ = ["Encoding", "OtlpError", "SeriesCache", "answer", "encoding_of", "refusal", "translate_body"]
