"""Sending."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, NotSendableError, Request, Sending, classify_http, excerpt, json_body
from hypercare.channels.http_client import post
from hypercare.channels.slack import interactive
from hypercare.channels.slack.interactive import POST, is_api, method_url, reply
from hypercare.kernel import Delivered, Permanent, Retry
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.memory import Standing
    from hypercare.channels.slack.config import SlackConfig
    from hypercare.kernel import Outcome

_LATER = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
GONE = ("Slack: message_not_found", "Slack: cant_update_message", "Slack: edit_window_closed")
"""The message was deleted, or cannot be changed any more."""


def request(config: SlackConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST to the webhook's address, or to Slack's API with the app's token.

    With a token the message of a group that was posted before is changed, where ``update_message`` asks for it or
    answers can come back.

    Raises:
        OSError: a secret's file cannot be read.
        TemplateError: the templated address cannot be rendered.
        NotSendableError: there is neither an address nor a token.
    """
    body = dict(payload)
    # A contact way names the channel at the time of sending; a notification has rendered it already.
    if config.channel and "channel" not in body:
        body["channel"] = config.channel
    url, token = _address(config, sending)
    if not url:
        raise NotSendableError("Slack needs api_url, api_url_file or app_token")
    url = sending.filled(url)
    if "reply" in payload:
        url, body = method_url(url, POST), reply(payload)
    elif is_api(url) and (sending.interactive or config.update_message):
        method, body = interactive.body(body, sending)
        url = method_url(url, method)
    return post(url, json_body(body), config.http_config, sending, timeout=config.timeout, token=token)


def _address(config: SlackConfig, sending: Sending) -> tuple[str, str]:
    """Address and token: the integration's own address, its own token, then those of ``global``."""
    shared = sending.defaults
    own = sending.secret(config.api_url, config.api_url_file)
    token = sending.secret(config.app_token, config.app_token_file)
    if token:
        return own or config.app_url or shared.slack_app_url, token
    if own:
        return own, ""
    token = sending.secret(shared.slack_app_token, shared.slack_app_token_file)
    if token:
        return config.app_url or shared.slack_app_url, token
    return sending.secret(shared.slack_api_url, shared.slack_api_url_file), ""


def classify(answer: Answer) -> Outcome:
    """By the HTTP status; the API also reports errors with status 200 (``{"ok": false, "error": …}``)."""
    outcome = classify_http(answer)
    if not isinstance(outcome, Delivered) or not isinstance(answer, HttpResponse):
        return outcome
    if "json" not in answer.headers.get("content-type", ""):
        text = answer.body.strip()
        # A webhook says "ok"; any other text is an error in spite of the status.
        return outcome if text in {b"ok", b""} else Permanent(f"Slack: {excerpt(text)}")
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return Retry(f"Slack: not JSON: {excerpt(answer.body)}")
    if not isinstance(said, dict):
        return outcome
    if said.get("ok", True):
        return _with_receipt(outcome, said)
    error = str(said.get("error", "unknown error"))
    return Retry(f"Slack: {error}") if error in _LATER else Permanent(f"Slack: {error}")


def _with_receipt(outcome: Delivered, said: Mapping[str, Any]) -> Delivered:
    receipt = tuple((name, str(said[name])) for name in ("channel", "ts") if said.get(name))
    return Delivered(outcome.detail, receipt) if len(receipt) == 2 else outcome


def ref(receipt: Mapping[str, str]) -> str:
    """The message as events name it: channel and time stamp."""
    return f"{receipt['channel']}/{receipt['ts']}"


def follow(content: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    """The same message; what people have done is added when it is sent."""
    del standing
    return dict(content)
