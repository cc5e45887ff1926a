"""The text formats of metrics: Prometheus text 0.0.4 and OpenMetrics 1.0."""

from hypercare.collectors.exposition.cache import DROPPED, Parsed, ScrapeCache
from hypercare.collectors.exposition.formats import ACCEPT, Format, choose_format
from hypercare.collectors.exposition.lines import Comment, Exemplar, ExpositionError, Meta, Series
from hypercare.collectors.exposition.metadata import Metadata
from hypercare.collectors.exposition.parser import Parser, parse

__all__ = [
    "ACCEPT",
    "DROPPED",
    "Comment",
    "Exemplar",
    "ExpositionError",
    "Format",
    "Meta",
    "Metadata",
    "Parsed",
    "Parser",
    "ScrapeCache",
    "Series",
    "choose_format",
    "parse",
]
