"""Slack: messages through an incoming webhook, or as an app with a bot token."""

from hypercare.channels.base import Channel
from hypercare.channels.slack.config import SlackConfig, contact
from hypercare.channels.slack.render import page, render
from hypercare.channels.slack.send import GONE, classify, follow, ref, request

CHANNEL = Channel(
    "slack",
    "slack_configs",
    SlackConfig,
    render,
    page,
    request,
    classify,
    contact,
    ref=ref,
    follow=follow,
    shows_standing=True,
    gone=GONE,
)

__all__ = ["CHANNEL", "SlackConfig"]
