"""Webhook: Alertmanager's JSON, version 4, to any HTTP address."""

from hypercare.channels.base import Channel
from hypercare.channels.webhook.config import WebhookConfig, contact
from hypercare.channels.webhook.render import page, render
from hypercare.channels.webhook.send import classify, request

CHANNEL = Channel("webhook", "webhook_configs", WebhookConfig, render, page, request, classify, contact)

__all__ = ["CHANNEL", "WebhookConfig"]
