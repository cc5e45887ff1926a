"""The formats of metrics: Prometheus text 0.0.4, OpenMetrics 1.0, and Prometheus' protobuf format."""

from hypercare.collectors.exposition.cache import DROPPED, Parsed, ScrapeCache, check_limit
from hypercare.collectors.exposition.formats import ACCEPT, Format, choose_format
from hypercare.collectors.exposition.lines import Comment, Exemplar, ExpositionError, Meta, Series
from hypercare.collectors.exposition.metadata import Metadata
from hypercare.collectors.exposition.native import NativeLimits, from_classic
from hypercare.collectors.exposition.parser import Parser, parse
from hypercare.collectors.exposition.protobuf import ProtobufOptions, ProtobufReader

__all__ = [
    "ACCEPT",
    "DROPPED",
    "Comment",
    "Exemplar",
    "ExpositionError",
    "Format",
    "Meta",
    "Metadata",
    "NativeLimits",
    "Parsed",
    "Parser",
    "ProtobufOptions",
    "ProtobufReader",
    "ScrapeCache",
    "Series",
    "check_limit",
    "choose_format",
    "from_classic",
    "parse",
]
