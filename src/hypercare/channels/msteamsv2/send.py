"""Sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, Request, Sending, classify_http, excerpt, json_body
from hypercare.channels.http_client import post
from hypercare.kernel import Delivered, Retry
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.msteamsv2.config import MsTeamsV2Config
    from hypercare.kernel import Outcome


def request(config: MsTeamsV2Config, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST to the workflow.

    Raises:
        OSError: a secret's file cannot be read.
    """
    url = sending.filled(sending.secret(config.webhook_url, config.webhook_url_file))
    return post(url, json_body(payload), config.http_config, sending)


def classify(answer: Answer) -> Outcome:
    """By the HTTP status; being called too often may be told with status 200 and a text."""
    outcome = classify_http(answer)
    if isinstance(outcome, Delivered) and isinstance(answer, HttpResponse) and b"HTTP error 429" in answer.body:
        return Retry(f"Teams: {excerpt(answer.body)}")
    return outcome
