"""Service discovery: where the targets of a job come from."""

from hypercare.collectors.discovery.base import Discovery, Following, Found
from hypercare.collectors.discovery.dns_sd import DnsDiscovery
from hypercare.collectors.discovery.file_sd import FileDiscovery
from hypercare.collectors.discovery.http_sd import HttpDiscovery
from hypercare.collectors.discovery.static import StaticDiscovery

__all__ = ["Discovery", "DnsDiscovery", "FileDiscovery", "Following", "Found", "HttpDiscovery", "StaticDiscovery"]
