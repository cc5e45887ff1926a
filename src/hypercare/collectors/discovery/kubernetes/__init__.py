"""Targets from a Kubernetes cluster, kept in step with its API by list and watch."""

from hypercare.collectors.discovery.kubernetes.access import Access, access_of
from hypercare.collectors.discovery.kubernetes.discovery import KubernetesDiscovery, KubernetesSettings

__all__ = ["Access", "KubernetesDiscovery", "KubernetesSettings", "access_of"]
