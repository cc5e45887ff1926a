"""Scraping: which targets there are, when each is read, and what becomes of the answer."""

from hypercare.collectors.scrape.job import HttpSettings, Job, Limits, Source
from hypercare.collectors.scrape.status import TargetsSnapshot, TargetStatus
from hypercare.collectors.scrape.target import Target, make_target

__all__ = [
    "HttpSettings",
    "Job",
    "Limits",
    "Source",
    "Target",
    "TargetStatus",
    "TargetsSnapshot",
    "make_target",
]
