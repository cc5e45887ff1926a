"""What is scraped, and what its metrics mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.web.api.answers import success
from hypercare.web.api.prometheus_views import metadata_data, targets_data, targets_metadata_data

if TYPE_CHECKING:
    from hypercare.web.api.endpoint import Asked


def targets(asked: Asked) -> bytes:
    """What is scraped, and how it goes."""
    p = asked.parameters
    return success(targets_data(asked.app, p.text("state", "any").lower(), p.text("scrapePool")))


def targets_metadata(asked: Asked) -> bytes:
    """Type, help and unit by target."""
    p = asked.parameters
    return success(targets_metadata_data(asked.app, p.matchers("match_target"), p.text("metric"), p.bound("limit")))


def metadata(asked: Asked) -> bytes:
    """Type, help and unit of metrics, as their targets tell."""
    p = asked.parameters
    return success(metadata_data(asked.app, p.text("metric"), p.bound("limit"), p.bound("limit_per_metric")))
