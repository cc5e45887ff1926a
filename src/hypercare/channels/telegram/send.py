"""Sending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, NotSendableError, Request, Sending, classify_http, json_body
from hypercare.channels.http_client import post
from hypercare.kernel import Retry
from hypercare.model.time import SECOND
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.telegram.config import TelegramConfig
    from hypercare.kernel import Outcome


def request(config: TelegramConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST of ``sendMessage`` (core.telegram.org/bots/api).

    Raises:
        OSError: a secret's file cannot be read.
        NotSendableError: there is no token, or the chat's file holds no number.
    """
    shared = sending.defaults
    token = sending.secret(config.bot_token, config.bot_token_file)
    token = token or sending.secret(shared.telegram_bot_token, shared.telegram_bot_token_file)
    if not token:
        raise NotSendableError("Telegram needs a bot_token")
    body: dict[str, Any] = {
        "chat_id": _chat(config, sending),
        **{name: value for name, value in payload.items() if value},
        "disable_web_page_preview": True,
        "disable_notification": config.disable_notifications,
    }
    if config.message_thread_id:
        body["message_thread_id"] = config.message_thread_id
    url = f"{(config.api_url or shared.telegram_api_url).rstrip('/')}/bot{token}/sendMessage"
    return post(url, json_body(body), config.http_config, sending, timeout=config.timeout)


def _chat(config: TelegramConfig, sending: Sending) -> int:
    if not config.chat_id_file:
        return config.chat_id
    text = sending.files.read(Path(config.chat_id_file)).decode().strip()
    try:
        return int(text)
    except ValueError as error:
        msg = f"chat_id_file holds no number: {text[:40]!r}"
        raise NotSendableError(msg) from error


def classify(answer: Answer) -> Outcome:
    """By the HTTP status; how long to wait stands in the body."""
    outcome = classify_http(answer)
    if isinstance(outcome, Retry) and isinstance(answer, HttpResponse):
        try:
            wish = int(json.loads(answer.body)["parameters"]["retry_after"]) * SECOND
        except (ValueError, TypeError, KeyError, RecursionError):
            return outcome
        return Retry(outcome.error, max(outcome.after or 0, wish))
    return outcome
