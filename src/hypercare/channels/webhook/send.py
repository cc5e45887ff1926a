"""Sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, Request, Sending, classify_http, json_body
from hypercare.channels.http_client import post

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.webhook.config import WebhookConfig
    from hypercare.kernel import Outcome


def request(config: WebhookConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST of the message.

    Raises:
        OSError: a secret's file cannot be read.
        TemplateError: the templated address cannot be rendered.
        NotSendableError: the templated address has no data.
    """
    url = sending.filled(sending.secret(config.url, config.url_file))
    return post(url, json_body(payload), config.http_config, sending, timeout=config.timeout)


def classify(answer: Answer) -> Outcome:
    """By the HTTP status."""
    return classify_http(answer)
