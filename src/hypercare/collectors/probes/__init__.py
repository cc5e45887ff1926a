"""Probes of services from outside, under blackbox_exporter's metric names."""

from hypercare.collectors.probes.check import Check, ProbeSources

__all__ = ["Check", "ProbeSources"]
