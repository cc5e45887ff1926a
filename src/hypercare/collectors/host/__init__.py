"""The machine we run on, under node_exporter's metric names."""

from hypercare.collectors.host.source import HostSources

__all__ = ["HostSources"]
