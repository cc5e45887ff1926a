"""Telegram: messages of a bot."""

from hypercare.channels.base import Channel
from hypercare.channels.telegram.config import TelegramConfig, contact
from hypercare.channels.telegram.render import page, render
from hypercare.channels.telegram.send import classify, request

CHANNEL = Channel("telegram", "telegram_configs", TelegramConfig, render, page, request, classify, contact)

__all__ = ["CHANNEL", "TelegramConfig"]
