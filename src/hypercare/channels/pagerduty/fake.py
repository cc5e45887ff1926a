"""A pretended PagerDuty: Events API v2 and v1; and people who acknowledge and resolve there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hypercare.channels.fake import FakeService, Reply, Signed, json_of
from hypercare.channels.signatures import digest

if TYPE_CHECKING:
    from hypercare.model.time import Ms
    from hypercare.ports import HttpRequest

_SEVERITIES = {"critical", "error", "warning", "info"}
_STATUS = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
_EVENTS = {
    "acknowledged": "incident.acknowledged",
    "resolved": "incident.resolved",
    "triggered": "incident.unacknowledged",
}


class FakePagerduty(FakeService):
    """One account.

    Args:
        routing_keys: those that exist; none: any.
        webhook_secret: signs its webhooks.

    Attributes:
        incidents: status by ``dedup_key``.
        events: what was accepted, in order.

    """

    def __init__(self, *routing_keys: str, webhook_secret: str = "fake-webhook-secret") -> None:  # noqa: S107 - pretended
        super().__init__()
        self._keys = frozenset(routing_keys)
        self._secret = webhook_secret
        self._count = 0
        self.incidents: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    def receive(self, request: HttpRequest, now: Ms) -> Reply:
        """The Events API's answers."""
        del now
        event = json_of(request)
        if not isinstance(event, dict):
            return _invalid("Event object is invalid")
        v1 = urlsplit(request.url).path.endswith("create_event.json")
        problem = _problem_v1(event) if v1 else self._problem(event)
        if problem:
            return _invalid(problem)
        key = str(event.get("incident_key" if v1 else "dedup_key") or f"made-{len(self.events)}")
        self._take(key, str(event["event_type" if v1 else "event_action"]))
        self.events.append(event)
        named = {"incident_key" if v1 else "dedup_key": key}
        return Reply.of({"status": "success", "message": "Event processed", **named}, 200 if v1 else 202)

    def _take(self, key: str, action: str) -> None:
        known = self.incidents.get(key)
        if action == "trigger":
            # Another event for an incident under way changes nothing about it.
            self.incidents[key] = known if known in {"triggered", "acknowledged"} else "triggered"
        elif known is not None and known != "resolved":
            self.incidents[key] = _STATUS[action]

    def _problem(self, event: dict[str, Any]) -> str:
        if not event.get("routing_key") or (self._keys and event["routing_key"] not in self._keys):
            return "Invalid routing key"
        action = event.get("event_action")
        if action not in _STATUS:
            return "'event_action' is missing or invalid"
        if action != "trigger":
            return "" if event.get("dedup_key") else "'dedup_key' is missing or blank"
        payload = event.get("payload") or {}
        missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
        if missing:
            return f"'payload.{missing[0]}' is missing or blank"
        if payload["severity"] not in _SEVERITIES:
            return "'payload.severity' is invalid"
        return "" if len(payload["summary"]) <= 1024 else "'payload.summary' is too long"

    def act(self, key: str, status: str, user: str = "PABC", name: str = "Ada") -> Signed:
        """Somebody acknowledges, resolves or hands back an incident: the webhook that PagerDuty sends then."""
        self.incidents[key] = status
        self._count += 1
        event = {
            "id": f"event-{self._count}",
            "event_type": _EVENTS[status],
            "resource_type": "incident",
            "agent": {"id": user, "type": "user_reference", "summary": name},
            "data": {"id": f"PD-{key[:8]}", "type": "incident", "incident_key": key, "status": status},
        }
        body = json.dumps({"event": event}).encode()
        signatures = f"v1={'0' * 64},v1={digest(self._secret, body)}"
        return Signed(body, {"content-type": "application/json", "x-pagerduty-signature": signatures})


def _problem_v1(event: dict[str, Any]) -> str:
    if not event.get("service_key"):
        return "Service key is invalid"
    if event.get("event_type") not in _STATUS:
        return "Event type is invalid"
    return "" if event["event_type"] != "trigger" or event.get("description") else "Description is missing"


def _invalid(problem: str) -> Reply:
    return Reply.of({"status": "invalid event", "message": "Event object is invalid", "errors": [problem]}, 400)
