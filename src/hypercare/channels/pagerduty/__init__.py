"""PagerDuty: Events API v2 (routing key), and v1 for integrations of the old kind (service key)."""

from hypercare.channels.base import Channel
from hypercare.channels.pagerduty.config import PagerdutyConfig, contact
from hypercare.channels.pagerduty.render import page, render
from hypercare.channels.pagerduty.send import classify, request

CHANNEL = Channel("pagerduty", "pagerduty_configs", PagerdutyConfig, render, page, request, classify, contact)

__all__ = ["CHANNEL", "PagerdutyConfig"]
