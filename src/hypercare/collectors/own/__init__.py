"""Hypercare's own metrics."""

from hypercare.collectors.own.metrics import OwnMetrics, content_type
from hypercare.collectors.own.source import OwnSources

__all__ = ["OwnMetrics", "OwnSources", "content_type"]
