"""Microsoft Teams by a connector's webhook (the old kind, MessageCard)."""

from hypercare.channels.base import Channel
from hypercare.channels.msteams.config import MsTeamsConfig, contact
from hypercare.channels.msteams.render import page, render
from hypercare.channels.msteams.send import classify, request

CHANNEL = Channel("msteams", "msteams_configs", MsTeamsConfig, render, page, request, classify, contact)

__all__ = ["CHANNEL", "MsTeamsConfig"]
