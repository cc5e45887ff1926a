"""Collecting: scraping, discovery, the host, probes, our own metrics. Start at ``service.py`` and ``registry.py``."""

from hypercare.collectors.own import OwnMetrics
from hypercare.collectors.scrape import TargetsSnapshot, TargetStatus
from hypercare.collectors.service import CollectorsService

__all__ = ["CollectorsService", "OwnMetrics", "TargetStatus", "TargetsSnapshot"]
