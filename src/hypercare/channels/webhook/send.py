"""Sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, NotSendableError, Request, Sending, classify_http, json_body
from hypercare.channels.http_client import post
from hypercare.channels.signatures import OURS, ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.webhook.config import WebhookConfig
    from hypercare.kernel import Outcome


def request(config: WebhookConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST of the message.

    Raises:
        OSError: a secret's file cannot be read.
        TemplateError: the templated address cannot be rendered.
        NotSendableError: the templated address has no data, or the secret of the signature is empty.
    """
    url = sending.filled(sending.secret(config.url, config.url_file))
    body = json_body(payload)
    more: list[tuple[str, str]] = []
    if config.signature is not None:
        secret = sending.secret(config.signature.secret, config.signature.secret_file)
        if not secret:
            raise NotSendableError("the secret of the webhook's signature is empty")
        more.append((OURS, ours(secret, body, sending.now)))
    return post(url, body, config.http_config, sending, timeout=config.timeout, more=more)


def classify(answer: Answer) -> Outcome:
    """By the HTTP status."""
    return classify_http(answer)
