"""Microsoft Teams by a workflow's webhook (Adaptive Card)."""

from hypercare.channels.base import Channel
from hypercare.channels.msteamsv2.config import MsTeamsV2Config, contact
from hypercare.channels.msteamsv2.render import page, render
from hypercare.channels.msteamsv2.send import classify, request

CHANNEL = Channel("msteamsv2", "msteamsv2_configs", MsTeamsV2Config, render, page, request, classify, contact)

__all__ = ["CHANNEL", "MsTeamsV2Config"]
