"""The console: one line an alert, for the terminal and the log."""

from hypercare.channels.base import Channel
from hypercare.channels.console.config import ConsoleConfig, contact
from hypercare.channels.console.render import page, render
from hypercare.channels.console.send import classify, request

CHANNEL = Channel("console", "console_configs", ConsoleConfig, render, page, request, classify, contact, http=False)

__all__ = ["CHANNEL", "ConsoleConfig"]
