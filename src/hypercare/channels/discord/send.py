"""Sending."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, Request, Sending, classify_http, json_body
from hypercare.channels.http_client import post
from hypercare.kernel import Retry
from hypercare.model.time import SECOND
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.discord.config import DiscordConfig
    from hypercare.kernel import Outcome


def request(config: DiscordConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST to the webhook.

    Raises:
        OSError: a secret's file cannot be read.
    """
    url = sending.filled(sending.secret(config.webhook_url, config.webhook_url_file))
    return post(url, json_body(payload), config.http_config, sending)


def classify(answer: Answer) -> Outcome:
    """By the HTTP status; how long to wait stands in the body, with fractions of seconds."""
    outcome = classify_http(answer)
    if isinstance(outcome, Retry) and isinstance(answer, HttpResponse) and answer.status == 429:
        try:
            said = json.loads(answer.body)
            return Retry(outcome.error, max(outcome.after or 0, round(float(said["retry_after"]) * SECOND)))
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            return outcome
    return outcome
