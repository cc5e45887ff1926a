"""Apprise: some hundred services by one URL each, through a library (``pip install hypercare[apprise]``)."""

from hypercare.channels.apprise.config import AppriseConfig, contact
from hypercare.channels.apprise.render import page, render
from hypercare.channels.apprise.send import classify, request
from hypercare.channels.base import Channel

CHANNEL = Channel("apprise", "apprise_configs", AppriseConfig, render, page, request, classify, contact, http=False)

__all__ = ["CHANNEL", "AppriseConfig"]
