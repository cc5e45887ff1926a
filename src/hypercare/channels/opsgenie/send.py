"""Sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypercare.channels.base import Answer, NotSendableError, Request, Sending, classify_http, json_body
from hypercare.channels.http_client import post

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.channels.opsgenie.config import OpsgenieConfig
    from hypercare.kernel import Outcome


def request(config: OpsgenieConfig, payload: Mapping[str, Any], sending: Sending) -> Request:
    """A POST that creates or closes the alert, or a PUT that changes one of its texts.

    Raises:
        OSError: a secret's file cannot be read.
        TemplateError: the templated key cannot be rendered.
        NotSendableError: there is no key.
    """
    shared = sending.defaults
    key = sending.secret(config.api_key, config.api_key_file)
    key = sending.filled(key or sending.secret(shared.opsgenie_api_key, shared.opsgenie_api_key_file))
    if not key:
        raise NotSendableError("Opsgenie needs an api_key")
    base = f"{(config.api_url or shared.opsgenie_api_url).rstrip('/')}/v2/alerts"
    more = [("Authorization", f"GenieKey {key}")]
    if "close" in payload:
        url = f"{base}/{payload['alias']}/close?identifierType=alias"
        return post(url, json_body(payload["close"]), config.http_config, sending, more=more)
    if "change" in payload:
        url = f"{base}/{payload['alias']}/{payload['change']}?identifierType=alias"
        changed = {payload["change"]: payload["text"]}
        return post(url, json_body(changed), config.http_config, sending, more=more, method="PUT")
    body = dict(payload["create"])
    # A page names nobody: whom it is for stands in the contact way.
    if "responders" not in body and config.responders:
        named = [{n: v for n, v in r.model_dump().items() if v} for r in config.responders if "{{" not in str(r)]
        body |= {"responders": named} if named else {}
    return post(base, json_body(body), config.http_config, sending, more=more)


def classify(answer: Answer) -> Outcome:
    """By the HTTP status."""
    return classify_http(answer)
