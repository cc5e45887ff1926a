"""PagerDuty: Events API v2 (routing key), and v1 for integrations of the old kind (service key)."""

from hypercare.channels.base import Channel
from hypercare.channels.pagerduty.config import PagerdutyConfig, contact
from hypercare.channels.pagerduty.render import page, render
from hypercare.channels.pagerduty.send import classify, follow, ref, request

CHANNEL = Channel(
    "pagerduty",
    "pagerduty_configs",
    PagerdutyConfig,
    render,
    page,
    request,
    classify,
    contact,
    ref=ref,
    follow=follow,
)

__all__ = ["CHANNEL", "PagerdutyConfig"]
