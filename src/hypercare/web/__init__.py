"""HTTP: the APIs of Prometheus and Alertmanager, our own, and the pages."""

from hypercare.web.server import create_web

__all__ = ["create_web"]
