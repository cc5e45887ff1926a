"""Sending."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypercare.channels.base import (
    Answer,
    NotSendableError,
    Request,
    Sending,
    classify_http,
    excerpt,
    json_body,
    retry_after,
)
from hypercare.channels.http_client import post
from hypercare.channels.memory import ACKNOWLEDGED, RESOLVED
from hypercare.kernel import Delivered, Retry
from hypercare.ports import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.memory import Standing
    from hypercare.channels.pagerduty.config import PagerdutyConfig
    from hypercare.kernel import Outcome

V1_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
MAX_EVENT = 512_000
"""PagerDuty refuses larger events, in bytes."""


def request(config: PagerdutyConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST of the event with its key.

    Raises:
        OSError: a secret's file cannot be read.
        TemplateError: the templated key cannot be rendered.
        NotSendableError: there is no key.
    """
    v1 = config.is_v1
    secret = (
        sending.secret(config.service_key, config.service_key_file)
        if v1
        else sending.secret(config.routing_key, config.routing_key_file)
    )
    key = sending.filled(secret)
    if not key:
        raise NotSendableError("PagerDuty needs a routing_key or service_key")
    body = dict(payload)
    body["service_key" if v1 else "routing_key"] = key
    url = config.url or (V1_URL if v1 else sending.defaults.pagerduty_url)
    return post(url, _bounded(body, v1=v1), config.http_config, sending, timeout=config.timeout)


def _bounded(body: dict[str, Any], *, v1: bool) -> bytes:
    """The body; details that make it too large give way to a note."""
    found = json_body(body)
    if len(found) <= MAX_EVENT:
        return found
    note = {"error": f"the details were left out: the event had {len(found)} bytes, {MAX_EVENT} are allowed"}
    if v1:
        return json_body({**body, "details": note})
    # Only events with a payload can be so large.
    return json_body({**body, "payload": {**body["payload"], "custom_details": note}})


def classify(answer: Answer) -> Outcome:
    """By the HTTP status; the v1 API answers 403 when we were too quick."""
    if isinstance(answer, HttpResponse) and answer.status == 403:
        return Retry(f"HTTP 403: {excerpt(answer.body)}", retry_after(answer))
    outcome = classify_http(answer)
    if isinstance(outcome, Delivered) and isinstance(answer, HttpResponse):
        return Delivered(outcome.detail, _receipt(answer.body))
    return outcome


def _receipt(body: bytes) -> tuple[tuple[str, str], ...]:
    """The key by which PagerDuty knows the incident (``incident_key`` in the v1 API)."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    key = (said.get("dedup_key") or said.get("incident_key")) if isinstance(said, dict) else None
    return (("dedup_key", str(key)),) if key else ()


def ref(receipt: Mapping[str, str]) -> str:
    """The key by which PagerDuty's webhooks name the incident."""
    return receipt["dedup_key"]


def follow(content: Mapping[str, Any], standing: Standing) -> dict[str, Any] | None:
    """An acknowledge or resolve event; there is none that takes an acknowledgement back."""
    action = {ACKNOWLEDGED: "acknowledge", RESOLVED: "resolve"}.get(standing.status)
    if action is None:
        return None
    if "incident_key" in content:
        return {"incident_key": content["incident_key"], "event_type": action, "description": standing.text}
    return {"dedup_key": content["dedup_key"], "event_action": action}
